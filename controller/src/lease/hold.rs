//! Until when we may write.

use std::sync::{Arc, PoisonError, RwLock};

use kube::Client;
use prometheus_client::metrics::gauge::Gauge;
use release_edge::client;
use tokio::time::Instant;

/// Until when this replica may write: as long as nobody else can hold the Lease.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    until: Arc<RwLock<Option<Instant>>>,
    shown: Gauge,
}

impl Hold {
    /// Not held; `shown` tells Prometheus.
    pub(crate) fn new(shown: Gauge) -> Self {
        Self { until: Arc::default(), shown }
    }

    /// Whether we may write now.
    pub(crate) fn is_valid(&self) -> bool {
        self.until.read().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// A client that refuses to write once the hold is over. Whoever slept through the deadline, as a process that was stopped or a
    /// machine that was paused, would otherwise write before it notices.
    pub(crate) fn guard(&self, client: &Client) -> Client {
        let hold = self.clone();
        client::writing_while(client, move || hold.is_valid())
    }

    pub(super) fn until(&self, until: Instant) {
        *self.until.write().unwrap_or_else(PoisonError::into_inner) = Some(until);
        self.shown.set(1);
    }

    pub(super) fn end(&self) {
        *self.until.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.shown.set(0);
    }
}
