use crate::health::tests::*;

const META: &str =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, uid: d1, generation: 2}\n";

/// Rows of a Deployment of 3 replicas: name, status, pods, expected.
fn check_status(rows: &[(&str, &str, &[&str], &str)]) {
    for (name, status, pods, expected) in rows {
        let object = format!(
            "{META}spec: {{replicas: 3, progressDeadlineSeconds: 300}}\nstatus: {{observedGeneration: 2, {status}}}\n"
        );
        let documents: Vec<_> = std::iter::once(object.as_str()).chain(pods.iter().copied()).collect();
        check(&[(name, &documents, expected)]);
    }
}

/// `replicas, updated, ready, available`, and the rollout was complete.
const COMPLETE: &str = "conditions: [{type: Available, status: 'True'}, {type: Progressing, status: 'True', reason: NewReplicaSetAvailable, lastUpdateTime: T-600}]";
const UNAVAILABLE: &str = "conditions: [{type: Available, status: 'False'}, {type: Progressing, status: 'True', reason: NewReplicaSetAvailable, lastUpdateTime: T-600}]";
const ROLLING: &str =
    "conditions: [{type: Available, status: 'True'}, {type: Progressing, status: 'True', reason: ReplicaSetUpdated}]";
const EXCEEDED: &str = "conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: 'ReplicaSet \"web-1\" has timed out progressing.'}]";

fn counts(replicas: u8, updated: u8, ready: u8, available: u8, conditions: &str) -> String {
    format!(
        "replicas: {replicas}, updatedReplicas: {updated}, readyReplicas: {ready}, availableReplicas: {available}, {conditions}"
    )
}

#[test]
fn what_is_switched_off_is_suspended() {
    check(&[
        (
            "paused",
            &["{apiVersion: apps/v1, kind: Deployment, spec: {paused: true, replicas: 2}}"],
            "Suspended: is paused",
        ),
        (
            "no replicas",
            &["{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 0}}", NO_IMAGE],
            "Suspended: is scaled to zero",
        ),
    ]);
}

#[test]
fn a_status_of_an_earlier_spec_says_nothing() {
    check(&[
        (
            "no status",
            &["{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 1}}"],
            "Progressing: waits for its controller",
        ),
        (
            "no status, no generation",
            &["{apiVersion: apps/v1, kind: Deployment}"],
            "Progressing: waits for its controller",
        ),
        (
            "behind",
            &[
                "{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1}}",
                NO_IMAGE,
            ],
            "Progressing: waits for its controller to see the last change",
        ),
        (
            "up to date, by default of one replica",
            &[
                "{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, status: {observedGeneration: 2, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1}}",
            ],
            "Healthy",
        ),
    ]);
}

#[test]
fn the_status_says_how_far_a_rollout_is() {
    check_status(&[
        ("complete", &counts(3, 3, 3, 3, COMPLETE), &[READY], "Healthy"),
        ("too few", &counts(2, 2, 2, 2, ROLLING), &[], "Progressing: 2 of 3 replicas are there"),
        ("half updated", &counts(4, 1, 3, 3, ROLLING), &[], "Progressing: 1 of 3 replicas is updated"),
        ("old ones", &counts(4, 3, 4, 4, ROLLING), &[], "Progressing: 1 of 4 replicas is still to be removed"),
        ("scaled down", &counts(5, 5, 5, 5, COMPLETE), &[], "Progressing: 2 of 5 replicas are still to be removed"),
        ("not ready", &counts(3, 3, 1, 1, ROLLING), &[], "Progressing: 1 of 3 replicas is ready"),
        ("ready for too short a time", &counts(3, 3, 3, 2, ROLLING), &[], "Progressing: 2 of 3 replicas are available"),
        ("all there but the condition", &counts(3, 3, 3, 3, "conditions: []"), &[], "Healthy"),
        (
            "no ReplicaSet can be made",
            "conditions: [{type: Progressing, status: 'False', reason: ReplicaSetCreateError, message: 'exceeded quota: sets'}]",
            &[],
            "Degraded: exceeded quota: sets",
        ),
    ]);
}

#[test]
fn a_deadline_that_is_over_is_explained_by_the_pods() {
    check_status(&[
        (
            "nobody knows",
            &counts(3, 3, 2, 2, EXCEEDED),
            &[READY],
            "Degraded: made no progress for 300 s, its progress deadline",
        ),
        (
            "one starts",
            &counts(3, 3, 2, 2, EXCEEDED),
            &[READY, STARTING],
            "Degraded: made no progress for 300 s, its progress deadline",
        ),
        (
            "one crashes",
            &counts(3, 3, 2, 2, EXCEEDED),
            &[READY, CRASHING],
            "Degraded: pod web-5: container app exits with code 1, restarted 2 times",
        ),
        (
            "a probe fails",
            &counts(3, 3, 2, 2, EXCEEDED),
            &[
                NOT_READY_YET,
                "{kind: Event, type: Warning, reason: Unhealthy, message: 'Readiness probe failed: HTTP probe failed with statuscode: 500', lastTimestamp: T-3, involvedObject: {kind: Pod, name: web-2, uid: p2}}",
            ],
            "Degraded: readiness probe fails: HTTP probe failed with statuscode: 500",
        ),
    ]);
}

#[test]
fn pods_of_a_rollout_have_time_and_pods_after_it_have_none() {
    check_status(&[
        ("new, on the way", &counts(4, 1, 3, 3, ROLLING), &[NOT_READY_YET], "Progressing: 1 of 3 replicas is updated"),
        (
            "was ready, on the way",
            &counts(4, 1, 3, 3, ROLLING),
            &[NOT_READY_ANY_MORE],
            "Progressing: 1 of 3 replicas is updated",
        ),
        (
            "was ready, after it",
            &counts(3, 3, 2, 2, UNAVAILABLE),
            &[NOT_READY_ANY_MORE],
            "Degraded: pod web-1 is not ready",
        ),
        (
            "was ready, and the status does not know yet",
            &counts(3, 3, 3, 3, COMPLETE),
            &[READY, NOT_READY_ANY_MORE],
            "Degraded: pod web-1 is not ready",
        ),
        (
            "new, after it: scaled up",
            &counts(3, 3, 2, 2, UNAVAILABLE),
            &[READY, NOT_READY_YET],
            "Progressing: 2 of 3 replicas are ready @580",
        ),
        (
            "new, and the status does not know yet",
            &counts(3, 3, 3, 3, COMPLETE),
            &[STARTING],
            "Progressing: pod web-3 is starting @580",
        ),
        (
            "crashes, after it, but new",
            &counts(3, 3, 2, 2, UNAVAILABLE),
            &[CRASHING],
            "Progressing: container app exits with code 1, restarted 2 times @20",
        ),
        (
            "crashes, after it, and was there when it was complete",
            &counts(3, 3, 2, 2, UNAVAILABLE),
            &[
                "{kind: Pod, metadata: {name: a, creationTimestamp: T-700}, status: {phase: Running, startTime: T-700, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-700}], containerStatuses: [{name: app, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, startedAt: T-20, finishedAt: T-15}}}]}}",
            ],
            "Degraded: container app exits with code 1, restarted once",
        ),
        (
            "going back to an earlier ReplicaSet, in its first moment",
            &counts(4, 0, 3, 3, COMPLETE),
            &[NOT_READY_ANY_MORE],
            "Progressing: 0 of 3 replicas are updated",
        ),
        (
            "the image, at once",
            &counts(4, 1, 3, 3, ROLLING),
            &[NO_IMAGE],
            "Degraded: image shop:2 cannot be pulled: not found",
        ),
        ("nobody sees its pods", &counts(3, 3, 2, 2, UNAVAILABLE), &[], "Degraded: 2 of 3 replicas are ready"),
        (
            "nobody sees its pods, and enough are there",
            &counts(3, 3, 2, 2, COMPLETE),
            &[],
            "Progressing: 2 of 3 replicas are ready",
        ),
    ]);
}

#[test]
fn without_a_deadline_the_pods_say_whether_it_was_complete() {
    check_status(&[
        (
            "all were ready",
            &counts(3, 3, 2, 2, "conditions: []"),
            &[READY, NOT_READY_ANY_MORE],
            "Degraded: pod web-1 is not ready",
        ),
        (
            "one never was",
            &counts(3, 3, 1, 1, "conditions: []"),
            &[NOT_READY_YET, NOT_READY_ANY_MORE],
            "Progressing: 1 of 3 replicas is ready",
        ),
    ]);
}

#[test]
fn a_quota_shows_in_its_condition() {
    let failure = |message: &str, since: u32| {
        counts(
            2,
            1,
            2,
            2,
            &format!(
                "conditions: [{{type: ReplicaFailure, status: 'True', reason: FailedCreate, lastTransitionTime: T-{since}, message: '{message}'}}]"
            ),
        )
    };
    check_status(&[
        (
            "quota",
            &failure("pods \"web-a\" is forbidden: exceeded quota: small, requested: pods=1", 1),
            &[],
            "Degraded: pods cannot be created: exceeded quota: small, requested: pods=1",
        ),
        (
            "the account of a new namespace",
            &failure(
                "pods \"web-a\" is forbidden: error looking up service account shop/default: serviceaccount \"default\" not found",
                1,
            ),
            &[],
            "Progressing: pods cannot be created: error looking up service account shop/default: serviceaccount \"default\" not found @59",
        ),
        (
            "an account that never comes",
            &failure(
                "pods \"web-a\" is forbidden: error looking up service account shop/web: serviceaccount \"web\" not found",
                60,
            ),
            &[],
            "Degraded: pods cannot be created: error looking up service account shop/web: serviceaccount \"web\" not found",
        ),
    ]);
}

#[test]
fn an_evicted_pod_counts_until_another_takes_its_place() {
    check_status(&[
        (
            "nobody took it",
            &counts(3, 3, 2, 2, UNAVAILABLE),
            &[READY, EVICTED],
            "Degraded: 2 of 3 replicas are ready; pod web-6 was evicted: The node was low on resource: memory.",
        ),
        (
            "its successor starts",
            &counts(3, 3, 2, 2, UNAVAILABLE),
            &[READY, EVICTED, STARTING],
            "Progressing: 2 of 3 replicas are ready; pod web-6 was evicted: The node was low on resource: memory. @580",
        ),
        (
            "its successor is ready, and another starts",
            &counts(3, 3, 2, 2, UNAVAILABLE),
            &[&READY.replace("T-900", "T-200"), EVICTED, STARTING],
            "Progressing: 2 of 3 replicas are ready @580",
        ),
        (
            "it is being deleted",
            &counts(3, 3, 2, 2, UNAVAILABLE),
            &[READY, &EVICTED.replace("creationTimestamp", "deletionTimestamp: T-1, creationTimestamp")],
            "Progressing: 2 of 3 replicas are ready",
        ),
        ("all is well", &counts(3, 3, 3, 3, COMPLETE), &[READY, EVICTED], "Healthy"),
    ]);
}
