//! From a request to the annotations that the webhook alone writes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Record;
use super::action::action;
use super::chain::record_hash;
use super::content::{Contents, config};
use super::key::is_key_id;
use super::keys::{Signer, Whose, record_message};
use super::raw::{RawElement, RawHistory};
use super::ring::{Bounds, Pushed, Ring};
use super::room::{self, Room};
use super::run::Compaction;
use super::said::said_faults;
use super::verify::created;
use super::witness::{Prover, Witness, is_signed};
use crate::kinds::Kind;
use crate::names;
use crate::object::{annotation, controlling_binding};
use crate::violation::{FieldPath, Violation};
use crate::world::World;

/// How far the clock of the replica that made a record may be from that of the one that checks it.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(40);
/// How many keys that are not known one write may bring; an honest one brings one, mostly.
const UNKNOWN_KEYS: usize = 8;

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
    /// What is recorded of `new` and `old`, where they are in outline.
    pub contents: Option<Contents<'a>>,
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
    /// Who signs what is recorded; `None` leaves it unsigned.
    pub signer: Option<&'a Signer>,
    /// What the cluster holds; names and versions in a record come from here.
    pub world: Option<&'a World>,
}

impl<'a> StampRequest<'a> {
    fn whose(&self) -> Whose<'a> {
        Whose { kind: self.kind, namespace: self.namespace, name: self.name }
    }
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
        let annotations = request.old.map(stamped).unwrap_or_default();
        room::check(request.new, &annotations)?;
        return Ok(Stamp { annotations, ..Stamp::default() });
    };
    let (action, from) = action(request, &before.history, &facts.content);
    let bypass = request.bypass.then_some(true);
    let mut record = Record { action, from, version: version(request), at: at(request, &before), bypass, ..facts };
    let hash = record_hash(request.kind, request.namespace, request.name, &record);
    let mut stamp = Stamp {
        annotations: BTreeMap::from([
            (names::REVISION, record.revision.to_string()),
            (names::CHANGED_BY, record.by.clone()),
            (names::CHANGED_AT, record.at.clone()),
        ]),
        record: Some(hash.clone()),
        warning: before.warning.clone(),
    };
    stamp.annotations.extend(record.version.clone().map(|version| (names::RELEASE_VERSION, version)));
    if keeps_history(request) {
        if let Some(sealed) = request.signer.map(|signer| signer.sign(&record_message(&hash))) {
            (record.key, record.sig) = (Some(sealed.key), Some(sealed.sig));
        }
        record.hash = Some(hash);
        let room = Room::beside(request.new, &stamp.annotations);
        let pushed = push(request, &before, &record, &room);
        if pushed.text.len() > room.bytes {
            return Err(Box::new(room.too_small(pushed.text.len())));
        }
        stamp.warning = stamp.warning.or_else(|| room.tells_of(&pushed, request.bounds));
        stamp.annotations.insert(names::HISTORY, pushed.text);
    } else {
        room::check(request.new, &stamp.annotations)?;
    }
    Ok(stamp)
}

/// The history with a new record behind it, within its bounds and beside the other annotations.
fn push(request: &StampRequest<'_>, before: &Before<'_>, record: &Record, room: &Room) -> Pushed {
    let bounds = Bounds { bytes: request.bounds.bytes.min(room.bytes), ..request.bounds };
    let (signer, dry_run) = (request.signer, request.dry_run);
    let created = request.old.and_then(created);
    let witness = Witness::new(request.whose(), &before.history.elements, Prover::of(signer), created);
    let ring = Ring { witness, bounds, healthy: before.healthy, signer, dry_run };
    let record = serde_json::to_string(record).unwrap_or_else(|error| unreachable!("a record is always JSON: {error}"));
    ring.push(&record)
}

/// The revision that a change of recorded content makes of an object.
pub fn next_revision(old: Option<&Value>) -> u64 {
    Before::read(old).revision.saturating_add(1)
}

/// What the predecessor tells and the facts of the record that this write makes; `None` where it makes none.
fn draft<'a>(request: &StampRequest<'a>) -> Result<Option<(Before<'a>, Record)>, Box<Violation>> {
    if !Contents::changed(request.contents, request.kind, request.new, request.old) {
        return Ok(None);
    }
    let before = Before::read(request.old);
    check_expected(request, &before)?;
    check_said(request)?;
    let facts = facts(request, &before, Contents::hash(request.contents, request.kind, request.new));
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
    if let Some(key) = stray(request, &found) {
        return refuse(key, "is not the stamp of this change");
    }
    let at = found.get(names::CHANGED_AT).map(String::as_str).unwrap_or_default();
    if !is_plausible(at, &before, request.now) {
        return refuse(names::CHANGED_AT, "is not the time of this change");
    }
    if !keeps_history(request) {
        return Ok(stamp(request)?.record);
    }
    room::check(request.new, &found)?;
    verify_history(request, &found, &before, &facts).map(Some).or_else(|what| refuse(names::HISTORY, what))
}

/// Of an object without a history, what no record speaks for: one that is there, or another version than its own.
fn stray(request: &StampRequest<'_>, found: &BTreeMap<&'static str, String>) -> Option<&'static str> {
    let expected = [(names::RELEASE_VERSION, version(request)), (names::HISTORY, None)];
    let differs = expected.into_iter().find(|(key, expected)| found.get(key) != expected.as_ref());
    differs.filter(|_| !keeps_history(request)).map(|(key, _)| key)
}

/// The hash of the last record, where the history is the earlier one with this write's record behind it.
fn verify_history(
    request: &StampRequest<'_>,
    found: &BTreeMap<&'static str, String>,
    before: &Before<'_>,
    facts: &Record,
) -> Result<String, &'static str> {
    let (whose, signer) = (request.whose(), request.signer);
    let history = found.get(names::HISTORY).and_then(|text| RawHistory::parse(text)).unwrap_or_default();
    let end = history.elements.split_last().and_then(|(last, rest)| Some((last, last.record()?, rest)));
    let (element, last, rest) = end.ok_or("does not end in the record of this change")?;
    let stands = last.has_facts_of(facts)
        && last.hash.as_deref() == Some(&record_hash(request.kind, request.namespace, request.name, &last))
        && found.get(names::CHANGED_AT) == Some(&last.at)
        && found.get(names::RELEASE_VERSION) == last.version.as_ref()
        && Compaction { whose, signer, dry_run: request.dry_run }.is_one(&before.history.elements, rest);
    if !stands {
        return Err("does not end in the record of this change");
    }
    if signer.is_some_and(|signer| !is_signed(element, whose, signer)) {
        return Err("ends in a record that is not signed by the release webhook");
    }
    last.hash.ok_or("does not end in the record of this change")
}

/// The keys that are not known here, of those that what a write adds to a history is signed with, the newest few: another replica may know
/// more.
pub fn unknown_keys(new: &Value, old: Option<&Value>, signer: &Signer) -> BTreeSet<String> {
    let written = |object| annotation(object, names::HISTORY);
    let Some(text) = written(new).filter(|text| Some(*text) != old.and_then(written)) else { return BTreeSet::new() };
    let elements = RawHistory::parse(text).unwrap_or_default().elements;
    let last = elements.len().saturating_sub(1);
    let added = elements.iter().enumerate().rev().filter(|(at, element)| *at == last || !element.is_record);
    let mut keys = BTreeSet::new();
    for sealed in added.filter_map(|(_, element)| element.sealed()).filter(|sealed| is_unknown(&sealed.key, signer)) {
        keys.insert(sealed.key);
        if keys.len() == UNKNOWN_KEYS {
            break;
        }
    }
    keys
}

/// The key that the newest record of an object is signed with, where it is not known here: what another replica signed with it would be
/// dropped as unproved.
pub fn followed_unknown_key(old: Option<&Value>, signer: &Signer) -> Option<String> {
    let history = annotation(old?, names::HISTORY)?;
    let (id, _) = history.rsplit_once(r#""key":""#)?.1.split_once('"')?;
    is_unknown(id, signer).then(|| id.to_owned())
}

/// Whether there may be a key of this id that is not known here.
fn is_unknown(id: &str, signer: &Signer) -> bool {
    is_key_id(id) && !signer.knows(id)
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
struct Before<'a> {
    history: RawHistory<'a>,
    revision: u64,
    by: String,
    at: String,
    prev: Option<String>,
    healthy: Option<u64>,
    warning: Option<String>,
}

impl<'a> Before<'a> {
    fn read(old: Option<&'a Value>) -> Self {
        let said = |key| old.and_then(|old| annotation(old, key));
        let history = said(names::HISTORY).map(RawHistory::parse);
        let (history, warning) = match history {
            None => (RawHistory::default(), None),
            Some(Some(history)) => (history, None),
            Some(None) => {
                let warning = "the history of this object could not be read and begins anew with this change";
                (RawHistory::default(), Some(warning.to_owned()))
            }
        };
        // Somebody may have written into it. What follows on the highest revision is the newest for every reader, and takes the blame for
        // nothing.
        let newest = history.newest();
        let last = newest.and_then(RawElement::record);
        let counted = said(names::REVISION).and_then(|text| text.parse().ok());
        let stamped = |key| said(key).map(str::to_owned).unwrap_or_default();
        Self {
            revision: newest.map(|newest| newest.range.to).or(counted).unwrap_or(0),
            by: last.as_ref().map_or_else(|| stamped(names::CHANGED_BY), |last| last.by.clone()),
            at: last.map_or_else(|| stamped(names::CHANGED_AT), |last| last.at),
            prev: newest.and_then(RawElement::hash).map(Cow::into_owned),
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
fn facts(request: &StampRequest<'_>, before: &Before<'_>, content: String) -> Record {
    let binding = (request.kind == Kind::ReleaseBinding).then_some(request.new);
    let field = |name: &str| binding.and_then(|binding| binding.get("spec")?.get(name)?.as_str()).map(str::to_owned);
    Record {
        revision: before.revision.saturating_add(1),
        action: super::Action::Update,
        release: field("releaseName"),
        version: None,
        from: None,
        state: field("state"),
        config: binding.and_then(config),
        content,
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

/// What the client says of this change.
pub(super) fn said(request: &StampRequest<'_>, key: &str) -> Option<String> {
    super::said::said(key, request.new, request.old, request.manager).map(str::to_owned)
}

/// What goes into a record is held against its rules whatever stood in the annotation before: it was inert until now.
fn check_said(request: &StampRequest<'_>) -> Result<(), Box<Violation>> {
    let counts = |key: &&str| *key != names::ON_BEHALF_OF || request.speaks_for_others;
    let faults = [names::REASON, names::LINK, names::ON_BEHALF_OF].into_iter().filter(counts).flat_map(|key| {
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
fn at(request: &StampRequest<'_>, before: &Before<'_>) -> String {
    let now = seconds(request.now);
    let last = not_before(&before.at).unwrap_or(now);
    now.max(last).to_string()
}

fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The first whole second that is not before the last record, in whichever form its time stands there.
fn not_before(at: &str) -> Option<Timestamp> {
    let last: Timestamp = at.parse().ok()?;
    let whole = seconds(last);
    if whole >= last { Some(whole) } else { Timestamp::from_second(whole.as_second() + 1).ok() }
}

fn is_plausible(at: &str, before: &Before<'_>, now: Timestamp) -> bool {
    let Ok(time) = at.parse::<Timestamp>() else { return false };
    let last = not_before(&before.at);
    let is_later = last.is_none_or(|last| time >= last);
    last == Some(time) || is_later && time.duration_since(now).abs() <= CLOCK_TOLERANCE
}

/// The plugin says which revision it saw; somebody else may have been faster.
fn check_expected(request: &StampRequest<'_>, before: &Before<'_>) -> Result<(), Box<Violation>> {
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

#[cfg(test)]
mod tests;
