//! Bounded polling: the only way in which the harness waits for anything.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

/// Short beside what is waited for (a server, a pod), long beside one look at it.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until there is something to see, and returns it.
///
/// # Errors
/// When `limit` has passed (the message says that `what` did not come to be), or at once when a look fails.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if start.elapsed() >= limit {
            bail!("waited {limit:?} in vain for this: {what}");
        }
        thread::sleep(PAUSE);
    }
}

/// Looks until `condition` holds, and says whether it did before `limit` had passed.
#[must_use]
pub fn holds(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        thread::sleep(PAUSE);
    }
}
