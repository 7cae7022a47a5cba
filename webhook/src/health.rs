//! Readiness: true only when a call would be answered rightly and be trusted by the API server.

use std::sync::atomic::{AtomicBool, Ordering};

/// What must be so before calls are taken.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    synced: AtomicBool,
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

    /// Whether the caches have seen everything once.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    /// What is still missing; `None` when ready.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        match (self.is_synced(), self.trusted.load(Ordering::Acquire)) {
            (_, false) => Some("the certificate is not yet in the webhook configurations"),
            (false, true) => Some("the caches are not yet filled"),
            (true, true) => None,
        }
    }
}
