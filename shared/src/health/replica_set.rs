use super::live::Live;
use super::made;
use super::pods::{Stage, combine, were_all_ready};
use super::words::share;
use super::{Around, Assessment};

/// A ReplicaSet, or the ReplicationController before it.
pub(super) fn assess(live: Live<'_>, around: &Around<'_>) -> Assessment {
    let desired = live.number("/spec/replicas").unwrap_or(1);
    if desired == 0 {
        return Assessment::suspended("is scaled to zero");
    }
    if let Some(unobserved) = live.unobserved() {
        return unobserved;
    }
    let replicas = live.count("/status/replicas");
    let ready = live.count("/status/readyReplicas");
    let available = live.count("/status/availableReplicas");
    let own = if replicas < desired {
        let unmade = made::by_condition(live, around.now).or_else(|| made::by_event(live, around));
        unmade.unwrap_or_else(|| Assessment::progressing(&share(replicas, desired, "replicas", "there")))
    } else if ready < desired {
        Assessment::progressing(&share(ready, desired, "replicas", "ready"))
    } else if available < desired {
        Assessment::progressing(&share(available, desired, "replicas", "available"))
    } else if replicas > desired {
        Assessment::progressing(&share(replicas.saturating_sub(desired), replicas, "replicas", "still to be removed"))
    } else {
        Assessment::healthy()
    };
    let is_settled = replicas >= desired && were_all_ready(around);
    combine(own, around, if is_settled { Stage::Settled(None) } else { Stage::Unwatched })
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    const TWO_OF_THREE: &str = "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {uid: r1, generation: 1}, spec: {replicas: 3}, status: {observedGeneration: 1, replicas: 3, readyReplicas: 2, availableReplicas: 2}}";
    const ONE_THERE: &str = "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {uid: r1, generation: 1}, spec: {replicas: 3}, status: {observedGeneration: 1, replicas: 1}}";

    #[test]
    fn replica_sets() {
        check(&[
            (
                "scaled to zero",
                &["{apiVersion: apps/v1, kind: ReplicaSet, spec: {replicas: 0}}"],
                "Suspended: is scaled to zero",
            ),
            (
                "unseen",
                &["{apiVersion: apps/v1, kind: ReplicaSet, metadata: {generation: 1}}"],
                "Progressing: waits for its controller",
            ),
            (
                "well",
                &[
                    "{apiVersion: apps/v1, kind: ReplicaSet, status: {observedGeneration: 1, replicas: 1, readyReplicas: 1, availableReplicas: 1}}",
                    READY,
                ],
                "Healthy",
            ),
            (
                "a ReplicationController",
                &[
                    "{apiVersion: v1, kind: ReplicationController, spec: {replicas: 2}, status: {replicas: 2, readyReplicas: 2, availableReplicas: 1}}",
                ],
                "Progressing: 1 of 2 replicas is available",
            ),
            (
                "scaled down",
                &[
                    "{apiVersion: apps/v1, kind: ReplicaSet, status: {replicas: 2, readyReplicas: 2, availableReplicas: 2}}",
                ],
                "Progressing: 1 of 2 replicas is still to be removed",
            ),
            ("one starts", &[TWO_OF_THREE, READY, STARTING], "Progressing: 2 of 3 replicas are ready @580"),
            ("one fell ill", &[TWO_OF_THREE, READY, NOT_READY_ANY_MORE], "Degraded: pod web-1 is not ready"),
            (
                "one fell ill while another is to be made",
                &[ONE_THERE, NOT_READY_ANY_MORE],
                "Progressing: 1 of 3 replicas is there @595",
            ),
            (
                "quota by its condition",
                &[
                    "{apiVersion: apps/v1, kind: ReplicaSet, spec: {replicas: 3}, status: {replicas: 1, conditions: [{type: ReplicaFailure, status: 'True', message: 'pods \"a\" is forbidden: exceeded quota: small'}]}}",
                ],
                "Degraded: pods cannot be created: exceeded quota: small",
            ),
            (
                "quota by a warning",
                &[
                    ONE_THERE,
                    READY,
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'Error creating: pods \"a\" is forbidden: exceeded quota: small', lastTimestamp: T-3, involvedObject: {kind: ReplicaSet, name: web, uid: r1}}",
                ],
                "Degraded: pods cannot be created: exceeded quota: small",
            ),
            (
                "another's warning",
                &[
                    ONE_THERE,
                    READY,
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'Error creating: x', lastTimestamp: T-3, involvedObject: {kind: ReplicaSet, name: web, uid: r2}}",
                ],
                "Progressing: 1 of 3 replicas is there",
            ),
            (
                "a warning that the last pod has made out of date",
                &[
                    ONE_THERE,
                    STARTING,
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'Error creating: pods \"a\" is forbidden: exceeded quota: small', lastTimestamp: T-30, involvedObject: {kind: ReplicaSet, name: web, uid: r1}}",
                ],
                "Progressing: 1 of 3 replicas is there @580",
            ),
        ]);
    }
}
