//! When to stop: the first signal starts the drain, the second ends the program.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells whether the program is draining, and whether it should be over.
#[derive(Debug, Clone)]
pub struct Shutdown {
    signals: watch::Receiver<u8>,
}

impl Shutdown {
    /// Counts SIGTERM and SIGINT.
    pub fn on_signals() -> anyhow::Result<Self> {
        let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
        let (count, shutdown) = Self::by_hand();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                count.send_modify(|count| *count = count.saturating_add(1));
            }
        });
        Ok(shutdown)
    }

    /// Follows a number of signals that is set by hand, for whoever is no process of its own.
    pub fn by_hand() -> (watch::Sender<u8>, Self) {
        let (count, signals) = watch::channel(0_u8);
        (count, Self { signals })
    }

    /// Whether the first signal has come.
    pub fn is_draining(&self) -> bool {
        *self.signals.borrow() > 0
    }

    /// Waits for the first signal.
    pub async fn draining(&self) {
        self.reached(1).await;
    }

    /// Waits for the second signal.
    pub async fn now(&self) {
        self.reached(2).await;
    }

    async fn reached(&self, number: u8) {
        // The sender lives as long as the program; were it gone, waiting for ever is right.
        if self.signals.clone().wait_for(|count| *count >= number).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
