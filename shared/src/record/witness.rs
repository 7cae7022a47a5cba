//! What can be said of one element of a history: to who examines it, and before the bound drops it, since nobody can look again then.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::chain::hash_of;
use super::entry::Range;
use super::finding::Finding;
use super::keys::{Proof, PublicKeys, Sealed, Signer, Whose, dropped_message, record_message};
use super::raw::RawElement;

/// Who knows keys.
#[derive(Debug, Clone, Copy)]
pub(super) enum Prover<'a> {
    /// Nobody: no signature is checked.
    Nobody,
    /// Who has the public halves.
    Keys(&'a PublicKeys),
    /// Who signs.
    Signer(&'a Signer),
}

impl<'a> Prover<'a> {
    /// Who signs, if anybody does.
    pub(super) fn of(signer: Option<&'a Signer>) -> Self {
        signer.map_or(Self::Nobody, Self::Signer)
    }

    fn keys(self) -> Option<&'a PublicKeys> {
        match self {
            Self::Nobody => None,
            Self::Keys(keys) => Some(keys),
            Self::Signer(signer) => Some(signer.public()),
        }
    }

    fn prove(self, sealed: &Sealed, message: &[u8]) -> Option<Proof> {
        match self {
            Self::Nobody => None,
            Self::Keys(keys) => Some(keys.prove(sealed, message)),
            Self::Signer(signer) => Some(signer.prove(sealed, message)),
        }
    }
}

/// A history, whose it is, and who looks at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Witness<'a> {
    /// Whose history it is.
    pub(super) whose: Whose<'a>,
    /// All of it.
    pub(super) elements: &'a [RawElement<'a>],
    prover: Prover<'a>,
    /// When the object was made, by the API server's clock: nobody sets that by a write.
    created: Option<Timestamp>,
    /// The place of the first element that says that records were signed by then.
    signed_from: usize,
}

impl<'a> Witness<'a> {
    pub(super) fn new(
        whose: Whose<'a>,
        elements: &'a [RawElement<'a>],
        prover: Prover<'a>,
        created: Option<Timestamp>,
    ) -> Self {
        let signed_from = elements.iter().position(says_signed).unwrap_or(elements.len());
        Self { whose, elements, prover, created, signed_from }
    }

    /// All that is found of the element at a place by itself.
    pub(super) fn findings(&self, at: usize) -> impl Iterator<Item = Finding> {
        let element = self.elements.get(at);
        let whole = element.and_then(|element| of_record(element, self.whose, &[]));
        whole.into_iter().chain(element.and_then(of_dry_run)).chain(self.signature(at))
    }

    /// What the signature of the element at a place says. What has none is only unproved where it is older than the first signature and
    /// than the first key.
    pub(super) fn signature(&self, at: usize) -> Option<Finding> {
        let element = self.elements.get(at)?;
        let range = element.range;
        let Some(sealed) = element.sealed() else { return Some(self.unsigned(at, element)) };
        match self.prover.prove(&sealed, &message(self.whose, element)) {
            Some(Proof::Bad) => Some(Finding::Forged(range, sealed.key)),
            Some(Proof::UnknownKey) => Some(Finding::UnknownKey(range, sealed.key)),
            Some(Proof::Good) | None if element.is_record || element.is_of_dry_run() => None,
            proof => {
                let unproved = element.unproved();
                Some(if unproved.is_empty() {
                    Finding::Dropped(range, proof.is_some())
                } else if unproved.iter().all(|code| is_from_before_signing(code)) {
                    Finding::DroppedBeforeSigning(range)
                } else {
                    Finding::DroppedUnproved(range, unproved)
                })
            }
        }
    }

    fn unsigned(&self, at: usize, element: &RawElement<'_>) -> Finding {
        let range = element.range;
        let late = if element.is_record { Finding::Unsigned(range.to) } else { Finding::DroppedUnsigned(range) };
        if at > self.signed_from {
            return late;
        }
        let Some(keys) = self.prover.keys() else { return Finding::UnsignedUnchecked(range) };
        let Some(since) = keys.signed_since() else { return Finding::Undated(range) };
        let is_old = |time: Option<Timestamp>| time.is_some_and(|time| time < since);
        if is_old(self.created) && is_old(self.time(at)) { Finding::BeforeSigning(range) } else { late }
    }

    /// When an unsigned record was made, by its own word; of a run, which has no time, when the unsigned record behind it was.
    fn time(&self, at: usize) -> Option<Timestamp> {
        let place = if self.elements.get(at)?.is_record { at } else { at + 1 };
        let record = self.elements.get(place).filter(|element| !element.is_sealed())?.record()?;
        record.at.parse().ok()
    }
}

/// Whether records were signed by the time of this element, by its own word: a run is signed when its records are dropped.
fn says_signed(element: &RawElement<'_>) -> bool {
    let may_be_older = |code: &String| is_from_before_signing(code) || Finding::Undated(element.range).code() == code;
    element.is_sealed() && !element.unproved().iter().any(may_be_older)
}

fn is_from_before_signing(code: &str) -> bool {
    Finding::BeforeSigning(Range { from: 0, to: 0 }).code() == code
}

/// What is signed of an element.
pub(super) fn message(whose: Whose<'_>, element: &RawElement<'_>) -> Vec<u8> {
    match element.run() {
        Some(run) => dropped_message(whose, &run),
        None => record_message(&element.hash().unwrap_or_default()),
    }
}

/// Whether the signature of an element is good.
pub(super) fn is_signed(element: &RawElement<'_>, whose: Whose<'_>, signer: &Signer) -> bool {
    element.sealed().is_some_and(|sealed| signer.prove(&sealed, &message(whose, element)) == Proof::Good)
}

/// What is wrong with one record by itself.
pub(super) fn of_record(element: &RawElement<'_>, whose: Whose<'_>, others: &[Whose<'_>]) -> Option<Finding> {
    let revision = element.range.to;
    let record = serde_json::from_str::<Map<String, Value>>(element.text).ok().filter(|_| element.is_record)?;
    let hash = element.hash().unwrap_or_default();
    if element.repeats_a_key() {
        return Some(Finding::Edited(revision));
    }
    if hash_of(whose, record.clone()) == hash {
        return None;
    }
    let source = others.iter().find(|other| **other != whose && hash_of(**other, record.clone()) == hash);
    Some(source.map_or(Finding::Edited(revision), |source| Finding::OfAnother(revision, source.to_string())))
}

/// What a dry run has made: in what is stored there is nothing of it. (What a dry run answers with ends in it.)
pub(super) fn of_dry_run(element: &RawElement<'_>) -> Option<Finding> {
    element.is_of_dry_run().then_some(Finding::DryRun(element.range))
}
