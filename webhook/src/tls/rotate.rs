//! From what is in the Secret to what should be: the steps of [`plan`], carried out one after the other.

use std::time::Instant;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;

use super::anchors::{Anchors, is_signed_by};
use super::certificate::{Facts, Pair, chain};
use super::plan::{Authority, Known, Leaf, Life, Step, Why, plan};
use super::state::{Old, State};
use super::{Error, Lifetimes};

/// More steps than any state needs.
const MOST: usize = 10;

/// What this replica knows beside the Secret.
#[derive(Debug)]
pub(super) struct Beside<'a> {
    pub(super) now: Timestamp,
    pub(super) instant: Instant,
    pub(super) names: &'a [String],
    pub(super) lifetimes: &'a Lifetimes,
    pub(super) anchors: &'a Anchors,
    /// The authority of what it serves, and until when that is valid.
    pub(super) served: Option<&'a Old>,
    /// What was in the Secret before.
    pub(super) remembered: Option<&'a State>,
}

/// The state as it should be, with the steps that led there.
///
/// # Errors
/// When no certificate can be made.
pub(super) fn rotate(mut state: State, beside: &Beside<'_>) -> Result<(State, Vec<Step>), Error> {
    let mut steps = Vec::new();
    while let Some(step) = plan(&known(&state, beside)) {
        if steps.len() == MOST {
            return Err(Error::Read(format!("it never comes to rest: {steps:?}")));
        }
        state = carry_out(step, state, beside)?;
        steps.push(step);
    }
    Ok((state, steps))
}

fn known(state: &State, beside: &Beside<'_>) -> Known {
    let next = state.next.as_ref();
    let next_der = next.and_then(|next| chain(&next.certificate).into_iter().next());
    let authorities = state.authorities();
    let is_stranger = |served: &&Old| served.until > beside.now && !authorities.contains(&served.certificate);
    Known {
        now: beside.now,
        current: authority(&state.current),
        // What cannot be read at all is there nevertheless, and must go.
        next: next.map(|next| authority(next).unwrap_or(Authority { life: never(beside.now), signs: false })),
        next_trusted: next_der.and_then(|next| beside.anchors.age(&next, beside.instant)),
        propagation: beside.lifetimes.propagation,
        old: state.old.iter().map(|old| old.until).collect(),
        leaf: leaf(state, beside.names),
        serves_a_stranger: beside.served.filter(is_stranger).is_some(),
        remembers: beside.remembered.is_some_and(|remembered| authority(&remembered.current).is_some()),
    }
}

fn never(now: Timestamp) -> Life {
    Life { from: now, until: now }
}

fn authority(pair: &Pair) -> Option<Authority> {
    let facts = Facts::of(&pair.certificate)?;
    Some(Authority { life: Life { from: facts.from, until: facts.until }, signs: pair.matches() })
}

/// The leaf where it can be used. Whether it is valid now is another question.
fn leaf(state: &State, names: &[String]) -> Option<Leaf> {
    let facts = Facts::of(&state.leaf.certificate).filter(|_| state.leaf.matches())?;
    let authority = chain(&state.current.certificate).into_iter().next()?;
    let covers = names.iter().all(|name| facts.names.contains(name));
    let leaf = Leaf { life: Life { from: facts.from, until: facts.until }, covers };
    is_signed_by(&authority, &chain(&state.leaf.certificate)).then_some(leaf)
}

fn carry_out(step: Step, state: State, beside: &Beside<'_>) -> Result<State, Error> {
    let now = beside.now;
    Ok(match step {
        Step::Restore => beside.remembered.cloned().unwrap_or_default(),
        Step::Make => switch(State { next: Some(new_authority(beside)?), ..state }, beside)?,
        Step::Remember => with_old(state, beside.served.cloned()),
        Step::Drop => {
            let old = state.old.iter().filter(|old| old.until > now).cloned().collect();
            State { old, ..state }
        }
        Step::Discard => State { next: None, ..state },
        Step::Begin(_) => State { next: Some(new_authority(beside)?), ..state },
        Step::Switch => switch(state, beside)?,
        Step::Renew(why) => renewed(state, why, beside)?,
    })
}

fn new_authority(beside: &Beside<'_>) -> Result<Pair, Error> {
    Pair::authority(beside.lifetimes.authority, beside.now)
}

/// The next authority becomes the one that signs; the one before is trusted until its last leaf has expired.
fn switch(state: State, beside: &Beside<'_>) -> Result<State, Error> {
    let before = chain(&state.current.certificate).into_iter().next().and_then(|certificate| {
        let own = Facts::of_der(&certificate)?.until;
        let leaf = Facts::of(&state.leaf.certificate).map(|leaf| leaf.until);
        let until = state.leaves_until.or(leaf).unwrap_or(own).min(own);
        Some(Old { certificate, until })
    });
    let state = with_old(state, before);
    let current = state.next.clone().unwrap_or_default();
    renewed(State { current, next: None, leaves_until: None, ..state }, Why::Missing, beside)
}

fn with_old(mut state: State, old: Option<Old>) -> State {
    if let Some(old) = old {
        state.old.retain(|other| other.certificate != old.certificate);
        state.old.push(old);
    }
    state
}

/// A new leaf. Where another replica serves other names, as in the middle of an update, it is for all of them: else each would make its
/// own again and again.
fn renewed(state: State, why: Why, beside: &Beside<'_>) -> Result<State, Error> {
    let mut names = beside.names.to_vec();
    if why == Why::Names {
        let held = Facts::of(&state.leaf.certificate).map(|leaf| leaf.names).unwrap_or_default();
        names.extend(held.into_iter().filter(|name| !beside.names.contains(name)));
    }
    let leaf = state.current.leaf(&names, beside.lifetimes.leaf, beside.now)?;
    let until = Facts::of(&leaf.certificate).map(|leaf| leaf.until);
    Ok(State { leaf, leaves_until: state.leaves_until.max(until), ..state })
}

/// The authority that signed a leaf, and until when the leaf is valid.
pub(super) fn authority_of(leaf: &Pair, authorities: &[CertificateDer<'static>]) -> Option<Old> {
    let until = Facts::of(&leaf.certificate)?.until;
    let leaf = chain(&leaf.certificate);
    authorities
        .iter()
        .find(|authority| is_signed_by(authority, &leaf))
        .map(|authority| Old { certificate: authority.clone(), until })
}

#[cfg(test)]
mod tests;
