//! Certificates: the one that is served, and who may call.
//!
//! Where they come from: [`own`] makes them and keeps the authority in the webhook configurations; [`mounted`] reads them from files.
//! `state`, `plan`, `rotate`, `anchors`, `choose` and `trust` are the pure parts; `secret`, `hooks`, `files` and `tell` are their edges; `keeper` is
//! what both ways share.
//!
//! The cryptography is that of ring. aws-lc-rs takes about a seventh less for a handshake with P-256 (73 against 85 µs of a core), and is one
//! more large library in C to build; API servers keep their connections, so that handshakes are few.

mod anchors;
mod callers;
mod certificate;
mod choose;
mod files;
mod hooks;
mod keeper;
mod mounted;
mod own;
mod plan;
mod rotate;
mod secret;
mod settings;
mod state;
mod tell;
mod trust;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use rustls::ServerConfig;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::sync::watch;

use self::callers::Callers;
use self::certificate::Facts;
use self::files::Content;
use self::keeper::Keeper;
use self::mounted::Mounted;
use self::own::Own;
pub(crate) use self::settings::Settings;
use self::tell::Teller;
use crate::health::Readiness;

/// How often the authorities of who may call are looked at.
const POLL: Duration = Duration::from_secs(1);

/// What can go wrong with certificates.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("failed to make a certificate")]
    Make(#[from] rcgen::Error),
    #[error("failed to read a certificate: {0}")]
    Read(String),
    #[error("failed to use a certificate")]
    Use(#[from] rustls::Error),
    #[error("failed to reach the API server")]
    Api(#[from] kube::Error),
}

/// How long what we make lives.
#[derive(Debug, Clone)]
struct Lifetimes {
    /// How long an authority must have been in all hooks before it signs.
    propagation: Duration,
    leaf: Duration,
    authority: Duration,
}

/// The certificate that is served, swapped as a whole without touching connections, and what is known about it.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    served: RwLock<Option<Served>>,
    callers: Option<Arc<Callers>>,
    /// Whom it must be for.
    names: Vec<String>,
    report: RwLock<Report>,
    /// Told of each look, and of each certificate.
    changes: watch::Sender<()>,
}

#[derive(Debug, Clone)]
struct Served {
    key: Arc<CertifiedKey>,
    /// Of the certificate itself.
    facts: Option<Facts>,
}

#[derive(Debug, Default)]
struct Report {
    /// Whom each hook trusts.
    bundles: Vec<Vec<CertificateDer<'static>>>,
    remarks: Vec<String>,
    problem: Option<String>,
}

impl Certificates {
    fn new(settings: &Settings, names: Vec<String>) -> Result<Self, Error> {
        let callers = settings.client_ca.as_ref().map(|_| Callers::new(settings.client_name.clone()));
        Ok(Self { callers: callers.transpose()?.map(Arc::new), names, ..Self::default() })
    }

    fn set(&self, key: Arc<CertifiedKey>) {
        let facts = key.cert.first().and_then(|leaf| Facts::of_der(leaf));
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = Some(Served { key, facts });
        self.changes.send_replace(());
    }

    fn report(&self, bundles: Vec<Vec<CertificateDer<'static>>>, remarks: Vec<String>) {
        let mut report = self.report.write().unwrap_or_else(PoisonError::into_inner);
        report.bundles = bundles;
        report.remarks = remarks;
        drop(report);
        self.changes.send_replace(());
    }

    fn set_problem(&self, problem: Option<String>) {
        self.report.write().unwrap_or_else(PoisonError::into_inner).problem = problem;
    }

    /// The certificate that is served, and what is between it and its authority; nothing before there is one.
    pub(crate) fn served(&self) -> Option<Arc<CertifiedKey>> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|served| served.key.clone())
    }

    /// When the certificate that is served expires; nothing before there is one.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.facts().map(|facts| facts.until)
    }

    fn facts(&self) -> Option<Facts> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|served| served.facts.clone())
    }

    /// Changes when there may be another certificate, or another authority in the hooks.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// What this process itself shows when it calls its own socket, where who calls is asked for a certificate.
    pub(crate) fn own_caller(&self) -> Option<Arc<dyn ResolvesClientCert>> {
        self.callers.as_ref().map(|callers| callers.own())
    }

    /// Whether every hook, as it was when it was looked at last, would take this chain for us now: what a probe of our own socket has to
    /// ask.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub(crate) fn would_be_trusted(&self, chain: &[CertificateDer<'_>]) -> Result<(), String> {
        let report = self.report.read().unwrap_or_else(PoisonError::into_inner);
        if report.bundles.is_empty() {
            return Err("no hook is installed".to_owned());
        }
        let told = report.bundles.iter().try_for_each(|bundle| anchors::verify(bundle, chain, &self.names));
        told.map_err(|error| error.to_string())
    }

    /// What somebody should look at although calls may be answered: hooks that are not as installed, authorities that could not be
    /// written, files that are not served, a certificate that ends soon. One sentence each.
    pub(crate) fn remarks(&self, now: Timestamp) -> Vec<String> {
        let ending = self.facts().and_then(|facts| facts.ending(now));
        let report = self.report.read().unwrap_or_else(PoisonError::into_inner);
        report.remarks.iter().chain(&report.problem).cloned().chain(ending).collect()
    }

    /// The server's side of TLS. No tickets and no sessions: the API server resumes none.
    pub(crate) fn server_config(self: Arc<Self>) -> ServerConfig {
        let builder = ServerConfig::builder();
        let builder = match &self.callers {
            Some(callers) => builder.with_client_cert_verifier(callers.clone()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config
    }
}

#[cfg(test)]
impl Certificates {
    /// A certificate for 127.0.0.1, which no hook trusts yet, and its authority.
    pub(crate) fn on_loopback() -> (Arc<Self>, CertificateDer<'static>) {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let names = vec!["127.0.0.1".to_owned()];
        let (now, life) = (Timestamp::now(), Duration::from_secs(3600));
        let authority = certificate::Pair::authority(life, now).unwrap();
        let leaf = authority.leaf(&names, life, now).unwrap();
        let certificates = Self { names, ..Self::default() };
        certificates.set(Arc::new(leaf.certified().unwrap()));
        (Arc::new(certificates), certificate::chain(&authority.certificate).remove(0))
    }

    /// What the hooks trust from now on.
    pub(crate) fn are_trusted_by(&self, bundles: Vec<Vec<CertificateDer<'static>>>) {
        self.report(bundles, Vec::new());
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.served()
    }
}

/// Begins to keep certificates and what trusts them right, for ever.
///
/// # Errors
/// When there is no randomness to make a key of.
pub(crate) fn start(
    client: &Client,
    namespace: &str,
    names: Vec<String>,
    settings: &Settings,
    readiness: Arc<Readiness>,
) -> Result<Arc<Certificates>, Error> {
    let certificates = Arc::new(Certificates::new(settings, names.clone())?);
    let lifetimes = settings.lifetimes();
    let teller = Teller::new(client.clone(), namespace);
    let keeper = Keeper::new(client.clone(), names, lifetimes.propagation, certificates.clone(), readiness, teller);
    match settings.files() {
        Some(paths) => tokio::spawn(Mounted { keeper, paths, problem: None }.keep()),
        None => {
            let namespace = namespace.to_owned();
            tokio::spawn(Own::new(keeper, namespace, lifetimes).keep())
        }
    };
    if let (Some(callers), Some(path)) = (certificates.callers.clone(), settings.client_ca.clone()) {
        tokio::spawn(follow(callers, path));
    }
    Ok(certificates)
}

/// Reads the authorities of who may call again and again, and takes what is new.
async fn follow(callers: Arc<Callers>, path: PathBuf) {
    let mut last = None;
    loop {
        let content = Content::read(&path).await;
        if last.as_ref() != Some(&content) {
            match callers.read(&path, &content) {
                Ok(authorities) => tracing::info!(authorities, "who may call was read"),
                Err(problem) => tracing::warn!(problem, "who may call stays as it was"),
            }
            last = Some(content);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// An error with all that led to it.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nothing_replaces_the_certificate_is_told_before_it_ends() {
        let (certificates, _) = Certificates::on_loopback();
        let until = certificates.until().unwrap();
        let told = |left| certificates.remarks(until - Duration::from_secs(left));
        // It lives for 3,600 s, and began 360 s before it was made.
        assert_eq!([told(3600), told(990)], [[""; 0]; 2]);
        let ending = |left: &str| {
            let why = "nothing has replaced it although most of its life is over";
            [format!("the certificate that is served ends in {left}, at {until}: {why}")]
        };
        assert_eq!(told(989), ending("16 minutes"));
        assert_eq!(told(100), ending("100 seconds"));
        assert_eq!(told(0), [""; 0], "that it has ended is why it is unready");
        let facts = certificates.facts().unwrap();
        let year = Facts { from: until - 24 * Duration::from_secs(365 * 3600), ..facts };
        let told = |hours: u32| year.ending(until - hours * Duration::from_secs(3600)).unwrap_or_default();
        assert_eq!(told(92 * 24), "");
        assert!(told(91 * 24).contains("ends in 91 days,") && told(47).contains("ends in 47 hours,"), "{}", told(47));
    }
}
