//! Handshakes in turn. What they compute takes as long as a small review: were each woken when its bytes come, a crowd of them would stand
//! between a call and its thread. So each step waits for a turn, and has it only while it computes: who is waited for keeps nobody.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

type Waiting = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// A future whose steps take turns with those of others.
pub(super) struct InTurn<F> {
    inner: F,
    turns: Arc<Semaphore>,
    waiting: Option<Waiting>,
}

impl<F> InTurn<F> {
    pub(super) fn new(inner: F, turns: Arc<Semaphore>) -> Self {
        Self { inner, turns, waiting: None }
    }
}

impl<F: Future + Unpin> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let turns = Arc::clone(&self.turns);
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(turns.acquire_owned()));
        let Poll::Ready(turn) = waiting.as_mut().poll(context) else { return Poll::Pending };
        self.waiting = None;
        let polled = Pin::new(&mut self.inner).poll(context);
        drop(turn);
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::future::{join_all, poll_fn};
    use tokio::time::timeout;

    use super::*;

    /// What computes for two milliseconds at each of three steps.
    async fn work(under_way: Arc<AtomicUsize>, most: Arc<AtomicUsize>) {
        for _ in 0..3 {
            let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(2));
            under_way.fetch_sub(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
    async fn only_so_many_compute_at_once() {
        let (under_way, most, turns) = (Arc::default(), Arc::default(), Arc::new(Semaphore::new(2)));
        let start = || InTurn::new(Box::pin(work(Arc::clone(&under_way), Arc::clone(&most))), Arc::clone(&turns));
        let all: Vec<_> = (0..50).map(|_| tokio::spawn(start())).collect();
        assert!(join_all(all).await.iter().all(Result::is_ok));
        assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
    }

    #[tokio::test]
    async fn who_is_waited_for_keeps_nobody() {
        let turns = Arc::new(Semaphore::new(1));
        let silent: Vec<_> = (0..100).map(|_| InTurn::new(std::future::pending::<()>(), Arc::clone(&turns))).collect();
        tokio::spawn(join_all(silent));
        tokio::task::yield_now().await;
        let next = InTurn::new(Box::pin(tokio::task::yield_now()), turns);
        assert!(timeout(Duration::from_secs(10), next).await.is_ok());
    }

    #[tokio::test]
    async fn a_turn_that_nobody_takes_any_more_is_anothers() {
        let turns = Arc::new(Semaphore::new(1));
        let held = Arc::clone(&turns).acquire_owned().await.unwrap();
        let mut given_up = InTurn::new(std::future::ready(()), Arc::clone(&turns));
        assert!(poll_fn(|context| Poll::Ready(Pin::new(&mut given_up).poll(context).is_pending())).await);
        drop(held);
        drop(given_up);
        assert_eq!(turns.available_permits(), 1);
    }
}
