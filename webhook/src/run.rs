//! From settings to a running server, and to its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use release_edge::metrics::Requests;
use release_edge::shutdown::Shutdown;
use release_edge::{client, program, serve};
use release_shared::names;

use crate::args::Args;
use crate::cache::Cache;
use crate::events::Events;
use crate::keys::RecordKeys;
use crate::router::{App, router};
use crate::{health, server, tls};

/// How audit logs know this program.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/v", env!("CARGO_PKG_VERSION"));

/// How long the last Events may take after all calls are answered.
const LAST_EVENTS: Duration = Duration::from_secs(2);

/// Runs until it is told to stop; the exit code is 0 then, and 1 where it could not start or go on.
pub(crate) fn main(args: Args) -> ExitCode {
    let log = args.log.clone();
    program::run(&log, run(args))
}

/// How Events name this replica: its pod's name is that of its host.
pub(crate) fn instance() -> String {
    hostname::get().map_or_else(|_| names::WEBHOOK.to_owned(), |name| name.to_string_lossy().into_owned())
}

async fn run(args: Args) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let client = client::client(client::infer(USER_AGENT).await?, &Requests::default())?;

    let readiness = Arc::new(health::Readiness::default());
    let cache = Arc::new(Cache::default());
    let listener = serve::bind(args.listen).await?;
    let health_listener = serve::bind(args.health_listen).await?;
    tracing::info!(address = %args.listen, health = %args.health_listen, "listening");

    let certificates = tls::start(&client, &args.namespace, args.serving_names(), &args.tls, readiness.clone());
    tokio::spawn(cache.clone().follow(client.clone(), readiness.clone()));
    let keys = Arc::new(RecordKeys::new(client.clone(), &args.namespace));
    tokio::spawn(keys.clone().maintain(client.clone(), args.namespace.clone(), readiness.clone()));
    let (ready, draining) = (readiness.clone(), shutdown.clone());
    let served = certificates.clone();
    let missing = move || match (draining.is_draining(), served.until()) {
        (true, _) => Some("shutting down"),
        (false, Some(until)) if until <= Timestamp::now() => Some("the certificate has expired"),
        _ => ready.missing(),
    };
    let health = serve::health(|| None, missing);
    tokio::spawn(async move { axum::serve(health_listener, health).await });

    let (events, telling) = Events::start(client.clone(), instance());
    let app = App { client, cache, keys, readiness, speakers: args.on_behalf_of, events };
    let app = Arc::new(app);
    server::serve(listener, certificates, router(app), shutdown, args.drain_delay).await;
    if tokio::time::timeout(LAST_EVENTS, telling).await.is_err() {
        tracing::warn!("Events were still to be written at the end");
    }
    Ok(())
}
