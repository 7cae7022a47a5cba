use crate::health::tests::*;

/// Rows of a pod that was made 90 seconds ago and has never been ready: name, more of its status, its container's status, warnings
/// about it (`proxy:` in front of one that is about that container), expected.
fn check_pods(rows: &[(&str, &str, &str, &[&str], &str)]) {
    for (name, status, container, warnings, expected) in rows {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web-1, uid: p1, creationTimestamp: T-90}}\nstatus: {{startTime: T-90, {status}, containerStatuses: [{{name: app, image: 'shop:2', {container}}}]}}\n"
        );
        let warning = |of: &&str| {
            let (name, of) = of.strip_prefix("proxy: ").map_or(("app", *of), |of| ("proxy", of));
            format!(
                "{{kind: Event, type: Warning, involvedObject: {{kind: Pod, name: web-1, uid: p1, fieldPath: 'spec.containers{{{name}}}'}}, {of}}}"
            )
        };
        let documents: Vec<String> = std::iter::once(pod).chain(warnings.iter().map(warning)).collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        check(&[(name, &documents, expected)]);
    }
}

const PENDING: &str = "phase: Pending, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-90}]";
const RUNNING: &str = "phase: Running, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-90}]";
const WAS_READY: &str = "phase: Running, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-30}]";
const READY: &str = "phase: Running, conditions: [{type: Ready, status: 'True', lastTransitionTime: T-5}]";

#[test]
fn pods_that_are_fine_or_on_their_way() {
    check_pods(&[
        ("ready", READY, "ready: true, state: {running: {startedAt: T-20}}", &[], "Healthy"),
        ("as kwok plays it", "phase: Running", "ready: true, state: {running: {startedAt: T-20}}", &[], "Healthy"),
        ("done", "phase: Succeeded", "state: {terminated: {exitCode: 0}}", &[], "Healthy"),
        ("new", "phase: Pending", "state: {waiting: {}}", &[], "Progressing: is starting @510"),
        ("being made", PENDING, "state: {waiting: {reason: ContainerCreating}}", &[], "Progressing: is starting @510"),
        ("not ready yet", RUNNING, "state: {running: {startedAt: T-20}}", &[], "Progressing: is not ready @510"),
        ("not ready any more", WAS_READY, "state: {running: {startedAt: T-80}}", &[], "Degraded: is not ready"),
        ("its node is gone", "phase: Unknown", "state: {running: {}}", &[], "Unknown: the node is not ready @510"),
        (
            "its node is gone, by a warning",
            WAS_READY,
            "state: {running: {startedAt: T-80}}",
            &["reason: NodeNotReady, message: Node is not ready, lastTimestamp: T-29"],
            "Degraded: the node is not ready",
        ),
        (
            "a readiness gate",
            "phase: Running, conditions: [{type: Ready, status: 'False', reason: ReadinessGatesNotReady, message: 'corresponding condition of pod readiness gate \"lb\" does not exist.', lastTransitionTime: T-90}]",
            "ready: true, state: {running: {startedAt: T-20}}",
            &[],
            "Progressing: corresponding condition of pod readiness gate \"lb\" does not exist. @510",
        ),
    ]);
}

#[test]
fn images_and_configuration_count_at_once() {
    const PULL: &str = "Degraded: image shop:2 cannot be pulled: failed to resolve reference: not found";
    check_pods(&[
        (
            "tried",
            PENDING,
            "state: {waiting: {reason: ErrImagePull, message: 'rpc error: code = NotFound desc = failed to resolve reference: not found'}}",
            &[],
            PULL,
        ),
        (
            "backs off",
            PENDING,
            "state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image \"shop:2\": ErrImagePull: rpc error: code = NotFound desc = failed to resolve reference: not found'}}",
            &[],
            PULL,
        ),
        (
            "not there, as containerd says it",
            PENDING,
            "state: {waiting: {reason: ErrImagePull, message: 'rpc error: code = NotFound desc = failed to pull and unpack image \"hub/shop:2\": failed to resolve reference \"hub/shop:2\": hub/shop:2: not found'}}",
            &[],
            "Degraded: image shop:2 cannot be pulled: not found",
        ),
        (
            "broken off, as containerd says it",
            PENDING,
            "state: {waiting: {reason: ErrImagePull, message: 'failed to pull and unpack image \"hub/shop:2\": failed to copy: httpReadSeeker: unexpected EOF'}}",
            &[],
            "Degraded: image shop:2 cannot be pulled: failed to copy: httpReadSeeker: unexpected EOF",
        ),
        (
            "backs off, and only a warning says why",
            PENDING,
            "state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image \"shop:2\"'}}",
            &[
                "reason: Failed, message: 'Failed to pull image \"shop:2\": rpc error: code = NotFound desc = failed to resolve reference: not found'",
                "reason: Failed, message: 'Error: ImagePullBackOff'",
            ],
            PULL,
        ),
        (
            "backs off, and nobody says why",
            PENDING,
            "state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image \"shop:2\"'}}",
            &[],
            "Degraded: image shop:2 cannot be pulled",
        ),
        (
            "a bad name",
            PENDING,
            "state: {waiting: {reason: InvalidImageName, message: 'invalid reference format'}}",
            &[],
            "Degraded: image shop:2 cannot be pulled: invalid reference format",
        ),
        (
            "never pulled",
            PENDING,
            "state: {waiting: {reason: ErrImageNeverPull, message: 'not present'}}",
            &[],
            "Degraded: image shop:2 cannot be pulled: not present",
        ),
        (
            "no ConfigMap",
            PENDING,
            "state: {waiting: {reason: CreateContainerConfigError, message: 'configmap \"x\" not found'}}",
            &[],
            "Degraded: container app cannot be started: configmap \"x\" not found",
        ),
        (
            "of several the worst",
            PENDING,
            "state: {running: {startedAt: T-20}}}, {name: proxy, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, startedAt: T-20}}}, {name: log, image: 'log:1', state: {waiting: {reason: ErrImagePull, message: gone}}",
            &[],
            "Degraded: image log:1 cannot be pulled: gone",
        ),
    ]);
}

#[test]
fn restart_loops_count_after_a_minute() {
    check_pods(&[
        (
            "for 30 seconds",
            RUNNING,
            "restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled, startedAt: T-20, finishedAt: T-10}}",
            &[],
            "Progressing: container app exits with code 137 (OOMKilled), restarted once @30",
        ),
        (
            "for a minute",
            RUNNING,
            "restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled, startedAt: T-12, finishedAt: T-10}}",
            &[],
            "Degraded: container app exits with code 137 (OOMKilled), restarted 4 times",
        ),
        (
            "after it was ready, as a bare pod",
            WAS_READY,
            "restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error, startedAt: T-40, finishedAt: T-30}}",
            &[],
            "Degraded: container app exits with code 1, restarted once",
        ),
        (
            "just ended for the first time",
            RUNNING,
            "state: {terminated: {exitCode: 2, startedAt: T-3, finishedAt: T-1}}",
            &[],
            "Progressing: container app exits with code 2 @57",
        ),
        (
            "just ended well",
            RUNNING,
            "state: {terminated: {exitCode: 0, startedAt: T-3, finishedAt: T-1}}",
            &[],
            "Progressing: is starting @510",
        ),
        (
            "ends well again and again",
            RUNNING,
            "restartCount: 5, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 0, reason: Completed, startedAt: T-20}}",
            &[],
            "Degraded: container app exits with code 0 (Completed), restarted 5 times",
        ),
        (
            "nobody knows how",
            RUNNING,
            "restartCount: 5, state: {waiting: {reason: CrashLoopBackOff}}",
            &[],
            "Degraded: container app ends again and again, restarted 5 times",
        ),
        (
            "runs again for a moment",
            RUNNING,
            "restartCount: 5, state: {running: {startedAt: T-10}}, lastState: {terminated: {exitCode: 1, startedAt: T-60, finishedAt: T-50}}",
            &[],
            "Degraded: container app exits with code 1, restarted 5 times @50",
        ),
        (
            "runs again for a minute",
            RUNNING,
            "restartCount: 5, state: {running: {startedAt: T-60}}, lastState: {terminated: {exitCode: 1, startedAt: T-80, finishedAt: T-70}}",
            &[],
            "Progressing: is not ready @510",
        ),
        (
            "ready again for a moment",
            READY,
            "restartCount: 2, ready: true, state: {running: {startedAt: T-10}}, lastState: {terminated: {exitCode: 1, startedAt: T-60, finishedAt: T-50}}",
            &[],
            "Progressing: container app exits with code 1, restarted 2 times @50",
        ),
        (
            "ready again after the first crash",
            READY,
            "restartCount: 1, ready: true, state: {running: {startedAt: T-10}}, lastState: {terminated: {exitCode: 1, startedAt: T-60, finishedAt: T-50}}",
            &[],
            "Healthy",
        ),
        (
            "no such program",
            RUNNING,
            "restartCount: 9, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 128, reason: StartError, message: 'exec: \"shop\": executable file not found', startedAt: T-20}}",
            &[],
            "Degraded: container app cannot be started: exec: \"shop\": executable file not found, restarted 9 times",
        ),
        (
            "ended by its probe",
            RUNNING,
            "restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: Error, startedAt: T-20}}",
            &[
                "reason: Unhealthy, message: 'Liveness probe failed: HTTP probe failed with statuscode: 500', lastTimestamp: T-15",
            ],
            "Degraded: container app is ended: its liveness probe fails: HTTP probe failed with statuscode: 500, restarted 4 times",
        ),
        (
            "ended for its memory, whatever its probe says",
            RUNNING,
            "restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled, startedAt: T-20}}",
            &[
                "reason: Unhealthy, message: 'Liveness probe failed: HTTP probe failed with statuscode: 500', lastTimestamp: T-15",
            ],
            "Degraded: container app exits with code 137 (OOMKilled), restarted 4 times",
        ),
        (
            "not ended by its readiness probe",
            RUNNING,
            "restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: Error, startedAt: T-20}}",
            &[
                "reason: Unhealthy, message: 'Readiness probe failed: HTTP probe failed with statuscode: 500', lastTimestamp: T-15",
            ],
            "Degraded: container app exits with code 137, restarted 4 times",
        ),
        (
            "not ended by the probe of another",
            RUNNING,
            "restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: Error, startedAt: T-20}}",
            &[
                "proxy: reason: Unhealthy, message: 'Liveness probe failed: HTTP probe failed with statuscode: 500', lastTimestamp: T-15",
            ],
            "Degraded: container app exits with code 137, restarted 4 times",
        ),
        (
            "an init container",
            "phase: Pending, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-90}], initContainerStatuses: [{name: migrate, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, startedAt: T-5}}}]",
            "state: {waiting: {reason: PodInitializing}}",
            &[],
            "Progressing: init container migrate exits with code 1, restarted 3 times @25",
        ),
        (
            "a hook, whose output is not shown",
            PENDING,
            "state: {waiting: {reason: PostStartHookError, message: 'password=hunter2'}}",
            &[],
            "Degraded: container app cannot be started: its postStart hook fails",
        ),
        (
            "a runtime that does not want to",
            PENDING,
            "state: {waiting: {reason: CreateContainerError, message: name is reserved}}",
            &[],
            "Degraded: container app cannot be started: name is reserved",
        ),
    ]);
}

#[test]
fn nodes_volumes_and_probes() {
    let unscheduled = |reason: &str, since: u32| {
        format!(
            "phase: Pending, conditions: [{{type: PodScheduled, status: 'False', reason: {reason}, message: '0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available.', lastTransitionTime: T-{since}}}]"
        )
    };
    const MOUNT: &str = "reason: FailedMount, message: 'MountVolume.SetUp failed for volume \"x\": configmap \"x\" not found', firstTimestamp: T-80, lastTimestamp: T-20";
    check_pods(&[
        (
            "no node for 40 seconds",
            &unscheduled("Unschedulable", 40),
            "state: {}",
            &[],
            "Progressing: cannot be scheduled: 0/2 nodes are available: 2 Insufficient cpu. @20",
        ),
        (
            "no node for a minute",
            &unscheduled("Unschedulable", 60),
            "state: {}",
            &[],
            "Degraded: cannot be scheduled: 0/2 nodes are available: 2 Insufficient cpu.",
        ),
        (
            "no node before, and one now",
            "phase: Running, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, lastTransitionTime: T-90}, {type: Ready, status: 'True'}]",
            "ready: true, state: {running: {startedAt: T-20}}",
            &[],
            "Healthy",
        ),
        (
            "its node was gone before",
            "phase: Running, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-5}]",
            "state: {running: {startedAt: T-80}}",
            &["reason: NodeNotReady, message: Node is not ready, lastTimestamp: T-29"],
            "Degraded: is not ready",
        ),
        (
            "held back",
            &unscheduled("SchedulingGated", 90),
            "state: {}",
            &[],
            "Progressing: is held back by a scheduling gate @510",
        ),
        (
            "no volume",
            PENDING,
            "state: {waiting: {reason: ContainerCreating}}",
            &[MOUNT],
            "Degraded: volumes cannot be mounted: MountVolume.SetUp failed for volume \"x\": configmap \"x\" not found @130",
        ),
        (
            "the volume came",
            "phase: Pending, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-90}, {type: PodReadyToStartContainers, status: 'True'}]",
            "state: {waiting: {reason: ContainerCreating}}",
            &[MOUNT],
            "Progressing: is starting @510",
        ),
        (
            "the volume came, it seems",
            PENDING,
            "state: {waiting: {reason: ContainerCreating}}",
            &["reason: FailedMount, message: no, firstTimestamp: T-180, lastTimestamp: T-150"],
            "Progressing: is starting @510",
        ),
        (
            "its probe",
            RUNNING,
            "state: {running: {startedAt: T-70}}",
            &[
                "reason: Unhealthy, message: 'Readiness probe failed: dial tcp 10.0.0.1:80: connect: connection refused', lastTimestamp: T-60",
                "reason: Unhealthy, message: 'Readiness probe failed: HTTP probe failed with statuscode: 500', lastTimestamp: T-6",
            ],
            "Progressing: readiness probe fails: HTTP probe failed with statuscode: 500 @510",
        ),
        (
            "its probe, after it was ready",
            WAS_READY,
            "state: {running: {startedAt: T-80}}",
            &[
                "reason: Unhealthy, message: 'Readiness probe failed: HTTP probe failed with statuscode: 500', lastTimestamp: T-30",
            ],
            "Degraded: readiness probe fails: HTTP probe failed with statuscode: 500",
        ),
        (
            "its probe before it was ready says nothing of now",
            "phase: Running, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-5}]",
            "state: {running: {startedAt: T-80}}",
            &[
                "reason: Unhealthy, message: 'Readiness probe failed: HTTP probe failed with statuscode: 500', lastTimestamp: T-66",
            ],
            "Degraded: is not ready",
        ),
    ]);
}

#[test]
fn pods_that_failed_for_good() {
    check_pods(&[
        (
            "by their exit code",
            "phase: Failed",
            "state: {terminated: {exitCode: 3, reason: Error, message: 'password=hunter2'}}",
            &[],
            "Degraded: failed: container app exited with code 3",
        ),
        (
            "evicted",
            "phase: Failed, reason: Evicted, message: 'The node was low on resource: memory.'",
            "state: {}",
            &[],
            "Degraded: was evicted: The node was low on resource: memory.",
        ),
        (
            "refused by the node",
            "phase: Failed, reason: OutOfcpu, message: Node did not have enough resource",
            "state: {}",
            &[],
            "Degraded: failed: OutOfcpu: Node did not have enough resource",
        ),
        (
            "never started",
            "phase: Failed",
            "state: {terminated: {exitCode: 128, reason: StartError, message: 'no such file'}}",
            &[],
            "Degraded: failed: container app could not be started: no such file",
        ),
        ("silently", "phase: Failed", "state: {}", &[], "Degraded: failed"),
    ]);
}
