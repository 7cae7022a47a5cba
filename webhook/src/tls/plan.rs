//! What to do next with authorities and leaf. Pure: everything is decided here, and nothing done.
//!
//! An authority is trusted before it signs, and as long as something that it signed is valid: `Begin` puts a new one beside the current
//! one, `Switch` lets it sign once the API servers must have seen it, `Drop` takes the one before away when the last leaf that it signed
//! has expired. Times that other replicas wrote are not compared with our clock: for how long an authority has been trusted, each replica
//! has seen for itself.

use std::time::Duration;

use jiff::Timestamp;

/// What is known. Certificates that cannot be read are not there.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) now: Timestamp,
    /// The authority that signs.
    pub(super) current: Option<Authority>,
    /// The one that will.
    pub(super) next: Option<Authority>,
    /// For how long this replica has seen the next authority in all hooks, without interruption.
    pub(super) next_trusted: Option<Duration>,
    /// For how long an authority must have been there before it may sign.
    pub(super) propagation: Duration,
    /// Until when each of the authorities before is trusted.
    pub(super) old: Vec<Timestamp>,
    /// The leaf, if it can be used: its key is there, and the current authority signed it.
    pub(super) leaf: Option<Leaf>,
    /// This replica serves something valid whose authority is none of these.
    pub(super) serves_a_stranger: bool,
    /// This replica knows what was there before.
    pub(super) remembers: bool,
}

/// An authority's life, and whether its key is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authority {
    pub(super) life: Life,
    pub(super) signs: bool,
}

/// A leaf's life, and whether it is for all our names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) life: Life,
    pub(super) covers: bool,
}

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Life {
    fn is_over(self, now: Timestamp) -> bool {
        self.until <= now
    }

    /// Less than a third of it is left.
    fn is_running_out(self, now: Timestamp) -> bool {
        (self.until.as_second() - now.as_second()) * 3 < self.until.as_second() - self.from.as_second()
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Write back what was there before.
    Restore,
    /// A new authority that signs at once, and a leaf: there is nothing that anybody trusts.
    Make,
    /// Keep the authority of what this replica serves among those that are trusted.
    Remember,
    /// Forget the authorities before whose leaves have expired.
    Drop,
    /// Forget the next authority: it cannot sign.
    Discard,
    /// A new authority, to be trusted beside the current one.
    Begin(Why),
    /// The next authority signs from now on, and signs a leaf.
    Switch,
    /// A new leaf.
    Renew(Why),
}

/// Why something is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is missing or cannot be used: also how somebody asks for a new one.
    Missing,
    /// Less than a third of its life is left.
    RunningOut,
    /// It is not for all the names that are served.
    Names,
}

impl Why {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "the one before is missing or cannot be used",
            Self::RunningOut => "less than a third of the life of the one before is left",
            Self::Names => "the one before is not for all serving names",
        }
    }
}

/// The next step; none when all is well or has to wait.
pub(super) fn plan(known: &Known) -> Option<Step> {
    let now = known.now;
    let Some(current) = known.current.filter(|current| !current.life.is_over(now)) else {
        return Some(without_authority(known));
    };
    if known.serves_a_stranger {
        return Some(Step::Remember);
    }
    if known.old.iter().any(|&until| until <= now) {
        return Some(Step::Drop);
    }
    rotate(known, current).or_else(|| renew(known, current))
}

fn without_authority(known: &Known) -> Step {
    let usable = |next: Authority| next.signs && !next.life.is_over(known.now);
    match known.current {
        None if known.remembers => Step::Restore,
        _ if known.next.is_some_and(usable) => Step::Switch,
        _ => Step::Make,
    }
}

fn rotate(known: &Known, current: Authority) -> Option<Step> {
    let now = known.now;
    let Some(next) = known.next else {
        return match (current.signs, current.life.is_running_out(now)) {
            (false, _) => Some(Step::Begin(Why::Missing)),
            (true, true) => Some(Step::Begin(Why::RunningOut)),
            (true, false) => None,
        };
    };
    if !next.signs || next.life.is_running_out(now) {
        return Some(Step::Discard);
    }
    let is_trusted = known.next_trusted.is_some_and(|trusted| trusted >= known.propagation);
    // Nobody can make a leaf, and there is none: there is nothing to wait for.
    let is_needed = !current.signs && known.leaf.is_none_or(|leaf| leaf.life.is_over(now));
    (is_trusted || is_needed).then_some(Step::Switch)
}

fn renew(known: &Known, current: Authority) -> Option<Step> {
    if !current.signs {
        return None;
    }
    let Some(leaf) = known.leaf else { return Some(Step::Renew(Why::Missing)) };
    // A leaf that lives as long as its authority gains nothing; its authority is being replaced.
    if leaf.life.is_running_out(known.now) && leaf.life.until < current.life.until {
        return Some(Step::Renew(Why::RunningOut));
    }
    (!leaf.covers).then_some(Step::Renew(Why::Names))
}

#[cfg(test)]
mod tests;
