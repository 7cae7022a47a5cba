//! When connections end that are still open after the first signal: at one moment for all of them, however late they came.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use release_edge::shutdown::Shutdown;
use tokio::time::{Instant, sleep_until};

/// The end of the time in which calls are still taken.
#[derive(Debug, Clone)]
pub(super) struct Drain {
    shutdown: Shutdown,
    delay: Duration,
    over_at: Arc<OnceLock<Instant>>,
}

impl Drain {
    pub(super) fn new(shutdown: Shutdown, delay: Duration) -> Self {
        Self { shutdown, delay, over_at: Arc::default() }
    }

    /// Whether it has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.shutdown.is_draining()
    }

    /// Resolves when it begins.
    pub(super) async fn begins(&self) {
        self.shutdown.draining().await;
        self.over_at.get_or_init(|| Instant::now() + self.delay);
    }

    /// Resolves when it is over.
    pub(super) async fn is_over(&self) {
        self.begins().await;
        sleep_until(*self.over_at.get_or_init(|| Instant::now() + self.delay)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_over_for_all_at_the_same_moment() {
        let (signals, shutdown) = Shutdown::by_hand();
        let delay = Duration::from_secs(10);
        let drain = Drain::new(shutdown, delay);
        let early = drain.clone();
        let early = tokio::spawn(async move { early.is_over().await });
        assert!(!drain.has_begun());
        tokio::time::sleep(delay * 2).await;
        let start = Instant::now();
        signals.send_replace(1);
        tokio::time::sleep(delay / 2).await;
        assert!(drain.has_begun() && !early.is_finished());
        // Whoever came in the meantime.
        drain.clone().is_over().await;
        early.await.unwrap();
        assert_eq!(start.elapsed(), delay);
    }
}
