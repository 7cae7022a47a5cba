//! HTTP: which path is what, which calls are taken, and one line of log for each that is answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use release_edge::panics::{Panicked, contained};
use release_edge::program::duration;
use release_shared::status::cut;

use crate::body::{self, Read};
use crate::cache::Cache;
use crate::events::Events;
use crate::health::Readiness;
use crate::judge;
use crate::keys::RecordKeys;
use crate::load::{Full, Load, Room};
use crate::lookups::Lookups;
use crate::metrics::{Metrics, Unanswered};
use crate::probe;
use crate::review::{self, Mode, Reply};
use crate::server::Peer;

/// How much of each thing that a client says is logged, in bytes: more than a name or an account of Kubernetes has.
const LOGGED: usize = 512;
/// How long the rest of a body that gave way is read, so that its sender sees the answer.
const GAVE_WAY: Duration = Duration::from_secs(10);

/// How long a deletion may take until its object was looked at, so that it can be told of: the API server gives up after 2 s.
/// (`deploy/webhook/configurations.yaml`)
const WITNESSED: Duration = Duration::from_millis(1800);

/// What a handler needs.
pub(crate) struct App {
    pub(crate) client: kube::Client,
    pub(crate) cache: Arc<Cache>,
    pub(crate) keys: Arc<RecordKeys>,
    pub(crate) readiness: Arc<Readiness>,
    /// The accounts that may name the person behind a change.
    pub(crate) speakers: Vec<String>,
    pub(crate) events: Events,
    pub(crate) load: Load,
    pub(crate) lookups: Lookups,
    pub(crate) metrics: Arc<Metrics>,
    /// How long the body of a request may take.
    pub(crate) body_timeout: Duration,
}

/// The paths that the webhook configurations name.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/mutate", post(|state, request| handle(Mode::Mutate, state, request)))
        .route("/validate", post(|state, request| handle(Mode::Validate, state, request)))
        .route(probe::PATH, get(alive))
        .fallback(|state, request| {
            other(StatusCode::NOT_FOUND, "post reviews to /mutate or /validate\n", state, request)
        })
        .method_not_allowed_fallback(|state, request| {
            other(StatusCode::METHOD_NOT_ALLOWED, "reviews are posted\n", state, request)
        })
        .with_state(app)
}

async fn handle(mode: Mode, State(app): State<Arc<App>>, request: Request) -> Response {
    let started = Instant::now();
    let _in_flight = InFlight::begin(&app.metrics);
    let caller = Caller::of(&request);
    // A review that brings out a fault of ours fails alone; what becomes of its object, `failurePolicy` says.
    let answered = contained(answer(&app, mode, &caller, request, started)).await;
    answered.unwrap_or_else(|Panicked| Err(Refused::failed())).unwrap_or_else(|refused| refused.told(&app, &caller))
}

async fn answer(
    app: &App,
    mode: Mode,
    caller: &Caller,
    request: Request,
    started: Instant,
) -> Result<Response, Refused> {
    let patience = patience(&caller.uri);
    let reply = take(app, mode, request, patience).await?;
    if let Some(deletion) = reply.unrecorded() {
        let within = patience.map_or(WITNESSED, |patience| WITNESSED.min(patience * 9 / 10));
        app.events.witness(&app.lookups, deletion, started + within).await;
    }
    let body = Answer::find_room(app, reply.body()).await?;
    log(mode, caller, &reply, started);
    app.metrics.answered(mode, &reply, started.elapsed());
    let json = HeaderValue::from_static("application/json");
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, json)], body).into_response())
}

/// The bytes of an answer, which have their room until the last of them was taken.
struct Answer {
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "holds the room")]
    room: Option<Room>,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Answer {
    async fn find_room(app: &App, bytes: Vec<u8>) -> Result<Bytes, Refused> {
        let room = app.load.answer(bytes.len()).await?;
        Ok(Bytes::from_owner(Self { bytes, room }))
    }
}

/// A body that nobody asked for is read all the same: one that is left unread ends the connection, and what comes behind it gets lost.
async fn alive(State(app): State<Arc<App>>, request: Request) -> &'static str {
    body::discard(request.into_body(), app.body_timeout).await;
    "ok\n"
}

async fn other(status: StatusCode, words: &'static str, State(app): State<Arc<App>>, request: Request) -> Response {
    let caller = Caller::of(&request);
    body::discard(request.into_body(), app.body_timeout).await;
    Refused { status, why: Unanswered::Malformed, words }.told(&app, &caller)
}

/// Whose call it is, and which path was called: for the log.
struct Caller {
    peer: Option<IpAddr>,
    uri: Uri,
}

impl Caller {
    fn of(request: &Request) -> Self {
        let peer = request.extensions().get::<Peer>().map(|Peer(address)| *address);
        Self { peer, uri: request.uri().clone() }
    }

    fn peer(&self) -> Option<impl tracing::Value> {
        self.peer.map(tracing::field::display)
    }
}

/// A call that is answered with an HTTP status alone.
struct Refused {
    status: StatusCode,
    why: Unanswered,
    words: &'static str,
}

impl Refused {
    fn malformed(status: StatusCode, words: &'static str) -> Self {
        Self { status, why: Unanswered::Malformed, words }
    }

    fn unavailable(why: Unanswered, words: &'static str) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, why, words }
    }

    fn slow() -> Self {
        let words = "the body did not come in time\n";
        Self { status: StatusCode::REQUEST_TIMEOUT, why: Unanswered::Slow, words }
    }

    fn failed() -> Self {
        let words = "the webhook failed on this review by a fault of its own, which its log tells\n";
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, why: Unanswered::Failed, words }
    }

    fn told(self, app: &App, caller: &Caller) -> Response {
        let Self { status, why, words } = self;
        app.metrics.unanswered(why);
        let (peer, path, sentence) = (caller.peer(), cut(caller.uri.path(), LOGGED), words.trim_end());
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::warn!(peer, path, status = status.as_u16(), "{sentence}");
        } else {
            tracing::debug!(peer, path, status = status.as_u16(), "{sentence}");
        }
        let mut response = (status, words).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // The API server tries again on its own after this; a closed connection it would take for a failure.
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Full> for Refused {
    fn from(_: Full) -> Self {
        Self::unavailable(Unanswered::Shed, "too much is under way\n")
    }
}

/// Reads and judges.
async fn take(app: &App, mode: Mode, request: Request, patience: Option<Duration>) -> Result<Reply, Refused> {
    let in_time = patience.map_or(app.body_timeout, |patience| patience.min(app.body_timeout));
    let is_json = is_json(request.headers());
    let mut body = request.into_body();
    if let Some(missing) = app.readiness.cannot_answer() {
        body::discard(body, in_time).await;
        return Err(Refused::unavailable(Unanswered::NotReady, missing));
    }
    if !is_json {
        body::discard(body, in_time).await;
        return Err(Refused::malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a review is sent as application/json\n"));
    }
    let Some(room) = app.load.room(body::expected(&body)).await else {
        body::discard(body, in_time).await;
        return Err(Full.into());
    };
    let read = tokio::select! {
        read = read(&mut body, in_time) => Some(read?),
        () = room.wanted() => None,
    };
    let Some(read) = read else {
        drop(room);
        body::discard(body, in_time.min(GAVE_WAY)).await;
        // On a busy machine it may be an honest one, which is to come again.
        return Err(Refused::unavailable(Unanswered::Slow, "the body gave way to others\n"));
    };
    let reply = match read {
        Read::Whole(whole) => {
            let _open = app.load.open(whole.len()).await?;
            judge::answer(app, mode, &whole, patience).await
        }
        Read::TooLarge(start) => review::too_large(&start, body::LIMIT),
    };
    if reply.has_uid() {
        Ok(reply)
    } else {
        Err(Refused::malformed(StatusCode::BAD_REQUEST, "the body is no AdmissionReview with a request and its uid\n"))
    }
}

async fn read(body: &mut Body, in_time: Duration) -> Result<Read, Refused> {
    let words = match body::read(body, in_time).await {
        Ok(Read::Whole(whole)) if whole.is_empty() => "the body is empty: send an AdmissionReview\n",
        Ok(read) => return Ok(read),
        Err(body::Error::Slow) => return Err(Refused::slow()),
        Err(error @ body::Error::Broken(_)) => {
            tracing::debug!(error = %error, "the request's body could not be read");
            "the body could not be read\n"
        }
    };
    Err(Refused::malformed(StatusCode::BAD_REQUEST, words))
}

/// How long the API server waits for the answer: it says so in each call. (`?timeout=10s`)
fn patience(uri: &Uri) -> Option<Duration> {
    let told = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("timeout="))?;
    duration(told).ok().filter(|patience| !patience.is_zero())
}

/// Whether what is sent is JSON by its own word. (`Content-Type: application/json`, with or without parameters)
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Counts a call while it is answered.
struct InFlight<'a>(&'a Metrics);

impl<'a> InFlight<'a> {
    fn begin(metrics: &'a Metrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

fn log(mode: Mode, caller: &Caller, reply: &Reply, started: Instant) {
    let facts = reply.facts();
    tracing::info!(
        hook = mode.as_str(),
        peer = caller.peer(),
        uid = cut(&facts.uid, LOGGED),
        user = cut(&facts.user, LOGGED),
        operation = cut(&facts.operation, LOGGED),
        kind = cut(&facts.kind, LOGGED),
        namespace = cut(&facts.namespace, LOGGED),
        name = cut(&facts.name, LOGGED),
        dry_run = facts.dry_run,
        allowed = reply.is_allowed(),
        codes = reply.codes(),
        record = reply.record(),
        unrecorded = reply.unrecorded().is_some(),
        bypass = reply.bypassed(),
        microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "review"
    );
}

#[cfg(test)]
mod tests;
