use super::event::last_about;
use super::live::Live;
use super::{Around, Assessment};

/// A CronJob is well while it is waiting and while it runs: what its Jobs do is theirs, and a run of an earlier revision that failed
/// must not follow the fix until the next one, which may be a month away.
pub(super) fn assess(live: Live<'_>, around: &Around<'_>) -> Assessment {
    if live.is_true("/spec/suspend") {
        return Assessment::suspended("is suspended");
    }
    let scheduled = live.time("/status/lastScheduleTime");
    let unmade = last_about(around.events, live.uid(), |event| event.reason == "FailedCreate");
    if let Some(event) = unmade.filter(|event| event.last_seen > scheduled) {
        let said = event.message.trim_start_matches("Error creating job: ");
        return Assessment::degraded(&format!("jobs cannot be created: {said}"));
    }
    let is_idle = live.list("/status/active").is_empty();
    let has_failed = is_idle && scheduled > live.time("/status/lastSuccessfulTime");
    let note = has_failed.then(|| "its last run did not succeed".to_owned());
    Assessment { cause: note, ..Assessment::healthy() }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    #[test]
    fn cron_jobs() {
        check(&[
            ("never ran", &["{apiVersion: batch/v1, kind: CronJob}"], "Healthy"),
            ("suspended", &["{apiVersion: batch/v1, kind: CronJob, spec: {suspend: true}}"], "Suspended: is suspended"),
            (
                "runs",
                &["{apiVersion: batch/v1, kind: CronJob, status: {lastScheduleTime: T-60, active: [{name: a}]}}"],
                "Healthy",
            ),
            (
                "ran well",
                &["{apiVersion: batch/v1, kind: CronJob, status: {lastScheduleTime: T-60, lastSuccessfulTime: T-50}}"],
                "Healthy",
            ),
            (
                "did not run well",
                &["{apiVersion: batch/v1, kind: CronJob, status: {lastScheduleTime: T-60, lastSuccessfulTime: T-90}}"],
                "Healthy: its last run did not succeed",
            ),
            (
                "cannot run",
                &[
                    "{apiVersion: batch/v1, kind: CronJob, metadata: {uid: c1}, status: {lastScheduleTime: T-60}}",
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'Error creating job: exceeded quota', lastTimestamp: T-3, involvedObject: {kind: CronJob, name: a, uid: c1}}",
                ],
                "Degraded: jobs cannot be created: exceeded quota",
            ),
            (
                "can run again",
                &[
                    "{apiVersion: batch/v1, kind: CronJob, metadata: {uid: c1}, status: {lastScheduleTime: T-2, active: [{name: a}]}}",
                    "{kind: Event, type: Warning, reason: FailedCreate, message: 'Error creating job: exceeded quota', lastTimestamp: T-3, involvedObject: {kind: CronJob, name: a, uid: c1}}",
                ],
                "Healthy",
            ),
        ]);
    }
}
