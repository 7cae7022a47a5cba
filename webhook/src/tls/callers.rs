//! Who may call: with `--client-ca`, who shows a certificate of that authority, and by one of the names of `--client-name` if there are
//! any. Without it nobody is asked.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::Error;
use super::certificate::{Pair, chain};
use super::files::Content;

/// Judges who calls. Its authorities may change while it is in use; until there are any nobody gets in, but this process itself when it
/// calls its own socket: it shows a certificate that it has made for that, whose key never leaves it.
pub(super) struct Callers {
    names: Vec<String>,
    own: Arc<CertifiedKey>,
    trusted: RwLock<Option<Arc<dyn ClientCertVerifier>>>,
}

impl Callers {
    /// Nobody yet.
    ///
    /// # Errors
    /// When there is no randomness to make a key of.
    pub(super) fn new(names: Vec<String>) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::default().self_signed(&key)?;
        let pair = Pair { certificate: certificate.pem(), key: key.serialize_pem() };
        Ok(Self { names, own: Arc::new(pair.certified()?), trusted: RwLock::default() })
    }

    /// What this process shows to itself.
    pub(super) fn own(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(self.own.clone()))
    }

    /// Reads the authorities from a file; says how many there are.
    ///
    /// # Errors
    /// One sentence on why they stay as they are.
    pub(super) fn read(&self, path: &Path, content: &Content) -> Result<usize, String> {
        let text = content.text().map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let authorities = chain(text);
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(authorities);
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
        let verifier = verifier.map_err(|_| format!("{} holds no certificate of an authority", path.display()))?;
        *self.trusted.write().unwrap_or_else(PoisonError::into_inner) = Some(verifier);
        Ok(added)
    }

    fn trusted(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        let trusted = self.trusted.read().unwrap_or_else(PoisonError::into_inner).clone();
        trusted.ok_or_else(|| CertificateError::UnknownIssuer.into())
    }

    fn is_allowed(&self, certificate: &[u8]) -> bool {
        self.names.is_empty() || names_of(certificate).iter().any(|name| self.names.contains(name))
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The common name, and host names and URIs of the subject alternative name.
fn names_of(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_owned);
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.into_iter().flat_map(|extension| extension.value.general_names.iter());
    let alternative = alternative.filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        _ => None,
    });
    common.chain(alternative).collect()
}

impl ClientCertVerifier for Callers {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    /// None: they change, and a client that has one certificate needs no hint.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if self.own.cert.first() == Some(leaf) {
            return Ok(ClientCertVerified::assertion());
        }
        let verified = self.trusted()?.verify_client_cert(leaf, between, now)?;
        if !self.is_allowed(leaf) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &ring::default_provider().signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &ring::default_provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    };

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn client(authority: &Authority, name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["api.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names.push(SanType::URI("spiffe://cluster/api".try_into().unwrap()));
        params.extended_key_usages = vec![usage];
        params.signed_by(&KeyPair::generate().unwrap(), authority).unwrap().der().clone()
    }

    fn allows(callers: &Callers, certificate: &CertificateDer<'_>) -> bool {
        callers.verify_client_cert(certificate, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn who_has_a_certificate_and_a_name_gets_in() {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        let [one, other] = [authority(), authority()];
        let content = |text: String| Content::from(text.into_bytes());
        let path = Path::new("ca.crt");
        let callers = |names: &[&str]| Callers::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap();
        let anybody = callers(&[]);
        let jane = client(&one, "jane", ClientAuth);
        assert!(!allows(&anybody, &jane), "nobody gets in before the authorities are read");
        let [own, another] = [&anybody, &callers(&[])].map(|callers| callers.own.cert[0].clone());
        assert!(allows(&anybody, &own) && !allows(&anybody, &another), "but this process itself");
        assert_eq!(anybody.read(path, &content(one.pem())), Ok(1));
        assert!(allows(&anybody, &jane));
        assert!(!allows(&anybody, &client(&other, "jane", ClientAuth)));
        assert!(!allows(&anybody, &client(&one, "jane", ServerAuth)));

        // What cannot be read changes nothing, and what can counts at once.
        let told = anybody.read(path, &content("nonsense".to_owned()));
        assert_eq!(told, Err("ca.crt holds no certificate of an authority".to_owned()));
        assert!(allows(&anybody, &jane));
        assert_eq!(anybody.read(path, &content(other.pem())), Ok(1));
        assert!(!allows(&anybody, &jane));

        for (names, is_allowed) in [
            (&["jane"][..], true),
            (&["joe", "api.example"], true),
            (&["spiffe://cluster/api"], true),
            (&["Jane"], false),
            (&["example"], false),
        ] {
            let some = callers(names);
            some.read(path, &content(one.pem())).unwrap();
            assert_eq!(allows(&some, &jane), is_allowed, "{names:?}");
        }
    }
}
