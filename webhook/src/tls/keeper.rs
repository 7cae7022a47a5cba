//! What is the same wherever certificates come from: which one is served, whether the hooks trust it, and who is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::Client;
use release_shared::names;

use super::anchors::Anchors;
use super::certificate::{Facts, Pair, chain};
use super::choose::{Choice, Standing, choose};
use super::hooks::{Hooks, Written};
use super::tell::{News, Teller};
use super::trust::{Absence, Trust};
use super::{Certificates, Error};
use crate::health::Readiness;

/// How often all is looked at once all is well.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);
/// How soon it is looked at again after a failure, or after a change: who takes the authority out again and again is not answered
/// faster than this.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// What a look has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgement {
    /// All hooks that are installed trust what is served.
    pub(super) is_trusted: bool,
    /// How often in a row whom they should trust could not be written.
    pub(super) refusals: u32,
    /// What is missing of the configurations, if anything, was missing at the look before.
    pub(super) is_sure: bool,
    /// Both configurations are there.
    pub(super) is_complete: bool,
}

impl Judgement {
    /// Nothing is to be mended by another look soon.
    pub(super) fn is_calm(self) -> bool {
        self.is_trusted && self.is_sure && self.refusals == 0
    }
}

/// See the module.
pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) names: Vec<String>,
    propagation: Duration,
    pub(super) certificates: Arc<Certificates>,
    readiness: Arc<Readiness>,
    pub(super) teller: Teller,
    pub(super) anchors: Anchors,
    pub(super) served: Option<Pair>,
    absence: Absence,
    deviations: Vec<String>,
    /// Why whom the hooks should trust could not be written last, and how often in a row.
    refusal: Option<String>,
    refusals: u32,
    said: String,
}

impl Keeper {
    /// One that has not looked yet.
    pub(super) fn new(
        client: Client,
        names: Vec<String>,
        propagation: Duration,
        certificates: Arc<Certificates>,
        readiness: Arc<Readiness>,
        teller: Teller,
    ) -> Self {
        Self {
            client,
            names,
            propagation,
            certificates,
            readiness,
            teller,
            anchors: Anchors::default(),
            served: None,
            absence: Absence::default(),
            deviations: Vec::new(),
            refusal: None,
            refusals: 0,
            said: String::new(),
        }
    }

    /// Sees whom the hooks trust now.
    pub(super) fn observe(&mut self, hooks: &Hooks) {
        self.anchors.observe(&hooks.trusted_by_all(), Instant::now());
    }

    /// Serves the certificate where that makes nothing worse.
    ///
    /// # Errors
    /// When it cannot be served at all.
    pub(super) fn offer(&mut self, new: &Pair) -> Result<Choice, Error> {
        if self.served.as_ref() == Some(new) {
            return Ok(Choice::Take);
        }
        let key = new.certified()?;
        let served = self.served.as_ref().map(|served| self.standing(served));
        let is_alike = self.served.as_ref().is_some_and(|served| {
            self.anchors.vouch_for_both(&chain(&served.certificate), &chain(&new.certificate), &self.names)
        });
        let choice = choose(served, self.standing(new), is_alike, self.propagation);
        if choice == Choice::Take {
            self.certificates.set(Arc::new(key));
            let facts = Facts::of(&new.certificate);
            let until = facts.map(|facts| facts.until.to_string()).unwrap_or_default();
            tracing::info!(names = self.names.join(","), until, "serving with a new certificate");
            self.served = Some(new.clone());
        }
        Ok(choice)
    }

    fn standing(&self, pair: &Pair) -> Standing {
        let is_valid = Facts::of(&pair.certificate).is_some_and(|facts| facts.is_valid(Timestamp::now()));
        let trusted = self.anchors.trusted_for(&chain(&pair.certificate), &self.names, Instant::now());
        Standing { is_valid, trusted }
    }

    /// Judges what has become of it all, and says so where it is new. That whom the hooks should trust could not be written is to be looked
    /// at; unready is only what they do not trust: all replicas would be at once, and changes be refused that could be answered.
    pub(super) fn judge(&mut self, hooks: &Hooks, written: &Written) -> Judgement {
        let is_sure = self.compare(hooks);
        self.refused(written.refusal());
        let served = self.served.as_ref().map(|served| chain(&served.certificate)).unwrap_or_default();
        let bundles = hooks.bundles();
        let trust = Trust::of(&bundles, &served, &self.names);
        let wrong = trust.wrong(self.refusal.as_deref());
        let remarks = self.deviations.iter().chain(&self.refusal).cloned().collect();
        self.certificates.report(bundles, remarks);
        self.readiness.set_trust(wrong.clone());
        let is_warning = matches!(trust, Trust::Missing(_));
        self.say(is_warning, wrong.unwrap_or_else(|| "given".to_owned()));
        let is_complete = hooks.missing().is_empty();
        Judgement { is_trusted: trust == Trust::Given, refusals: self.refusals, is_sure, is_complete }
    }

    /// Compares the hooks with those that come with this version. Says whether the next look could say nothing else.
    fn compare(&mut self, hooks: &Hooks) -> bool {
        let Some(missing) = self.absence.observe(hooks.missing(), hooks.count()) else { return false };
        let missing = missing.into_iter().map(|kind| {
            format!("the {kind} {} is missing: install deploy/webhook/configurations.yaml again", names::WEBHOOK)
        });
        let deviations: Vec<String> = missing.chain(hooks.deviations(&self.names)).collect();
        if deviations != self.deviations {
            self.teller.tell(&News::configuration(&deviations));
            self.deviations = deviations;
        }
        true
    }

    fn refused(&mut self, refusal: Option<&str>) {
        self.refusals = if refusal.is_some() { self.refusals.saturating_add(1) } else { 0 };
        if self.refusal.as_deref() != refusal {
            self.refusal = refusal.map(str::to_owned);
            self.teller.tell(&News::authorities(refusal));
        }
    }

    /// Logs the state where it is another one than before.
    pub(super) fn say(&mut self, is_warning: bool, state: String) {
        if self.said == state {
            return;
        }
        if is_warning {
            tracing::warn!(state, "trust of the API server");
        } else {
            tracing::info!(state, "trust of the API server");
        }
        self.said = state;
    }
}
