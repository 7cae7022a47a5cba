//! From a request to the annotations that the webhook alone writes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::action::action;
use super::chain::record_hash;
use super::content::{config, content_changed, content_hash};
use super::ring::{self, Bounds};
use super::said::said_faults;
use super::{History, Record};
use crate::kinds::Kind;
use crate::names;
use crate::object::{annotation, controlling_binding};
use crate::violation::{FieldPath, Violation};
use crate::world::World;

/// All annotations of an object together, in bytes: the API server's own limit (`TotalAnnotationSizeLimitB` in apimachinery).
pub const WEBHOOK_ANNOTATION_LIMIT: usize = 256 * 1024;
/// How far the clock of the replica that made a record may be from that of the one that checks it.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(40);

/// A change and who asked for it.
#[derive(Debug, Clone, Copy)]
pub struct StampRequest<'a> {
    /// The kind of the object.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The object as it would be, with its defaults.
    pub new: &'a Value,
    /// The object as it is; `None` on creation.
    pub old: Option<&'a Value>,
    /// Who asks, from the request.
    pub user: &'a str,
    /// The field manager of the request.
    pub manager: Option<&'a str>,
    /// Whether that user may name somebody else as the person behind a change.
    pub speaks_for_others: bool,
    /// Whether the change goes past a rule with permission.
    pub bypass: bool,
    /// Whether nothing will be persisted.
    pub dry_run: bool,
    /// The clock.
    pub now: Timestamp,
    /// How much the history keeps.
    pub bounds: Bounds,
    /// What the cluster holds; names and versions in a record come from here.
    pub world: Option<&'a World>,
}

/// The annotations of an object that the webhook alone writes, as they must be after a write. A key that is absent here is absent
/// there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Key → value.
    pub annotations: BTreeMap<&'static str, String>,
    /// The hash of the record that this write makes; `None` where it makes none.
    pub record: Option<String>,
    /// Worth telling who asked.
    pub warning: Option<String>,
}

/// The stamp of a write: that of the object's predecessor where recorded content stays, else that of a new record.
///
/// # Errors
/// A lost race ([`names::EXPECTED_REVISION`] is not the current revision), or no room for a record.
pub fn stamp(request: &StampRequest<'_>) -> Result<Stamp, Box<Violation>> {
    let Some((before, facts)) = draft(request)? else {
        return Ok(Stamp { annotations: request.old.map(stamped).unwrap_or_default(), ..Stamp::default() });
    };
    let (action, from) = action(request, &before.history);
    let mut record = Record {
        action,
        from,
        version: version(request),
        at: at(request, &before),
        bypass: request.bypass.then_some(true),
        ..facts
    };
    record.hash = Some(record_hash(request.kind, request.namespace, request.name, &record));
    let mut annotations = BTreeMap::from([
        (names::REVISION, record.revision.to_string()),
        (names::CHANGED_BY, record.by.clone()),
        (names::CHANGED_AT, record.at.clone()),
    ]);
    annotations.extend(record.version.clone().map(|version| (names::RELEASE_VERSION, version)));
    let hash = record.hash.clone();
    if keeps_history(request) {
        let room = room(request.new, &annotations);
        let history = ring::push(&before.history, record, before.healthy, request.bounds).to_text();
        if history.len() > room {
            return Err(Box::new(no_room(history.len(), room)));
        }
        annotations.insert(names::HISTORY, history);
    }
    Ok(Stamp { annotations, record: hash, warning: before.warning })
}

/// What the predecessor tells and the facts of the record that this write makes; `None` where it makes none.
fn draft(request: &StampRequest<'_>) -> Result<Option<(Before, Record)>, Box<Violation>> {
    if !content_changed(request.kind, request.new, request.old) {
        return Ok(None);
    }
    let before = Before::read(request.old);
    check_expected(request, &before)?;
    check_said(request)?;
    let facts = facts(request, &before);
    Ok(Some((before, facts)))
}

/// Checks that an object carries the stamp that its write should have: the facts are recomputed, the rest is what another replica
/// saw.
///
/// # Errors
/// Says what differs: something changed the object after it was stamped, or it was not stamped at all.
pub fn verify(request: &StampRequest<'_>) -> Result<Option<String>, Box<Violation>> {
    let found = stamped(request.new);
    let path = FieldPath::root("metadata").field("annotations");
    let refuse = |key: &str, what: &str| {
        let message =
            format!("{what}: the change was made after the release webhook had recorded it; let it be recorded again");
        Err(Box::new(Violation::fault(path.key(key), "StampMismatch", message)))
    };
    let Some((before, facts)) = draft(request)? else {
        let expected = request.old.map(stamped).unwrap_or_default();
        let differs = names::WEBHOOK_KEYS.into_iter().find(|key| found.get(key) != expected.get(key));
        return differs.map_or(Ok(None), |key| refuse(key, "is not what it was, and nothing that is recorded changed"));
    };
    for (key, expected) in [(names::REVISION, facts.revision.to_string()), (names::CHANGED_BY, facts.by.clone())] {
        if found.get(key) != Some(&expected) {
            return refuse(key, "is not the stamp of this change");
        }
    }
    let at = found.get(names::CHANGED_AT).map(String::as_str).unwrap_or_default();
    if !is_plausible(at, &before, request.now) {
        return refuse(names::CHANGED_AT, "is not the time of this change");
    }
    if !keeps_history(request) {
        return Ok(stamp(request)?.record);
    }
    let written = found.get(names::HISTORY).map_or(0, String::len);
    let stamps =
        found.iter().filter(|(key, _)| **key != names::HISTORY).map(|(key, value)| (*key, value.clone())).collect();
    let room = room(request.new, &stamps);
    if written > room {
        return Err(Box::new(no_room(written, room)));
    }
    verify_history(request, &found, &before, &facts)
        .map_or_else(|| refuse(names::HISTORY, "does not end in the record of this change"), |hash| Ok(Some(hash)))
}

/// The hash of the last record, where the history is the earlier one with this write's record behind it.
fn verify_history(
    request: &StampRequest<'_>,
    found: &BTreeMap<&'static str, String>,
    before: &Before,
    facts: &Record,
) -> Option<String> {
    let history = History::parse(found.get(names::HISTORY)?)?;
    let (last, rest) = history.0.split_last()?;
    let last = last.record()?;
    let stands = last.has_facts_of(facts)
        && last.hash.as_deref() == Some(&record_hash(request.kind, request.namespace, request.name, last))
        && found.get(names::CHANGED_AT) == Some(&last.at)
        && found.get(names::RELEASE_VERSION) == last.version.as_ref()
        && ring::is_compaction(&before.history.0, rest);
    if stands { last.hash.clone() } else { None }
}

/// What the webhook had written into an object.
fn stamped(object: &Value) -> BTreeMap<&'static str, String> {
    names::WEBHOOK_KEYS.into_iter().filter_map(|key| Some((key, annotation(object, key)?.to_owned()))).collect()
}

/// The history of a Release that is rendered from a binding is the binding's. One that is there already is never given up.
fn keeps_history(request: &StampRequest<'_>) -> bool {
    let rendered = request.kind == Kind::Release && controlling_binding(request.new).is_some();
    let recorded = request.old.is_some_and(|old| annotation(old, names::HISTORY).is_some());
    request.kind.has_history() && (!rendered || recorded)
}

/// What the object's predecessor tells.
struct Before {
    history: History,
    revision: u64,
    by: String,
    at: String,
    prev: Option<String>,
    healthy: Option<u64>,
    warning: Option<String>,
}

impl Before {
    fn read(old: Option<&Value>) -> Self {
        let said = |key| old.and_then(|old| annotation(old, key));
        let (history, warning) = match said(names::HISTORY).map(History::parse) {
            None => (History::default(), None),
            Some(Some(history)) if history.0.is_empty() || history.last().is_some() => (history, None),
            Some(_) => {
                let warning = "the history of this object could not be read and begins anew with this change";
                (History::default(), Some(warning.to_owned()))
            }
        };
        let last = history.last();
        let counted = said(names::REVISION).and_then(|text| text.parse().ok());
        Self {
            revision: last.map(|last| last.revision).or(counted).unwrap_or(0),
            by: last
                .map(|last| last.by.clone())
                .or_else(|| said(names::CHANGED_BY).map(str::to_owned))
                .unwrap_or_default(),
            at: last
                .map(|last| last.at.clone())
                .or_else(|| said(names::CHANGED_AT).map(str::to_owned))
                .unwrap_or_default(),
            prev: last.and_then(|last| last.hash.clone()),
            healthy: old.and_then(last_healthy),
            history,
            warning,
        }
    }
}

/// [`crate::kinds::Health::Healthy`] as it stands in a status.
const HEALTHY: &str = "Healthy";

/// The newest revision whose outcome is healthy.
fn last_healthy(object: &Value) -> Option<u64> {
    let outcomes = object.pointer("/status/outcomes")?.as_array()?;
    let healthy = outcomes
        .iter()
        .filter(|outcome| outcome.get("lastHealth").is_some_and(|health| health.as_str() == Some(HEALTHY)));
    healthy.filter_map(|outcome| outcome.get("revision")?.as_u64()).max()
}

/// All of a record that follows from the request, the object and its predecessor alone.
fn facts(request: &StampRequest<'_>, before: &Before) -> Record {
    let binding = (request.kind == Kind::ReleaseBinding).then_some(request.new);
    let field = |name: &str| binding.and_then(|binding| binding.get("spec")?.get(name)?.as_str()).map(str::to_owned);
    Record {
        revision: before.revision + 1,
        action: super::Action::Update,
        release: field("releaseName"),
        version: None,
        from: None,
        state: field("state"),
        config: binding.and_then(config),
        content: content_hash(request.kind, request.new),
        by: request.user.to_owned(),
        on_behalf_of: said(request, names::ON_BEHALF_OF).filter(|_| request.speaks_for_others),
        manager: request.manager.filter(|manager| !manager.is_empty()).map(str::to_owned),
        at: String::new(),
        reason: said(request, names::REASON),
        link: said(request, names::LINK),
        bypass: None,
        dry_run: request.dry_run.then_some(true),
        prev: before.prev.clone(),
        hash: None,
        key: None,
        sig: None,
    }
}

/// What the client says of this change. A value that stood there before speaks of an earlier one, unless the plugin repeats it.
pub(super) fn said(request: &StampRequest<'_>, key: &str) -> Option<String> {
    let text = annotation(request.new, key).filter(|text| !text.is_empty())?;
    let old = request.old.and_then(|old| annotation(old, key));
    (old != Some(text) || request.manager == Some(names::PLUGIN_MANAGER)).then(|| text.to_owned())
}

/// What goes into a record is held against its rules whatever stood in the annotation before: it was inert until now.
fn check_said(request: &StampRequest<'_>) -> Result<(), Box<Violation>> {
    let faults = [names::REASON, names::LINK, names::ON_BEHALF_OF].into_iter().flat_map(|key| {
        let text = said(request, key);
        text.into_iter().flat_map(move |text| said_faults(key, &text))
    });
    faults.into_iter().next().map_or(Ok(()), |fault| Err(Box::new(fault)))
}

/// The human version of what a binding pins, or of a ComponentRelease itself.
fn version(request: &StampRequest<'_>) -> Option<String> {
    match request.kind {
        Kind::ComponentRelease => annotation(request.new, names::VERSION_ANNOTATION).map(str::to_owned),
        Kind::ReleaseBinding => {
            let release = request.new.get("spec")?.get("releaseName")?.as_str()?;
            request.world?.releases.get(release)?.version.clone()
        }
        _ => None,
    }
}

/// Time never runs backwards in one object, whatever a replica's clock says.
fn at(request: &StampRequest<'_>, before: &Before) -> String {
    let now = seconds(request.now);
    let last = before.at.parse::<Timestamp>().map(seconds).unwrap_or(now);
    now.max(last).to_string()
}

fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn is_plausible(at: &str, before: &Before, now: Timestamp) -> bool {
    let Ok(time) = at.parse::<Timestamp>() else { return false };
    at == before.at || time.duration_since(now).abs() <= CLOCK_TOLERANCE
}

/// The plugin says which revision it saw; somebody else may have been faster.
fn check_expected(request: &StampRequest<'_>, before: &Before) -> Result<(), Box<Violation>> {
    let node = FieldPath::root("metadata").field("annotations").key(names::EXPECTED_REVISION);
    let expected =
        annotation(request.new, names::EXPECTED_REVISION).filter(|_| request.manager == Some(names::PLUGIN_MANAGER));
    let Some(text) = expected else { return Ok(()) };
    let Ok(expected) = text.parse::<u64>() else {
        let message = format!("{text:?} is not the number of a revision");
        return Err(Box::new(Violation::fault(node, "InvalidRevision", message).with_value(text)));
    };
    if request.old.is_none() && expected > 0 {
        let message =
            format!("{} was at revision {expected} and has been deleted since: look again, then repeat", request.name);
        return Err(Box::new(Violation::conflict(node, "RevisionConflict", message).with_value(text)));
    }
    if request.old.is_none() || expected == before.revision {
        return Ok(());
    }
    let message = format!(
        "{} was first: revision {} of {} was made at {}, and this change is for revision {expected}; look at `kubectl release history`, \
         then repeat",
        if before.by.is_empty() { "somebody else" } else { &before.by },
        before.revision,
        request.name,
        before.at
    );
    Err(Box::new(Violation::conflict(node, "RevisionConflict", message).with_value(text)))
}

/// How many bytes of annotations a history may have beside the others.
fn room(object: &Value, stamps: &BTreeMap<&'static str, String>) -> usize {
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
    let others = annotations.filter(|(key, _)| !names::WEBHOOK_KEYS.contains(&key.as_str()));
    let others: usize = others.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    let stamps: usize = stamps.iter().map(|(key, value)| key.len() + value.len()).sum();
    WEBHOOK_ANNOTATION_LIMIT.saturating_sub(others + stamps + names::HISTORY.len())
}

fn no_room(size: usize, room: usize) -> Violation {
    let message = format!(
        "all annotations of an object together may have {WEBHOOK_ANNOTATION_LIMIT} bytes; the others leave {room} for the history, and it \
         needs {size}: remove or shorten annotations"
    );
    Violation::fault(FieldPath::root("metadata").field("annotations"), "AnnotationsTooLarge", message)
}

#[cfg(test)]
mod tests;
