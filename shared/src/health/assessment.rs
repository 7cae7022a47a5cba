use jiff::{SignedDuration, Timestamp};

use crate::kinds::Health;

use super::words::one_line;

/// For how long a restart loop, a pod without a node and the like may last before they count.
pub(super) const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// For how long a pod may take to become ready where the workload keeps no deadline itself: what a Deployment has by default
/// (`progressDeadlineSeconds`).
pub(super) const DEADLINE: SignedDuration = SignedDuration::from_secs(600);

/// How an object is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// In one word.
    pub health: Health,
    /// Why it is not healthy, or a note where it is: one line without the object's name, of at most 400 bytes.
    pub cause: Option<String>,
    /// When to look again although nothing changes: what is tolerated for a while is not tolerated after this.
    pub recheck_at: Option<Timestamp>,
}

impl Assessment {
    /// Nothing is wrong, and there is nothing to say.
    pub fn healthy() -> Self {
        Self { health: Health::Healthy, cause: None, recheck_at: None }
    }

    /// `health` because of `cause`, which may quote what the cluster says: it is made one line.
    pub fn new(health: Health, cause: &str) -> Self {
        let cause = Some(one_line(cause)).filter(|cause| !cause.is_empty());
        Self { health, cause, recheck_at: None }
    }

    pub(super) fn progressing(cause: &str) -> Self {
        Self::new(Health::Progressing, cause)
    }

    pub(super) fn degraded(cause: &str) -> Self {
        Self::new(Health::Degraded, cause)
    }

    pub(super) fn suspended(cause: &str) -> Self {
        Self::new(Health::Suspended, cause)
    }

    /// Progressing for as long as `cause` may last, counted from `since`, and Degraded from then on. What began nobody knows when
    /// has lasted long enough.
    pub(super) fn tolerated(cause: &str, since: Option<Timestamp>, patience: SignedDuration, now: Timestamp) -> Self {
        match since.map(|since| after(since, patience)) {
            Some(end) if now < end => Self::progressing(cause).recheck(Some(end)),
            _ => Self::degraded(cause),
        }
    }

    /// The same, to be looked at again at `at` if not earlier.
    pub(super) fn recheck(mut self, at: Option<Timestamp>) -> Self {
        self.recheck_at = earlier(self.recheck_at, at);
        self
    }
}

/// The earlier of two times, as far as they are known.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// `span` after `time`, or the end of time.
pub(super) fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}
