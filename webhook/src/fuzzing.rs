//! The server for fuzz targets: all of it that comes after the handshake, with the limits of the program, on a connection that is no socket
//! and beside an API server that knows nothing.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::{Request, Response, StatusCode};
use axum::middleware::{Next, from_fn};
use clap::Parser;
use kube::Client;
use kube::client::Body;
use release_edge::shutdown::Shutdown;
use release_shared::record::Signer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::cache::Cache;
use crate::events::Events;
use crate::health::Readiness;
use crate::keys::RecordKeys;
use crate::limits::Limits;
use crate::load::Load;
use crate::lookups::Lookups;
use crate::router::{App, router};
use crate::server::{Settings, converse};

/// How many bytes may be under way in each direction.
const UNDER_WAY: usize = 64 * 1024;

/// How long calls are still taken after a drain has begun, where they are.
const DRAIN: Duration = Duration::from_secs(3600);

/// When the server is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Never.
    Never,
    /// Before anything is sent; calls are still taken, for an hour.
    Before,
    /// After half of it was sent; calls are no longer taken.
    Halfway,
}

/// How a conversation goes.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Whether what is sent comes in two halves.
    pub halves: bool,
    /// When the server is told to stop.
    pub stop: Stop,
}

/// What became of a conversation.
#[derive(Debug)]
pub struct Heard {
    /// What was answered until the server closed the connection.
    pub answer: Vec<u8>,
    /// The requests whose head was read, in their order.
    pub asked: Vec<Asked>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Such as `POST`.
    pub method: String,
    /// Without its query.
    pub path: String,
}

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    limits: Limits,
}

/// Sends these bytes to a webhook that is ready, signs with this key and has seen no objects, and listens until the connection is closed:
/// nothing comes after them. It needs a runtime of tokio around it, of a single thread and best with a clock that is paused, so that what is
/// waited for in vain takes no time.
///
/// # Errors
/// None but those of a connection in memory, and of limits in the environment that are none.
pub async fn talk(signer: Signer, sent: &[u8], plan: Plan) -> io::Result<Heard> {
    let limits = Flags::try_parse_from(["fuzzing"]).map_err(io::Error::other)?.limits;
    let drain_delay = if plan.stop == Stop::Before { DRAIN } else { Duration::ZERO };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let router = noting(ready(signer, &limits), Arc::clone(&asked));
    let settings = Settings { drain_delay, limits };
    let (stop, shutdown) = Shutdown::by_hand();
    if plan.stop == Stop::Before {
        stop.send_replace(1);
    }
    let (client, server) = tokio::io::duplex(UNDER_WAY);
    let serve = converse(server, router, shutdown, &settings, Arc::default());
    let half = if plan.halves { sent.len() / 2 } else { sent.len() };
    let halfway = || {
        if plan.stop == Stop::Halfway {
            stop.send_replace(1);
        }
    };
    let ((), answer) = tokio::join!(serve, say(client, sent.split_at(half), halfway));
    let asked = std::mem::take(&mut *asked.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Heard { answer: answer?, asked })
}

/// The webhook as it is when it is ready.
fn ready(signer: Signer, limits: &Limits) -> Router {
    let client = Client::new(tower::service_fn(nothing), "default");
    let readiness = Arc::new(Readiness::default());
    readiness.set_synced();
    readiness.set_keyed();
    let keys = RecordKeys::new(client.clone(), "release-system");
    keys.set(signer);
    let (events, _telling) = Events::start(client.clone(), "fuzzing".to_owned());
    let metrics = Arc::default();
    router(Arc::new(App {
        client,
        cache: Arc::new(Cache::default()),
        keys: Arc::new(keys),
        readiness,
        speakers: Vec::new(),
        events,
        load: Load::new(limits.bytes_in_flight, 1),
        lookups: Lookups::new(Arc::clone(&metrics)),
        metrics,
        body_timeout: limits.body_timeout,
    }))
}

/// The same, and who asked what is noted.
fn noting(router: Router, asked: Arc<Mutex<Vec<Asked>>>) -> Router {
    router.layer(from_fn(move |request: axum::extract::Request, next: Next| {
        let this = Asked { method: request.method().to_string(), path: request.uri().path().to_owned() };
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(this);
        next.run(request)
    }))
}

async fn say(connection: DuplexStream, parts: (&[u8], &[u8]), halfway: impl Fn()) -> io::Result<Vec<u8>> {
    let (mut from, mut to) = tokio::io::split(connection);
    let write = async {
        // The server may have closed it already; then there is an answer to read.
        let _ = to.write_all(parts.0).await;
        // Everything else has its turn.
        tokio::task::yield_now().await;
        halfway();
        tokio::task::yield_now().await;
        let _ = to.write_all(parts.1).await;
    };
    let read = async {
        let mut answer = Vec::new();
        from.read_to_end(&mut answer).await.map(|_| answer)
    };
    let ((), answer) = tokio::join!(write, read);
    answer
}

/// An API server in which there is nothing.
async fn nothing(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;
    let mut response = Response::new(Body::from(status.as_bytes().to_vec()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}
