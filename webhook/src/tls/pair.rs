//! An authority and the leaf that it signed, as PEM.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::Error;

const DAY: i64 = 24 * 3600;
const AUTHORITY_LIFE: i64 = 3650 * DAY;
const LEAF_LIFE: i64 = 90 * DAY;
/// A leaf is renewed when less than this is left of it.
const RENEWAL: i64 = 30 * DAY;
/// Clocks of a cluster differ; a certificate is valid from a little before it was made.
const SKEW: i64 = 3600;

/// An authority and the leaf that it signed. P-256, the cheapest for a server that sees a handshake per burst.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pair {
    /// `ca.crt`
    pub(super) authority: String,
    /// `ca.key`
    pub(super) authority_key: String,
    /// `tls.crt`
    pub(super) leaf: String,
    /// `tls.key`
    pub(super) leaf_key: String,
}

impl Pair {
    /// A new authority with a leaf for `names`.
    pub(super) fn make(names: &[String], now: Timestamp) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "release-webhook authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid(&mut params, now, AUTHORITY_LIFE);
        let authority = params.self_signed(&key)?.pem();
        Self { authority, authority_key: key.serialize_pem(), leaf: String::new(), leaf_key: String::new() }
            .renewed(names, now)
    }

    /// The same authority with a new leaf for `names`.
    pub(super) fn renewed(&self, names: &[String], now: Timestamp) -> Result<Self, Error> {
        let issuer = Issuer::from_ca_cert_pem(&self.authority, KeyPair::from_pem(&self.authority_key)?)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name.push(DnType::CommonName, "release-webhook");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid(&mut params, now, LEAF_LIFE);
        let leaf = params.signed_by(&key, &issuer)?.pem();
        Ok(Self { leaf, leaf_key: key.serialize_pem(), ..self.clone() })
    }

    /// What is left to do with this pair.
    pub(super) fn judge(&self, names: &[String], now: Timestamp) -> Judgement {
        let left =
            |pem: &str| read(pem).and_then(|der| Some(parse(&der)?.validity().not_after.timestamp() - now.as_second()));
        let usable = self.certified_key().is_ok() && KeyPair::from_pem(&self.authority_key).is_ok();
        match (left(&self.authority), left(&self.leaf)) {
            (Some(authority), _) if authority < RENEWAL => Judgement::Replace,
            (Some(_), Some(leaf)) if usable && leaf >= RENEWAL && self.covers(names) => Judgement::Keep,
            (Some(_), _) if KeyPair::from_pem(&self.authority_key).is_ok() => Judgement::Renew,
            _ => Judgement::Replace,
        }
    }

    fn covers(&self, names: &[String]) -> bool {
        let Some(der) = read(&self.leaf) else { return false };
        let Some(certificate) = parse(&der) else { return false };
        let Ok(Some(extension)) = certificate.subject_alternative_name() else { return false };
        let held: Vec<String> = extension.value.general_names.iter().filter_map(text).collect();
        names.iter().all(|name| held.contains(name))
    }

    /// The leaf as rustls serves it.
    pub(super) fn certified_key(&self) -> Result<CertifiedKey, Error> {
        let unreadable = |error: rustls::pki_types::pem::Error| Error::Read(error.to_string());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.leaf.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(self.leaf_key.as_bytes()).map_err(unreadable)?;
        let key = CertifiedKey::new(chain.map_err(unreadable)?, any_supported_type(&key)?);
        key.keys_match()?;
        Ok(key)
    }
}

/// What is left to do with a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing.
    Keep,
    /// A new leaf by the same authority.
    Renew,
    /// A new authority and a new leaf.
    Replace,
}

fn valid(params: &mut CertificateParams, now: Timestamp, life: i64) {
    let from = now.as_second() - SKEW;
    let date = |second: i64| {
        let date = Timestamp::from_second(second).unwrap_or(now).to_zoned(jiff::tz::TimeZone::UTC);
        rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = date(from);
    params.not_after = date(from + life + SignedDuration::from_secs(DAY).as_secs());
}

fn read(pem: &str) -> Option<Vec<u8>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok().map(|der| der.to_vec())
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate)
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*octets).ok().map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_pair_is_kept_renewed_and_replaced_in_time() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let after = |days: i64| now + SignedDuration::from_secs(days * DAY);
        let serving = names(&["release-webhook.release-system.svc", "127.0.0.1"]);
        let pair = Pair::make(&serving, now).unwrap();
        assert_eq!(pair.judge(&serving, now), Judgement::Keep);
        assert_eq!(pair.judge(&serving, after(50)), Judgement::Keep);
        assert_eq!(pair.judge(&serving, after(65)), Judgement::Renew);
        assert_eq!(pair.judge(&serving, after(3640)), Judgement::Replace);
        assert_eq!(pair.judge(&names(&["elsewhere"]), now), Judgement::Renew);
        let renewed = pair.renewed(&serving, after(65)).unwrap();
        assert_eq!((renewed.judge(&serving, after(65)), &renewed.authority), (Judgement::Keep, &pair.authority));
    }

    #[test]
    fn a_spoiled_pair_is_not_served() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let serving = names(&["a.b.svc"]);
        let (pair, other) = (Pair::make(&serving, now).unwrap(), Pair::make(&serving, now).unwrap());
        let crossed = Pair { leaf_key: other.leaf_key.clone(), ..pair.clone() };
        assert_eq!(crossed.judge(&serving, now), Judgement::Renew);
        let empty = Pair::default();
        assert_eq!(empty.judge(&serving, now), Judgement::Replace);
        let keyless = Pair { authority_key: "nonsense".into(), leaf: String::new(), ..pair };
        assert_eq!(keyless.judge(&serving, now), Judgement::Replace);
    }
}
