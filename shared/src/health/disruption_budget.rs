use jiff::Timestamp;

use super::Assessment;
use super::assessment::MINUTE;
use super::live::Live;

/// A PodDisruptionBudget is well when its controller has worked it out. That it allows no disruption at the moment says something of
/// the pods, and they are judged themselves.
pub(super) fn assess(live: Live<'_>, now: Timestamp) -> Assessment {
    // The controller leaves `observedGeneration` alone where it fails. (`pkg/controller/disruption`, `failSafe`)
    match live.condition("DisruptionAllowed") {
        Some(allowed) if allowed.reason == "SyncFailed" => {
            let words = format!("cannot be worked out: {}", allowed.message);
            Assessment::tolerated(&words, allowed.since, MINUTE, now)
        }
        _ => live.unobserved().unwrap_or_else(Assessment::healthy),
    }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    #[test]
    fn disruption_budgets() {
        check(&[
            (
                "new",
                &["{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {generation: 1}}"],
                "Progressing: waits for its controller",
            ),
            (
                "allows nothing now",
                &[
                    "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: DisruptionAllowed, status: 'False', reason: InsufficientPods}]}}",
                ],
                "Healthy",
            ),
            (
                "cannot be worked out",
                &[
                    "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {generation: 1}, status: {conditions: [{type: DisruptionAllowed, status: 'False', reason: SyncFailed, message: 'found no controllers for pod \"a\"', lastTransitionTime: T-60}]}}",
                ],
                "Degraded: cannot be worked out: found no controllers for pod \"a\"",
            ),
        ]);
    }
}
