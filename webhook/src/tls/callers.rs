//! Who may call: with `--client-ca`, who shows a certificate of that authority, and by one of the names of `--client-name` if there are
//! any. Without it nobody is asked.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::certificate::chain;
use super::files::Content;

/// Judges who calls. Its authorities may change while it is in use; until there are any nobody gets in.
pub(super) struct Callers {
    names: Vec<String>,
    trusted: RwLock<Option<Arc<dyn ClientCertVerifier>>>,
}

impl Callers {
    /// Nobody yet.
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, trusted: RwLock::default() }
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
        self.trusted()?.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trusted()?.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
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
        let callers = |names: &[&str]| Callers::new(names.iter().map(|name| (*name).to_owned()).collect());
        let anybody = callers(&[]);
        let jane = client(&one, "jane", ClientAuth);
        assert!(!allows(&anybody, &jane), "nobody gets in before the authorities are read");
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
