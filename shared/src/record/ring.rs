//! The bound of a history: what is dropped when it grows too long, and how that is told.

use super::entry::Range;
use super::{Dropped, Element, History, Record};

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

/// `history` with `record` behind it, within `bounds`: the oldest records go first, never the new one nor the one of revision
/// `healthy`.
pub(super) fn push(history: &History, record: Record, healthy: Option<u64>, bounds: Bounds) -> History {
    let current = record.revision;
    let mut elements = history.0.clone();
    elements.push(Element::Record(record));
    let keep = |element: &Element| {
        element.record().is_some_and(|record| [Some(current), healthy].contains(&Some(record.revision)))
    };
    while over(&elements, bounds) {
        let Some(oldest) = elements.iter().position(|element| element.record().is_some() && !keep(element)) else {
            break;
        };
        elements[oldest] = drop_record(&elements[oldest]);
        merge(&mut elements);
    }
    History(elements)
}

fn over(elements: &[Element], bounds: Bounds) -> bool {
    let records = elements.iter().filter(|element| element.record().is_some()).count();
    records > bounds.records || size(elements) > bounds.bytes
}

fn size(elements: &[Element]) -> usize {
    serde_json::to_vec(elements).map_or(usize::MAX, |text| text.len())
}

fn drop_record(element: &Element) -> Element {
    Element::Dropped(Dropped {
        dropped: element.range(),
        prev: element.prev().map(str::to_owned),
        hash: element.hash().unwrap_or_default().to_owned(),
    })
}

/// Runs that follow on each other become one.
fn merge(elements: &mut Vec<Element>) {
    let mut merged: Vec<Element> = Vec::with_capacity(elements.len());
    for element in elements.drain(..) {
        match (merged.last_mut(), element) {
            (Some(Element::Dropped(run)), Element::Dropped(next)) => {
                run.dropped = Range { from: run.dropped.from, to: next.dropped.to };
                run.hash = next.hash;
            }
            (_, element) => merged.push(element),
        }
    }
    *elements = merged;
}

/// Whether `new` is `old` with nothing changed but records dropped: what is still there is the same, and every run closes the chain
/// exactly where records are missing. Which records a replica drops depends on its view of the Environment, and may differ.
pub(super) fn is_compaction(old: &[Element], new: &[Element]) -> bool {
    let mut rest = old;
    for element in new {
        let range = element.range();
        let covered = rest.iter().take_while(|old| old.range().to <= range.to).count();
        let (run, after) = rest.split_at(covered);
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return false };
        let fits = first.range().from == range.from && last.range().to == range.to;
        let same = match element {
            Element::Record(_) => run.len() == 1 && *first == *element,
            Element::Dropped(_) => first.prev() == element.prev() && last.hash() == element.hash(),
        };
        if !fits || !same {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
