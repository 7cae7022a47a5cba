//! What the kubelet and Prometheus are told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use release_edge::metrics::Registry;
use release_edge::serve;
use release_edge::shutdown::Shutdown;
use tokio::time::Instant;

/// How this replica is. One that waits for the lease is as ready as the one that holds it: it can take over.
#[derive(Debug)]
pub(crate) struct Health {
    /// Whether the API server has told us of the lease.
    reached: AtomicBool,
    /// When the lease was last looked after, by whoever holds it or waits for it.
    beat: Mutex<Instant>,
    patience: Duration,
}

impl Health {
    /// Alive from now on, as long as the lease is looked after at least every `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { reached: AtomicBool::default(), beat: Mutex::new(Instant::now()), patience }
    }

    pub(crate) fn set_reached(&self) {
        self.reached.store(true, Ordering::Release);
    }

    pub(crate) fn beat(&self) {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_stuck(&self) -> bool {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > self.patience
    }

    /// What is wrong, for `/livez`.
    fn wrong(&self) -> Option<&'static str> {
        self.is_stuck().then_some("the lease is no longer looked after")
    }

    /// What is missing, for `/readyz`.
    fn missing(&self) -> Option<&'static str> {
        (!self.reached.load(Ordering::Acquire)).then_some("the API server has not yet told of the lease")
    }
}

/// `/livez`, `/readyz` and `/metrics`.
pub(crate) fn endpoints(health: Arc<Health>, registry: Registry, shutdown: Shutdown) -> Router {
    let live = Arc::clone(&health);
    let ready = move || if shutdown.is_draining() { Some("shutting down") } else { health.missing() };
    serve::health(move || live.wrong(), ready).merge(serve::metrics(Arc::new(registry)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_replica_is_ready_once_it_knows_the_lease_and_alive_while_it_looks_after_it() {
        let health = Health::new(Duration::from_secs(30));
        assert!(health.missing().is_some());
        health.set_reached();
        assert_eq!(health.missing(), None);

        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(health.wrong(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(health.wrong().is_some());
        health.beat();
        assert_eq!(health.wrong(), None);
    }
}
