//! Certificates that this program makes itself: an authority and a leaf in a Secret that all replicas share, and the authority in the
//! webhook configurations.
//!
//! `Secret → Pair (or a new one) → caBundle of both configurations → served`. Replicas agree through the Secret's resourceVersion:
//! whoever writes first wins, the others read.

mod bundle;
mod pair;
mod secret;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::Client;
use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use crate::health::Readiness;
use bundle::Trust;
use pair::Pair;

/// How often certificate and configurations are looked at once all is well.
const INTERVAL: Duration = Duration::from_secs(30);
/// How soon they are looked at again after a failure, or after a change: who takes the authority out again and again is not answered
/// faster than this.
const RETRY: Duration = Duration::from_secs(1);

/// What can go wrong with certificates.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("failed to make a certificate")]
    Make(#[from] rcgen::Error),
    #[error("failed to read the certificate in the Secret: {0}")]
    Read(String),
    #[error("failed to use the certificate")]
    Use(#[from] rustls::Error),
    #[error("failed to reach the API server")]
    Api(#[from] kube::Error),
}

/// The certificate that is served; swapped as a whole, without touching connections.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    current: RwLock<Option<Arc<CertifiedKey>>>,
}

impl Certificates {
    fn set(&self, key: Arc<CertifiedKey>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    /// The server's side of TLS. No tickets and no sessions: the API server resumes none.
    pub(crate) fn server_config(self: Arc<Self>) -> ServerConfig {
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps certificate and configurations right, for ever.
pub(crate) async fn maintain(
    client: Client,
    namespace: String,
    names: Vec<String>,
    certificates: Arc<Certificates>,
    readiness: Arc<Readiness>,
) {
    let mut served: Option<Pair> = None;
    let mut said = String::new();
    let mut changes = std::pin::pin!(bundle::changes(&client));
    loop {
        let looked = ensure(&client, &namespace, &names, &certificates, &mut served).await;
        let trusted = matches!(looked, Ok(Trust::Given));
        if let Ok(trust) = &looked {
            readiness.set_trusted(*trust == Trust::Given);
        }
        let state = looked.map_or_else(|error| error_chain(&error), |trust| trust.to_string());
        if said != state {
            tracing::info!(state, "trust of the API server");
            said = state;
        }
        let wait = if trusted { INTERVAL } else { Duration::ZERO };
        tokio::time::sleep(RETRY).await;
        tokio::select! {
            Some(()) = changes.next() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One look: the pair in the Secret is served, and both configurations trust it. Returns whether they do.
async fn ensure(
    client: &Client,
    namespace: &str,
    names: &[String],
    certificates: &Certificates,
    served: &mut Option<Pair>,
) -> Result<Trust, Error> {
    let pair = secret::load_or_make(client, namespace, names, Timestamp::now()).await?;
    let trust = bundle::ensure(client, &pair.authority).await?;
    if served.as_ref() != Some(&pair) {
        certificates.set(Arc::new(pair.certified_key()?));
        tracing::info!(names = names.join(","), "serving with a new certificate");
        *served = Some(pair);
    }
    Ok(trust)
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
