use jiff::Timestamp;

use super::Assessment;
use super::assessment::{DEADLINE, MINUTE};
use super::live::{Condition, Live};

/// A HorizontalPodAutoscaler. One that cannot scale for now leaves its target as it is, so little counts at once.
pub(super) fn assess(live: Live<'_>, now: Timestamp) -> Assessment {
    let fails = |kind| live.condition(kind).filter(|condition| condition.is("False"));
    if let Some(unable) = fails("AbleToScale") {
        return Assessment::tolerated(unable.words_or("no reason is given"), unable.since, MINUTE, now);
    }
    match fails("ScalingActive") {
        Some(inactive) => judge(inactive, now),
        None => Assessment::healthy(),
    }
}

fn judge(inactive: Condition<'_>, now: Timestamp) -> Assessment {
    let words = inactive.words_or("no reason is given");
    let degraded_after = |patience| Assessment::tolerated(words, inactive.since, patience, now);
    match inactive.reason {
        "ScalingDisabled" => Assessment::suspended("does not scale: its target is scaled to zero"),
        _ if lacks_metrics_api(words) => Assessment {
            cause: Some("does not scale: the cluster does not serve the metrics that it is to scale by".to_owned()),
            ..Assessment::healthy()
        },
        // Somebody has to write the missing request into the pods' template.
        reason if reason.starts_with("FailedGet") && words.contains("missing request for") => {
            Assessment::degraded(words)
        }
        // A pod has no metrics in its first minute or so.
        reason if reason.starts_with("FailedGet") => degraded_after(DEADLINE),
        _ => degraded_after(MINUTE),
    }
}

/// Whether nobody serves the metrics API at all: the message is that of a 404 for the group, or of the client for custom and external
/// metrics that does not find it. (`k8s.io/metrics/pkg/client/custom_metrics/discovery.go`)
fn lacks_metrics_api(message: &str) -> bool {
    let fetches = message.contains("metrics API: ");
    fetches && (message.contains("could not find the requested resource") || message.contains(") registered"))
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    fn check_condition(rows: &[(&str, &str, &str)]) {
        for (name, condition, expected) in rows {
            let object = format!(
                "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, status: {{conditions: [{condition}]}}}}"
            );
            check(&[(name, &[&object], expected)]);
        }
    }

    #[test]
    fn scalers() {
        check_condition(&[
            ("new", "", "Healthy"),
            ("scales", "{type: AbleToScale, status: 'True'}, {type: ScalingActive, status: 'True'}", "Healthy"),
            ("is limited", "{type: ScalingLimited, status: 'True'}", "Healthy"),
            (
                "no metrics API",
                "{type: ScalingActive, status: 'False', reason: FailedGetResourceMetric, message: 'the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)', lastTransitionTime: T-6000}",
                "Healthy: does not scale: the cluster does not serve the metrics that it is to scale by",
            ),
            (
                "no custom metrics API",
                "{type: ScalingActive, status: 'False', reason: FailedGetPodsMetric, message: 'unable to get metric rps: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered', lastTransitionTime: T-6000}",
                "Healthy: does not scale: the cluster does not serve the metrics that it is to scale by",
            ),
            (
                "no metrics yet",
                "{type: ScalingActive, status: 'False', reason: FailedGetResourceMetric, message: 'no metrics returned from resource metrics API', lastTransitionTime: T-100}",
                "Progressing: no metrics returned from resource metrics API @500",
            ),
            (
                "no metrics for long",
                "{type: ScalingActive, status: 'False', reason: FailedGetResourceMetric, message: 'no metrics returned from resource metrics API', lastTransitionTime: T-600}",
                "Degraded: no metrics returned from resource metrics API",
            ),
            (
                "no request",
                "{type: ScalingActive, status: 'False', reason: FailedGetResourceMetric, message: 'missing request for cpu in container app of Pod web-1', lastTransitionTime: T-1}",
                "Degraded: missing request for cpu in container app of Pod web-1",
            ),
            (
                "a target at zero",
                "{type: ScalingActive, status: 'False', reason: ScalingDisabled}",
                "Suspended: does not scale: its target is scaled to zero",
            ),
            (
                "two selectors",
                "{type: ScalingActive, status: 'False', reason: AmbiguousSelector, message: 'pods by selector app=web are controlled by multiple HPAs', lastTransitionTime: T-70}",
                "Degraded: pods by selector app=web are controlled by multiple HPAs",
            ),
            (
                "a target that may be about to come",
                "{type: AbleToScale, status: 'False', reason: FailedGetScale, message: 'deployments.apps \"web\" not found', lastTransitionTime: T-10}",
                "Progressing: deployments.apps \"web\" not found @50",
            ),
        ]);
    }
}
