//! From settings to a running server, and to its end.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::args::Args;
use crate::cache::Cache;
use crate::router::{App, health_router, router};
use crate::shutdown::Shutdown;
use crate::{health, server, tls};

/// Runs until it is told to stop; the exit code is 0 then, and 1 where it could not start or go on.
pub(crate) fn main(args: Args) -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::new(&args.log))
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.context("failed to start the runtime").and_then(|runtime| runtime.block_on(run(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        anyhow::bail!("failed to install the cryptography provider");
    }
    let shutdown = Shutdown::on_signals()?;
    let config =
        kube::Config::infer().await.context("failed to find the API server: run in a pod, or set KUBECONFIG")?;
    let client = kube::Client::try_from(config).context("failed to make a client for the API server")?;

    let readiness = Arc::new(health::Readiness::default());
    let cache = Arc::new(Cache::default());
    let certificates = Arc::new(tls::Certificates::default());
    let listener = bind(args.listen).await?;
    let health_listener = bind(args.health_listen).await?;
    tracing::info!(address = %args.listen, health = %args.health_listen, "listening");

    tokio::spawn(tls::maintain(
        client.clone(),
        args.namespace.clone(),
        args.serving_names(),
        certificates.clone(),
        readiness.clone(),
    ));
    tokio::spawn(cache.clone().follow(client.clone(), readiness.clone()));
    let health = health_router(readiness.clone(), shutdown.clone());
    tokio::spawn(async move { axum::serve(health_listener, health).await });

    let app = Arc::new(App::new(client, cache, readiness));
    server::serve(listener, certificates, router(app), shutdown, args.drain_delay).await;
    Ok(())
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))
}
