//! HTTP: which path is what, how large a body may be, and one line of log for each call.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::BodyExt;
use jiff::Timestamp;
use release_shared::record::Signer;
use release_shared::validate::Verdicts;
use release_shared::world::World;

use crate::cache::Cache;
use crate::confirm::{confirm, is_ending};
use crate::events::Events;
use crate::health::Readiness;
use crate::keys::RecordKeys;
use crate::permission;
use crate::review::{self, Context, Mode, Reply};

/// The largest review that is read, in bytes: two objects of the API server's 3 MiB and the envelope. (controller-runtime's figure.)
const BODY_LIMIT: usize = 7 * 1024 * 1024;

/// How long the look-ups of one review may take together, of a deletion and of a change. The hook of deletions gives up after 2 s and
/// lets through what is not answered, the others do after 10 s. (`deploy/webhook/configurations.yaml`)
const DELETION: Duration = Duration::from_millis(1500);
const CHANGE: Duration = Duration::from_secs(8);

/// What a handler needs.
pub(crate) struct App {
    pub(crate) client: kube::Client,
    pub(crate) cache: Arc<Cache>,
    pub(crate) keys: Arc<RecordKeys>,
    pub(crate) readiness: Arc<Readiness>,
    /// The accounts that may name the person behind a change.
    pub(crate) speakers: Vec<String>,
    pub(crate) events: Events,
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
    if let Some(missing) = app.readiness.cannot_answer() {
        // The API server tries again on its own after this; a closed connection it would take for a failure.
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], format!("{missing}\n")).into_response();
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
    if let Some(deletion) = reply.unrecorded() {
        app.events.tell(deletion.clone());
    }
    let json = HeaderValue::from_static("application/json");
    (StatusCode::OK, [(header::CONTENT_TYPE, json)], reply.body()).into_response()
}

/// The answer. What is deleted is let go where all of its namespace goes.
async fn answer(app: &App, mode: Mode, body: &[u8]) -> Reply {
    let request = match review::decode(body) {
        Ok(request) => request,
        Err(reply) => return *reply,
    };
    let deadline = Instant::now() + if request.is_deletion() { DELETION } else { CHANGE };
    let reply = judge(app, mode, &request, deadline).await;
    if reply.is_allowed() || !request.is_deletion() {
        return reply;
    }
    match within(deadline, is_ending(&app.client, request.namespace())).await {
        Some(Ok(true)) => review::let_go(&request),
        Some(Ok(false)) | None => reply,
        Some(Err(error)) => {
            tracing::warn!(error = %error, "it could not be looked whether a namespace is ending; the refusal stands");
            reply
        }
    }
}

/// Judges with the cache; what rests on another object is judged again with what the API server says of it. That may bring up a rule
/// that rests on yet another, such as the pipeline's for a project made just now; each is looked at once. What is refused then, and may
/// be gone past by who asks for it, costs a question about their permission, once as well.
async fn judge(app: &App, mode: Mode, request: &review::Request<'_>, deadline: Instant) -> Reply {
    let now = Timestamp::now();
    let signer = signer(app, mode, request).await;
    let signer = signer.as_deref();
    let judge = |world: &World, verdicts: &Verdicts| {
        review::review(mode, request, &Context { world, signer, now, speakers: &app.speakers, verdicts })
    };
    let mut verdicts = Verdicts::new();
    let (mut reply, world) = app.cache.with(request.namespace(), |world| {
        let reply = judge(world, &verdicts);
        let open = reply.unconfirmed().next().is_some() || !reply.unasked().is_empty();
        (reply, open.then(|| world.clone()))
    });
    let Some(mut world) = world else { return reply };
    let mut looked = HashSet::new();
    loop {
        let unseen: Vec<_> = reply.unconfirmed().filter(|&other| looked.insert(other.clone())).cloned().collect();
        if !unseen.is_empty() {
            match within(deadline, confirm(&app.client, request, &unseen, &mut world)).await {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!(error = %error, "what the judgement rests on could not be confirmed; the judgement stands");
                    return reply;
                }
                None => return reply,
            }
        } else if !reply.unasked().is_empty() {
            let Some(found) = within(deadline, permission::ask(&app.client, request, reply.unasked())).await else {
                return reply;
            };
            verdicts.extend(found);
        } else {
            return reply;
        }
        reply = judge(&world, &verdicts);
    }
}

/// What a look-up finds before the deadline. After it the judgement stands as it is: a refusal that comes too late is none.
async fn within<T>(deadline: Instant, look: impl Future<Output = T>) -> Option<T> {
    let found = tokio::time::timeout_at(deadline.into(), look).await;
    if found.is_err() {
        tracing::warn!("the API server did not answer in time; the judgement stands");
    }
    found.ok()
}

/// Who signs, and knows what another replica has signed with: a key that was made just now is looked up once.
async fn signer(app: &App, mode: Mode, request: &review::Request<'_>) -> Option<Arc<Signer>> {
    let signer = app.keys.signer();
    let unknown = signer.as_deref().is_some_and(|signer| match mode {
        Mode::Mutate => request.follows_unknown_key(signer),
        Mode::Validate => request.has_unknown_key(signer),
    });
    if unknown { app.keys.refreshed().await } else { signer }
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
        unrecorded = reply.unrecorded().is_some(),
        bypass = reply.bypassed(),
        microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "review"
    );
}
