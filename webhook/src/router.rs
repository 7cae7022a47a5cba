//! HTTP: which path is what, how large a body may be, and one line of log for each call.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::BodyExt;
use jiff::Timestamp;

use crate::cache::Cache;
use crate::confirm::confirm;
use crate::health::Readiness;
use crate::review::{self, Context, Mode, Reply};

/// The largest review that is read, in bytes: two objects of the API server's 3 MiB and the envelope. (controller-runtime's figure.)
const BODY_LIMIT: usize = 7 * 1024 * 1024;

/// What a handler needs.
pub(crate) struct App {
    client: kube::Client,
    cache: Arc<Cache>,
    readiness: Arc<Readiness>,
}

impl App {
    pub(crate) fn new(client: kube::Client, cache: Arc<Cache>, readiness: Arc<Readiness>) -> Self {
        Self { client, cache, readiness }
    }
}

/// The paths that the webhook configurations name.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/mutate", post(|state, request| handle(Mode::Mutate, state, request)))
        .route("/validate", post(|state, request| handle(Mode::Validate, state, request)))
        .with_state(app)
}

async fn handle(mode: Mode, State(app): State<Arc<App>>, request: Request) -> Response {
    let started = Instant::now();
    if !app.readiness.is_synced() {
        // The API server tries again on its own after this; a closed connection it would take for a failure.
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "the caches are not yet filled\n")
            .into_response();
    }
    let reply = match read(request.into_body()).await {
        Ok(Read::Whole(body)) => answer(&app, mode, &body).await,
        Ok(Read::TooLarge(start)) => review::too_large(&start, BODY_LIMIT),
        Err(error) => {
            tracing::warn!(error = %error, "the request's body could not be read");
            return (StatusCode::BAD_REQUEST, "the body could not be read\n").into_response();
        }
    };
    log(mode, &reply, started);
    let json = HeaderValue::from_static("application/json");
    (StatusCode::OK, [(header::CONTENT_TYPE, json)], reply.body()).into_response()
}

/// Judges with the cache; what rests on another object is judged again with what the API server says of it. That may bring up a rule
/// that rests on yet another, such as the pipeline's for a project made just now; each is looked at once.
async fn answer(app: &App, mode: Mode, body: &[u8]) -> Reply {
    let request = match review::decode(body) {
        Ok(request) => request,
        Err(reply) => return *reply,
    };
    let now = Timestamp::now();
    let (mut reply, world) = app.cache.with(request.namespace(), |world| {
        let reply = review::review(mode, &request, &Context { world, now });
        let world = reply.unconfirmed().next().is_some().then(|| world.clone());
        (reply, world)
    });
    let Some(mut world) = world else { return reply };
    let mut looked = HashSet::new();
    loop {
        let unseen: Vec<_> = reply.unconfirmed().filter(|&other| looked.insert(other.clone())).cloned().collect();
        if unseen.is_empty() {
            return reply;
        }
        if let Err(error) = confirm(&app.client, &request, &unseen, &mut world).await {
            tracing::warn!(error = %error, "what the judgement rests on could not be confirmed; the judgement stands");
            return reply;
        }
        reply = review::review(mode, &request, &Context { world: &world, now });
    }
}

enum Read {
    Whole(Bytes),
    /// The first bytes of a body that is over the limit; the rest was read and thrown away, so that the reply is seen.
    TooLarge(Vec<u8>),
}

async fn read(mut body: Body) -> Result<Read, axum::Error> {
    let mut whole: Vec<u8> = Vec::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        seen += data.len();
        if seen <= BODY_LIMIT {
            whole.extend_from_slice(&data);
        } else {
            whole.truncate(4096);
            whole.shrink_to_fit();
        }
    }
    Ok(if seen > BODY_LIMIT { Read::TooLarge(whole) } else { Read::Whole(whole.into()) })
}

fn log(mode: Mode, reply: &Reply, started: Instant) {
    let facts = reply.facts();
    tracing::info!(
        hook = mode.as_str(),
        uid = facts.uid,
        user = facts.user,
        operation = facts.operation,
        kind = facts.kind,
        namespace = facts.namespace,
        name = facts.name,
        dry_run = facts.dry_run,
        allowed = reply.is_allowed(),
        codes = reply.codes(),
        record = reply.record(),
        microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "review"
    );
}
