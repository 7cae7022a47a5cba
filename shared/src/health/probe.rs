//! What the kubelet says of failing probes.

use jiff::SignedDuration;

use super::event::last_about;
use super::pod_view::PodView;
use super::trouble::Events;

/// How a probe's own words begin where they are the kubelet's (`pkg/probe` of Kubernetes 1.36: HTTP, TCP, gRPC). Anything else is what
/// a command printed inside the container, which is never shown: it is log text.
const OWN_WORDS: [&str; 6] = ["HTTP probe failed", "Get \"", "dial tcp", "timeout: ", "error: ", "service unhealthy"];
/// A probe fails a few times before the pod is held to be unready, and an event is of whole seconds.
const BEFORE: SignedDuration = SignedDuration::from_secs(60);

/// Why the pod is not ready, where a probe is why: `readiness probe fails: HTTP probe failed with statuscode: 500`.
pub(super) fn of_unready(pod: &PodView, events: Events<'_>) -> Option<String> {
    let from = pod.unready_since.and_then(|since| since.checked_sub(BEFORE).ok());
    let event = last_about(events, &pod.uid, |event| {
        event.reason == "Unhealthy" && from.is_none_or(|from| event.last_seen.is_none_or(|seen| seen >= from))
    })?;
    words(&event.message)
}

/// Why the kubelet ends a container of the pod, where a probe is why.
pub(super) fn that_ends(container: &str, pod: &PodView, events: Events<'_>) -> Option<String> {
    let event = last_about(events, &pod.uid, |event| {
        event.reason == "Unhealthy"
            && event.container.as_deref().is_none_or(|name| name == container)
            && !event.message.starts_with("Readiness")
    })?;
    words(&event.message)
}

/// The message of an event about a probe, without what was printed inside the container.
pub(super) fn own_words(message: &str) -> &str {
    match message.split_once(": ") {
        Some((head, said))
            if !head.contains(" probe errored") && !OWN_WORDS.iter().any(|own| said.starts_with(own)) =>
        {
            head
        }
        _ => message,
    }
}

/// `readiness probe fails: …` from such a message.
fn words(message: &str) -> Option<String> {
    let (probe, rest) = message.split_once(" probe ")?;
    let probe = probe.to_ascii_lowercase();
    let said = rest.split_once(": ").map_or("", |(_, said)| said);
    let is_known = ["readiness", "liveness", "startup"].contains(&probe.as_str());
    is_known.then(|| format!("{probe} probe fails{}{said}", if said.is_empty() { "" } else { ": " }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kubelets_own_words_are_shown() {
        let cases = [
            (
                "Readiness probe failed: HTTP probe failed with statuscode: 500",
                Some("readiness probe fails: HTTP probe failed with statuscode: 500"),
            ),
            (
                "Readiness probe failed: Get \"http://10.0.0.1:80/\": dial tcp 10.0.0.1:80: connect: connection refused",
                Some(
                    "readiness probe fails: Get \"http://10.0.0.1:80/\": dial tcp 10.0.0.1:80: connect: connection refused",
                ),
            ),
            (
                "Startup probe failed: dial tcp 10.0.0.1:80: i/o timeout",
                Some("startup probe fails: dial tcp 10.0.0.1:80: i/o timeout"),
            ),
            (
                "Liveness probe failed: service unhealthy (responded with \"NOT_SERVING\")",
                Some("liveness probe fails: service unhealthy (responded with \"NOT_SERVING\")"),
            ),
            (
                "Readiness probe errored and resulted in unknown state: rpc error: no such file",
                Some("readiness probe fails: rpc error: no such file"),
            ),
            ("Readiness probe failed: password=hunter2", Some("readiness probe fails")),
            ("Readiness probe failed: ", Some("readiness probe fails")),
            ("Some probe failed: dial tcp", None),
            ("odd", None),
        ];
        for (message, expected) in cases {
            assert_eq!(words(own_words(message)).as_deref(), expected, "{message}");
        }
    }
}
