//! The bound of a history: what is dropped when it grows too long, and how that is told.

use std::collections::BTreeSet;

use super::Dropped;
use super::finding::Finding;
use super::keys::{Signer, dropped_message};
use super::raw::RawElement;
use super::run;
use super::witness::Witness;

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
    /// The history, and who looks at what is dropped.
    pub(super) witness: Witness<'a>,
    /// How much is kept.
    pub(super) bounds: Bounds,
    /// The newest revision that went well, which stays.
    pub(super) healthy: Option<u64>,
    /// Who signs what stands for the dropped records.
    pub(super) signer: Option<&'a Signer>,
    /// Whether nothing of this will be persisted.
    pub(super) dry_run: bool,
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
enum Part {
    /// The one at this place, as it is.
    Kept(usize),
    /// A run that is new or longer than it was, not signed yet.
    Run(Dropped),
}

impl Ring<'_> {
    /// The history with `record`, the JSON of the newest, behind it, within the bounds: the oldest records go first, never the new one nor
    /// that of the healthy revision.
    pub(super) fn push(&self, record: &str) -> Pushed {
        let elements = self.witness.elements;
        let healthy = elements.iter().rposition(|element| element.is_record && Some(element.range.to) == self.healthy);
        let mut records = elements.iter().filter(|element| element.is_record).count() + 1;
        let mut bytes = 2 + record.len() + elements.iter().map(|element| element.text.len() + 1).sum::<usize>();
        let mut parts: Vec<Part> = Vec::with_capacity(elements.len());
        let mut dropped = 0;
        let mut waiting = elements.iter().enumerate();
        while records > self.bounds.records || bytes > self.bounds.bytes {
            let Some((at, element)) = waiting.next() else { break };
            if !element.is_record || Some(at) == healthy {
                self.append(&mut parts, Part::Kept(at), &mut bytes);
                continue;
            }
            let run = self.run(at, element);
            bytes = bytes + self.size(&run) - element.text.len();
            records -= 1;
            dropped += 1;
            self.append(&mut parts, Part::Run(run), &mut bytes);
        }
        for (at, _) in waiting {
            self.append(&mut parts, Part::Kept(at), &mut bytes);
        }
        if bytes > self.bounds.bytes {
            parts = self.pressed(parts);
        }
        Pushed { text: self.write(&parts, record, bytes), kept: records, dropped }
    }

    /// Adds a part; runs that follow on each other and of which the same was found become one, and `bytes` less by what that saves.
    fn append(&self, parts: &mut Vec<Part>, part: Part, bytes: &mut usize) {
        let joined = parts.last().and_then(|before| self.join(before, &part));
        let Some(run) = joined else { return parts.push(part) };
        let apart = parts.pop().map_or(0, |before| self.part_size(&before)) + 1 + self.part_size(&part);
        *bytes = (*bytes + self.size(&run)).saturating_sub(apart);
        parts.push(Part::Run(run));
    }

    /// Two parts as one, where they are runs and one of them is new, and nothing that can be seen now would be hidden by it.
    fn join(&self, before: &Part, after: &Part) -> Option<Dropped> {
        let (first, next) = match (before, after) {
            (Part::Kept(_), Part::Kept(_)) => return None,
            (before, after) => (self.as_run(before)?, self.as_run(after)?),
        };
        (first.unproved == next.unproved && run::gap(&first, &next).is_none()).then(|| run::merged(first, next))
    }

    /// All runs side by side as one each, with what does not close told in it: where there is no room, being found out where it was
    /// gives way, and that it was does not.
    fn pressed(&self, parts: Vec<Part>) -> Vec<Part> {
        let mut pressed: Vec<Part> = Vec::with_capacity(3);
        for part in parts {
            let runs = pressed.last().and_then(|before| self.as_run(before)).zip(self.as_run(&part));
            match (runs, pressed.last_mut()) {
                (Some((first, next)), Some(last)) => *last = Part::Run(run::merged(first, next)),
                _ => pressed.push(part),
            }
        }
        pressed
    }

    fn as_run(&self, part: &Part) -> Option<Dropped> {
        match part {
            Part::Run(run) => Some(run.clone()),
            Part::Kept(at) => {
                let element = self.witness.elements.get(*at).filter(|element| !element.is_record)?;
                Some(self.run(*at, element))
            }
        }
    }

    /// The element at a place as a run. What is to be said of it is found out here, since nothing can be once it is gone.
    fn run(&self, at: usize, element: &RawElement<'_>) -> Dropped {
        let mut unproved = BTreeSet::new();
        for finding in self.witness.findings(at) {
            match finding {
                Finding::Dropped(..) => {}
                // What it says of itself stays as it is, where that is signed or nobody can look.
                Finding::DroppedBeforeSigning(_) | Finding::DroppedUnproved(..) | Finding::UnsignedUnchecked(_) => {
                    unproved.extend(element.unproved());
                }
                finding => drop(unproved.insert(finding.code().to_owned())),
            }
        }
        run::of(element, unproved, self.dry_run)
    }

    fn part_size(&self, part: &Part) -> usize {
        match part {
            Part::Run(run) => self.size(run),
            Part::Kept(at) => self.text(*at).len(),
        }
    }

    fn text(&self, at: usize) -> &str {
        self.witness.elements.get(at).map_or("", |element| element.text)
    }

    /// The length of a run's text.
    fn size(&self, run: &Dropped) -> usize {
        let sealed = self.signer.map_or(0, |signer| r#","key":"","sig":"""#.len() + signer.id().len() + SIGNATURE);
        run::text(run).len() + sealed
    }

    fn write(&self, parts: &[Part], record: &str, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 1);
        text.push('[');
        for part in parts {
            match part {
                Part::Kept(at) => text.push_str(self.text(*at)),
                Part::Run(run) => text.push_str(&self.sealed(run)),
            }
            text.push(',');
        }
        text.push_str(record);
        text.push(']');
        text
    }

    fn sealed(&self, run: &Dropped) -> String {
        let sealed = self.signer.map(|signer| signer.sign(&dropped_message(self.witness.whose, run)));
        let (key, sig) = sealed.map(|sealed| (sealed.key, sealed.sig)).unzip();
        run::text(&Dropped { key, sig, ..run.clone() })
    }
}

/// The length of a signature in base64.
const SIGNATURE: usize = 88;
