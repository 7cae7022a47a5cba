use super::live::Live;
use super::made;
use super::pods::{Stage, combine, were_all_ready};
use super::words::share;
use super::{Around, Assessment};

/// What a Deployment's status counts.
struct Counts {
    desired: i64,
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
}

pub(super) fn assess(live: Live<'_>, around: &Around<'_>) -> Assessment {
    if live.is_true("/spec/paused") {
        return Assessment::suspended("is paused");
    }
    let counts = Counts::read(live);
    if counts.desired == 0 {
        return Assessment::suspended("is scaled to zero");
    }
    if let Some(unobserved) = live.unobserved() {
        return unobserved;
    }
    let stage = stage(live, &counts, around);
    let own = made::by_condition(live, around.now)
        .or_else(|| given_up(live))
        .unwrap_or_else(|| judge(live, &counts, stage, around));
    combine(own, around, stage)
}

impl Counts {
    fn read(live: Live<'_>) -> Self {
        let desired = live.number("/spec/replicas").unwrap_or(1);
        let [replicas, updated, ready, available] =
            ["/status/replicas", "/status/updatedReplicas", "/status/readyReplicas", "/status/availableReplicas"]
                .map(|pointer| live.count(pointer));
        Self { desired, replicas, updated, ready, available }
    }

    /// What is still to be done, in the order in which it is done.
    fn left_to_do(&self) -> Option<String> {
        let Self { desired, replicas, updated, ready, available } = *self;
        if replicas < desired {
            Some(share(replicas, desired, "replicas", "there"))
        } else if updated < desired {
            Some(share(updated, desired, "replicas", "updated"))
        } else if replicas > desired {
            Some(share(replicas.saturating_sub(desired), replicas, "replicas", "still to be removed"))
        } else if ready < desired {
            Some(share(ready, desired, "replicas", "ready"))
        } else if available < desired {
            Some(share(available, desired, "replicas", "available"))
        } else {
            None
        }
    }
}

/// The controller says `NewReplicaSetAvailable` once all replicas were available, and goes on saying so when they are not any more.
/// (`pkg/controller/deployment/progress.go`) A Deployment that goes back to an earlier ReplicaSet keeps saying it for a moment, so the
/// replicas must be of the new one.
fn stage(live: Live<'_>, counts: &Counts, around: &Around<'_>) -> Stage {
    let is_updated = counts.updated >= counts.desired && counts.replicas == counts.updated;
    match live.condition("Progressing") {
        Some(progressing) if progressing.reason == "ProgressDeadlineExceeded" => Stage::Overdue,
        Some(progressing) if progressing.reason == "NewReplicaSetAvailable" && is_updated => {
            Stage::Settled(progressing.updated)
        }
        Some(_) => Stage::Watched,
        None if is_updated && were_all_ready(around) => Stage::Settled(None),
        // Without `progressDeadlineSeconds` there is no such condition.
        None => Stage::Watched,
    }
}

/// Where the controller does not go on: it waited for too long, or cannot make a ReplicaSet.
fn given_up(live: Live<'_>) -> Option<Assessment> {
    let progressing = live.condition("Progressing").filter(|progressing| progressing.is("False"))?;
    if progressing.reason == "ProgressDeadlineExceeded" {
        let seconds = live.number("/spec/progressDeadlineSeconds").unwrap_or(600);
        return Some(Assessment::degraded(&format!("made no progress for {seconds} s, its progress deadline")));
    }
    Some(Assessment::degraded(progressing.words_or("no reason is given")))
}

fn judge(live: Live<'_>, counts: &Counts, stage: Stage, around: &Around<'_>) -> Assessment {
    let Some(left) = counts.left_to_do() else { return Assessment::healthy() };
    let is_unavailable = live.condition("Available").is_some_and(|available| available.is("False"));
    let had_arrived = matches!(stage, Stage::Settled(_)) && counts.replicas == counts.desired;
    // Pods that are there say themselves whether they have just been made or fail. Where nobody sees them the status has to do.
    if had_arrived && is_unavailable && around.pods.is_empty() {
        Assessment::degraded(&left)
    } else {
        Assessment::progressing(&left)
    }
}

#[cfg(test)]
mod tests;
