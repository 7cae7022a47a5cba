//! Writes the status of a Release: what matters at once, what only goes on with its numbers together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use release_shared::kinds::{Health, Kind, ReleaseStatus, condition};
use release_shared::outcome::anchor;
use release_shared::status::{set_condition, set_recorded};

use super::Memory;
use crate::control::Control;
use crate::events::Note;
use crate::queue::Task;
use crate::request::Later;
use crate::store::Release;

/// How close together statuses are written that differ in nothing but numbers and words, or only say that it goes on: most of what is
/// on its way has arrived by then.
const GATHER: Duration = Duration::from_millis(500);

/// Writes a status where it differs from the one that stands there.
///
/// # Errors
/// The API server could not be reached, or the Release was changed meanwhile.
pub(super) async fn publish(
    control: &Control,
    release: &Arc<Release>,
    next: ReleaseStatus,
    memory: &mut Memory,
) -> Result<(), Later> {
    if next == release.status {
        return Ok(());
    }
    let is_patient = next.health == Some(Health::Progressing) || essence(&next) == essence(&release.status);
    if is_patient && let Some(pause) = memory.written.and_then(|written| GATHER.checked_sub(written.elapsed())) {
        control.queue.add_after(Task::Release(release.place.clone()), pause);
        return Ok(());
    }
    let written = write(control, release, next, memory).await?;
    note(control, release, &written.status);
    Ok(())
}

/// Writes a status; the Release as it is then.
///
/// # Errors
/// The API server could not be reached, or the Release was changed meanwhile.
pub(super) async fn write(
    control: &Control,
    release: &Arc<Release>,
    status: ReleaseStatus,
    memory: &mut Memory,
) -> Result<Arc<Release>, Later> {
    let version = control.own.write_status(Kind::Release, &release.place, &release.resource_version, &status).await;
    let written = Release { resource_version: version?, status, ..Release::clone(release) };
    memory.written = Some(Instant::now());
    control.store.put_release(written.clone());
    control.queue.add(Task::Binding(release.place.clone()));
    Ok(Arc::new(written))
}

/// What of a status matters at once.
fn essence(status: &ReleaseStatus) -> impl PartialEq + use<'_> {
    let conditions: Vec<_> =
        status.conditions.iter().map(|condition| (&condition.type_, &condition.status, &condition.reason)).collect();
    (
        status.health,
        &status.rendered_from,
        status.observed_generation,
        &status.inventory,
        &status.record,
        conditions,
        status.resources.len(),
    )
}

/// Tells of a transition.
fn note(control: &Control, release: &Release, next: &ReleaseStatus) {
    let cause = next.cause.clone().unwrap_or_default();
    let has = |status: &ReleaseStatus, kind: &str, is: &str| {
        status.conditions.iter().any(|condition| condition.type_ == kind && condition.status == is)
    };
    let begins = |kind: &str, is: &str| has(next, kind, is) && !has(&release.status, kind, is);
    let message = |kind: &str| {
        let condition = next.conditions.iter().find(|condition| condition.type_ == kind);
        condition.map(|condition| condition.message.clone()).unwrap_or_default()
    };
    let mut notes = Vec::new();
    if next.health != release.status.health {
        match next.health {
            Some(Health::Degraded) => notes.push(Note::warning("Degraded", cause)),
            Some(Health::Healthy) => notes.push(Note::normal("Healthy", "all objects are as they should be".into())),
            _ => {}
        }
    }
    if begins(condition::RESOURCES_APPLIED, "False") {
        notes.push(Note::warning("ApplyFailed", message(condition::RESOURCES_APPLIED)));
    }
    if begins(condition::DRIFTED, "True") {
        notes.push(Note::warning("Drifted", message(condition::DRIFTED)));
    }
    if begins(condition::RECORD_TAMPERED, "True") {
        notes.push(Note::warning("RecordTampered", message(condition::RECORD_TAMPERED)));
    }
    if begins(condition::RECORDED, "False") {
        notes.push(Note::warning("NotRecorded", message(condition::RECORDED)));
    }
    control.events.tell(Kind::Release, &release.place, &release.uid, notes);
}

/// With the newest record of a direct Release; a history that goes back is told. The record of a rendered one is its binding's.
pub(super) fn with_record(mut status: ReleaseStatus, release: &Release, now: Timestamp) -> ReleaseStatus {
    if release.binding_uid.is_some() {
        return status;
    }
    let records = release.trail.last().is_some();
    set_recorded(&mut status.conditions, release.recorded, records, release.generation, now);
    let (is, reason, message) = match anchor(status.record.as_ref(), &release.trail) {
        Ok(record) => {
            status.record = record;
            (false, "RecordsFollow", String::new())
        }
        Err(message) => (true, "HistoryRewritten", message),
    };
    if is || status.conditions.iter().any(|condition| condition.type_ == condition::RECORD_TAMPERED) {
        let kind = condition::RECORD_TAMPERED;
        set_condition(&mut status.conditions, kind, Some(is), reason, &message, release.generation, now);
    }
    status
}
