//! From settings to a running server, and to its end.

use std::process::ExitCode;
use std::sync::Arc;

use release_edge::metrics::Requests;
use release_edge::shutdown::Shutdown;
use release_edge::{client, program, serve};

use crate::args::Args;
use crate::cache::Cache;
use crate::router::{App, router};
use crate::{health, server, tls};

/// How audit logs know this program.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/v", env!("CARGO_PKG_VERSION"));

/// Runs until it is told to stop; the exit code is 0 then, and 1 where it could not start or go on.
pub(crate) fn main(args: Args) -> ExitCode {
    let log = args.log.clone();
    program::run(&log, run(args))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let client = client::client(client::infer(USER_AGENT).await?, &Requests::default())?;

    let readiness = Arc::new(health::Readiness::default());
    let cache = Arc::new(Cache::default());
    let certificates = Arc::new(tls::Certificates::default());
    let listener = serve::bind(args.listen).await?;
    let health_listener = serve::bind(args.health_listen).await?;
    tracing::info!(address = %args.listen, health = %args.health_listen, "listening");

    tokio::spawn(tls::maintain(
        client.clone(),
        args.namespace.clone(),
        args.serving_names(),
        certificates.clone(),
        readiness.clone(),
    ));
    tokio::spawn(cache.clone().follow(client.clone(), readiness.clone()));
    let (ready, draining) = (readiness.clone(), shutdown.clone());
    let missing = move || if draining.is_draining() { Some("shutting down") } else { ready.missing() };
    let health = serve::health(|| None, missing);
    tokio::spawn(async move { axum::serve(health_listener, health).await });

    let app = Arc::new(App::new(client, cache, readiness));
    server::serve(listener, certificates, router(app), shutdown, args.drain_delay).await;
    Ok(())
}
