//! One runtime for all API calls of a run, behind a synchronous face.

use std::future::Future;
use std::sync::LazyLock;
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("the harness has its runtime")
});

/// Runs a future to its end. May be called from synchronous and from asynchronous code alike.
///
/// # Panics
/// When the future does.
pub fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    if Handle::try_current().is_err() {
        return RUNTIME.block_on(future);
    }
    // A runtime refuses to block a thread of its own, so another thread waits for us.
    thread::scope(|scope| {
        scope.spawn(|| RUNTIME.block_on(future)).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
