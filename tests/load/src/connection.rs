//! A client that has one connection at a time, and one thread to itself: what it waits for it waits for in the kernel.

use std::sync::Arc;

use anyhow::{Context, ensure};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

use crate::Target;

/// How much of an answer an error quotes, in characters.
const QUOTED: usize = 300;

/// A client. It connects when it has to.
pub(crate) struct Client {
    target: Target,
    connector: TlsConnector,
    runtime: Runtime,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// One that is not connected yet. Every connection does the whole handshake, as the API server's do.
    pub(crate) fn new(target: &Target) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build().context("starting a runtime")?;
        let connector = TlsConnector::from(Arc::new(config(target)?));
        Ok(Self { target: target.clone(), connector, runtime, connection: None })
    }

    /// Gives the connection up, so that the next call makes a new one.
    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Posts JSON, and returns the answer whatever it is. After an error the next call makes a new connection.
    pub(crate) fn post(&mut self, path: &str, body: Bytes) -> anyhow::Result<(StatusCode, Bytes)> {
        self.send(Method::POST, path, body)
    }

    /// Sends JSON, likewise.
    pub(crate) fn send(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::builder().method(method).uri(path).header("Host", self.target.address.to_string());
        let request = request.header("Content-Type", "application/json").body(Full::new(body))?;
        let Self { target, connector, runtime, connection } = self;
        let answer = runtime.block_on(async {
            let mut sender = match connection.take() {
                Some(sender) => sender,
                None => connect(target, connector).await?,
            };
            sender.ready().await.context("waiting for the connection")?;
            let response = sender.send_request(request).await.context("sending a request")?;
            let status = response.status();
            let answer = response.into_body().collect().await.context("reading an answer")?.to_bytes();
            *connection = Some(sender);
            anyhow::Ok((status, answer))
        })?;
        Ok(answer)
    }

    /// Posts an admission review. Anything but a permission that carries its uid is an error, or a refusal where that is fine.
    pub(crate) fn review(&mut self, path: &str, review: &Review) -> anyhow::Result<()> {
        let (status, answer) = self.post(path, review.body.clone())?;
        let quoted = || String::from_utf8_lossy(&answer).chars().take(QUOTED).collect::<String>();
        ensure!(status == StatusCode::OK, "{status}: {}", quoted());
        let read: Answer = serde_json::from_slice(&answer).with_context(|| format!("reading {}", quoted()))?;
        ensure!(
            (read.response.allowed || review.or_refused) && read.response.uid == review.uid,
            "not allowed, or not what was asked: {}",
            quoted()
        );
        Ok(())
    }
}

/// A question for a webhook.
pub(crate) struct Review {
    uid: String,
    body: Bytes,
    /// Whether a refusal is as good an answer.
    or_refused: bool,
}

impl Review {
    /// Reads the uid of a review.
    pub(crate) fn read(body: Vec<u8>, or_refused: bool) -> anyhow::Result<Self> {
        let asked: Asked = serde_json::from_slice(&body).context("reading a review")?;
        Ok(Self { uid: asked.request.uid, body: body.into(), or_refused })
    }
}

#[derive(serde::Deserialize)]
struct Asked {
    request: Uid,
}

#[derive(serde::Deserialize)]
struct Uid {
    uid: String,
}

#[derive(serde::Deserialize)]
struct Answer {
    response: Verdict,
}

#[derive(serde::Deserialize)]
struct Verdict {
    uid: String,
    allowed: bool,
}

async fn connect(target: &Target, connector: &TlsConnector) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(target.address).await.context("connecting")?;
    stream.set_nodelay(true).context("switching off Nagle's algorithm")?;
    let name = ServerName::IpAddress(target.address.ip().into());
    let stream = connector.connect(name, stream).await.context("shaking hands")?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("speaking HTTP")?;
    tokio::spawn(connection);
    Ok(sender)
}

fn config(target: &Target) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(target.authority.as_bytes()) {
        roots.add(certificate.context("reading an authority")?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match &target.identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<_, _>>();
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).context("reading a key")?;
            config.with_client_auth_cert(chain.context("reading a certificate")?, key)?
        }
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}
