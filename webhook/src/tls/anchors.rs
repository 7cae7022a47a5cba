//! Whom the API server trusts, since when, and whether it would trust a certificate: judged as it does itself.

use std::slice;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;

use super::certificate::Facts;

/// The authorities that all hooks hold, each with the moment since when this process has seen it there without interruption.
#[derive(Debug, Clone, Default)]
pub(super) struct Anchors {
    held: Vec<(CertificateDer<'static>, Instant)>,
}

impl Anchors {
    /// What is there now.
    pub(super) fn observe(&mut self, authorities: &[CertificateDer<'static>], now: Instant) {
        let since = |authority: &CertificateDer<'static>| self.since(authority).unwrap_or(now);
        self.held = authorities.iter().map(|authority| (authority.clone(), since(authority))).collect();
    }

    /// For how long an authority has been there.
    pub(super) fn age(&self, authority: &CertificateDer<'_>, now: Instant) -> Option<Duration> {
        self.since(authority).map(|since| now.saturating_duration_since(since))
    }

    fn since(&self, authority: &CertificateDer<'_>) -> Option<Instant> {
        self.held.iter().find(|(held, _)| held == authority).map(|(_, since)| *since)
    }

    /// For how long a certificate has been trusted: as long as any of the authorities that it can be verified by has been there.
    pub(super) fn trusted_for(&self, chain: &[CertificateDer<'_>], names: &[String], now: Instant) -> Option<Duration> {
        self.vouching(chain, names).map(|(_, since)| now.saturating_duration_since(*since)).max()
    }

    /// Whether one of the authorities vouches for both certificates.
    pub(super) fn vouch_for_both(
        &self,
        one: &[CertificateDer<'_>],
        other: &[CertificateDer<'_>],
        names: &[String],
    ) -> bool {
        self.vouching(one, names).any(|(authority, _)| verify(slice::from_ref(authority), other, names).is_ok())
    }

    fn vouching(
        &self,
        chain: &[CertificateDer<'_>],
        names: &[String],
    ) -> impl Iterator<Item = &(CertificateDer<'static>, Instant)> {
        self.held.iter().filter(move |(authority, _)| verify(slice::from_ref(authority), chain, names).is_ok())
    }
}

/// Whether somebody who trusts these authorities, and no others, takes the chain now for a server of each of these names.
///
/// # Errors
/// With what is wrong, as rustls says it.
pub(super) fn verify(
    authorities: &[CertificateDer<'static>],
    chain: &[CertificateDer<'_>],
    names: &[String],
) -> Result<(), rustls::Error> {
    let general = |text: &str| rustls::Error::General(text.to_owned());
    let now = Timestamp::now();
    // Go looks at the authority's own time as well, which rustls does not.
    let is_valid = |der: &CertificateDer<'_>| Facts::of_der(der).is_some_and(|facts| facts.is_valid(now));
    let valid: Vec<_> = authorities.iter().filter(|authority| is_valid(authority)).cloned().collect();
    let (leaf, between) = chain.split_first().ok_or_else(|| general("there is no certificate"))?;
    let parsed = ParsedCertificate::try_from(leaf)?;
    // A certificate that is trusted itself, self-signed mostly: Go takes it, rustls does not take an authority for a server.
    if !valid.contains(leaf) {
        signed(valid, &parsed, between, now)?;
    }
    names.iter().try_for_each(|name| {
        let name = ServerName::try_from(name.as_str())
            .map_err(|_| general("a serving name is neither a host name nor an address"))?;
        verify_server_name(&parsed, &name)
    })
}

/// Whether the authority signed the leaf, by way of what is between them, whatever the time is.
pub(super) fn is_signed_by(authority: &CertificateDer<'static>, chain: &[CertificateDer<'_>]) -> bool {
    let Some((leaf, between)) = chain.split_first() else { return false };
    let (Some(facts), Ok(parsed)) = (Facts::of_der(leaf), ParsedCertificate::try_from(leaf)) else { return false };
    signed(vec![authority.clone()], &parsed, between, facts.from).is_ok()
}

fn signed(
    authorities: Vec<CertificateDer<'static>>,
    leaf: &ParsedCertificate<'_>,
    between: &[CertificateDer<'_>],
    at: Timestamp,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().unsigned_abs()));
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(leaf, &roots, between, at, algorithms)
}

#[cfg(test)]
mod tests {
    use super::super::certificate::{Pair, chain};
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn authority() -> (Pair, CertificateDer<'static>) {
        let pair = Pair::authority(9 * HOUR, Timestamp::now()).unwrap();
        let der = chain(&pair.certificate).remove(0);
        (pair, der)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_leaf_is_trusted_by_its_authority_for_its_names_and_in_its_time() {
        let ((signs, one), (_, other)) = (authority(), authority());
        let serving = names(&["a.b.svc", "127.0.0.1"]);
        let now = Timestamp::now();
        let leaf = |now| chain(&signs.leaf(&serving, HOUR, now).unwrap().certificate);
        assert_eq!(verify(&[other.clone(), one.clone()], &leaf(now), &serving), Ok(()));
        for (authorities, leaf, asked) in [
            (&[other][..], leaf(now), serving.clone()),
            (&[], leaf(now), serving.clone()),
            (slice::from_ref(&one), leaf(now), names(&["a.b.svc", "c.d.svc"])),
            (slice::from_ref(&one), leaf(now), names(&["a b"])),
            (slice::from_ref(&one), leaf(now - 2 * HOUR), serving.clone()),
            (slice::from_ref(&one), leaf(now + 2 * HOUR), serving.clone()),
            (slice::from_ref(&one), Vec::new(), serving.clone()),
        ] {
            assert!(verify(authorities, &leaf, &asked).is_err(), "{asked:?}");
        }
        let expired = leaf(now - 2 * HOUR);
        assert!(is_signed_by(&one, &expired) && !is_signed_by(&authority().1, &expired), "whatever the time is");
    }

    #[test]
    fn an_authority_that_has_expired_is_trusted_by_nobody() {
        let now = Timestamp::now();
        let authority = Pair::authority(HOUR, now - 2 * HOUR).unwrap();
        let young = Pair { certificate: Pair::authority(9 * HOUR, now).unwrap().certificate, ..authority.clone() };
        let held = chain(&authority.certificate);
        // Its own leaf ends with it; one that does not must not pass either.
        let key = rcgen::KeyPair::from_pem(&authority.key).unwrap();
        let issuer = rcgen::Issuer::from_ca_cert_pem(&authority.certificate, key).unwrap();
        let own = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(names(&["a.b.svc"])).unwrap().signed_by(&own, &issuer).unwrap();
        let leaf = chain(&leaf.pem());
        assert!(is_signed_by(&held[0], &leaf) && !is_signed_by(&chain(&young.certificate)[0], &leaf));
        assert!(verify(&held, &leaf, &names(&["a.b.svc"])).is_err());
    }

    #[test]
    fn a_certificate_that_is_trusted_itself_is_trusted() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(names(&["a.b.svc"])).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let itself = chain(&params.self_signed(&key).unwrap().pem());
        assert_eq!(verify(&itself, &itself, &names(&["a.b.svc"])), Ok(()));
        assert!(verify(&itself, &itself, &names(&["c.d.svc"])).is_err());
    }

    #[test]
    fn an_interruption_starts_the_time_anew() {
        let ((signs, one), (foreign, other)) = (authority(), authority());
        let leaf = chain(&signs.leaf(&names(&["a.b.svc"]), HOUR, Timestamp::now()).unwrap().certificate);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut anchors = Anchors::default();
        let age = |anchors: &Anchors, seconds| {
            anchors.trusted_for(&leaf, &names(&["a.b.svc"]), at(seconds)).map(|age| age.as_secs())
        };
        assert_eq!(age(&anchors, 0), None);
        anchors.observe(slice::from_ref(&one), at(0));
        anchors.observe(&[other.clone(), one.clone()], at(5));
        assert_eq!((age(&anchors, 9), anchors.age(&other, at(9))), (Some(9), Some(Duration::from_secs(4))));
        let renewed = chain(&signs.leaf(&names(&["a.b.svc"]), HOUR, Timestamp::now()).unwrap().certificate);
        let foreign = chain(&foreign.leaf(&names(&["a.b.svc"]), HOUR, Timestamp::now()).unwrap().certificate);
        let alike = |new| anchors.vouch_for_both(&leaf, new, &names(&["a.b.svc"]));
        assert_eq!((alike(&renewed), alike(&foreign)), (true, false));
        anchors.observe(&[other], at(10));
        assert_eq!(age(&anchors, 10), None);
        anchors.observe(&[one], at(11));
        assert_eq!(age(&anchors, 12), Some(1));
    }
}
