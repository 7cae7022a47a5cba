//! The bound of a history: what is dropped when it grows too long, and how that is told.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::Dropped;
use super::entry::Range;
use super::keys::{Proof, Signer, Whose, dropped_message, record_message};
use super::raw::{RawElement, RawHistory};

/// How much a history keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many records.
    pub records: usize,
    /// How many bytes of JSON.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { records: 30, bytes: 48 * 1024 }
    }
}

/// What keeps records in a history, and proves that they were there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring<'a> {
    /// Whose history it is.
    pub(super) whose: Whose<'a>,
    /// How much is kept.
    pub(super) bounds: Bounds,
    /// The newest revision that went well, which stays.
    pub(super) healthy: Option<u64>,
    /// Who signs what stands for the dropped records.
    pub(super) signer: Option<&'a Signer>,
}

/// A history with a new record in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pushed {
    /// The annotation.
    pub(super) text: String,
    /// How many records it has.
    pub(super) kept: usize,
    /// How many were dropped for the new one.
    pub(super) dropped: usize,
}

/// An element on its way into the new history.
enum Part<'a> {
    Kept(RawElement<'a>),
    /// A run that is new or longer than it was.
    Run(Run<'a>),
}

/// Records that are dropped. `proved`: each of them was signed, or the run that stood for it.
#[derive(Clone)]
struct Run<'a> {
    range: Range,
    prev: Option<Cow<'a, str>>,
    hash: Cow<'a, str>,
    proved: bool,
}

impl Ring<'_> {
    /// `history` with `record`, the JSON of the newest, behind it, within the bounds: the oldest records go first, never the new one nor
    /// that of the healthy revision.
    pub(super) fn push(&self, history: &RawHistory<'_>, record: &str) -> Pushed {
        let mut records = history.elements.iter().filter(|element| element.is_record).count() + 1;
        let mut bytes = 2 + record.len() + history.elements.iter().map(|element| element.text.len() + 1).sum::<usize>();
        let mut waiting: VecDeque<_> = history.elements.clone().into();
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(waiting.len());
        let mut dropped = 0;
        while records > self.bounds.records || bytes > self.bounds.bytes {
            let Some(element) = waiting.pop_front() else { break };
            if !element.is_record || Some(element.range.to) == self.healthy {
                self.append(&mut parts, Part::Kept(element), &mut bytes);
                continue;
            }
            let run = self.run(&element);
            bytes = bytes + self.size(&run) - element.text.len();
            records -= 1;
            dropped += 1;
            self.append(&mut parts, Part::Run(run), &mut bytes);
        }
        for element in waiting {
            self.append(&mut parts, Part::Kept(element), &mut bytes);
        }
        Pushed { text: self.write(&parts, record, bytes), kept: records, dropped }
    }

    /// Adds a part; runs that follow on each other and are proved alike become one, and `bytes` less by what that saves.
    fn append<'a>(&self, parts: &mut Vec<Part<'a>>, part: Part<'a>, bytes: &mut usize) {
        let joined = parts.last().and_then(|before| self.join(before, &part));
        let Some(run) = joined else { return parts.push(part) };
        let apart = parts.pop().map_or(0, |before| self.part_size(&before)) + 1 + self.part_size(&part);
        *bytes = (*bytes + self.size(&run)).saturating_sub(apart);
        parts.push(Part::Run(run));
    }

    /// Two parts as one, where they are runs and one of them is new.
    fn join<'a>(&self, before: &Part<'a>, after: &Part<'a>) -> Option<Run<'a>> {
        let (first, next) = match (before, after) {
            (Part::Kept(_), Part::Kept(_)) => return None,
            (before, after) => (self.as_run(before)?, self.as_run(after)?),
        };
        let range = Range { from: first.range.from, to: next.range.to };
        (first.proved == next.proved).then_some(Run { range, prev: first.prev, hash: next.hash, proved: next.proved })
    }

    fn as_run<'a>(&self, part: &Part<'a>) -> Option<Run<'a>> {
        match part {
            Part::Run(run) => Some(run.clone()),
            Part::Kept(element) => (!element.is_record).then(|| self.run(element)),
        }
    }

    /// An element as a run. Whether it is proved is found out here, since nothing can be once it is gone.
    fn run<'a>(&self, element: &RawElement<'a>) -> Run<'a> {
        let proved = self.signer.is_some_and(|signer| prove(element, self.whose, signer) == Some(Proof::Good));
        Run { range: element.range, prev: element.prev(), hash: element.hash().unwrap_or_default(), proved }
    }

    fn part_size(&self, part: &Part<'_>) -> usize {
        match part {
            Part::Run(run) => self.size(run),
            Part::Kept(element) => element.text.len(),
        }
    }

    /// The length of a run's text.
    fn size(&self, run: &Run<'_>) -> usize {
        let empty = r#"{"dropped":{"from":,"to":},"hash":""}"#.len() + digits(run.range.from) + digits(run.range.to);
        let prev = run.prev.as_ref().map_or(0, |prev| r#","prev":"""#.len() + prev.len());
        let signer = self.signer.filter(|_| run.proved);
        let sealed = signer.map_or(0, |signer| r#","key":"","sig":"""#.len() + signer.id().len() + SIGNATURE);
        empty + prev + run.hash.len() + sealed
    }

    fn write(&self, parts: &[Part<'_>], record: &str, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 1);
        text.push('[');
        for part in parts {
            match part {
                Part::Kept(element) => text.push_str(element.text),
                Part::Run(run) => text.push_str(&self.run_text(run)),
            }
            text.push(',');
        }
        text.push_str(record);
        text.push(']');
        text
    }

    fn run_text(&self, run: &Run<'_>) -> String {
        let message = || dropped_message(self.whose, run.range, run.prev.as_deref(), &run.hash);
        let sealed = self.signer.filter(|_| run.proved).map(|signer| signer.sign(&message()));
        let (key, sig) = sealed.map(|sealed| (sealed.key, sealed.sig)).unzip();
        let prev = run.prev.as_deref().map(str::to_owned);
        let dropped = Dropped { dropped: run.range, prev, hash: run.hash.clone().into_owned(), key, sig };
        serde_json::to_string(&dropped).unwrap_or_else(|error| unreachable!("a run is always JSON: {error}"))
    }
}

/// The length of a signature in base64.
const SIGNATURE: usize = 88;

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// What the signature of an element is worth; `None` where it has none.
pub(super) fn prove(element: &RawElement<'_>, whose: Whose<'_>, signer: &Signer) -> Option<Proof> {
    let sealed = element.sealed()?;
    let hash = element.hash().unwrap_or_default();
    let message = if element.is_record {
        record_message(&hash)
    } else {
        dropped_message(whose, element.range, element.prev().as_deref(), &hash)
    };
    Some(signer.prove(&sealed, &message))
}

/// Whether `new` is `old` with nothing changed but records dropped: what is still there is the same, and every run closes the chain
/// exactly where records are missing, signed where all that it stands for was. Which records a replica drops depends on its view of the
/// Environment, and may differ.
pub(super) fn is_compaction(
    old: &[RawElement<'_>],
    new: &[RawElement<'_>],
    whose: Whose<'_>,
    signer: Option<&Signer>,
) -> bool {
    let mut rest = old;
    for element in new {
        let covered = rest.iter().take_while(|old| old.range.to <= element.range.to).count();
        let (covered, after) = rest.split_at(covered);
        let same = matches!(covered, [only] if only.says_the_same_as(element));
        if !same && !stands_for(element, covered, whose, signer) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// Whether a run is what is left of these elements.
fn stands_for(run: &RawElement<'_>, covered: &[RawElement<'_>], whose: Whose<'_>, signer: Option<&Signer>) -> bool {
    let (Some(first), Some(last)) = (covered.first(), covered.last()) else { return false };
    let closes = !run.is_record
        && (first.range.from, last.range.to) == (run.range.from, run.range.to)
        && (first.prev(), last.hash()) == (run.prev(), run.hash());
    let good = |element: &RawElement<'_>, signer| prove(element, whose, signer) == Some(Proof::Good);
    closes
        && signer.is_none_or(|signer| match run.sealed() {
            Some(_) => good(run, signer),
            None => !covered.iter().all(|element| good(element, signer)),
        })
}
