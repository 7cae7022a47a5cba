//! Whether a history is what the webhook wrote: the order, the hashes, the signatures, the object itself, and what others remember.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::content::content_hash;
use super::entry::Range;
use super::finding::Finding;
use super::keys::{PublicKeys, Whose};
use super::raw::{RawElement, RawHistory};
use super::witness::{Prover, Witness, of_dry_run, of_record};
use super::{History, Record};
use crate::kinds::{Anchor, Kind};
use crate::names;
use crate::object::{annotation, text};

/// What a history is held against besides itself and its object.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The keys that sign records; `None` where nobody could get them, and no signature is checked.
    pub keys: Option<&'a PublicKeys>,
    /// Other objects that a record may have been taken from.
    pub others: &'a [Whose<'a>],
    /// The hash of a record that must be there, as somebody noted it.
    pub expect: Option<&'a str>,
}

/// All that is to be said of the history of an object.
pub fn examine(kind: Kind, object: &Value, evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some(written) = annotation(object, names::HISTORY) else { return vec![Finding::NotRecorded] };
    let Some(history) = RawHistory::parse(written) else { return vec![Finding::Unreadable] };
    let mut findings = chain(whose(kind, object), &history, evidence);
    findings.extend(history.elements.iter().filter_map(of_dry_run));
    let prover = evidence.keys.map_or(Prover::Nobody, Prover::Keys);
    let witness = Witness::new(whose(kind, object), &history.elements, prover, created(object));
    findings.extend(signatures(&witness));
    findings.extend(end(kind, object, &history));
    findings.extend(remembered(object, &history));
    findings.extend(evidence.expect.and_then(|expected| missing(expected, &witness)));
    findings
}

/// What can be said against the record of an object as it stands, without keys and without what the controller remembers; nothing where
/// it is as its last record has it.
pub fn check_object(kind: Kind, object: &Value) -> Vec<String> {
    let findings = examine(kind, object, &Evidence::default()).into_iter();
    let told_elsewhere = |finding: &Finding| matches!(finding, Finding::SetBack(..) | Finding::Rewritten(..));
    let faults = findings.filter(|finding| finding.is_fault() && !told_elsewhere(finding));
    faults.map(|finding| finding.to_string()).collect()
}

/// Every place in which a history does not hold together by itself.
pub fn check_chain(kind: Kind, namespace: &str, name: &str, history: &History) -> Vec<Finding> {
    let text = history.to_text();
    let raw = RawHistory::parse(&text).unwrap_or_default();
    chain(Whose { kind, namespace, name }, &raw, &Evidence::default())
}

fn whose(kind: Kind, object: &Value) -> Whose<'_> {
    let name = |pointer| text(object, pointer).unwrap_or_default();
    Whose { kind, namespace: name("/metadata/namespace"), name: name("/metadata/name") }
}

/// When the object was made, by the API server's clock.
pub(super) fn created(object: &Value) -> Option<Timestamp> {
    text(object, "/metadata/creationTimestamp")?.parse().ok()
}

/// The hash of each record, the order, and the links between neighbours by revision.
fn chain(whose: Whose<'_>, history: &RawHistory<'_>, evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings: Vec<_> =
        history.elements.iter().filter_map(|element| of_record(element, whose, evidence.others)).collect();
    findings.extend(order(history));
    let ends: BTreeMap<u64, _> = history.elements.iter().map(|element| (element.range.to, element)).collect();
    for element in &history.elements {
        let linked = match element.range.from.checked_sub(1).and_then(|before| ends.get(&before)) {
            Some(before) => before.hash() == element.prev(),
            // What is missing is told of; only the first record of all follows on nothing.
            None => element.range.from != 1 || element.prev().is_none(),
        };
        if !linked {
            findings.push(Finding::Unlinked(element.range.from));
        }
    }
    findings
}

/// Each revision once, one after the other.
fn order(history: &RawHistory<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut newest = 0;
    for element in &history.elements {
        if element.range.from <= newest {
            findings.push(Finding::OutOfOrder(element.range.from, newest));
        }
        newest = newest.max(element.range.to);
    }
    let ranges: BTreeSet<_> = history.elements.iter().map(|element| (element.range.from, element.range.to)).collect();
    let mut expected = 1;
    for (from, to) in ranges {
        if from > expected {
            let gap = Range { from: expected, to: from - 1 };
            let begins = expected == 1
                && history.elements.iter().all(|first| first.range.from != from || first.prev().is_none());
            findings.push(if begins { Finding::Begins(from) } else { Finding::Missing(gap) });
        }
        expected = expected.max(to.saturating_add(1));
    }
    findings
}

/// What the signatures say; what is unsigned and alike as one.
fn signatures(witness: &Witness<'_>) -> Vec<Finding> {
    let mut joined: Vec<Finding> = Vec::new();
    for finding in (0..witness.elements.len()).filter_map(|at| witness.signature(at)) {
        match (joined.last_mut(), &finding) {
            (Some(Finding::BeforeSigning(range)), Finding::BeforeSigning(next))
            | (Some(Finding::Undated(range)), Finding::Undated(next))
            | (Some(Finding::UnsignedUnchecked(range)), Finding::UnsignedUnchecked(next))
                if range.to.saturating_add(1) == next.from =>
            {
                range.to = next.to
            }
            _ => joined.push(finding),
        }
    }
    joined
}

/// Whether the last record speaks of the object as it is, and the stamp of the last record.
fn end(kind: Kind, object: &Value, history: &RawHistory<'_>) -> Vec<Finding> {
    let Some(last) = history.newest().and_then(RawElement::record) else { return vec![Finding::NotRecorded] };
    let mut findings = Vec::new();
    if last.content != content_hash(kind, object) {
        findings.push(Finding::Changed);
    }
    findings.extend(stamp_of(&last).into_iter().filter_map(|(key, value)| {
        (annotation(object, key) != value.as_deref()).then_some(Finding::StampDiffers(key))
    }));
    findings
}

/// What the annotations that repeat a record say.
fn stamp_of(last: &Record) -> [(&'static str, Option<String>); 4] {
    [
        (names::REVISION, Some(last.revision.to_string())),
        (names::CHANGED_BY, Some(last.by.clone())),
        (names::CHANGED_AT, Some(last.at.clone())),
        (names::RELEASE_VERSION, last.version.clone()),
    ]
}

/// What the controller remembers of the newest record that it saw.
fn remembered(object: &Value, history: &RawHistory<'_>) -> Option<Finding> {
    let anchor: Anchor = serde_json::from_value(object.pointer("/status/record")?.clone()).ok()?;
    let revision = u64::try_from(anchor.revision).unwrap_or_default();
    let element = history.elements.iter().find(|element| (element.range.from..=element.range.to).contains(&revision));
    match element {
        None => Some(Finding::SetBack(revision, anchor.hash)),
        Some(element) if element.range.to == revision && element.hash().as_deref() != Some(&anchor.hash) => {
            Some(Finding::Rewritten(revision, anchor.hash))
        }
        Some(_) => None,
    }
}

/// The hash that somebody noted is that of a record, or of the last record of a run that is signed, and says nothing against it.
fn missing(expected: &str, witness: &Witness<'_>) -> Option<Finding> {
    let stands = |(at, element): (usize, &RawElement<'_>)| {
        let is_proved = || matches!(witness.signature(at), Some(Finding::Dropped(..)));
        element.hash().as_deref() == Some(expected) && (element.is_record || is_proved())
    };
    (!witness.elements.iter().enumerate().any(stands)).then(|| Finding::NotExpected(expected.to_owned()))
}

#[cfg(test)]
mod tests;
