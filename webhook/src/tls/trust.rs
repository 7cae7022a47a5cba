//! Whether the API server trusts what is served, which is another question than what became of writing whom it should trust; and which
//! configurations are missing. Pure.

use rustls::pki_types::CertificateDer;

use super::anchors::verify;

/// What the hooks that are installed make of the certificate that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// All of them trust it.
    Given,
    /// There is no hook.
    NotInstalled,
    /// One of them does not: why.
    Missing(String),
}

impl Trust {
    /// In the chain that is served, for these names, of hooks that trust these.
    pub(super) fn of(
        bundles: &[Vec<CertificateDer<'static>>],
        served: &[CertificateDer<'_>],
        names: &[String],
    ) -> Self {
        if bundles.is_empty() {
            return Self::NotInstalled;
        }
        let wrong = bundles.iter().find_map(|bundle| verify(bundle, served, names).err());
        wrong.map_or(Self::Given, |wrong| Self::Missing(wrong.to_string()))
    }

    /// What is wrong, with why whom they should trust could not be written, where that is so.
    pub(super) fn wrong(&self, refusal: Option<&str>) -> Option<String> {
        let wrong = match self {
            Self::Given => return None,
            Self::NotInstalled => {
                "no hook is installed, so that nobody calls: install deploy/webhook/configurations.yaml".to_owned()
            }
            Self::Missing(why) => {
                format!("a webhook configuration does not trust the certificate that is served: {why}")
            }
        };
        Some(refusal.map_or(wrong.clone(), |refusal| format!("{wrong}; {refusal}")))
    }
}

/// Which configurations are missing, as they were seen at the last look.
#[derive(Debug, Default)]
pub(super) struct Absence {
    was_installed: bool,
    missing: Vec<&'static str>,
}

impl Absence {
    /// What is missing of `all` configurations: nothing before one has been installed, and nobody knows (`None`) before two looks agree.
    /// Whoever installs or deletes both of them does one after the other, and a look may be in between.
    pub(super) fn observe(&mut self, missing: Vec<&'static str>, all: usize) -> Option<Vec<&'static str>> {
        self.was_installed |= missing.len() < all;
        if !self.was_installed {
            return Some(Vec::new());
        }
        let is_known = missing.iter().all(|kind| self.missing.contains(kind));
        self.missing.clone_from(&missing);
        is_known.then_some(missing)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::super::certificate::{Pair, chain};
    use super::*;

    #[test]
    fn what_hooks_trust_does_not_depend_on_what_could_be_written() {
        let life = Duration::from_secs(3600);
        let [(ours, held), (_, other)] = [(); 2].map(|()| {
            let authority = Pair::authority(3 * life, Timestamp::now()).unwrap();
            let held = chain(&authority.certificate).remove(0);
            (authority, held)
        });
        let names = ["a.b.svc".to_owned()];
        let served = chain(&ours.leaf(&names, life, Timestamp::now()).unwrap().certificate);
        let told =
            |bundles: &[Vec<CertificateDer<'static>>], refusal| Trust::of(bundles, &served, &names).wrong(refusal);
        let both = vec![other.clone(), held.clone()];
        for refusal in [None, Some("it could not be written")] {
            assert_eq!(told(&[vec![held.clone()], both.clone()], refusal), None, "also beside a stranger");
        }
        let start = "a webhook configuration does not trust the certificate that is served: ";
        for bundles in [vec![both.clone(), vec![other]], vec![both, Vec::new()]] {
            let wrong = told(&bundles, None).unwrap();
            assert!(wrong.starts_with(start), "{wrong}");
            assert_eq!(told(&bundles, Some("it may not")).unwrap(), format!("{wrong}; it may not"));
        }
        let nobody = "no hook is installed, so that nobody calls: install deploy/webhook/configurations.yaml";
        assert_eq!(told(&[], None).as_deref(), Some(nobody));
    }

    #[test]
    fn a_configuration_is_missing_when_two_looks_say_so() {
        let mut absence = Absence::default();
        let mut look = |missing: &[&'static str]| absence.observe(missing.to_vec(), 2);
        for _ in 0..3 {
            assert_eq!(look(&["one", "other"]), Some(vec![]), "nobody has installed them yet");
        }
        assert_eq!(look(&["other"]), None, "the other one may be on its way");
        assert_eq!(look(&[]), Some(vec![]));
        for _ in 0..2 {
            assert_eq!(look(&["one"]), None);
            assert_eq!(look(&[]), Some(vec![]), "it was put back at once");
        }
        assert_eq!(look(&["one"]), None);
        assert_eq!(look(&["one"]), Some(vec!["one"]));
        assert_eq!(look(&["one", "other"]), None);
        assert_eq!(look(&["one", "other"]), Some(vec!["one", "other"]));
        assert_eq!(look(&["other"]), Some(vec!["other"]));
        assert_eq!(look(&[]), Some(vec![]));
        let mut new = Absence::default();
        assert_eq!([new.observe(vec!["one"], 2), new.observe(vec!["one"], 2)], [None, Some(vec!["one"])], "at a start");
    }
}
