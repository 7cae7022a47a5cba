//! Whether a history is what the webhook wrote: the order, the hashes, the signatures, the object itself, and what others remember.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::chain::hash_of;
use super::content::content_hash;
use super::entry::Range;
use super::finding::Finding;
use super::keys::{Proof, PublicKeys, Whose, dropped_message, record_message};
use super::raw::{RawElement, RawHistory};
use super::{History, Record};
use crate::kinds::{Anchor, Kind};
use crate::names;
use crate::object::{annotation, text};

/// For so long after the first key was made a record may have no signature: replicas that knew of none may still have been at work.
const GRACE: SignedDuration = SignedDuration::from_mins(10);

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
    findings.extend(dry_runs(&history));
    findings.extend(signatures(whose(kind, object), &history, evidence.keys, created(object)));
    findings.extend(end(kind, object, &history));
    findings.extend(remembered(object, &history));
    findings.extend(expected(evidence, whose(kind, object), &history));
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

/// When the object was made, by the API server's clock: nobody sets that by a write.
fn created(object: &Value) -> Option<Timestamp> {
    text(object, "/metadata/creationTimestamp")?.parse().ok()
}

/// The hash of each record, the order, and the links between neighbours by revision.
fn chain(whose: Whose<'_>, history: &RawHistory<'_>, evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings: Vec<_> =
        history.elements.iter().flat_map(|element| of_record(element, whose, evidence.others)).collect();
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

/// What is wrong with one record by itself.
fn of_record(element: &RawElement<'_>, whose: Whose<'_>, others: &[Whose<'_>]) -> Vec<Finding> {
    let revision = element.range.to;
    let value = serde_json::from_str::<Map<String, Value>>(element.text).ok().filter(|_| element.is_record);
    let Some(record) = value else { return Vec::new() };
    let mut findings = Vec::new();
    let hash = element.hash().unwrap_or_default();
    if element.repeats_a_key() {
        findings.push(Finding::Edited(revision));
    } else if hash_of(whose, record.clone()) != hash {
        let source = others.iter().find(|other| **other != whose && hash_of(**other, record.clone()) == hash);
        findings
            .push(source.map_or(Finding::Edited(revision), |source| Finding::OfAnother(revision, source.to_string())));
    }
    findings
}

/// Records of dry runs: in what is stored there are none. (What a dry run answers with ends in one.)
fn dry_runs(history: &RawHistory<'_>) -> impl Iterator<Item = Finding> {
    let is_dry = |element: &&RawElement<'_>| element.record().is_some_and(|record| record.dry_run == Some(true));
    history.elements.iter().filter(is_dry).map(|element| Finding::DryRun(element.range.to))
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

/// What the signatures say. What has none is only unproved where it is older than the first signature and than the first key.
fn signatures(
    whose: Whose<'_>,
    history: &RawHistory<'_>,
    keys: Option<&PublicKeys>,
    created: Option<Timestamp>,
) -> Vec<Finding> {
    let since = keys.and_then(PublicKeys::signed_since).and_then(|since| since.checked_add(GRACE).ok());
    let is_late = |time: Option<Timestamp>| since.zip(time).is_some_and(|(since, time)| time > since);
    let at = |element: &RawElement<'_>| element.record().and_then(|record| record.at.parse().ok());
    let mut signed = false;
    let mut findings = Vec::new();
    for element in &history.elements {
        let range = element.range;
        let Some(sealed) = element.sealed() else {
            let late = signed || is_late(created) || is_late(at(element));
            findings.push(match (late, element.is_record) {
                (true, true) => Finding::Unsigned(range.to),
                (true, false) => Finding::DroppedUnsigned(range),
                (false, _) => Finding::BeforeSigning(range),
            });
            continue;
        };
        signed = true;
        let proof = keys.map(|keys| keys.prove(&sealed, &message(whose, element)));
        findings.extend(match proof {
            Some(Proof::Bad) => Some(Finding::Forged(range, sealed.key)),
            Some(Proof::UnknownKey) => Some(Finding::UnknownKey(range, sealed.key)),
            Some(Proof::Good) | None => (!element.is_record).then_some(Finding::Dropped(range, proof.is_some())),
        });
    }
    joined(findings)
}

/// What is signed of an element.
fn message(whose: Whose<'_>, element: &RawElement<'_>) -> Vec<u8> {
    let hash = element.hash().unwrap_or_default();
    if element.is_record {
        record_message(&hash)
    } else {
        dropped_message(whose, element.range, element.prev().as_deref(), &hash)
    }
}

/// Unsigned beginnings as one.
fn joined(findings: Vec<Finding>) -> Vec<Finding> {
    let mut joined: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings {
        match (joined.last_mut(), &finding) {
            (Some(Finding::BeforeSigning(range)), Finding::BeforeSigning(next))
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
    let newest = history.elements.iter().max_by_key(|element| element.range.to);
    let Some(last) = newest.and_then(RawElement::record) else { return vec![Finding::NotRecorded] };
    let mut findings = Vec::new();
    if last.content != content_hash(kind, object) {
        findings.push(Finding::Changed);
    }
    findings.extend(stamp_of(&last).into_iter().filter_map(|(key, value)| {
        let differs = annotation(object, key).is_some_and(|found| Some(found) != value.as_deref());
        differs.then_some(Finding::StampDiffers(key))
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

/// The hash that somebody noted is that of a record, or of the last record of a run that is signed.
fn expected(evidence: &Evidence<'_>, whose: Whose<'_>, history: &RawHistory<'_>) -> Option<Finding> {
    let expected = evidence.expect?;
    let stands = |element: &RawElement<'_>| {
        let proved = || {
            let sealed = element.sealed()?;
            let proof = evidence.keys.map(|keys| keys.prove(&sealed, &message(whose, element)));
            Some(proof.is_none_or(|proof| proof == Proof::Good))
        };
        element.hash().as_deref() == Some(expected) && (element.is_record || proved() == Some(true))
    };
    (!history.elements.iter().any(stands)).then(|| Finding::NotExpected(expected.to_owned()))
}

#[cfg(test)]
mod tests;
