//! What was observed of a Release → its next status. Times move only where something changed, so that an unchanged status is equal
//! to the one before and need not be written.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;

use crate::health::{self, Assessment};
use crate::kinds::{Health, ObjectRef, ReleaseStatus, ResourceStatus, condition};

/// What became of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The id of its resource.
    pub id: String,
    /// What and where it is.
    pub reference: ObjectRef,
    /// Why it could not be applied, in the API server's words.
    pub refused: Option<String>,
    /// How it is doing; `None` where it is not there.
    pub assessment: Option<Assessment>,
    /// Its live `.status`.
    pub status: Option<Value>,
}

/// Why nothing is applied for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// In CamelCase, such as `EnvironmentNotFound`.
    pub reason: &'static str,
    /// A whole sentence with the cure.
    pub message: String,
}

/// All that a status is made of.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// The generation that was acted upon.
    pub generation: Option<i64>,
    /// What the Release was rendered from when it was acted upon.
    pub rendered_from: Option<&'a str>,
    /// Why nothing is applied for now.
    pub blocked: Option<&'a Blocked>,
    /// Each object, in the order of the spec.
    pub objects: &'a [Observed],
    /// What may be live: old and new.
    pub inventory: Vec<ObjectRef>,
    /// What is not wanted any more and cannot be removed, each with why.
    pub left: &'a [String],
    /// What somebody else changed and was left at that; one sentence an object.
    pub drift: &'a [String],
    /// The clock.
    pub now: Timestamp,
}

/// The largest live `.status` that is repeated, in bytes of JSON.
const MAX_OBJECT_STATUS: usize = 32 * 1024;
/// The most of them together: with its spec (`validate::object::MAX_SIZE`) a release of many objects must fit into the cluster's store,
/// or no status could be written at all.
const MAX_STATUSES: usize = 128 * 1024;
/// The longest message of a condition. (The API's own limit, `metav1.Condition`, is 32 KiB.)
const MAX_MESSAGE: usize = 4 * 1024;

/// The longest cause. A binding keeps one for each of many revisions, and an API server's words may be a page.
pub const MAX_CAUSE: usize = 1024;

/// The status after everything was applied, as far as that is possible, and observed.
pub fn next(before: &ReleaseStatus, situation: &Situation<'_>) -> ReleaseStatus {
    let each: Vec<_> = situation.objects.iter().map(|object| one(object, situation.blocked)).collect();
    let whole = whole(situation, &each);
    let mut status = ReleaseStatus {
        observed_generation: situation.generation,
        rendered_from: situation.rendered_from.map(str::to_owned),
        health: Some(whole.health),
        cause: whole.cause.as_deref().map(|cause| cut(cause, MAX_CAUSE)),
        inventory: situation.inventory.clone(),
        record: before.record.clone(),
        resources: Vec::with_capacity(each.len()),
        conditions: before.conditions.clone(),
    };
    let mut room = MAX_STATUSES;
    for (object, assessment) in situation.objects.iter().zip(&each) {
        let repeated = object.status.clone().filter(|status| fits(status, &mut room));
        status.resources.push(resource(before, object, repeated, assessment, situation.now));
    }
    let set = |status: &mut ReleaseStatus, kind, is, reason: &str, message: &str| {
        set_condition(&mut status.conditions, kind, is, reason, message, situation.generation, situation.now);
    };
    if situation.blocked.is_none() {
        let (is, reason, message) = applied(situation.objects, situation.left);
        set(&mut status, condition::RESOURCES_APPLIED, is, reason, &message);
    }
    let (is, reason, message) = ready(situation, &whole);
    set(&mut status, condition::READY, is, reason, &message);
    if !situation.drift.is_empty() || has(before, condition::DRIFTED) {
        let (is, reason) = if situation.drift.is_empty() { (false, "AsApplied") } else { (true, "FieldsTaken") };
        set(&mut status, condition::DRIFTED, Some(is), reason, &situation.drift.join("; "));
    }
    status
}

/// What is said of a Release before the first of its objects is applied: what may exist from now on.
pub fn begun(
    before: &ReleaseStatus,
    inventory: Vec<ObjectRef>,
    generation: Option<i64>,
    now: Timestamp,
) -> ReleaseStatus {
    let mut status = ReleaseStatus { inventory, ..before.clone() };
    status.health.get_or_insert(Health::Progressing);
    set_condition(
        &mut status.conditions,
        condition::READY,
        Some(false),
        "ResourcesProgressing",
        "the objects are being applied",
        generation,
        now,
    );
    status
}

/// How a single object stands, whatever became of it.
fn one(object: &Observed, blocked: Option<&Blocked>) -> Assessment {
    let say = |health, cause: &str| Assessment { health, cause: Some(cause.to_owned()), recheck_at: None };
    match (&object.refused, &object.assessment, blocked) {
        (Some(refused), ..) => say(Health::Degraded, &format!("was not applied: {refused}")),
        (None, Some(assessment), _) => assessment.clone(),
        (None, None, Some(_)) => say(Health::Unknown, "was not applied"),
        (None, None, None) => say(Health::Progressing, "is not there yet"),
    }
}

fn whole(situation: &Situation<'_>, each: &[Assessment]) -> Assessment {
    let labels: Vec<_> = situation.objects.iter().map(|object| object.reference.to_string()).collect();
    let worst = health::worst(labels.iter().map(String::as_str).zip(each));
    match situation.blocked {
        Some(blocked) if worst.health != Health::Degraded => {
            Assessment { health: Health::Unknown, cause: Some(blocked.message.clone()), recheck_at: worst.recheck_at }
        }
        _ => worst,
    }
}

fn resource(
    before: &ReleaseStatus,
    object: &Observed,
    status: Option<Value>,
    assessment: &Assessment,
    now: Timestamp,
) -> ResourceStatus {
    let reference = &object.reference;
    let known = before.resources.iter().find(|known| {
        known.id == object.id && known.health_status == Some(assessment.health) && known.status == status
    });
    ResourceStatus {
        id: object.id.clone(),
        group: (!reference.group.is_empty()).then(|| reference.group.clone()),
        version: reference.version.clone(),
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        namespace: reference.namespace.clone(),
        status,
        health_status: Some(assessment.health),
        cause: assessment.cause.as_deref().map(|cause| cut(cause, MAX_CAUSE)),
        last_observed_time: known.and_then(|known| known.last_observed_time.clone()).or_else(|| Some(seconds(now))),
    }
}

/// Whether there is room for a status; it is taken then.
fn fits(status: &Value, room: &mut usize) -> bool {
    let size = status.to_string().len();
    let fits = size <= MAX_OBJECT_STATUS && size <= *room;
    if fits {
        *room -= size;
    }
    fits
}

fn applied(objects: &[Observed], left: &[String]) -> (Option<bool>, &'static str, String) {
    let refused: Vec<_> = objects
        .iter()
        .filter_map(|object| object.refused.as_ref().map(|refused| format!("{}: {refused}", object.reference)))
        .collect();
    if refused.is_empty() && !left.is_empty() {
        let message = format!("what is not wanted any more cannot be removed: {}", left.join("; "));
        return (Some(false), "PruneFailed", message);
    }
    if refused.is_empty() {
        return (Some(true), "ApplySucceeded", format!("{} objects are applied", objects.len()));
    }
    let message = format!("{} of {} objects were not applied: {}", refused.len(), objects.len(), refused.join("; "));
    (Some(false), "ApplyFailed", message)
}

fn ready(situation: &Situation<'_>, whole: &Assessment) -> (Option<bool>, &'static str, String) {
    let message = whole.cause.clone().unwrap_or_default();
    if let Some(blocked) = situation.blocked {
        return (Some(false), blocked.reason, blocked.message.clone());
    }
    if situation.objects.iter().any(|object| object.refused.is_some()) {
        return (Some(false), "ResourceApplyFailed", message);
    }
    match whole.health {
        Health::Healthy => (Some(true), "Ready", message),
        Health::Suspended => (Some(true), "ReadyWithSuspendedResources", message),
        Health::Progressing => (Some(false), "ResourcesProgressing", message),
        Health::Degraded => (Some(false), "ResourcesDegraded", message),
        Health::Unknown => (None, "ResourcesUnknown", message),
    }
}

fn has(status: &ReleaseStatus, kind: &str) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == kind)
}

/// Sets a condition; `is` is `None` for Unknown. The time of its transition moves only when that changes.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    kind: &str,
    is: Option<bool>,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    let status = match is {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let known = conditions.iter().position(|condition| condition.type_ == kind);
    let since = known.map(|at| &conditions[at]).filter(|known| known.status == status);
    let since = since.map(|known| known.last_transition_time.clone());
    let condition = Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: cut(message, MAX_MESSAGE),
        observed_generation: generation,
        last_transition_time: since.unwrap_or_else(|| Time(whole_seconds(now))),
    };
    match known {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

/// Says that an object has changed since its last record, or, where that was said, that it is as recorded again. `records` is whether
/// it has any.
pub fn set_recorded(
    conditions: &mut Vec<Condition>,
    recorded: bool,
    records: bool,
    generation: Option<i64>,
    now: Timestamp,
) {
    let known = conditions.iter().any(|condition| condition.type_ == condition::RECORDED);
    let (reason, message) = match (recorded, records) {
        (true, _) if !known => return,
        (true, _) => ("AsRecorded", ""),
        (false, true) => (
            "ChangedSince",
            "it has changed since its last record, and that is not recorded: the API server's audit log knows who did it",
        ),
        (false, false) => {
            ("NothingRecorded", "nothing is recorded of it: the API server's audit log knows who made it")
        }
    };
    set_condition(conditions, condition::RECORDED, Some(recorded), reason, message, generation, now);
}

/// A text of at most `most` bytes; what is cut off is marked.
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most.saturating_sub(3)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn seconds(time: Timestamp) -> String {
    whole_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn object(id: &str, health: Option<Health>) -> Observed {
        Observed {
            id: id.to_owned(),
            reference: ObjectRef {
                group: "apps".into(),
                version: "v1".into(),
                kind: "Deployment".into(),
                namespace: Some("shop".into()),
                name: id.to_owned(),
            },
            refused: None,
            assessment: health.map(|health| Assessment { health, cause: None, recheck_at: None }),
            status: Some(json!({"replicas": 1})),
        }
    }

    fn situation<'a>(objects: &'a [Observed], blocked: Option<&'a Blocked>) -> Situation<'a> {
        Situation {
            generation: Some(2),
            rendered_from: Some("u/3"),
            blocked,
            objects,
            inventory: Vec::new(),
            left: &[],
            drift: &[],
            now: NOW,
        }
    }

    fn ready_of(status: &ReleaseStatus) -> (&str, &str) {
        let ready = status.conditions.iter().find(|condition| condition.type_ == condition::READY).unwrap();
        (&ready.status, &ready.reason)
    }

    #[test]
    fn that_an_object_is_as_recorded_is_told_only_after_it_was_not() {
        let mut conditions = Vec::new();
        let mut told = |recorded, records| {
            set_recorded(&mut conditions, recorded, records, Some(2), NOW);
            conditions.first().map(|told| (told.status.clone(), told.reason.clone())).unwrap_or_default()
        };
        assert_eq!(told(true, true), Default::default());
        assert_eq!(told(false, true), ("False".into(), "ChangedSince".into()));
        assert_eq!(told(false, false), ("False".into(), "NothingRecorded".into()));
        assert_eq!(told(true, true), ("True".into(), "AsRecorded".into()));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn the_worst_object_speaks_for_the_release() {
        let table = [
            (vec![Some(Health::Healthy)], Health::Healthy, ("True", "Ready")),
            (
                vec![Some(Health::Healthy), Some(Health::Suspended)],
                Health::Suspended,
                ("True", "ReadyWithSuspendedResources"),
            ),
            (vec![Some(Health::Healthy), None], Health::Progressing, ("False", "ResourcesProgressing")),
            (vec![Some(Health::Degraded), None], Health::Degraded, ("False", "ResourcesDegraded")),
            (vec![Some(Health::Unknown)], Health::Unknown, ("Unknown", "ResourcesUnknown")),
        ];
        for (healths, health, ready) in table {
            let objects: Vec<_> = healths.into_iter().map(|health| object("web", health)).collect();
            let status = next(&ReleaseStatus::default(), &situation(&objects, None));
            assert_eq!((status.health, ready_of(&status)), (Some(health), ready));
            assert_eq!((status.observed_generation, status.rendered_from.as_deref()), (Some(2), Some("u/3")));
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let mut objects = [object("web", Some(Health::Healthy)), object("db", None)];
        objects[1].refused = Some("admission webhook denied it".into());
        let status = next(&ReleaseStatus::default(), &situation(&objects, None));
        assert_eq!(ready_of(&status), ("False", "ResourceApplyFailed"));
        assert_eq!(status.cause.as_deref(), Some("Deployment shop/db: was not applied: admission webhook denied it"));
        let applied = &status.conditions[0];
        assert_eq!(
            (applied.type_.as_str(), applied.message.as_str()),
            ("ResourcesApplied", "1 of 2 objects were not applied: Deployment shop/db: admission webhook denied it")
        );
    }

    #[test]
    fn what_cannot_be_removed_is_told_and_makes_nothing_unhealthy() {
        let objects = [object("web", Some(Health::Healthy))];
        let left = ["Service shop/old: forbidden".to_owned()];
        let status = next(&ReleaseStatus::default(), &Situation { left: &left, ..situation(&objects, None) });
        assert_eq!((status.health, ready_of(&status)), (Some(Health::Healthy), ("True", "Ready")));
        let applied = &status.conditions[0];
        assert_eq!(
            (applied.reason.as_str(), applied.message.as_str()),
            ("PruneFailed", "what is not wanted any more cannot be removed: Service shop/old: forbidden")
        );
    }

    #[test]
    fn what_is_blocked_is_never_healthy() {
        let blocked = Blocked { reason: "EnvironmentNotFound", message: "there is no Environment".into() };
        for (health, expected) in [
            (Some(Health::Healthy), Health::Unknown),
            (Some(Health::Degraded), Health::Degraded),
            (None, Health::Unknown),
        ] {
            let objects = [object("web", health)];
            let status = next(&ReleaseStatus::default(), &situation(&objects, Some(&blocked)));
            assert_eq!((status.health, ready_of(&status)), (Some(expected), ("False", "EnvironmentNotFound")));
        }
    }

    #[test]
    fn nothing_changes_while_nothing_happens() {
        let objects = [object("web", Some(Health::Healthy))];
        let first = next(&ReleaseStatus::default(), &situation(&objects, None));
        let later = Situation { now: NOW + SignedDuration::from_secs(60), ..situation(&objects, None) };
        assert_eq!(next(&first, &later), first);
        let mut changed = objects.clone();
        changed[0].status = Some(json!({"replicas": 2}));
        let status = next(&first, &Situation { objects: &changed, ..later });
        assert_eq!(status.resources[0].last_observed_time.as_deref(), Some("1970-01-01T00:01:00Z"));
        assert_eq!(status.conditions, first.conditions);
    }

    #[test]
    fn a_cause_is_never_a_page() {
        let mut objects = [object("web", None)];
        objects[0].refused = Some("x".repeat(100_000));
        let status = next(&ReleaseStatus::default(), &situation(&objects, None));
        assert!(status.cause.is_some_and(|cause| cause.len() <= MAX_CAUSE && cause.ends_with('…')));
        assert!(status.resources[0].cause.as_ref().is_some_and(|cause| cause.len() <= MAX_CAUSE));
    }

    #[test]
    fn live_statuses_leave_room_for_the_rest() {
        let objects: Vec<_> = (0..200)
            .map(|number| {
                let status = Some(json!({ "text": "x".repeat(if number == 0 { 40_000 } else { 2_000 }) }));
                Observed { status, ..object(&format!("o-{number}"), Some(Health::Healthy)) }
            })
            .collect();
        let resources = next(&ReleaseStatus::default(), &situation(&objects, None)).resources;
        let kept: Vec<_> = resources.iter().map(|resource| resource.status.is_some()).collect();
        assert_eq!(kept[..2], [false, true], "one alone is too large");
        let sizes =
            resources.iter().filter_map(|resource| resource.status.as_ref()).map(|status| status.to_string().len());
        assert!((100_000..=MAX_STATUSES).contains(&sizes.sum()));
        assert!(resources.iter().all(|resource| resource.health_status.is_some()));
    }

    #[test]
    fn drift_is_told_while_it_lasts() {
        let objects = [object("web", Some(Health::Healthy))];
        let drift = ["Deployment shop/web: spec.replicas belongs to kubectl-edit".to_owned()];
        let drifted = next(&ReleaseStatus::default(), &Situation { drift: &drift, ..situation(&objects, None) });
        let condition = |status: &ReleaseStatus| {
            status
                .conditions
                .iter()
                .find(|condition| condition.type_ == condition::DRIFTED)
                .map(|found| found.status.clone())
        };
        assert_eq!(condition(&drifted).as_deref(), Some("True"));
        assert_eq!(condition(&next(&drifted, &situation(&objects, None))).as_deref(), Some("False"));
        assert_eq!(condition(&next(&ReleaseStatus::default(), &situation(&objects, None))), None);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("äöü", 6), "äöü");
        assert_eq!(cut("äöüß", 7), "äö…");
    }
}
