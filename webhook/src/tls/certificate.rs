//! What can be read from certificates, and what an authority signs. All are P-256, the cheapest for a server that sees a handshake per
//! burst.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
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

/// Clocks of a cluster differ: a certificate is valid from up to this long before it was made, in seconds, or a tenth of its life.
const SKEW: i64 = 3600;

/// A certificate and its private key, both PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Pair {
    /// A leaf may be followed by what is between it and its authority.
    pub(super) certificate: String,
    pub(super) key: String,
}

impl fmt::Debug for Pair {
    /// Without the key: what is printed may end in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pair").field(&Facts::of(&self.certificate)).finish()
    }
}

impl Pair {
    /// A new authority that lives this long.
    pub(super) fn authority(life: Duration, now: Timestamp) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "release-webhook authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid(&mut params, now, seconds(life), i64::MAX);
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, key: key.serialize_pem() })
    }

    /// A new leaf for `names` by this authority. It lives this long, and not longer than the authority.
    pub(super) fn leaf(&self, names: &[String], life: Duration, now: Timestamp) -> Result<Self, Error> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        let last = Facts::of(&self.certificate).map_or(i64::MAX, |authority| authority.until.as_second());
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name.push(DnType::CommonName, "release-webhook");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, now, seconds(life), last);
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Ok(Self { certificate, key: key.serialize_pem() })
    }

    /// Whether the key is readable and that of the certificate.
    pub(super) fn matches(&self) -> bool {
        self.certified().is_ok()
    }

    /// As rustls serves it.
    ///
    /// # Errors
    /// When one of the two cannot be read, or they do not belong together.
    pub(super) fn certified(&self) -> Result<CertifiedKey, Error> {
        let chain = chain(&self.certificate);
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|error| Error::Read(error.to_string()))?;
        if chain.is_empty() {
            return Err(Error::Read("there is no certificate".to_owned()));
        }
        let key = CertifiedKey::new(chain, any_supported_type(&key)?);
        key.keys_match()?;
        Ok(key)
    }
}

/// The certificates of a text, in their order; what is none is left out.
pub(super) fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect()
}

/// A certificate as PEM.
pub(super) fn pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// What matters of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// Host names and addresses of its subject alternative name.
    pub(super) names: Vec<String>,
}

impl Facts {
    /// Those of the first certificate of a text.
    pub(super) fn of(pem: &str) -> Option<Self> {
        Self::of_der(chain(pem).first()?)
    }

    /// Those of a certificate.
    pub(super) fn of_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let second = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
        let validity = certificate.validity();
        let names = match certificate.subject_alternative_name() {
            Ok(Some(extension)) => extension.value.general_names.iter().filter_map(text).collect(),
            _ => Vec::new(),
        };
        Some(Self { from: second(validity.not_before)?, until: second(validity.not_after)?, names })
    }

    /// What to say when it ends soon: less than a quarter of its life is left. What this program makes itself is replaced when less than a
    /// third is.
    pub(super) fn ending(&self, now: Timestamp) -> Option<String> {
        let left = self.until.as_second() - now.as_second();
        if left <= 0 || left * 4 >= self.until.as_second() - self.from.as_second() {
            return None;
        }
        let left = match (left / 86400, left / 3600, left / 60) {
            (2.., ..) => format!("{} days", left / 86400),
            (_, 2.., _) => format!("{} hours", left / 3600),
            (.., 2..) => format!("{} minutes", left / 60),
            _ => format!("{left} seconds"),
        };
        let until = self.until;
        Some(format!(
            "the certificate that is served ends in {left}, at {until}: nothing has replaced it although most of its life is over"
        ))
    }

    /// Whether it can be used at this time.
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

fn valid(params: &mut CertificateParams, now: Timestamp, life: i64, last: i64) {
    let date = |second: i64| {
        let second = u64::try_from(second).unwrap_or_default();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(second)
    };
    params.not_before = date(now.as_second() - SKEW.min(life / 10));
    params.not_after = date(last.min(now.as_second() + life));
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    let address = |octets: &[u8]| match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    };
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_leaf_lives_as_long_as_is_said_and_not_longer_than_its_authority() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let names = ["release-webhook.release-system.svc".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let authority = Pair::authority(10 * HOUR, now).unwrap();
        let leaf = authority.leaf(&names, HOUR, now).unwrap();
        assert!(authority.matches() && leaf.matches());
        let facts = Facts::of(&leaf.certificate).unwrap();
        assert_eq!((facts.until, facts.names.as_slice()), (now + HOUR, &names[..]));
        assert_eq!(facts.from, now - Duration::from_secs(360));
        assert!(!facts.is_valid(now - HOUR) && facts.is_valid(now) && !facts.is_valid(now + HOUR));
        let late = authority.leaf(&names, HOUR, now + HOUR * 19 / 2).unwrap();
        assert_eq!(Facts::of(&late.certificate).unwrap().until, now + 10 * HOUR);
    }

    #[test]
    fn what_does_not_belong_together_does_not_match() {
        let now = Timestamp::UNIX_EPOCH;
        let [one, other] = [(); 2].map(|()| Pair::authority(HOUR, now).unwrap());
        let crossed = Pair { key: other.key, ..one.clone() };
        let keyless = Pair { key: String::new(), ..one.clone() };
        let empty = Pair { certificate: String::new(), ..one.clone() };
        assert!(!crossed.matches() && !keyless.matches() && !empty.matches());
        assert!(!format!("{one:?}").contains("PRIVATE"), "{one:?}");
    }

    #[test]
    fn a_certificate_is_written_as_it_was_read() {
        let pair = Pair::authority(HOUR, Timestamp::UNIX_EPOCH).unwrap();
        let written = pem(&chain(&pair.certificate)[0]);
        assert_eq!(written, pair.certificate.replace("\r\n", "\n"));
        assert_eq!(chain(&format!("nonsense\n{written}{written}")).len(), 2);
    }
}
