//! A ReleaseBinding: `check → render → write → join → publish`. What it pins is rendered into a Release, and how that goes is joined to
//! its revisions.

mod render;
mod status;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use release_edge::follow::Place;
use release_shared::kinds::{Health, Kind, ReleaseBindingStatus, condition};

use self::status::Standing;
use crate::control::Control;
use crate::events::Note;
use crate::queue::Task;
use crate::request::{Later, Refusal};
use crate::store::{Binding, Release};

/// How close together statuses are written that differ in nothing but words, or only say that it goes on.
const GATHER: Duration = Duration::from_millis(500);

/// When the status of each binding was written last.
#[derive(Default)]
pub(crate) struct Written(Mutex<HashMap<Place, Instant>>);

impl Written {
    fn set(&self, place: &Place) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone(), Instant::now());
    }

    /// How long a status that can wait has to. The first one counts as written when it could have been.
    fn pause(&self, place: &Place) -> Option<Duration> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        GATHER.checked_sub(all.entry(place.clone()).or_insert_with(Instant::now).elapsed())
    }
}

/// Looks at a binding.
///
/// # Errors
/// The API server could not be reached, or somebody else was first: it is looked at again.
pub(crate) async fn look(control: &Control, place: &Place) -> Result<(), Later> {
    let Some(binding) = control.store.binding(place) else {
        control.written.0.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
        return Ok(());
    };
    if binding.deleting {
        // The garbage collector deletes the Release when the binding is gone, and so do we.
        return Ok(());
    }
    let release = control.store.release(place);
    let standing = if binding.undeploy {
        undeploy(control, &binding, release.as_deref()).await?
    } else {
        deploy(control, &binding, release.as_ref()).await?
    };
    publish(control, &binding, release.as_deref(), &standing).await
}

/// The Release goes, and with it all that it has made; binding and history stay.
async fn undeploy(control: &Control, binding: &Binding, release: Option<&Release>) -> Result<Standing, Later> {
    let Some(release) = release else { return Ok(Standing::Undeployed) };
    if release.binding_uid.as_ref() != Some(&binding.uid) {
        return Ok(Standing::Undeployed);
    }
    if !release.deleting {
        let deleted = control.own.delete(Kind::Release, &release.place, &release.uid, None).await;
        deleted?;
    }
    let finalizing = release.status.conditions.iter().find(|condition| condition.type_ == condition::FINALIZING);
    Ok(Standing::Undeploying(finalizing.map(|condition| condition.message.clone()).unwrap_or_default()))
}

async fn deploy(control: &Control, binding: &Binding, release: Option<&Arc<Release>>) -> Result<Standing, Later> {
    let rendered = match render::render(control, binding).await? {
        Ok(rendered) => rendered,
        Err(blocked) => return Ok(Standing::Blocked(blocked)),
    };
    if let Some(blocked) = release.and_then(|release| in_the_way(binding, release)) {
        return Ok(Standing::Blocked(blocked));
    }
    if let Some(release) = release.filter(|release| release.deleting) {
        return Ok(Standing::Waiting(format!("waits until the Release {} before it is gone", release.place.name)));
    }
    if release.is_some_and(|release| rendered.is_in(release, binding)) {
        return Ok(release.map_or(Standing::Waiting(String::new()), |release| Standing::Live(Arc::clone(release))));
    }
    match control.own.apply_release(&binding.place, &rendered.object(binding)).await {
        Ok(written) => {
            let Some(written) = Release::read(&binding.place, &written) else {
                return Err(Later { why: "the Release cannot be read".into(), wait: None });
            };
            tracing::info!(
                namespace = binding.place.namespace,
                name = binding.place.name,
                from = binding.rendered_from,
                "rendered a Release"
            );
            control.store.put_made_release(written.clone());
            control.queue.add(Task::Release(binding.place.clone()));
            Ok(Standing::Live(Arc::new(written)))
        }
        Err(Refusal::Refused(words) | Refusal::Conflict(words)) => {
            let message = format!("its Release cannot be written: {words}");
            let blocked = release_shared::status::Blocked { reason: "ReleaseUpdateFailed", message };
            Ok(Standing::Refused(blocked))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// A Release of the same name that is not ours is left alone.
fn in_the_way(binding: &Binding, release: &Release) -> Option<release_shared::status::Blocked> {
    let whose = match &release.binding_uid {
        Some(uid) if *uid == binding.uid => return None,
        // That of a binding of this name that was deleted: it is on its way out.
        Some(_) => return None,
        None => "was made by hand",
    };
    let message = format!("the Release {} {whose}: delete it, or rename it", release.place.name);
    Some(release_shared::status::Blocked { reason: "ReleaseOwnershipConflict", message })
}

async fn publish(
    control: &Control,
    binding: &Arc<Binding>,
    before: Option<&Release>,
    standing: &Standing,
) -> Result<(), Later> {
    let now = Timestamp::now();
    let next = status::next(binding, before, standing, now);
    if let Some(pause) = standing.again() {
        control.queue.add_after(Task::Binding(binding.place.clone()), pause);
    }
    if next == binding.status {
        return Ok(());
    }
    let is_patient = next.health == Some(Health::Progressing) || essence(&next) == essence(&binding.status);
    if is_patient && let Some(pause) = control.written.pause(&binding.place) {
        control.queue.add_after(Task::Binding(binding.place.clone()), pause);
        return Ok(());
    }
    let version =
        control.own.write_status(Kind::ReleaseBinding, &binding.place, &binding.resource_version, &next).await;
    let written = Binding { resource_version: version?, status: next, ..Binding::clone(binding) };
    note(control, binding, &written.status);
    control.written.set(&binding.place);
    control.store.put_binding(written);
    Ok(())
}

/// What of a status matters at once.
fn essence(status: &ReleaseBindingStatus) -> impl PartialEq + use<'_> {
    let conditions: Vec<_> =
        status.conditions.iter().map(|condition| (&condition.type_, &condition.status, &condition.reason)).collect();
    let outcomes: Vec<_> =
        status.outcomes.iter().map(|outcome| (outcome.revision, outcome.last_health, &outcome.ended_at)).collect();
    (status.observed_generation, status.health, &status.record, conditions, outcomes)
}

/// Tells of a transition.
fn note(control: &Control, binding: &Binding, next: &ReleaseBindingStatus) {
    let revision = next.outcomes.last().map_or(0, |outcome| outcome.revision);
    let pinned = binding.release.as_deref().unwrap_or("nothing");
    let mut notes = Vec::new();
    let told = |status: &ReleaseBindingStatus| {
        status.outcomes.last().and_then(|outcome| Some((outcome.revision, outcome.last_health?)))
    };
    if let Some((_, health)) = told(next).filter(|now| told(&binding.status) != Some(*now)) {
        control.metrics.outcome(health);
        let cause = next.cause.clone().unwrap_or_default();
        match health {
            Health::Healthy => {
                notes.push(Note::normal("Healthy", format!("revision {revision} ({pinned}) is healthy")))
            }
            Health::Degraded => {
                notes.push(Note::warning("Degraded", format!("revision {revision} ({pinned}): {cause}")))
            }
            _ => {}
        }
    }
    let condition = |status: &ReleaseBindingStatus, kind: &str| {
        status.conditions.iter().find(|condition| condition.type_ == kind).map(|condition| condition.status.clone())
    };
    for (kind, bad, reason) in [
        (condition::RELEASE_SYNCED, "False", "NotSynced"),
        (condition::RECORD_TAMPERED, "True", "RecordTampered"),
        (condition::RECORDED, "False", "NotRecorded"),
    ] {
        if condition(next, kind).as_deref() == Some(bad) && condition(&binding.status, kind).as_deref() != Some(bad) {
            let found = next.conditions.iter().find(|condition| condition.type_ == kind);
            // What somebody asked to go is not out of step.
            let found = found.filter(|found| found.reason != "ResourcesUndeploying");
            notes.extend(found.map(|found| Note::warning(reason, found.message.clone())));
        }
    }
    control.events.tell(Kind::ReleaseBinding, &binding.place, &binding.uid, notes);
}
