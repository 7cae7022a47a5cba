use super::Assessment;
use super::live::Live;

/// A Namespace; one that is being deleted has been recognized by its deletionTimestamp.
pub(super) fn assess(live: Live<'_>) -> Assessment {
    match live.text("/status/phase") {
        "Terminating" => Assessment::progressing("is being deleted"),
        _ => Assessment::healthy(),
    }
}

#[cfg(test)]
mod tests {
    use crate::health::tests::*;

    #[test]
    fn namespaces() {
        check(&[
            ("active", &["{apiVersion: v1, kind: Namespace, status: {phase: Active}}"], "Healthy"),
            (
                "leaving",
                &["{apiVersion: v1, kind: Namespace, status: {phase: Terminating}}"],
                "Progressing: is being deleted",
            ),
        ]);
    }
}
