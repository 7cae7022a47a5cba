//! How a binding stands → its next status: pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use release_shared::kinds::{Health, ReleaseBindingStatus, condition};
use release_shared::outcome::{Credit, anchor, outcomes};
use release_shared::status::{Blocked, MAX_CAUSE, cut, set_condition, set_recorded};

use crate::store::{Binding, Release};

/// How a binding stands.
#[derive(Debug)]
pub(super) enum Standing {
    /// Its Release is as it should be.
    Live(Arc<Release>),
    /// Something is missing or wrong; what was live before still is.
    Blocked(Blocked),
    /// The API server does not take its Release, and may take it later.
    Refused(Blocked),
    /// It has to wait.
    Waiting(String),
    /// Its live objects are being removed.
    Undeploying(String),
    /// They are gone.
    Undeployed,
}

/// How often a Release that the API server does not take is tried again.
const AGAIN: Duration = Duration::from_secs(10);

impl Standing {
    /// When to look again although nothing changes.
    pub(super) fn again(&self) -> Option<Duration> {
        matches!(self, Self::Refused(..)).then_some(AGAIN)
    }
}

/// The next status of a binding. `before` is its Release as it was before anything was done about it.
pub(super) fn next(
    binding: &Binding,
    before: Option<&Release>,
    standing: &Standing,
    now: Timestamp,
) -> ReleaseBindingStatus {
    let (health, cause, credited) = health(binding, standing);
    let cause = cause.map(|cause| cut(&cause, MAX_CAUSE));
    let revision = binding.trail.last().map(|record| record.revision);
    let credit = match revision.filter(|_| credited) {
        Some(revision) => Some(Credit { revision, health, cause: cause.clone() }),
        None => before.and_then(|release| earlier(binding, release)).filter(|credit| Some(credit.revision) < revision),
    };
    let mut status = ReleaseBindingStatus {
        observed_generation: binding.generation,
        outcomes: outcomes(&binding.status.outcomes, &binding.trail, credit.as_ref(), now),
        health: Some(health),
        cause,
        ..binding.status.clone()
    };
    let mut set = |kind, is, reason: &str, message: &str| {
        set_condition(&mut status.conditions, kind, is, reason, message, binding.generation, now);
    };
    let (is, reason, message) = synced(standing);
    set(condition::RELEASE_SYNCED, is, reason, &message);
    let (is, reason, message) = ready(standing, health, credited);
    set(condition::READY, is, &reason, &message);
    let records = binding.trail.last().is_some();
    set_recorded(&mut status.conditions, binding.recorded, records, binding.generation, now);
    match anchor(binding.status.record.as_ref(), &binding.trail) {
        Ok(record) => {
            status.record = record;
            if binding.status.conditions.iter().any(|condition| condition.type_ == condition::RECORD_TAMPERED) {
                set_tampered(&mut status, binding, false, "RecordsFollow", "", now);
            }
        }
        Err(message) => set_tampered(&mut status, binding, true, "HistoryRewritten", &message, now),
    }
    status
}

fn set_tampered(
    status: &mut ReleaseBindingStatus,
    binding: &Binding,
    is: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let kind = condition::RECORD_TAMPERED;
    set_condition(&mut status.conditions, kind, Some(is), reason, message, binding.generation, now);
}

/// The health of the current revision, why, and whether it is credited to that revision's record.
fn health(binding: &Binding, standing: &Standing) -> (Health, Option<String>, bool) {
    match standing {
        Standing::Live(release) if speaks_of(release, binding) => {
            (release.status.health.unwrap_or(Health::Unknown), release.status.cause.clone(), binding.recorded)
        }
        Standing::Live(_) => (Health::Progressing, Some("its objects are being applied".into()), false),
        Standing::Waiting(message) => (Health::Progressing, Some(message.clone()), false),
        Standing::Blocked(blocked) | Standing::Refused(blocked) => {
            (Health::Unknown, Some(blocked.message.clone()), false)
        }
        Standing::Undeploying(message) => {
            let cause = if message.is_empty() { "its objects are being removed".to_owned() } else { message.clone() };
            (Health::Progressing, Some(cause), false)
        }
        Standing::Undeployed => (Health::Suspended, None, binding.recorded),
    }
}

/// Whether a Release was applied and observed as it is rendered from the binding now.
fn speaks_of(release: &Release, binding: &Binding) -> bool {
    release.status.rendered_from.as_ref() == Some(&binding.rendered_from)
        && release.status.observed_generation == release.generation
}

/// What a Release says of the revision that it was rendered from when it was observed last.
fn earlier(binding: &Binding, release: &Release) -> Option<Credit> {
    let ours = release.binding_uid.as_ref() == Some(&binding.uid);
    let (uid, revision) = release.status.rendered_from.as_deref().filter(|_| ours)?.split_once('/')?;
    let revision = revision.parse().ok().filter(|_| uid == binding.uid)?;
    Some(Credit { revision, health: release.status.health?, cause: release.status.cause.clone() })
}

fn synced(standing: &Standing) -> (Option<bool>, &str, String) {
    match standing {
        Standing::Live(release) => {
            (Some(true), "ReleaseSynced", format!("rendered into Release {}", release.place.name))
        }
        Standing::Blocked(blocked) | Standing::Refused(blocked) => {
            (Some(false), blocked.reason, blocked.message.clone())
        }
        Standing::Waiting(message) => (Some(false), "ReleaseTerminating", message.clone()),
        Standing::Undeploying(message) => (Some(false), "ResourcesUndeploying", message.clone()),
        Standing::Undeployed => (Some(true), "ResourcesUndeployed", String::new()),
    }
}

fn ready(standing: &Standing, health: Health, credited: bool) -> (Option<bool>, String, String) {
    match standing {
        Standing::Live(release) if health != Health::Progressing || credited => {
            let ready = release.status.conditions.iter().find(|condition| condition.type_ == condition::READY);
            let said = |status: &str| match status {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            };
            ready.map_or((None, "ResourcesUnknown".to_owned(), String::new()), |ready| {
                (said(&ready.status), ready.reason.clone(), ready.message.clone())
            })
        }
        Standing::Live(_) => {
            (Some(false), "ResourcesProgressing".to_owned(), "its objects are being applied".to_owned())
        }
        Standing::Undeployed => (Some(false), "ResourcesUndeployed".to_owned(), "its objects are gone".to_owned()),
        other => {
            let (_, reason, message) = synced(other);
            (Some(false), reason.to_owned(), message)
        }
    }
}
