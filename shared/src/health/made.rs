//! Pods that cannot even be made: quota, Pod Security, an account that is missing.

use jiff::Timestamp;

use super::assessment::MINUTE;
use super::event::last_about;
use super::live::Live;
use super::{Around, Assessment};

/// Why a workload's pods cannot be made, where its condition `ReplicaFailure` says so (Deployment, ReplicaSet).
pub(super) fn by_condition(live: Live<'_>, now: Timestamp) -> Option<Assessment> {
    let failure = live.condition("ReplicaFailure").filter(|failure| failure.is("True"))?;
    Some(judge(failure.words_or("no reason is given"), failure.since, now))
}

/// The same where a warning about the object says so, as it does for all kinds that make pods. The warning counts while pods are
/// missing, which the caller knows, and none was made after it.
pub(super) fn by_event(live: Live<'_>, around: &Around<'_>) -> Option<Assessment> {
    let event = last_about(around.events, live.uid(), |event| event.reason == "FailedCreate")?;
    let last_made = around.pods.iter().filter_map(|pod| pod.created_at).max();
    let is_current = last_made.is_none_or(|made| event.last_seen.is_none_or(|seen| made <= seen));
    is_current.then(|| judge(&event.message, event.first_seen, around.now))
}

fn judge(message: &str, since: Option<Timestamp>, now: Timestamp) -> Assessment {
    let what = if message.starts_with("create Claim ") { "volume claims" } else { "pods" };
    let words = format!("{what} cannot be created: {}", reason(message));
    if is_lasting(message) { Assessment::degraded(&words) } else { Assessment::tolerated(&words, since, MINUTE, now) }
}

/// Whether trying again does not help: it is refused, by quota, Pod Security or validation. The account of a namespace that was made
/// a moment ago is missing for as long, and other errors may be the API server's.
fn is_lasting(message: &str) -> bool {
    let is_refused = message.contains(" is forbidden: ") || message.contains(" is invalid: ");
    is_refused && !message.contains("error looking up service account")
}

/// What the API server said, without who asked for what: `Error creating: pods "web-x" is forbidden: exceeded quota: …`,
/// `create Pod web-0 in StatefulSet web failed error: …`.
fn reason(message: &str) -> &str {
    ["Error creating: ", " failed error: ", " is forbidden: "]
        .into_iter()
        .fold(message, |rest, before| rest.split_once(before).map_or(rest, |(_, after)| after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_said_is_what_remains() {
        let cases = [
            (
                "Error creating: pods \"web-x\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2",
                "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2",
                true,
            ),
            (
                "pods \"web-x\" is forbidden: violates PodSecurity \"restricted:latest\": privileged",
                "violates PodSecurity \"restricted:latest\": privileged",
                true,
            ),
            (
                "create Pod web-0 in StatefulSet web failed error: pods \"web-0\" is forbidden: exceeded quota: small",
                "exceeded quota: small",
                true,
            ),
            (
                "Error creating: Pod \"web-x\" is invalid: spec.x: Invalid value",
                "Pod \"web-x\" is invalid: spec.x: Invalid value",
                true,
            ),
            (
                "pods \"web-x\" is forbidden: error looking up service account shop/web: serviceaccount \"web\" not found",
                "error looking up service account shop/web: serviceaccount \"web\" not found",
                false,
            ),
            (
                "Error creating: Internal error occurred: failed calling webhook",
                "Internal error occurred: failed calling webhook",
                false,
            ),
            ("", "", false),
        ];
        for (message, expected, lasting) in cases {
            assert_eq!((reason(message), is_lasting(message)), (expected, lasting), "{message}");
        }
    }
}
