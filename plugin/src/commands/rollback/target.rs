//! Which revision a pin goes back to. Pure: the binding in, a record out, or why there is none.

use release_shared::kinds::{Health, Kind};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{Dropped, Element, History, Record, content_hash, is_pinned_as, record_hash};
use serde_json::Value;

use crate::reported::{health, outcome};

/// A revision to go back to.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    /// Its record.
    pub(super) record: Record,
    /// Whether somebody asked for it, and did not leave it to how it went.
    asked: bool,
}

impl Target {
    /// What it is and why it was chosen.
    pub(super) fn describe(&self, component: &str) -> String {
        let why = if self.asked { "as asked" } else { "the last healthy one" };
        let Record { revision, by, at, .. } = &self.record;
        format!("revision {revision} ({}), {why}, which was pinned by {by} on {at}", pinned(component, &self.record))
    }
}

/// What a record pins, as people call it.
fn pinned(component: &str, record: &Record) -> String {
    let release = record.release.as_deref().unwrap_or("no release");
    record.version.as_ref().map_or_else(|| release.to_owned(), |version| format!("{component} {version}"))
}

/// A binding as far as it matters here.
struct Pin<'a> {
    binding: &'a Value,
    component: &'a str,
    environment: &'a str,
    history: History,
}

impl<'a> Pin<'a> {
    fn read(binding: &'a Value) -> Result<Self, Vec<String>> {
        let name = |pointer| text(binding, pointer).unwrap_or_default();
        let (component, environment) = (name("/spec/owner/componentName"), name("/spec/environment"));
        let history = annotation(binding, names::HISTORY).and_then(History::parse).unwrap_or_default();
        if history.0.is_empty() {
            return Err(vec![format!(
                "nothing is recorded of {component} in {environment}, so there is nothing to go back to: {}",
                cure(component, environment, "NAME")
            )]);
        }
        Ok(Self { binding, component, environment, history })
    }

    /// Whether a record is as the webhook wrote it, by its own hash and by the content that the controller saw.
    fn is_sound(&self, record: &Record) -> bool {
        let name = |pointer| text(self.binding, pointer).unwrap_or_default();
        let hash = record_hash(Kind::ReleaseBinding, name("/metadata/namespace"), name("/metadata/name"), record);
        let seen = outcome(self.binding, record.revision).and_then(|outcome| text(outcome, "/content"));
        record.hash.as_ref() == Some(&hash) && seen.is_none_or(|seen| seen == record.content)
    }

    fn unsound(&self, revision: u64) -> Vec<String> {
        vec![format!(
            "the record of revision {revision} is not the one that was made: look at `kubectl release history {} {} --verify`, then {}",
            self.component,
            self.environment,
            cure(self.component, self.environment, "NAME")
        )]
    }
}

fn cure(component: &str, environment: &str, release: &str) -> String {
    format!("pin a release with `kubectl release promote {component} --to {environment} --release {release}`")
}

/// The newest earlier revision that was healthy when it ended and is not what is pinned today. (DESIGN section 4)
///
/// # Errors
/// Why each revision is none, and what to do.
pub(super) fn last_healthy(binding: &Value) -> Result<Target, Vec<String>> {
    let pin = Pin::read(binding)?;
    let today = content_hash(Kind::ReleaseBinding, binding);
    let mut reasons = Vec::new();
    // The last element is what is pinned now.
    for element in pin.history.0.iter().rev().skip(1) {
        match element {
            Element::Record(record) => {
                let what = format!("revision {} ({})", record.revision, pinned(pin.component, record));
                if record.content == today || is_pinned_as(binding, record) {
                    reasons.push(format!("{what} is what is pinned today"));
                    continue;
                }
                match ended(binding, record.revision) {
                    Ok(()) if !pin.is_sound(record) => return Err(pin.unsound(record.revision)),
                    Ok(()) => return Ok(Target { record: record.clone(), asked: false }),
                    Err(why) => reasons.push(format!("{what}: {why}")),
                }
            }
            Element::Dropped(dropped) => {
                if let Some(lost) = lost(&pin, dropped, &today) {
                    return Err(vec![lost]);
                }
                reasons.push(format!("{}: no longer recorded", range(dropped)));
            }
        }
    }
    let unknown = binding.pointer("/status/outcomes").and_then(Value::as_array).is_none_or(Vec::is_empty);
    let why = if unknown {
        "no controller has reported how any revision went, so nobody knows which was healthy"
    } else {
        "no earlier revision was healthy when it ended and differs from today's"
    };
    let (component, environment) = (pin.component, pin.environment);
    let none = format!(
        "{component} in {environment}: {why}; choose one with --to-revision, or {}",
        cure(component, environment, "NAME")
    );
    Err(std::iter::once(none).chain(reasons).collect())
}

/// Whether a revision was healthy when the next took its place; why not, in words.
fn ended(binding: &Value, revision: u64) -> Result<(), String> {
    let Some(outcome) = outcome(binding, revision) else { return Err("nobody has reported its health".to_owned()) };
    let cause = text(outcome, "/cause").map(|cause| format!(" ({cause})")).unwrap_or_default();
    match health(outcome, "/lastHealth") {
        _ if outcome.get("endedBy").is_none() => Err("no controller has seen how it ended".to_owned()),
        Some(Health::Healthy) => Ok(()),
        Some(health) => Err(format!("it was {health} when it ended{cause}")),
        None => Err("it was never seen live".to_owned()),
    }
}

/// A healthy revision whose record is not there any more: its values are not known, and an older one is not what was meant.
fn lost(pin: &Pin<'_>, dropped: &Dropped, today: &str) -> Option<String> {
    let run = dropped.dropped;
    let healthy = |revision: &u64| ended(pin.binding, *revision).is_ok();
    let other =
        |revision: &u64| outcome(pin.binding, *revision).and_then(|outcome| text(outcome, "/content")) != Some(today);
    let revision = (run.from..=run.to).rev().find(|revision| healthy(revision) && other(revision))?;
    let release = outcome(pin.binding, revision).and_then(|outcome| text(outcome, "/release")).unwrap_or("NAME");
    Some(format!(
        "revision {revision} was the last healthy one, but its record was dropped from the history and its values are not known: choose \
         another with --to-revision, or {}",
        cure(pin.component, pin.environment, release)
    ))
}

fn range(dropped: &Dropped) -> String {
    let run = dropped.dropped;
    if run.from == run.to { format!("revision {}", run.from) } else { format!("revisions {} to {}", run.from, run.to) }
}

/// A revision that somebody asked for.
///
/// # Errors
/// Why it cannot be had, and what to do.
pub(super) fn asked(binding: &Value, revision: u64) -> Result<Target, Vec<String>> {
    let pin = Pin::read(binding)?;
    let covers = |element: &&Element| (element.range().from..=element.range().to).contains(&revision);
    match pin.history.0.iter().find(covers) {
        Some(Element::Record(record)) if !pin.is_sound(record) => Err(pin.unsound(revision)),
        Some(Element::Record(record)) if record.release.is_none() => {
            Err(vec![format!("revision {revision} pinned no release, so there is nothing to go back to")])
        }
        Some(Element::Record(record)) => Ok(Target { record: record.clone(), asked: true }),
        Some(Element::Dropped(dropped)) => Err(vec![format!(
            "{} are no longer recorded, so their values are not known: choose a later one, or {}",
            range(dropped),
            cure(pin.component, pin.environment, "NAME")
        )]),
        None => {
            let newest = pin.history.0.last().map_or(0, |element| element.range().to);
            Err(vec![format!(
                "{} in {} has no revision {revision}: its newest is {newest}; look at `kubectl release history {} {}`",
                pin.component, pin.environment, pin.component, pin.environment
            )])
        }
    }
}

#[cfg(test)]
mod tests;
