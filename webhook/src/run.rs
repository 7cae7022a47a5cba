//! From settings to a running server, and to its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use release_edge::shutdown::Shutdown;
use release_edge::{client, files, program, serve};
use release_shared::names;

use crate::args::Args;
use crate::cache::Cache;
use crate::events::Events;
use crate::health::{Pulse, Readiness};
use crate::keys::RecordKeys;
use crate::load::{self, Load};
use crate::lookups::Lookups;
use crate::metrics::Metrics;
use crate::router::{App, router};
use crate::tls::Certificates;
use crate::{health, probe, server, tls};

/// How audit logs know this program.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/v", env!("CARGO_PKG_VERSION"));

/// How long the last Events may take after all calls are answered.
const LAST_EVENTS: Duration = Duration::from_secs(2);

/// Runs until it is told to stop; the exit code is 0 then, and 1 where it could not start or go on.
pub(crate) fn main(args: Args) -> ExitCode {
    let log = args.log.clone();
    // One thread more than may judge large bodies.
    program::run(log, load::processors() + 1, run(args))
}

/// How Events name this replica: its pod's name is that of its host.
pub(crate) fn instance() -> String {
    hostname::get().map_or_else(|_| names::WEBHOOK.to_owned(), |name| name.to_string_lossy().into_owned())
}

async fn run(mut args: Args) -> anyhow::Result<()> {
    match files::raise() {
        Ok(files) => args.limits.fit_into(files),
        Err(error) => tracing::warn!(error = %error, "how many files may be open could not be found out"),
    }
    let shutdown = Shutdown::on_signals()?;
    let metrics = Arc::new(Metrics::default());
    let client = client::client(client::infer(USER_AGENT).await?, &metrics.requests)?;

    let readiness = Arc::new(Readiness::default());
    let cache = Arc::new(Cache::default());
    let listener = serve::bind(args.listen).await?;
    let health_listener = serve::bind(args.health_listen).await?;
    let listen = listener.local_addr()?;
    tracing::info!(address = %listen, health = %health_listener.local_addr()?, "listening");

    let certificates = tls::start(&client, &args.namespace, args.serving_names(), &args.tls, readiness.clone())?;
    tokio::spawn(cache.clone().follow(client.clone(), readiness.clone(), metrics.clone()));
    let keys = Arc::new(RecordKeys::new(client.clone(), &args.namespace));
    tokio::spawn(keys.clone().maintain(client.clone(), args.namespace.clone(), readiness.clone()));
    tokio::spawn(probe::keep(listen, certificates.clone(), readiness.clone()));
    serve::apart(health_listener, health(&shutdown, &certificates, &readiness, &metrics))?;

    let (events, telling) = Events::start(client.clone(), instance());
    let app = App {
        client,
        cache,
        keys,
        readiness,
        speakers: args.on_behalf_of,
        events,
        load: Load::new(args.limits.bytes_in_flight, load::processors()),
        lookups: Lookups::new(metrics.clone()),
        metrics: metrics.clone(),
        body_timeout: args.limits.body_timeout,
    };
    let settings = server::Settings { drain_delay: args.drain_delay, limits: args.limits };
    let now = shutdown.clone();
    server::serve(listener, certificates, router(Arc::new(app)), shutdown, settings, metrics).await;
    tokio::select! {
        () = now.now() => {}
        told = tokio::time::timeout(LAST_EVENTS, telling) => if told.is_err() {
            tracing::warn!("Events were still to be written at the end");
        },
    }
    Ok(())
}

/// What the kubelet and Prometheus ask.
fn health(
    shutdown: &Shutdown,
    certificates: &Arc<Certificates>,
    readiness: &Arc<Readiness>,
    metrics: &Arc<Metrics>,
) -> Router {
    let (draining, served, remarked) = (shutdown.clone(), certificates.clone(), certificates.clone());
    let unready = move || match (draining.is_draining(), served.until()) {
        (true, _) => Some("shutting down".to_owned()),
        (false, Some(until)) if until <= Timestamp::now() => Some("the certificate has expired".to_owned()),
        _ => None,
    };
    let endpoints =
        health::endpoints(Pulse::start(), readiness.clone(), unready, move || remarked.remarks(Timestamp::now()));
    endpoints.merge(serve::metrics(Arc::new(metrics.registry(certificates.clone()))))
}
