//! What is asked of the API server while it waits for our own answer, how much of it at once and how long: whoever calls cannot make us ask
//! without bounds, nor keep what is answered.

use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::metrics::{Metrics, Unasked};
use crate::tls::error_chain;

/// How many reviews look something up at once. What each has been told, a ComponentRelease of more than a megabyte at most, it holds until
/// it is judged.
const REVIEWS: usize = 16;
/// How many questions are under way at once.
const QUESTIONS: usize = 16;
/// How long one waits, be it for a place or for what the API server says; it would rather be answered than be right a second later.
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
        let Ok(Ok(place)) = timeout_at(latest(deadline), self.reviews.acquire()).await else {
            self.too_many("what a judgement rests on");
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

    /// What a look finds in time, the wait for its turn included: a second, and before the deadline. Else it is told what was not learned, and
    /// the judgement stands as it is: a refusal that comes too late is none.
    pub(crate) async fn find<T, E: Error>(
        &self,
        what: impl Display,
        deadline: Instant,
        look: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        match timeout_at(latest(deadline), look).await {
            Ok(Ok(found)) => return Some(found),
            Ok(Err(error)) => {
                tracing::warn!(%what, error = error_chain(&error), "the API server could not be asked");
                self.metrics.unasked(Unasked::Failed);
            }
            Err(_) => {
                tracing::warn!(%what, "the API server did not answer in time");
                self.metrics.unasked(Unasked::Slow);
            }
        }
        None
    }

    /// Something is not asked, since too much is.
    pub(crate) fn too_many(&self, what: &'static str) {
        tracing::warn!(what, "too much is asked of the API server already");
        self.metrics.unasked(Unasked::Busy);
    }
}

fn latest(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + PATIENCE)
}
