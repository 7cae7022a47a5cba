//! A panic is a fault of this program. It ends the program, since what is half done may not be gone on with, but for work of which one
//! piece says nothing about the next: that fails alone.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// How long that line may take to be written.
const LAST_LINE: Duration = Duration::from_secs(1);

thread_local! {
    /// Whether this thread is at work that may fail alone.
    static IS_CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// The work panicked; where is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("panicked")]
pub struct Panicked;

/// From here on a panic is logged as one line, and ends the process unless it is [`contained`].
pub fn end_the_process() {
    std::panic::set_hook(Box::new(|panic| {
        log(panic);
        if !IS_CONTAINED.get() {
            crate::log::flush(LAST_LINE);
            std::process::abort();
        }
    }));
}

/// The place alone: a panic's message may quote what it stumbled over, and objects are not logged.
fn log(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(at, thread = thread.name(), "panicked: please report this as a fault");
}

/// What becomes of `work`, whose panic harms nothing but itself: it holds no lock that does not survive one.
///
/// # Errors
/// When it panicked.
pub async fn contained<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        let outer = IS_CONTAINED.replace(true);
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        IS_CONTAINED.set(outer);
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a process of its own is to do. (`RELEASE_TEST_PANIC`)
    const ROLE: &str = "RELEASE_TEST_PANIC";

    #[tokio::test]
    async fn work_that_panics_fails_alone() {
        assert_eq!(contained(async { 1 }).await, Ok(1));
        let late = async {
            tokio::task::yield_now().await;
            panic!("of a test");
        };
        assert_eq!(contained(late).await, Err::<(), _>(Panicked));
        assert!(!IS_CONTAINED.get());
        assert_eq!(contained(contained(async { panic!("of a test") })).await, Ok(Err::<(), _>(Panicked)));
    }

    /// Only does something in a process of its own.
    #[tokio::test]
    async fn panics_in_a_process_of_its_own() {
        let Ok(role) = std::env::var(ROLE) else { return };
        if role == "logged" {
            crate::log::start(crate::log::filter("info").unwrap());
        }
        end_the_process();
        let broken = async { panic!("of a test") };
        if role == "contained" {
            assert_eq!(contained(broken).await, Err::<(), _>(Panicked));
        } else {
            // Nobody looks at what became of it.
            drop(tokio::spawn(broken).await);
        }
    }

    #[test]
    fn any_other_panic_ends_the_process() {
        let run = |role: &str| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "--nocapture", "panics::tests::panics_in_a_process_of_its_own"]).env(ROLE, role);
            child.output().unwrap()
        };
        assert!(run("contained").status.success());
        assert!(!run("spawned").status.success());
        // What it said last is out before it ends.
        let logged = run("logged");
        let said = String::from_utf8(logged.stderr).unwrap();
        assert!(!logged.status.success() && said.contains("panicked: please report this as a fault"), "{said}");
    }
}
