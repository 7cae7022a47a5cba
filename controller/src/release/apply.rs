//! Applies what has to be applied, in kind order and past what fails; removes what is not wanted any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use kube::core::ApiResource;
use release_shared::desired::{Desired, tier};
use release_shared::kinds::{Kind, ObjectRef};

use super::decide::{self, Attempt, Drift, Step};
use super::observe;
use super::plan::Plan;
use super::{Memory, revision};
use crate::control::Control;
use crate::events::Note;
use crate::live::{Identity, Live};
use crate::request::{Later, Refusal};
use crate::store::Release;

/// How many objects of one release are sent at once.
const AT_ONCE: usize = 8;

/// Applies what of a plan is not as it should be. What was refused is remembered; nothing is said of what could not be reached.
pub(super) async fn apply(control: &Control, release: &Release, plan: &Plan, memory: &mut Memory) -> Option<Later> {
    let mut wanted: Vec<_> = plan.known().collect();
    wanted.sort_by_key(|(desired, _)| tier(&desired.reference.group, &desired.reference.kind));
    memory.attempts.retain(|id, _| wanted.iter().any(|(desired, _)| desired.id == *id));
    let mut unreachable = None;
    for group in wanted.chunk_by(|(a, _), (b, _)| same_tier(&a.reference, &b.reference)) {
        let mut sends = Vec::new();
        for (desired, resource) in group {
            let live = control.live.get(&Identity::from(&desired.reference));
            if live.is_none() && observe::spent(control, release, desired, memory).is_some() {
                continue;
            }
            if live.is_some() {
                memory.ran(desired, release);
            }
            let step = memory.step(desired, live.as_deref(), plan.takes_back);
            if !matches!(step, Step::Nothing | Step::Wait) {
                sends.push(one(control, release, plan, Sending { desired, resource, live, step }));
            }
        }
        let mut results = stream::iter(sends).buffer_unordered(AT_ONCE);
        while let Some((sent, result)) = results.next().await {
            let desired = sent.desired;
            match attempt(control, &sent, result, memory.attempts.get(&desired.id)) {
                Ok(Some(attempt)) => {
                    tell(release, desired, &attempt);
                    if attempt.refused.is_none() {
                        memory.ran(desired, release);
                    }
                    memory.attempts.insert(desired.id.clone(), attempt);
                }
                Ok(None) => {}
                Err(later) => unreachable = Some(later),
            }
        }
        if unreachable.is_some() {
            break;
        }
    }
    unreachable
}

fn same_tier(a: &ObjectRef, b: &ObjectRef) -> bool {
    tier(&a.group, &a.kind) == tier(&b.group, &b.kind)
}

/// What is sent.
struct Sending<'a> {
    desired: &'a Desired,
    resource: &'a ApiResource,
    /// As it was when that was decided.
    live: Option<Arc<Live>>,
    step: Step,
}

/// Sends one object; its answer is an observation like any other.
async fn one<'a>(
    control: &Control,
    release: &Release,
    plan: &Plan,
    send: Sending<'a>,
) -> (Sending<'a>, Result<(), Refusal>) {
    let Sending { desired, resource, live, step } = &send;
    let at = &desired.reference;
    let result = if let Step::Replace { uid } = step {
        delete(control, plan, resource, at, uid).await.map(drop)
    } else {
        let object = decide::sent(desired, live.as_deref());
        let mut written = plan.plane.apply(resource, at, &object).await;
        if let Err(Refusal::Conflict(words)) = &written
            && decide::may_take_back(release, live.as_deref(), plan.takes_back)
        {
            let words = format!("{at} was not as it was applied and is again: {}", one_line(words));
            written = plan.plane.apply_by_force(resource, at, &object).await;
            if written.is_ok() {
                tracing::info!(namespace = release.place.namespace, name = release.place.name, object = %at, drift = words, "took back");
                control.events.tell(
                    Kind::Release,
                    &release.place,
                    &release.uid,
                    vec![Note::normal("TakenBack", words)],
                );
            }
        }
        if written == Err(Refusal::NotFound) {
            plan.plane.doubt(&at.api_version());
        }
        written.map(|written| {
            if let Some(live) = Live::read(written) {
                control.live.put(Identity::from(at), live);
            }
        })
    };
    (send, result)
}

/// Deletes an object; whether it was there. What the API server does not find is not there, whatever a watch that was interrupted has
/// not told.
async fn delete(
    control: &Control,
    plan: &Plan,
    resource: &ApiResource,
    at: &ObjectRef,
    uid: &str,
) -> Result<bool, Refusal> {
    let was_there = plan.plane.delete(resource, at, uid).await?;
    if was_there {
        control.live.goes(&Identity::from(at), uid);
    } else {
        control.live.remove(&Identity::from(at), uid);
    }
    Ok(was_there)
}

/// What is remembered of a try.
fn attempt(
    control: &Control,
    sent: &Sending<'_>,
    result: Result<(), Refusal>,
    before: Option<&Attempt>,
) -> Result<Option<Attempt>, Later> {
    let desired = sent.desired;
    let Step::Apply { lost } = &sent.step else {
        return match result {
            Ok(()) => Ok(None),
            Err(Refusal::Later(later)) => Err(later),
            Err(refusal) => Ok(Some(refused(desired, &refusal.to_string(), before))),
        };
    };
    let attempt = Attempt {
        hash: desired.hash.clone(),
        lost: Vec::new(),
        refused: None,
        drift: None,
        at: Instant::now(),
        failures: 0,
        repeats: Attempt::repeats_after(before, &desired.hash),
    };
    match result {
        Ok(()) => {
            let live = control.live.get(&Identity::from(&desired.reference));
            let lost = live.map(|live| decide::taken(desired, &live)).unwrap_or_default();
            Ok(Some(Attempt { lost, ..attempt }))
        }
        Err(Refusal::Conflict(words))
            if let Some(live) = sent.live.as_ref().filter(|live| live.is_applied(desired)) =>
        {
            let words = format!("{} is not as it was applied and is left so: {}", desired.reference, one_line(&words));
            let drift = Some(Drift { words, edition: live.edition });
            Ok(Some(Attempt { lost: lost.clone(), drift, ..attempt }))
        }
        Err(Refusal::Later(later)) => Err(later),
        // The namespace, or what serves the kind, has gone this very moment.
        Err(Refusal::NotFound) => {
            Err(Later { why: format!("{} has no place any more", desired.reference), wait: None })
        }
        Err(refusal) => Ok(Some(refused(desired, &words(desired, &refusal), before))),
    }
}

fn refused(desired: &Desired, why: &str, before: Option<&Attempt>) -> Attempt {
    let failures = before.filter(|before| before.hash == desired.hash).map_or(0, |before| before.failures);
    Attempt {
        hash: desired.hash.clone(),
        lost: Vec::new(),
        refused: Some(one_line(why)),
        drift: None,
        at: Instant::now(),
        failures: failures + 1,
        repeats: 0,
    }
}

/// What the API server says; of a Secret only that it refused, since it may quote what is in it.
fn words(desired: &Desired, refusal: &Refusal) -> String {
    match refusal {
        Refusal::Refused(_) if desired.reference.kind == "Secret" => {
            "the API server refused it; its words are left out, since they may quote the Secret".to_owned()
        }
        Refusal::Conflict(words) => format!("{words}; let the other manager give these fields up, or leave them out"),
        refusal => refusal.to_string(),
    }
}

/// The API server writes one conflict a line.
fn one_line(words: &str) -> String {
    words.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn tell(release: &Release, desired: &Desired, attempt: &Attempt) {
    let (namespace, name) = (&release.place.namespace, &release.place.name);
    let object = desired.reference.to_string();
    match (&attempt.refused, &attempt.drift) {
        (Some(refused), _) => tracing::warn!(namespace, name, object, refused, "an object was not applied"),
        (None, Some(drift)) => tracing::info!(namespace, name, object, drift = drift.words, "an object has drifted"),
        (None, None) => tracing::debug!(namespace, name, object, "applied"),
    }
}

/// Removes what was applied before and is not wanted any more; what of the inventory is gone. What cannot be removed is remembered.
///
/// # Errors
/// The API server could not be reached.
pub(super) async fn prune(
    control: &Control,
    release: &Release,
    plan: &Plan,
    memory: &mut Memory,
) -> Result<Vec<ObjectRef>, Later> {
    let unwanted: Vec<_> = release.status.inventory.iter().filter(|entry| !plan.wants(entry)).cloned().collect();
    let before = std::mem::take(&mut memory.left);
    let mut gone = Vec::new();
    for reference in unwanted {
        if let Some(why) = plan.why_unseen(&reference) {
            memory.left.push(Left { why: format!("cannot be seen: {why}"), reference, at: Instant::now() });
            continue;
        }
        let lately = before.iter().find(|left| left.reference == reference && left.at.elapsed() < AGAIN);
        if let Some(left) = lately {
            memory.left.push(left.clone());
            continue;
        }
        match remove(control, release, plan, &reference).await? {
            Removal::Gone => {
                control.claims.give_up(&Identity::from(&reference), release);
                gone.push(reference);
            }
            Removal::Under(_) => {}
            Removal::Refused(why) => memory.left.push(Left { reference, why, at: Instant::now() }),
        }
    }
    Ok(gone)
}

/// How soon it is tried again to remove what could not be removed.
const AGAIN: Duration = Duration::from_secs(30);

/// What is not wanted any more and could not be removed.
#[derive(Debug, Clone)]
pub(super) struct Left {
    reference: ObjectRef,
    why: String,
    at: Instant,
}

impl Left {
    /// How long until that is tried again.
    pub(super) fn retry_in(&self) -> Duration {
        AGAIN.saturating_sub(self.at.elapsed())
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reference, self.why)
    }
}

/// How far the removal of an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Removal {
    /// It is gone, or is not ours.
    Gone,
    /// It is being deleted; held by these finalizers.
    Under(Vec<String>),
    /// It cannot be deleted; in the server's words.
    Refused(String),
}

/// Removes an object that the inventory names, if it is still this Release's.
///
/// # Errors
/// The API server could not be reached.
pub(super) async fn remove(
    control: &Control,
    release: &Release,
    plan: &Plan,
    reference: &ObjectRef,
) -> Result<Removal, Later> {
    let Some(known) = plan.kinds.get(&(reference.api_version(), reference.kind.clone())) else {
        // The cluster does not serve the kind any more, and its objects went with it.
        return Ok(Removal::Gone);
    };
    let Some(live) = control.live.get(&Identity::from(reference)) else { return Ok(Removal::Gone) };
    if live.release_uid != release.uid {
        return Ok(Removal::Gone);
    }
    if let Some(held) = &live.deleting {
        return Ok(Removal::Under(held.clone()));
    }
    tracing::info!(namespace = release.place.namespace, name = release.place.name, object = %reference, "removes an object");
    match delete(control, plan, &known.resource, reference, &live.uid).await {
        Ok(true) => Ok(Removal::Under(Vec::new())),
        Ok(false) => Ok(Removal::Gone),
        Err(Refusal::Later(later)) => Err(later),
        Err(refusal) => Ok(Removal::Refused(one_line(&refusal.to_string()))),
    }
}

impl Memory {
    /// A Job is there, or was made, in the present revision.
    fn ran(&mut self, desired: &Desired, release: &Release) {
        if decide::is_job(desired) {
            self.jobs.insert(desired.id.clone(), revision(release));
        }
    }

    /// What to do with an object. One that was found to be right stays so until it or what is wanted changes.
    fn step(&mut self, desired: &Desired, live: Option<&Live>, takes_back: bool) -> Step {
        let seen = live.map(|live| (live.resource_version, desired.hash.clone()));
        // What was left to somebody else is not left any more where the Environment says so now.
        let left = self.attempts.get(&desired.id).is_some_and(|attempt| attempt.drift.is_some());
        if left && takes_back {
            self.attempts.remove(&desired.id);
            self.right.remove(&desired.id);
        }
        if seen.is_some() && self.right.get(&desired.id) == seen.as_ref() {
            return Step::Nothing;
        }
        let attempt = self.attempts.get(&desired.id);
        let step = decide::step(desired, live, attempt);
        match seen {
            Some(seen) if step == Step::Nothing && attempt.is_none_or(|attempt| attempt.refused.is_none()) => {
                self.right.insert(desired.id.clone(), seen);
            }
            _ => drop(self.right.remove(&desired.id)),
        }
        step
    }

    /// Whether an object was refused when it was sent last.
    pub(super) fn is_refused(&self) -> bool {
        self.attempts.values().any(|attempt| attempt.refused.is_some())
    }
}
