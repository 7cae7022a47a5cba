//! What is asked of the API server while it waits for our own answer, and how much of it at once: whoever calls cannot make us ask without
//! bounds, nor keep what is answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::metrics::{Metrics, Unasked};

/// How many reviews look something up at once. What each has been told, a ComponentRelease of more than a megabyte at most, it holds until
/// it is judged.
const REVIEWS: usize = 16;
/// How many questions are under way at once.
const QUESTIONS: usize = 16;
/// How long one waits for a place; it would rather be answered than be right a second later.
const PATIENCE: Duration = Duration::from_secs(1);

/// The places of those who ask.
#[derive(Debug)]
pub(crate) struct Lookups {
    reviews: Semaphore,
    questions: Semaphore,
    metrics: Arc<Metrics>,
}

/// A place; free again when this goes.
#[derive(Debug)]
pub(crate) struct Looking<'a> {
    #[expect(dead_code, reason = "holds the place")]
    place: SemaphorePermit<'a>,
    metrics: &'a Metrics,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.metrics.looking.dec();
    }
}

impl Lookups {
    /// Nobody asks anything yet.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { reviews: Semaphore::new(REVIEWS), questions: Semaphore::new(QUESTIONS), metrics }
    }

    /// A place for a review, which a little is waited for; nothing where none comes free before the deadline.
    pub(crate) async fn place(&self, deadline: Instant) -> Option<Looking<'_>> {
        let latest = deadline.min(Instant::now() + PATIENCE);
        let Ok(Ok(place)) = timeout_at(latest, self.reviews.acquire()).await else {
            tracing::warn!("too much is asked of the API server; the judgement stands");
            self.metrics.unasked(Unasked::Busy);
            return None;
        };
        self.metrics.looking.inc();
        Some(Looking { place, metrics: &self.metrics })
    }

    /// Asks in turn.
    pub(crate) async fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        // The semaphore is never closed; were it, asking is right.
        let _turn = self.questions.acquire().await;
        question.await
    }

    /// What is found before the deadline. After it the judgement stands as it is: a refusal that comes too late is none.
    pub(crate) async fn within<T>(&self, deadline: Instant, look: impl Future<Output = T>) -> Option<T> {
        let found = timeout_at(deadline, look).await;
        if found.is_err() {
            tracing::warn!("the API server did not answer in time; the judgement stands");
            self.metrics.unasked(Unasked::Slow);
        }
        found.ok()
    }

    /// Something came back that says nothing.
    pub(crate) fn failed(&self) {
        self.metrics.unasked(Unasked::Failed);
    }
}
