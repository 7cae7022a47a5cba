//! A way to the API server on which requests are refused, delayed and lost. It speaks plain HTTP/1.1 to whoever uses it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use kube::Client;
use release_tests::{ControlPlane, block_on};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

type Body = BoxBody<Bytes, hyper::Error>;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives, and so does its answer.
    Arrives,
    /// It does not arrive: this status is answered, with so many seconds of `Retry-After` where that is not 0.
    Refused(u16, u32),
    /// It does not arrive, and nothing is answered.
    Lost,
    /// It arrives, and its answer does not.
    AnswerLost,
    /// It arrives, and its answer stops half-way; nobody says so.
    AnswerStops,
    /// It arrives, and its answer takes longer.
    AnswerLate(Duration),
    /// It arrives when somebody else has just changed the object that it is about.
    Overtaken,
}

/// A request that came by.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Call {
    /// Whether it changes something besides the Lease and events, which nobody waits for.
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET && !self.path.contains("/leases") && !self.path.contains("/events")
    }
}

type Rule = dyn Fn(&Call) -> Fate + Send + Sync;

/// One that runs until it goes out of scope.
pub(crate) struct Proxy {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    way: Arc<Way>,
    listening: AbortHandle,
}

struct Way {
    upstream: String,
    tls: TlsConnector,
    somebody: Client,
    state: Mutex<State>,
}

struct State {
    rule: Arc<Rule>,
    is_cut: bool,
    connections: Vec<AbortHandle>,
    calls: Vec<(Instant, Call, Fate)>,
}

impl Proxy {
    /// One on which everything arrives.
    pub(crate) fn start(control_plane: &ControlPlane) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(control_plane.ca_pem().as_bytes()).context("reading an authority")?)?;
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let state = State { rule: Arc::new(|_| Fate::Arrives), is_cut: false, connections: vec![], calls: vec![] };
        let way = Arc::new(Way {
            upstream: control_plane.server_url().trim_start_matches("https://").to_owned(),
            tls: TlsConnector::from(Arc::new(tls)),
            somebody: control_plane.client(),
            state: Mutex::new(state),
        });
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).context("listening on loopback")?;
        let url = format!("http://{}", listener.local_addr().context("asking for a port")?);
        let serving = serve(listener, Arc::clone(&way));
        let listening = block_on(async { tokio::spawn(serving).abort_handle() });
        Ok(Self { url, way, listening })
    }

    /// What becomes of requests from now on.
    pub(crate) fn rule(&self, rule: impl Fn(&Call) -> Fate + Send + Sync + 'static) {
        self.way.state().rule = Arc::new(rule);
    }

    /// Ends every connection; new ones are taken.
    pub(crate) fn hang_up(&self) {
        self.way.state().connections.drain(..).for_each(|connection| connection.abort());
    }

    /// Ends every connection, and takes none until [`Self::mend`].
    pub(crate) fn cut(&self) {
        self.way.state().is_cut = true;
        self.hang_up();
    }

    pub(crate) fn mend(&self) {
        self.way.state().is_cut = false;
    }

    /// The first request with this path, a list, stops half-way.
    pub(crate) fn stop_first(&self, path: String) {
        let is_first = AtomicBool::new(true);
        self.rule(move |call| match call.path == path && is_first.swap(false, Ordering::SeqCst) {
            true => Fate::AnswerStops,
            false => Fate::Arrives,
        });
    }

    /// What came by so far, with its fate, and when.
    pub(crate) fn calls(&self) -> Vec<(Instant, Call, Fate)> {
        self.way.state().calls.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.hang_up();
    }
}

async fn serve(listener: TcpListener, way: Arc<Way>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut state = way.state();
        if !state.is_cut {
            state.connections.retain(|connection| !connection.is_finished());
            let connection = tokio::spawn(connection(stream, Arc::clone(&way)));
            state.connections.push(connection.abort_handle());
        }
    }
}

async fn connection(stream: TcpStream, way: Arc<Way>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| way.pass(request));
    // How it ends is the user's affair; an error of the service ends it without an answer.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Way {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
        let call = Call { method: request.method().clone(), path: request.uri().path().to_owned() };
        let rule = Arc::clone(&self.state().rule);
        let fate = rule(&call);
        self.state().calls.push((Instant::now(), call, fate));
        match fate {
            Fate::Arrives => self.forward(request).await,
            Fate::Refused(code, seconds) => refuse(code, seconds),
            Fate::Lost => anyhow::bail!("lost"),
            Fate::AnswerLost => {
                self.forward(request).await?.into_body().collect().await?;
                anyhow::bail!("lost")
            }
            Fate::AnswerStops => {
                let (head, body) = self.forward(request).await?.into_parts();
                let body = body.collect().await?.to_bytes();
                let half = stream::iter([Ok(Frame::data(body.slice(..body.len() / 2)))]).chain(stream::pending());
                Ok(Response::from_parts(head, BodyExt::boxed(StreamBody::new(half))))
            }
            Fate::AnswerLate(pause) => {
                let answer = self.forward(request).await;
                tokio::time::sleep(pause).await;
                answer
            }
            Fate::Overtaken => {
                self.edit(request.uri().path().trim_end_matches("/status")).await?;
                self.forward(request).await
            }
        }
    }

    /// Metadata only: nothing that anybody goes by.
    async fn edit(&self, path: &str) -> anyhow::Result<()> {
        let patch =
            json!({ "metadata": { "labels": { "tests/edited": format!("{:x}", Timestamp::now().as_nanosecond()) } } });
        let request = Request::patch(path).header(header::CONTENT_TYPE, "application/merge-patch+json");
        let edited = self.somebody.request::<Value>(request.body(patch.to_string().into_bytes())?).await;
        edited.map(drop).context("changing an object")
    }

    async fn forward(&self, request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
        let stream = TcpStream::connect(&self.upstream).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(ServerName::try_from("127.0.0.1")?, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer's body.
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?.map(BodyExt::boxed))
    }
}

/// As the API server refuses.
fn refuse(code: u16, seconds: u32) -> anyhow::Result<Response<Body>> {
    let code = StatusCode::from_u16(code)?;
    let reason = if code == StatusCode::TOO_MANY_REQUESTS { "TooManyRequests" } else { "InternalError" };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "reason": reason,
        "message": "the way to the API server refuses this", "details": { "retryAfterSeconds": seconds },
    });
    let body = Full::new(Bytes::from(status.to_string())).map_err(|never| match never {}).boxed();
    let mut response = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    if seconds > 0 {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    Ok(response.body(body)?)
}
