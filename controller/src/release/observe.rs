//! How each object is doing, from what the watches have told.

use jiff::Timestamp;
use release_shared::desired::Desired;
use release_shared::health::{self, Around, Assessment};
use release_shared::kinds::Health;
use release_shared::status::Observed;
use serde_json::{Value, json};

use super::Memory;
use super::decide::{Attempt, has_finished, is_job};
use super::plan::{Plan, Planned};
use crate::control::Control;
use crate::live::{Identity, Live};
use crate::store::Release;

/// What was seen.
pub(super) struct Seen {
    /// Each object, in the order of the spec.
    pub(super) objects: Vec<Observed>,
    /// What somebody else changed and was left at that.
    pub(super) drift: Vec<String>,
    /// When to look again although nothing changes.
    pub(super) recheck_at: Option<Timestamp>,
    /// Whether everything is as it should be.
    pub(super) is_settled: bool,
}

/// Observes the objects of a plan.
pub(super) fn observe(control: &Control, release: &Release, plan: &Plan, memory: &Memory, now: Timestamp) -> Seen {
    let objects: Vec<_> = plan.objects.iter().map(|planned| one(control, release, planned, memory, now)).collect();
    let good = |assessment: &Assessment| matches!(assessment.health, Health::Healthy | Health::Suspended);
    let settled = |object: &Observed| object.refused.is_none() && object.assessment.as_ref().is_some_and(good);
    Seen {
        drift: plan
            .objects
            .iter()
            .filter_map(|planned| Some(tried(planned, memory)?.drift.as_ref()?.words.clone()))
            .collect(),
        recheck_at: objects.iter().filter_map(|object| object.assessment.as_ref()?.recheck_at).min(),
        is_settled: plan.blocked.is_none() && objects.iter().all(settled),
        objects,
    }
}

fn one(control: &Control, release: &Release, planned: &Planned, memory: &Memory, now: Timestamp) -> Observed {
    let live = control.live.get(&planned.identity()).filter(|live| live.release_uid == release.uid);
    let attempt = tried(planned, memory);
    let refused = match planned {
        Planned::Refused { why, .. } => Some(why.clone()),
        Planned::Known { .. } => attempt.and_then(|attempt| attempt.refused.clone()),
    };
    let status = live.as_ref().and_then(|live| published(live, planned));
    let assessment = live.as_ref().map(|live| assess(control, live, planned, attempt.is_some(), now));
    let (assessment, status) = match (assessment, planned) {
        (None, Planned::Known { desired, .. }) => {
            let status = spent(control, release, desired, memory);
            (status.as_ref().map(|status| as_it_ended(desired, status, now)), status)
        }
        (found, _) => (found, status),
    };
    Observed { id: planned.id().to_owned(), reference: planned.reference().clone(), refused, assessment, status }
}

/// What was tried last with an object as it is meant to be.
fn tried<'a>(planned: &Planned, memory: &'a Memory) -> Option<&'a Attempt> {
    let Planned::Known { desired, .. } = planned else { return None };
    memory.attempts.get(&desired.id).filter(|attempt| attempt.hash == desired.hash)
}

fn as_it_ended(desired: &Desired, status: &Value, now: Timestamp) -> Assessment {
    let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "spec": desired.object.get("spec"), "status": status });
    health::assess(&job, &Around { pods: &[], events: &[], now })
}

/// The live status, but never a Secret's, and no other Job's than the one that is meant: how that ended would be taken for how this
/// one did.
fn published(live: &Live, planned: &Planned) -> Option<Value> {
    let status = live.object.get("status").filter(|status| status.as_object().is_none_or(|status| !status.is_empty()));
    let is_anothers = match planned {
        Planned::Known { desired, .. } => is_job(desired) && !live.is_applied(desired),
        Planned::Refused { .. } => false,
    };
    status.filter(|_| planned.reference().kind != "Secret" && !is_anothers).cloned()
}

/// An object that was not yet applied as it is meant to be speaks for what was before.
fn assess(control: &Control, live: &Live, planned: &Planned, was_sent: bool, now: Timestamp) -> Assessment {
    let is_as_meant = match planned {
        Planned::Known { desired, .. } => was_sent || live.is_applied(desired),
        Planned::Refused { .. } => true,
    };
    if live.deleting.is_none() && !is_as_meant {
        let cause = Some("is not yet as it is meant to be".to_owned());
        return Assessment { health: Health::Progressing, cause, recheck_at: None };
    }
    control.live.assess(live, now)
}

/// A Job that has run its course, and was then removed by its own time to live, is as it was seen last; it is not run again. That
/// status, where it speaks of this very revision, or of the Job that ran in it a moment ago: it may have gone before anybody looked.
pub(super) fn spent(control: &Control, release: &Release, desired: &Desired, memory: &Memory) -> Option<Value> {
    if !is_job(desired) || desired.object.pointer("/spec/ttlSecondsAfterFinished").is_none() {
        return None;
    }
    let finished = |status: Option<Value>| status.filter(|status| has_finished(Some(status)));
    let is_current = release.status.rendered_from == release.rendered_from
        && release.status.observed_generation == release.generation;
    let known = release.status.resources.iter().find(|known| known.id == desired.id && is_current);
    finished(known.and_then(|known| known.status.clone())).or_else(|| {
        let ended = control.live.ended(&Identity::from(&desired.reference));
        let same = ended.filter(|live| live.applied_hash.as_deref() == Some(&desired.hash));
        let same = same.filter(|_| memory.jobs.get(&desired.id) == Some(&super::revision(release)));
        finished(same.and_then(|live| live.object.get("status").cloned()))
    })
}
