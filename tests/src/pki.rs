//! The keys and certificates of one control plane, all P-256, all made anew for each.

use anyhow::{Context, bail};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// The attribute type `organizationName` (RFC 5280, appendix A.1).
const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];

/// A private key with what makes it believed, both PEM.
#[derive(Debug)]
pub struct Credential {
    /// The certificate, or the bare public key of a service account issuer.
    pub public: String,
    /// The private key, PKCS #8.
    pub private: String,
}

/// The certificate authority of one control plane: it vouches for the API server, its clients and the front proxy.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "release-tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?).context("making a CA certificate")?;
        Ok(Self { issuer })
    }

    /// Its certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server under these host names and addresses.
    ///
    /// # Errors
    /// When a name is none.
    pub fn server(&self, names: &[&str]) -> anyhow::Result<Credential> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).context("naming a server")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign("release-tests-server", params)
    }

    /// A certificate for a client: Kubernetes takes the user's name from the common name and the groups from the
    /// organizations.
    ///
    /// # Errors
    /// With more than two groups: rcgen writes each attribute type once, and `organizationName` has two spellings there.
    pub fn client(&self, user: &str, groups: &[&str]) -> anyhow::Result<Credential> {
        let mut params = CertificateParams::default();
        let types = [DnType::OrganizationName, DnType::CustomDnType(ORGANIZATION.to_vec())];
        if groups.len() > types.len() {
            bail!("user {user} has {} groups, and a client certificate here holds two at most", groups.len());
        }
        for (kind, &group) in types.into_iter().zip(groups) {
            params.distinguished_name.push(kind, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(user, params)
    }

    fn sign(&self, common_name: &str, mut params: CertificateParams) -> anyhow::Result<Credential> {
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer).with_context(|| format!("signing for {common_name}"))?;
        Ok(Credential { public: certificate.pem(), private: key.serialize_pem() })
    }
}

/// The key pair for the tokens of service accounts. kube-apiserver signs with ECDSA keys as well as with RSA ones.
///
/// # Errors
/// When the system has no randomness to give.
pub fn service_account_keys() -> anyhow::Result<Credential> {
    let key = KeyPair::generate()?;
    Ok(Credential { public: key.public_key_pem(), private: key.serialize_pem() })
}
