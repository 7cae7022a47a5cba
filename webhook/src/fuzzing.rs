//! The server for fuzz targets: its router on a connection that is no socket, without TLS, and beside an API server that knows nothing.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use kube::Client;
use kube::client::Body;
use release_shared::record::Signer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::cache::Cache;
use crate::events::Events;
use crate::health::Readiness;
use crate::keys::RecordKeys;
use crate::load::Load;
use crate::lookups::Lookups;
use crate::metrics::Metrics;
use crate::router::{App, router};

/// How many bytes may be under way in each direction.
const UNDER_WAY: usize = 1024 * 1024;

/// How many bytes of bodies it holds at once.
const IN_FLIGHT: usize = 64 * 1024 * 1024;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The webhook as it is when it is ready.
#[derive(Debug, Clone)]
pub struct Webhook {
    router: Router,
}

impl Webhook {
    /// One that signs with this key and has seen no objects. It needs a runtime of tokio around it.
    pub fn new(signer: Signer) -> Self {
        let client = Client::new(tower::service_fn(nothing), "default");
        let readiness = Arc::new(Readiness::default());
        readiness.set_synced();
        readiness.set_keyed();
        let keys = RecordKeys::new(client.clone(), "release-system");
        keys.set(signer);
        let metrics = Arc::new(Metrics::default());
        let (events, _telling) = Events::start(client.clone(), "fuzzing".to_owned());
        let app = App {
            client,
            cache: Arc::new(Cache::default()),
            keys: Arc::new(keys),
            readiness,
            speakers: Vec::new(),
            events,
            load: Load::new(IN_FLIGHT, 1),
            lookups: Lookups::new(Arc::clone(&metrics)),
            metrics,
            body_timeout: PATIENCE,
        };
        Self { router: router(Arc::new(app)) }
    }

    /// What is answered to these bytes, until the connection is closed. They come in two parts, and nothing comes after them.
    ///
    /// # Errors
    /// None but those of a connection in memory.
    pub async fn converse(&self, sent: &[u8]) -> io::Result<Vec<u8>> {
        let (client, server) = tokio::io::duplex(UNDER_WAY);
        let service = TowerToHyperService::new(self.router.clone());
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).max_headers(64);
        // How it ends the client sees.
        let serve = async { drop(http.serve_connection(TokioIo::new(server), service).await) };
        let ((), answer) = tokio::join!(serve, say(client, sent));
        answer
    }
}

async fn say(mut connection: DuplexStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    for part in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
        // The server may have closed it already; then there is an answer to read.
        if connection.write_all(part).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let _ = connection.shutdown().await;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// An API server in which there is nothing.
async fn nothing(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;
    let mut response = Response::new(Body::from(status.as_bytes().to_vec()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}
