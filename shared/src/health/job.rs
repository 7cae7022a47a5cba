use super::live::{Condition, Live};
use super::made;
use super::pods::{Stage, combine, last_failed};
use super::{Around, Assessment};

pub(super) fn assess(live: Live<'_>, around: &Around<'_>) -> Assessment {
    let holds = |kind| live.condition(kind).filter(|condition| condition.is("True"));
    if holds("Complete").is_some() {
        return Assessment::healthy();
    }
    // `FailureTarget` is there as soon as that is decided, `Failed` when all pods are gone.
    if let Some(failed) = holds("Failed").or_else(|| holds("FailureTarget")) {
        return Assessment::degraded(&failure(failed, around));
    }
    if live.is_true("/spec/suspend") {
        return Assessment::suspended("is suspended");
    }
    let is_idle = live.count("/status/active") == 0;
    let unmade = is_idle.then(|| made::by_event(live, around)).flatten();
    let own = unmade.unwrap_or_else(|| Assessment::progressing(&progress(live)));
    // How often it may fail and how long it may take is for the Job to say: its pods need not become ready.
    combine(own, around, Stage::Watched)
}

fn failure(failed: Condition<'_>, around: &Around<'_>) -> String {
    let last = last_failed(around).map_or(String::new(), |(pod, words)| format!("; pod {} {words}", pod.name));
    match failed.reason {
        "" => format!("failed: {}{last}", failed.message),
        reason => format!("failed: {} ({reason}){last}", failed.message),
    }
}

fn progress(live: Live<'_>) -> String {
    let succeeded = live.count("/status/succeeded");
    let done = match live.number("/spec/completions") {
        Some(completions) => format!("{succeeded} of {completions} completions"),
        None => "is running".to_owned(),
    };
    match live.count("/status/failed") {
        0 => done,
        1 => format!("{done}, 1 pod failed"),
        failed => format!("{done}, {failed} pods failed"),
    }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    const RUNNING: &str = "{apiVersion: batch/v1, kind: Job, metadata: {uid: j1}, spec: {completions: 2}, status: {active: 1, succeeded: 1}}";
    const FAILED_POD: &str = "{kind: Pod, metadata: {name: migrate-a, creationTimestamp: T-50}, status: {phase: Failed, startTime: T-50, containerStatuses: [{name: sql, state: {terminated: {exitCode: 3, reason: Error, message: 'password=hunter2'}}}]}}";

    #[test]
    fn jobs() {
        check(&[
            ("new", &["{apiVersion: batch/v1, kind: Job, spec: {completions: 1}}"], "Progressing: 0 of 1 completions"),
            ("a work queue", &["{apiVersion: batch/v1, kind: Job, status: {active: 1}}"], "Progressing: is running"),
            ("on the way", &[RUNNING, NOT_READY_ANY_MORE], "Progressing: 1 of 2 completions"),
            (
                "complete",
                &[
                    "{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Complete, status: 'True'}]}}",
                    FAILED_POD,
                ],
                "Healthy",
            ),
            (
                "suspended",
                &[
                    "{apiVersion: batch/v1, kind: Job, spec: {suspend: true}, status: {conditions: [{type: Suspended, status: 'True'}]}}",
                ],
                "Suspended: is suspended",
            ),
            (
                "failed",
                &[
                    "{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Failed, status: 'True', reason: BackoffLimitExceeded, message: Job has reached the specified backoff limit}]}}",
                    FAILED_POD,
                ],
                "Degraded: failed: Job has reached the specified backoff limit (BackoffLimitExceeded); pod migrate-a failed: container sql exited with code 3",
            ),
            (
                "about to have failed, and its pods are gone",
                &[
                    "{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: FailureTarget, status: 'True', reason: DeadlineExceeded, message: Job was active longer than specified deadline}]}}",
                ],
                "Degraded: failed: Job was active longer than specified deadline (DeadlineExceeded)",
            ),
            (
                "tries again",
                &[
                    "{apiVersion: batch/v1, kind: Job, spec: {completions: 1}, status: {active: 1, failed: 1}}",
                    FAILED_POD,
                    STARTING,
                ],
                "Progressing: 0 of 1 completions, 1 pod failed; pod migrate-a failed: container sql exited with code 3",
            ),
            ("its image", &[RUNNING, NO_IMAGE], "Degraded: image shop:2 cannot be pulled: not found"),
            (
                "crashes in its pod",
                &[RUNNING, CRASHING],
                "Progressing: container app exits with code 1, restarted 2 times @20",
            ),
            (
                "quota for the second pod only",
                &[
                    RUNNING,
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'Error creating: pods \"a\" is forbidden: exceeded quota: small', lastTimestamp: T-3, involvedObject: {kind: Job, name: a, uid: j1}}",
                ],
                "Progressing: 1 of 2 completions",
            ),
            (
                "quota",
                &[
                    "{apiVersion: batch/v1, kind: Job, metadata: {uid: j1}, spec: {completions: 1}}",
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'Error creating: pods \"a\" is forbidden: exceeded quota: small', lastTimestamp: T-3, involvedObject: {kind: Job, name: a, uid: j1}}",
                ],
                "Degraded: pods cannot be created: exceeded quota: small",
            ),
        ]);
    }
}
