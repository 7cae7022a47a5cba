//! Readiness: true only when a call would be answered rightly and be trusted by the API server.

use std::sync::atomic::{AtomicBool, Ordering};

/// What must be so before calls are taken.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    synced: AtomicBool,
    keyed: AtomicBool,
    trusted: AtomicBool,
}

impl Readiness {
    /// The caches have seen everything once. They may go stale later, which is no reason to be unready: all replicas would be at once.
    pub(crate) fn set_synced(&self) {
        self.synced.store(true, Ordering::Release);
    }

    /// Whether the certificate that is served is one that the webhook configurations trust.
    pub(crate) fn set_trusted(&self, trusted: bool) {
        self.trusted.store(trusted, Ordering::Release);
    }

    /// The keys that sign records were loaded once. They stay in memory, whatever becomes of them in the cluster.
    pub(crate) fn set_keyed(&self) {
        self.keyed.store(true, Ordering::Release);
    }

    /// What is missing for an answer; `None` where calls can be answered.
    pub(crate) fn cannot_answer(&self) -> Option<&'static str> {
        match (self.synced.load(Ordering::Acquire), self.keyed.load(Ordering::Acquire)) {
            (false, _) => Some("the caches are not yet filled"),
            (true, false) => Some("the record keys are not yet loaded"),
            (true, true) => None,
        }
    }

    /// What is still missing; `None` when ready.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        let trusted = self.trusted.load(Ordering::Acquire);
        if trusted { self.cannot_answer() } else { Some("the certificate is not yet in the webhook configurations") }
    }
}
