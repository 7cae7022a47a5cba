use super::assessment::MINUTE;
use super::event::last_about;
use super::live::Live;
use super::{Around, Assessment};

/// The warnings of a claim that does not get a volume. (`pkg/controller/volume/events`)
const FAILED: [&str; 4] = ["ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ClaimMisbound"];

/// A PersistentVolumeClaim. A storage class may bind a volume only when a pod uses the claim (`WaitForFirstConsumer`), so a claim that
/// waits is not at fault for it.
pub(super) fn assess(live: Live<'_>, around: &Around<'_>) -> Assessment {
    match live.text("/status/phase") {
        "Bound" => Assessment::healthy(),
        "Lost" => Assessment::degraded("has lost its volume, and the data on it"),
        _ => match last_about(around.events, live.uid(), |event| FAILED.contains(&event.reason.as_str())) {
            Some(event) => {
                let words = format!("gets no volume: {}", event.message);
                Assessment::tolerated(&words, event.first_seen, MINUTE, around.now)
            }
            None => Assessment::progressing("waits for a volume, which it may get only when a pod uses it"),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    const PENDING: &str =
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {uid: c1}, status: {phase: Pending}}";

    #[test]
    fn claims() {
        check(&[
            ("bound", &["{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Bound}}"], "Healthy"),
            (
                "lost",
                &["{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Lost}}"],
                "Degraded: has lost its volume, and the data on it",
            ),
            ("pending", &[PENDING], "Progressing: waits for a volume, which it may get only when a pod uses it"),
            (
                "new",
                &["{apiVersion: v1, kind: PersistentVolumeClaim}"],
                "Progressing: waits for a volume, which it may get only when a pod uses it",
            ),
            (
                "just refused",
                &[
                    PENDING,
                    "{kind: Event, type: Warning, reason: ProvisioningFailed, message: 'storageclass.storage.k8s.io \"fast\" not found', firstTimestamp: T-20, lastTimestamp: T-5, involvedObject: {kind: PersistentVolumeClaim, name: a, uid: c1}}",
                ],
                "Progressing: gets no volume: storageclass.storage.k8s.io \"fast\" not found @40",
            ),
            (
                "refused for long",
                &[
                    PENDING,
                    "{kind: Event, type: Warning, reason: ProvisioningFailed, message: 'storageclass.storage.k8s.io \"fast\" not found', firstTimestamp: T-60, lastTimestamp: T-5, involvedObject: {kind: PersistentVolumeClaim, name: a, uid: c1}}",
                ],
                "Degraded: gets no volume: storageclass.storage.k8s.io \"fast\" not found",
            ),
        ]);
    }
}
