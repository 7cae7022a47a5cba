//! What is the same wherever certificates come from: which one is served, whether the hooks trust it, and who is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::Client;

use super::anchors::{Anchors, verify};
use super::certificate::{Facts, Pair, chain};
use super::choose::{Choice, Standing, choose};
use super::hooks::{Hooks, Written};
use super::tell::{News, Teller};
use super::{Certificates, Error};
use crate::health::Readiness;

/// How often all is looked at once all is well.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);
/// How soon it is looked at again after a failure, or after a change: who takes the authority out again and again is not answered
/// faster than this.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// Whether the API server trusts us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// All hooks trust what is served.
    Given,
    /// The authority could not be written: what the API server said.
    Refused(String),
    /// A configuration is not installed.
    NotInstalled,
    /// A hook would not take what is served for us: why.
    Missing(String),
}

impl std::fmt::Display for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given => f.write_str("given"),
            Self::Refused(why) => {
                write!(f, "the authority could not be written into a webhook configuration; trying again: {why}")
            }
            Self::NotInstalled => f.write_str("a webhook configuration is not installed; nobody calls until it is"),
            Self::Missing(why) => write!(f, "a webhook configuration does not trust the certificate: {why}"),
        }
    }
}

/// See the module.
pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) names: Vec<String>,
    pub(super) propagation: Duration,
    pub(super) certificates: Arc<Certificates>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) teller: Teller,
    pub(super) anchors: Anchors,
    pub(super) served: Option<Pair>,
    pub(super) deviations: Vec<String>,
    pub(super) said: String,
}

impl Keeper {
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

    /// Judges what has become of it all, and says so where it is new.
    pub(super) fn judge(&mut self, hooks: &Hooks, written: &Written) -> Trust {
        self.compare(hooks);
        let trust = self.trust(hooks, written);
        self.readiness.set_trusted(trust == Trust::Given);
        self.certificates.report(hooks.bundles(), self.deviations.clone());
        self.say(trust.to_string());
        trust
    }

    fn trust(&self, hooks: &Hooks, written: &Written) -> Trust {
        if !hooks.are_installed() {
            return Trust::NotInstalled;
        }
        if let Written::Refused(why) = written {
            return Trust::Refused(why.clone());
        }
        let served = self.served.as_ref().map(|served| chain(&served.certificate)).unwrap_or_default();
        let bundles = hooks.bundles();
        let wrong = bundles.iter().find_map(|bundle| verify(bundle, &served, &self.names).err());
        wrong.map_or(Trust::Given, |wrong| Trust::Missing(wrong.to_string()))
    }

    /// Whether the hooks are as installed; where they are not installed, there is nothing to say about them.
    fn compare(&mut self, hooks: &Hooks) {
        let deviations = if hooks.are_installed() { hooks.deviations(&self.names) } else { return };
        if deviations != self.deviations {
            self.teller.tell(&News::configuration(&deviations));
            self.deviations = deviations;
        }
    }

    /// Logs the state where it is another one than before.
    pub(super) fn say(&mut self, state: String) {
        if self.said != state {
            tracing::info!(state, "trust of the API server");
            self.said = state;
        }
    }
}
