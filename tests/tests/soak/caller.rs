//! Whoever calls a webhook directly, many at the same time: an API server, or somebody who means no good.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, ensure};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cluster::webhook_certificates::system::certificates;

/// Callers have threads of their own: on those of the harness they would hold up the Service, and with it the API server.
static CALLERS: LazyLock<Runtime> = LazyLock::new(|| {
    let threads = Builder::new_multi_thread().worker_threads(2).thread_name("callers").enable_all().build();
    threads.expect("callers have a runtime")
});

/// Where callers call from.
pub(crate) fn callers() -> &'static Runtime {
    &CALLERS
}

/// Longer than the webhook takes for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Calls one webhook.
#[derive(Clone)]
pub(crate) struct Caller {
    tls: TlsConnector,
    pub(crate) address: SocketAddr,
}

/// What came back.
pub(crate) enum Answer {
    /// A review that is well-formed, and whether it says yes.
    Review(bool),
    /// Come again in a second.
    Later,
    Other(StatusCode),
}

impl Caller {
    pub(crate) fn new(trusting: &str, address: SocketAddr) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(trusting));
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { tls: TlsConnector::from(Arc::new(config)), address }
    }

    /// A connection on which nothing was said yet.
    pub(crate) async fn shake(&self) -> anyhow::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.address).await.context("connecting")?;
        socket.set_nodelay(true)?;
        let name = ServerName::IpAddress(self.address.ip().into());
        self.tls.connect(name, socket).await.context("shaking hands")
    }

    pub(crate) async fn open(&self) -> anyhow::Result<Connection> {
        let (sender, connection) = handshake(TokioIo::new(self.shake().await?)).await.context("opening")?;
        // What ends it early, the sender is told.
        tokio::spawn(connection);
        Ok(Connection { sender })
    }
}

/// A connection for calls.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Whether another call may be made; the webhook may have closed it.
    pub(crate) async fn is_open(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// One call of the mutating hook.
    pub(crate) async fn ask(&mut self, review: Bytes) -> anyhow::Result<Answer> {
        timeout(PATIENCE, self.call(review)).await.context("no answer in two minutes")?
    }

    async fn call(&mut self, review: Bytes) -> anyhow::Result<Answer> {
        let request = Request::post("/mutate?timeout=10s").header(header::HOST, "webhook");
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Full::new(review))?;
        self.sender.ready().await.context("the connection was closed")?;
        let response = self.sender.send_request(request).await.context("calling")?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.context("reading an answer")?.to_bytes();
        if head.status == StatusCode::SERVICE_UNAVAILABLE {
            ensure!(head.headers.get(header::RETRY_AFTER).is_some_and(|seconds| seconds == "1"), "{head:?}");
            return Ok(Answer::Later);
        }
        if head.status != StatusCode::OK {
            return Ok(Answer::Other(head.status));
        }
        let review: Value = serde_json::from_slice(&body).context("reading a review")?;
        ensure!(review["response"]["uid"] == "0-8-15", "{review}");
        Ok(Answer::Review(review["response"]["allowed"].as_bool().context("neither yes nor no")?))
    }
}

/// Lets this process, and those that it starts from now on, have as many open files as the system allows.
pub(crate) fn need_files(number: usize) -> anyhow::Result<()> {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let number = u64::try_from(number)?;
    ensure!(most >= number, "{number} open files are needed, and the system allows {most} (ulimit -Hn)");
    if now < number {
        setrlimit(Resource::RLIMIT_NOFILE, number, most)?;
    }
    Ok(())
}
