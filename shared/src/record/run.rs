//! A run: what is left of records that the bound dropped.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Dropped;
use super::entry::Range;
use super::finding::Finding;
use super::keys::{Signer, Whose};
use super::raw::RawElement;
use super::witness::is_signed;

/// An element as a run of its own, of which `unproved` was found.
pub(super) fn of(element: &RawElement<'_>, unproved: BTreeSet<String>, dry_run: bool) -> Dropped {
    Dropped {
        dropped: element.range,
        prev: digest(element.prev()).map(Cow::into_owned),
        hash: digest(element.hash()).unwrap_or_default().into_owned(),
        unproved,
        dry_run: dry_run.then_some(true),
        key: None,
        sig: None,
    }
}

/// What may be a hash. Anything else is found to be none, and would take as much room as somebody likes.
fn digest(text: Option<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    text.filter(|text| text.len() <= HASH && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The length of a SHA-256 in hexadecimal.
const HASH: usize = 64;

/// Why one run does not follow on another.
pub(super) fn gap(first: &Dropped, next: &Dropped) -> Option<Finding> {
    let (end, begin) = (first.dropped.to, next.dropped.from);
    if begin <= end {
        return Some(Finding::OutOfOrder(begin, end));
    }
    if begin - end > 1 {
        return Some(Finding::Missing(Range { from: end + 1, to: begin - 1 }));
    }
    (next.prev.as_ref() != Some(&first.hash)).then_some(Finding::Unlinked(begin))
}

/// Two runs as one, in which it is told where they do not follow on each other.
pub(super) fn merged(mut first: Dropped, mut next: Dropped) -> Dropped {
    let gap = gap(&first, &next);
    first.unproved.append(&mut next.unproved);
    first.unproved.extend(gap.map(|gap| gap.code().to_owned()));
    first.dropped = around(first.dropped, next.dropped);
    Dropped { hash: next.hash, ..first }
}

fn around(one: Range, other: Range) -> Range {
    Range { from: one.from.min(other.from), to: one.to.max(other.to) }
}

/// The element as it stands in a history.
pub(super) fn text(run: &Dropped) -> String {
    serde_json::to_string(run).unwrap_or_else(|error| unreachable!("a run is always JSON: {error}"))
}

/// What a history became by a write, and what it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compaction<'a> {
    /// Whose history it is.
    pub(super) whose: Whose<'a>,
    /// Who signs.
    pub(super) signer: Option<&'a Signer>,
    /// Whether nothing of it will be persisted.
    pub(super) dry_run: bool,
}

impl Compaction<'_> {
    /// Whether `new` is `old` with nothing changed but records dropped: what is still there is the same, and every run stands for
    /// exactly what is missing, and is signed. Which records a replica drops depends on its view of the Environment, and may differ; what it
    /// has found of them is trusted by its signature.
    pub(super) fn is_one(&self, old: &[RawElement<'_>], new: &[RawElement<'_>]) -> bool {
        // How many of the old elements the new ones so far may stand for: only one number, but for histories with something twice.
        let mut reached = BTreeSet::from([0]);
        for element in new {
            let covered = |from: usize| {
                let rest = old.get(from..).unwrap_or_default();
                self.covered(rest, element).into_iter().map(move |covered| from + covered)
            };
            reached = reached.into_iter().flat_map(covered).collect();
        }
        reached.contains(&old.len())
    }

    /// How many of the first of these an element may stand for.
    fn covered(&self, rest: &[RawElement<'_>], element: &RawElement<'_>) -> Vec<usize> {
        if rest.first().is_some_and(|old| old.says_the_same_as(element)) {
            return vec![1];
        }
        let covered = element.run().map(|run| ends(&run, rest)).unwrap_or_default();
        if covered.is_empty() || !self.is_ours(element) { Vec::new() } else { covered }
    }

    fn is_ours(&self, run: &RawElement<'_>) -> bool {
        run.is_of_dry_run() == self.dry_run && self.signer.is_none_or(|signer| is_signed(run, self.whose, signer))
    }
}

/// How many of the first of these a run closes over. Where it says that nothing is wrong with them, they follow on each other.
fn ends(run: &Dropped, rest: &[RawElement<'_>]) -> Vec<usize> {
    let mut rest = rest.iter().map(|element| of(element, element.unproved(), false));
    let Some(mut so_far) = rest.next() else { return Vec::new() };
    let mut ends = Vec::new();
    for count in 1.. {
        let is_within = so_far.dropped.from >= run.dropped.from && so_far.dropped.to <= run.dropped.to;
        let closes = so_far.dropped == run.dropped && (&so_far.prev, &so_far.hash) == (&run.prev, &run.hash);
        if closes && (so_far.unproved.is_empty() || !run.unproved.is_empty()) {
            ends.push(count);
        }
        match rest.next().filter(|_| is_within) {
            Some(next) => so_far = merged(so_far, next),
            None => break,
        }
    }
    ends
}
