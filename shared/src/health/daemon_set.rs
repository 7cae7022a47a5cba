use super::live::Live;
use super::made;
use super::pods::{Stage, combine, were_all_ready};
use super::words::share;
use super::{Around, Assessment};

pub(super) fn assess(live: Live<'_>, around: &Around<'_>) -> Assessment {
    if let Some(unobserved) = live.unobserved() {
        return unobserved;
    }
    let Some(desired) = live.number("/status/desiredNumberScheduled") else {
        return Assessment::progressing("waits for its controller");
    };
    let current = live.count("/status/currentNumberScheduled");
    let updated = live.count("/status/updatedNumberScheduled");
    let ready = live.count("/status/numberReady");
    let available = live.count("/status/numberAvailable");
    let is_updated = updated >= desired || live.text("/spec/updateStrategy/type") == "OnDelete";
    let own = if current < desired {
        let progressing = || Assessment::progressing(&share(current, desired, "pods", "there"));
        made::by_event(live, around).unwrap_or_else(progressing)
    } else if !is_updated {
        Assessment::progressing(&share(updated, desired, "pods", "updated"))
    } else if ready < desired {
        Assessment::progressing(&share(ready, desired, "pods", "ready"))
    } else if available < desired {
        Assessment::progressing(&share(available, desired, "pods", "available"))
    } else {
        Assessment { cause: note(desired, updated), ..Assessment::healthy() }
    };
    let is_settled = current >= desired && is_updated && were_all_ready(around);
    combine(own, around, if is_settled { Stage::Settled(None) } else { Stage::Unwatched })
}

fn note(desired: i64, updated: i64) -> Option<String> {
    let behind = desired.saturating_sub(updated);
    match desired {
        0 => Some("no node is to run it".to_owned()),
        _ => (behind > 0).then(|| share(behind, desired, "pods", "left at an earlier revision")),
    }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    const TWO_NODES: &str = "{apiVersion: apps/v1, kind: DaemonSet, metadata: {uid: s1, generation: 1}, status: {observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberReady: 1, numberAvailable: 1}}";

    #[test]
    fn daemon_sets() {
        check(&[
            (
                "unseen",
                &["{apiVersion: apps/v1, kind: DaemonSet, metadata: {generation: 1}}"],
                "Progressing: waits for its controller",
            ),
            (
                "seen, not counted",
                &["{apiVersion: apps/v1, kind: DaemonSet, metadata: {generation: 1}, status: {observedGeneration: 1}}"],
                "Progressing: waits for its controller",
            ),
            (
                "no node",
                &["{apiVersion: apps/v1, kind: DaemonSet, status: {desiredNumberScheduled: 0, numberReady: 0}}"],
                "Healthy: no node is to run it",
            ),
            (
                "well",
                &[
                    "{apiVersion: apps/v1, kind: DaemonSet, status: {desiredNumberScheduled: 1, currentNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 1, numberAvailable: 1}}",
                    READY,
                ],
                "Healthy",
            ),
            (
                "half updated",
                &[
                    "{apiVersion: apps/v1, kind: DaemonSet, status: {desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 1, numberReady: 2, numberAvailable: 2}}",
                ],
                "Progressing: 1 of 2 pods is updated",
            ),
            (
                "ready for too short a time",
                &[
                    "{apiVersion: apps/v1, kind: DaemonSet, status: {desiredNumberScheduled: 1, currentNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 1}}",
                ],
                "Progressing: 0 of 1 pods are available",
            ),
            (
                "OnDelete",
                &[
                    "{apiVersion: apps/v1, kind: DaemonSet, spec: {updateStrategy: {type: OnDelete}}, status: {desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 1, numberReady: 2, numberAvailable: 2}}",
                ],
                "Healthy: 1 of 2 pods is left at an earlier revision",
            ),
            ("one starts", &[TWO_NODES, READY, STARTING], "Progressing: 1 of 2 pods is ready @580"),
            ("one fell ill", &[TWO_NODES, NOT_READY_ANY_MORE], "Degraded: pod web-1 is not ready"),
            (
                "one fell ill while others are to be updated",
                &[
                    "{apiVersion: apps/v1, kind: DaemonSet, status: {desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 1, numberReady: 1}}",
                    NOT_READY_ANY_MORE,
                ],
                "Progressing: 1 of 2 pods is updated @595",
            ),
            (
                "Pod Security",
                &[
                    "{apiVersion: apps/v1, kind: DaemonSet, metadata: {uid: s1}, status: {desiredNumberScheduled: 1}}",
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'Error creating: pods \"a-\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)', lastTimestamp: T-3, involvedObject: {kind: DaemonSet, name: a, uid: s1}}",
                ],
                "Degraded: pods cannot be created: violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)",
            ),
        ]);
    }
}
