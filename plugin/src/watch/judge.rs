//! How a pin is getting on, from what its objects say. Pure: objects in, one sentence out, and whether it is settled.

use release_shared::kinds::{Health, condition};
use release_shared::names;
use release_shared::object::{annotation, text};
use serde_json::Value;

use crate::reported::{health, is_observed, is_undeployed, outcome, revision, told};

/// Whether it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It may still become what it should.
    Waiting,
    /// It is what it should be.
    Done,
    /// It does not get better by waiting.
    Degraded,
    /// Somebody else changed it first.
    Superseded,
}

/// How a pin or a Release is getting on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// Whether it is settled.
    pub(crate) phase: Phase,
    /// In one sentence, without whose it is.
    pub(crate) message: String,
    /// Whether a controller has looked at it.
    pub(crate) heard: bool,
}

/// A change that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    uid: String,
    revision: Option<u64>,
    generation: i64,
}

impl Written {
    /// What a binding pins now.
    pub(crate) fn of(binding: &Value) -> Self {
        Self {
            uid: text(binding, "/metadata/uid").unwrap_or_default().to_owned(),
            revision: revision(binding),
            generation: generation(binding),
        }
    }

    fn name(&self) -> String {
        self.revision.map_or_else(|| "the change".to_owned(), |revision| format!("revision {revision}"))
    }
}

fn generation(object: &Value) -> i64 {
    object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default()
}

fn waiting(message: String, heard: bool) -> Judgement {
    Judgement { phase: Phase::Waiting, message, heard }
}

fn done(message: String) -> Judgement {
    Judgement { phase: Phase::Done, message, heard: true }
}

fn superseded(message: String) -> Judgement {
    Judgement { phase: Phase::Superseded, message, heard: true }
}

/// A change of a binding, by the binding and the Release that is rendered from it.
///
/// What the outcome of the revision says counts, also where a later one has ended it: that a change was healthy does not depend on
/// how fast somebody looked.
pub(crate) fn change(written: &Written, binding: Option<&Value>, release: Option<&Value>) -> Judgement {
    let name = written.name();
    let Some(binding) = binding.filter(|binding| text(binding, "/metadata/uid") == Some(&written.uid)) else {
        return superseded(format!("it was deleted before {name} was settled"));
    };
    let outcome = written.revision.and_then(|revision| outcome(binding, revision));
    let ended = outcome.and_then(|outcome| health(outcome, "/lastHealth"));
    if ended == Some(Health::Healthy) {
        return done(format!("{name} is Healthy"));
    }
    if let Some(by) = successor(written, binding) {
        return if ended == Some(Health::Suspended) {
            done(format!("{name} is Suspended"))
        } else {
            superseded(format!("{by} before {name} was settled"))
        };
    }
    if is_undeployed(binding) {
        return removal(&name, binding, release, outcome.is_some());
    }
    live(written, binding, release, outcome)
}

/// Who changed a binding after this, and how.
fn successor(written: &Written, binding: &Value) -> Option<String> {
    let now = revision(binding);
    let by = annotation(binding, names::CHANGED_BY).unwrap_or("somebody");
    match (written.revision, now) {
        (Some(mine), Some(now)) if now > mine => {
            let at = annotation(binding, names::CHANGED_AT).unwrap_or_default();
            Some(format!("{by} put revision {now} in its place at {at}"))
        }
        (None, Some(now)) => Some(format!("{by} put revision {now} in its place")),
        (None, None) if generation(binding) > written.generation => Some("somebody changed it".to_owned()),
        _ => None,
    }
}

/// A pin whose objects are to be removed.
fn removal(name: &str, binding: &Value, release: Option<&Value>, heard: bool) -> Judgement {
    let gone = told(binding, condition::READY, "False").is_some_and(|(reason, _)| reason == "ResourcesUndeployed");
    match release {
        None if gone && is_observed(binding) => done(format!("{name} is undeployed, its objects are gone")),
        None => waiting(format!("{name} waits for the controller"), heard || is_observed(binding)),
        Some(release) => {
            waiting(format!("{name} removes what is live: {}", leaving(release)), heard || is_observed(binding))
        }
    }
}

/// What of a Release is still there.
fn leaving(release: &Value) -> String {
    let count = release.pointer("/status/inventory").and_then(Value::as_array).map_or(0, Vec::len);
    let left = match count {
        0 => "the Release is still there".to_owned(),
        1 => "1 object may still be there".to_owned(),
        count => format!("{count} objects may still be there"),
    };
    match told(release, condition::FINALIZING, "True").or_else(|| told(release, condition::FINALIZING, "False")) {
        Some((_, message)) if !message.is_empty() => format!("{left} ({message})"),
        _ => left,
    }
}

/// A pin whose objects are to be live.
fn live(written: &Written, binding: &Value, release: Option<&Value>, outcome: Option<&Value>) -> Judgement {
    let name = written.name();
    let observed = is_observed(binding);
    let heard = if written.revision.is_some() { outcome.is_some() } else { observed };
    if !heard {
        return waiting(format!("{name} waits for a controller"), false);
    }
    let rendered = release.filter(|release| is_rendered_from(written, release));
    let unsynced = told(binding, condition::RELEASE_SYNCED, "False");
    // The binding's own health may still be that of the revision before, until the Release speaks of this one, or cannot.
    let current = observed && (rendered.is_some() || unsynced.is_some() || written.revision.is_none());
    let health = outcome
        .and_then(|outcome| health(outcome, "/lastHealth"))
        .or_else(|| current.then(|| health(binding, "/status/health"))?);
    let cause = outcome
        .and_then(|outcome| text(outcome, "/cause"))
        .or_else(|| current.then(|| text(binding, "/status/cause"))?)
        .map(str::to_owned)
        .or_else(|| unsynced.map(sentence))
        .or_else(|| rendered.and_then(|release| standing(release, health)));
    judged(&name, health, cause)
}

/// A health in words, and whether it is the last word.
fn judged(name: &str, health: Option<Health>, cause: Option<String>) -> Judgement {
    let phase = match health {
        Some(Health::Healthy | Health::Suspended) => Phase::Done,
        Some(Health::Degraded) => Phase::Degraded,
        Some(Health::Progressing | Health::Unknown) | None => Phase::Waiting,
    };
    let state = health.map_or_else(|| "on its way".to_owned(), |health| health.to_string());
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    Judgement { phase, message: format!("{name} is {state}{cause}"), heard: true }
}

/// Whether a Release's status speaks of a revision.
fn is_rendered_from(written: &Written, release: &Value) -> bool {
    let from = text(release, "/status/renderedFrom").and_then(|from| from.split_once('/'));
    from.is_some_and(|(uid, revision)| {
        uid == written.uid && written.revision.is_none_or(|written| revision.parse() == Ok(written))
    })
}

fn sentence((reason, message): (&str, &str)) -> String {
    if message.is_empty() { reason.to_owned() } else { message.to_owned() }
}

/// Why a Release is not healthy yet: what could not be applied, else how many of its objects are.
fn standing(release: &Value, release_health: Option<Health>) -> Option<String> {
    let cause = text(release, "/status/cause").map(str::to_owned);
    let cause = cause.or_else(|| told(release, condition::RESOURCES_APPLIED, "False").map(sentence));
    if cause.is_some() || release_health.is_some_and(|health| health <= Health::Suspended) {
        return cause;
    }
    let objects = release.pointer("/status/resources")?.as_array()?;
    let fine = objects
        .iter()
        .filter(|object| health(object, "/healthStatus").is_some_and(|health| health <= Health::Suspended));
    Some(format!("{} of {} objects are healthy", fine.count(), objects.len()))
}

/// A Release that somebody wrote by hand.
pub(crate) fn direct(release: Option<&Value>) -> Judgement {
    let Some(release) = release else { return done("it is gone".to_owned()) };
    let heard = is_observed(release);
    let name = revision(release).map_or_else(|| "it".to_owned(), |revision| format!("revision {revision}"));
    if text(release, "/metadata/deletionTimestamp").is_some() {
        return waiting(format!("it is being deleted: {}", leaving(release)), heard);
    }
    if !heard {
        return waiting(format!("{name} waits for a controller"), false);
    }
    let health = health(release, "/status/health");
    judged(&name, health, standing(release, health))
}

/// A pin that is being deleted, with the Release that is rendered from it.
pub(crate) fn deletion(binding: Option<&Value>, release: Option<&Value>) -> Judgement {
    match (binding, release) {
        (None, None) => done("it is gone".to_owned()),
        (_, Some(release)) => {
            waiting(format!("its live objects are being removed: {}", leaving(release)), is_observed(release))
        }
        (Some(_), None) => waiting("its pin is still there: a finalizer holds it".to_owned(), true),
    }
}

#[cfg(test)]
mod tests;
