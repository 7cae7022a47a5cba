use jiff::Timestamp;

use crate::kinds::Health;

use super::live::Live;
use super::pod_view::{Phase, PodView};
use super::pods::{self, Stage};
use super::trouble::{Events, Trouble};
use super::{Around, Assessment};

pub(super) fn assess(live: Live<'_>, around: &Around<'_>) -> Assessment {
    let view = PodView::read(live.0);
    view.and_then(|pod| judge(&pod, around.events, around.now)).unwrap_or_else(Assessment::healthy)
}

/// The health of one pod and why, from itself alone; nothing if all is well with it.
pub fn pod_cause(pod: &PodView, now: Timestamp) -> Option<Assessment> {
    judge(pod, &[], now)
}

fn judge(pod: &PodView, events: Events<'_>, now: Timestamp) -> Option<Assessment> {
    if pod.is_deleting {
        return Some(Assessment::progressing("is being deleted"));
    }
    if pod.phase == Phase::Failed {
        return Some(Assessment::degraded(&pods::failure(pod)));
    }
    let trouble = Trouble::of(pod, events, now)?;
    // A pod has rolled out when it was ready for the first time.
    let (health, turns_at) = pods::severity(&trouble, pod, Stage::Settled(None), now);
    let health = if pod.phase == Phase::Unknown { Health::Unknown } else { health };
    Some(Assessment::new(health, &trouble.what.alone(health == Health::Degraded)).recheck(turns_at))
}
