//! One connection: handshake, calls, end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::Settings;
use super::coming::Coming;
use super::crowd::Member;
use super::drain::Drain;
use super::guard::{Guard, Phase, Times};
use super::socket;
use super::turns::InTurn;
use crate::limits::Limits;
use crate::metrics::Metrics;

/// How many headers a request may have; the API server sends about ten.
const HEADERS: usize = 64;
/// How large the head of a request may be, and so how much of a body lies in the connection's own buffer, in bytes: as much as comes in one
/// piece of TLS. (RFC 8446, 5.1)
const BUFFER: usize = 16 * 1024;
/// How much of an answer lies in TLS while the client does not read, in bytes.
const UNREAD: usize = 16 * 1024;

/// Where a call comes from, as its handler sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What serves it.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) acceptor: TlsAcceptor,
    /// Whose turn it is to shake hands.
    pub(super) turns: Arc<Semaphore>,
    pub(super) router: Router,
    pub(super) drain: Drain,
    pub(super) settings: Arc<Settings>,
    pub(super) metrics: Arc<Metrics>,
}

impl Connection {
    /// Answers until one of the two ends it.
    pub(super) async fn serve(self, stream: TcpStream, member: Member) {
        let Self { acceptor, turns, router, drain, settings, metrics } = self;
        let peer = member.address();
        if let Err(error) = socket::prepare(&stream) {
            tracing::debug!(%peer, error = %error, "failed to prepare a connection");
        }
        let handshake = acceptor.accept_with(stream, |session| session.set_buffer_limit(Some(UNREAD)));
        let stream = match tokio::time::timeout(settings.limits.handshake_timeout, InTurn::new(handshake, turns)).await
        {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                metrics.handshakes_failed.inc();
                return tracing::debug!(%peer, error = %error, "a TLS handshake failed");
            }
            Err(_) => {
                metrics.handshakes_failed.inc();
                return tracing::debug!(%peer, "a TLS handshake took too long");
            }
        };
        speak(stream, router, drain, &settings, member).await;
    }
}

/// Answers the calls on an open connection until one of the two ends it. What the bytes come through does not matter here, so that
/// fuzzing has no settings of its own.
pub(super) async fn speak<S>(stream: S, router: Router, drain: Drain, settings: &Settings, member: Member)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let peer = member.address();
    let Limits { header_timeout, write_timeout, idle_timeout, .. } = settings.limits;
    let phase = Phase::default();
    let guarded = Guard::new(stream, phase.clone(), Times { head: header_timeout, unread: write_timeout });
    let old_at = Instant::now() + member.spread(settings.limits.max_connection_age);
    let call = Arc::new(Call { router, drain: drain.clone(), old_at, member, phase });
    let service = service_fn(move |request: Request<Incoming>| Arc::clone(&call).answer(request));
    let mut builder = hyper::server::conn::http1::Builder::new();
    // hyper's limit for a head begins when the connection falls idle, so it is the idle time; the guard limits the head itself.
    builder.timer(TokioTimer::new()).header_read_timeout(idle_timeout).max_headers(HEADERS).max_buf_size(BUFFER);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(guarded), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.is_over() => {
            // Ends an idle one; the API server would keep it for long after we are gone.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, error = %error, "a connection ended early");
    }
}

/// What answers the calls of a connection.
struct Call {
    router: Router,
    drain: Drain,
    /// From when on the client is asked to make another connection.
    old_at: Instant,
    member: Member,
    phase: Phase,
}

/// A call under way; it is over when this goes, however it ends.
struct UnderWay(Arc<Call>);

impl UnderWay {
    fn begin(call: Arc<Call>) -> Self {
        call.phase.begins();
        call.member.reads();
        Self(call)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.phase.is_done();
        self.0.member.is_done();
    }
}

impl Call {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<axum::response::Response, Infallible> {
        let _under_way = UnderWay::begin(Arc::clone(&self));
        let call = Arc::clone(&self);
        let mut request = request.map(|body| Body::new(Coming::new(body, move || call.member.is_busy())));
        request.extensions_mut().insert(Peer(self.member.address()));
        let mut response = self.router.clone().oneshot(request).await?;
        if self.drain.has_begun() || Instant::now() >= self.old_at {
            // Said in a response, this moves the client elsewhere without a race: it sends nothing more on this connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}
