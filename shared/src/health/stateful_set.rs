use super::live::Live;
use super::made;
use super::pods::{Stage, combine, were_all_ready};
use super::words::share;
use super::{Around, Assessment};

/// How far a StatefulSet's pods are to be of the newest revision.
struct Rollout {
    desired: i64,
    replicas: i64,
    updated: i64,
    /// How many pods are to be updated: not those below the partition, and none by itself with `OnDelete`.
    to_update: i64,
}

pub(super) fn assess(live: Live<'_>, around: &Around<'_>) -> Assessment {
    let rollout = Rollout::read(live);
    if rollout.desired == 0 {
        return Assessment::suspended("is scaled to zero");
    }
    if let Some(unobserved) = live.unobserved() {
        return unobserved;
    }
    let own = judge(live, &rollout, around);
    let is_settled = rollout.is_made() && rollout.is_updated() && were_all_ready(around);
    combine(own, around, if is_settled { Stage::Settled(None) } else { Stage::Unwatched })
}

impl Rollout {
    fn read(live: Live<'_>) -> Self {
        let desired = live.number("/spec/replicas").unwrap_or(1);
        let replicas = live.count("/status/replicas");
        let partition = live.count("/spec/updateStrategy/rollingUpdate/partition").max(0);
        // Both names are the same once all pods are of the newest revision, and before there was a second one.
        let has_one_revision = live.text("/status/currentRevision") == live.text("/status/updateRevision");
        Self {
            desired,
            replicas,
            updated: if has_one_revision { replicas } else { live.count("/status/updatedReplicas") },
            to_update: match live.text("/spec/updateStrategy/type") {
                "OnDelete" => 0,
                _ => desired.saturating_sub(partition).max(0),
            },
        }
    }

    fn is_made(&self) -> bool {
        self.replicas >= self.desired
    }

    fn is_updated(&self) -> bool {
        self.updated >= self.to_update
    }

    /// A note where pods are left at an earlier revision on purpose: until they are deleted, or by the partition.
    fn note(&self) -> Option<String> {
        let behind = self.replicas.saturating_sub(self.updated);
        let how = if self.to_update == 0 { "left at an earlier revision" } else { "kept at an earlier revision" };
        (behind > 0).then(|| share(behind, self.replicas, "pods", how))
    }
}

fn judge(live: Live<'_>, rollout: &Rollout, around: &Around<'_>) -> Assessment {
    let Rollout { desired, replicas, updated, to_update } = *rollout;
    let ready = live.count("/status/readyReplicas");
    let available = live.number("/status/availableReplicas").unwrap_or(ready);
    if !rollout.is_made() {
        let progressing = || Assessment::progressing(&share(replicas, desired, "replicas", "there"));
        made::by_event(live, around).unwrap_or_else(progressing)
    } else if !rollout.is_updated() {
        Assessment::progressing(&share(updated, to_update, "replicas", "updated"))
    } else if ready < desired {
        Assessment::progressing(&share(ready, desired, "replicas", "ready"))
    } else if available < desired {
        Assessment::progressing(&share(available, desired, "replicas", "available"))
    } else if replicas > desired {
        Assessment::progressing(&share(replicas.saturating_sub(desired), replicas, "replicas", "still to be removed"))
    } else {
        Assessment { cause: rollout.note(), ..Assessment::healthy() }
    }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    const ONE_REVISION: &str = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {uid: s1, generation: 1}, spec: {replicas: 2}, status: {observedGeneration: 1, replicas: 2, readyReplicas: 1, availableReplicas: 1, currentRevision: a, updateRevision: a}}";
    const ROLLING: &str = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {uid: s1, generation: 1}, spec: {replicas: 2}, status: {observedGeneration: 1, replicas: 2, readyReplicas: 1, availableReplicas: 1, updatedReplicas: 1, currentRevision: a, updateRevision: b}}";
    const ONE_THERE: &str = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {uid: s1, generation: 1}, spec: {replicas: 2}, status: {observedGeneration: 1, replicas: 1, readyReplicas: 1, availableReplicas: 1, currentRevision: a, updateRevision: a}}";
    const NEVER_READY: &str = "{kind: Pod, metadata: {name: web-0, uid: p0, creationTimestamp: T-600}, status: {phase: Running, startTime: T-600, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-600}], containerStatuses: [{name: app, state: {running: {}}}]}}";

    #[test]
    fn stateful_sets_by_their_status() {
        check(&[
            (
                "scaled to zero",
                &["{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 0}}"],
                "Suspended: is scaled to zero",
            ),
            (
                "unseen",
                &[
                    "{apiVersion: apps/v1, kind: StatefulSet, metadata: {generation: 2}, status: {observedGeneration: 1}}",
                ],
                "Progressing: waits for its controller to see the last change",
            ),
            (
                "well",
                &[
                    "{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2}, status: {replicas: 2, readyReplicas: 2, availableReplicas: 2, updatedReplicas: 2, currentRevision: a, updateRevision: a}}",
                ],
                "Healthy",
            ),
            (
                "well, of a version without availableReplicas",
                &["{apiVersion: apps/v1, kind: StatefulSet, status: {replicas: 1, readyReplicas: 1}}"],
                "Healthy",
            ),
            ("one by one", &[ONE_THERE, READY], "Progressing: 1 of 2 replicas is there"),
            ("half updated", &[ROLLING, READY], "Progressing: 1 of 2 replicas is updated"),
            ("not ready", &[ONE_REVISION], "Progressing: 1 of 2 replicas is ready"),
            (
                "ready for too short a time",
                &[
                    "{apiVersion: apps/v1, kind: StatefulSet, status: {replicas: 1, readyReplicas: 1, availableReplicas: 0}}",
                ],
                "Progressing: 0 of 1 replicas are available",
            ),
            (
                "scaled down",
                &[
                    "{apiVersion: apps/v1, kind: StatefulSet, status: {replicas: 2, readyReplicas: 2, availableReplicas: 2}}",
                ],
                "Progressing: 1 of 2 replicas is still to be removed",
            ),
            (
                "a partition, reached",
                &[
                    "{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 3, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}}, status: {replicas: 3, readyReplicas: 3, updatedReplicas: 1, currentRevision: a, updateRevision: b}}",
                ],
                "Healthy: 2 of 3 pods are kept at an earlier revision",
            ),
            (
                "a partition, not reached",
                &[
                    "{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 1}}}, status: {replicas: 3, readyReplicas: 3, updatedReplicas: 1, currentRevision: a, updateRevision: b}}",
                ],
                "Progressing: 1 of 2 replicas is updated",
            ),
            (
                "OnDelete",
                &[
                    "{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 2, updateStrategy: {type: OnDelete}}, status: {replicas: 2, readyReplicas: 2, updatedReplicas: 1, currentRevision: a, updateRevision: b}}",
                ],
                "Healthy: 1 of 2 pods is left at an earlier revision",
            ),
        ]);
    }

    #[test]
    fn stateful_sets_by_their_pods() {
        check(&[
            ("the first rollout", &[ONE_REVISION, READY, NOT_READY_YET], "Progressing: 1 of 2 replicas is ready @580"),
            ("the first rollout, for ten minutes", &[ONE_REVISION, NEVER_READY], "Degraded: pod web-0 is not ready"),
            (
                "on the way, ready before",
                &[ROLLING, NOT_READY_ANY_MORE],
                "Progressing: 1 of 2 replicas is updated @595",
            ),
            ("fell ill", &[ONE_REVISION, READY, NOT_READY_ANY_MORE], "Degraded: pod web-1 is not ready"),
            (
                "crashes",
                &[ROLLING, READY, CRASHING],
                "Progressing: pod web-5: container app exits with code 1, restarted 2 times @20",
            ),
            ("no image", &[ROLLING, NO_IMAGE], "Degraded: image shop:2 cannot be pulled: not found"),
            (
                "quota",
                &[
                    ONE_THERE,
                    READY,
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'create Pod db-1 in StatefulSet db failed error: pods \"db-1\" is forbidden: exceeded quota: small', lastTimestamp: T-3, involvedObject: {kind: StatefulSet, name: db, uid: s1}}",
                ],
                "Degraded: pods cannot be created: exceeded quota: small",
            ),
            (
                "quota of claims",
                &[
                    ONE_THERE,
                    READY,
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'create Claim data-db-1 for Pod db-1 in StatefulSet db failed error: persistentvolumeclaims \"data-db-1\" is forbidden: exceeded quota: small', lastTimestamp: T-3, involvedObject: {kind: StatefulSet, name: db, uid: s1}}",
                ],
                "Degraded: volume claims cannot be created: exceeded quota: small",
            ),
            (
                "quota that was, and all is there",
                &[
                    "{apiVersion: apps/v1, kind: StatefulSet, metadata: {uid: s1}, status: {replicas: 1, readyReplicas: 1}}",
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'create Pod db-1 in StatefulSet db failed error: x', lastTimestamp: T-3, involvedObject: {kind: StatefulSet, name: db, uid: s1}}",
                ],
                "Healthy",
            ),
        ]);
    }
}
