//! The TLS listener: HTTP/1.1 only (the API server offers nothing else to a Service), connections that outlive the client's idle
//! time, limits for whoever only holds on to one, and a drain that answers while it closes.

mod coming;
mod connection;
mod crowd;
mod drain;
mod guard;
mod socket;
mod turns;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use release_edge::files;
use release_edge::shutdown::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::limits::Limits;
use crate::load;
use crate::metrics::Metrics;
use crate::tls::Certificates;
use connection::Connection;
pub(crate) use connection::Peer;
use crowd::Crowd;
use drain::Drain;

/// How long calls under way may take after the drain; the webhook configurations give up sooner.
pub(crate) const GRACE: Duration = Duration::from_secs(15);
/// How long nothing is accepted after that has failed: out of file descriptors, mostly. Who gives way then is gone after it, and the loop
/// does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// How it serves.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How long calls are still taken after the first signal.
    pub(crate) drain_delay: Duration,
    /// How many connections there may be, and how long anybody may take.
    pub(crate) limits: Limits,
}

/// Serves until the drain is over.
pub(crate) async fn serve(
    listener: TcpListener,
    certificates: Arc<Certificates>,
    router: Router,
    shutdown: Shutdown,
    settings: Settings,
    metrics: Arc<Metrics>,
) {
    let drain = Drain::new(shutdown.clone(), settings.drain_delay);
    let crowd = Arc::new(Crowd::new(settings.limits.max_connections, Arc::clone(&metrics)));
    let new = Connection {
        acceptor: TlsAcceptor::from(Arc::new(certificates.server_config())),
        turns: Arc::new(Semaphore::new(load::processors())),
        router,
        drain: drain.clone(),
        settings: Arc::new(settings),
        metrics,
    };
    let mut connections = JoinSet::new();
    let mut over = std::pin::pin!(over(&drain, new.settings.drain_delay));
    loop {
        tokio::select! {
            biased;
            () = shutdown.now() => return,
            () = &mut over => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                // Who finds no seat is turned away by dropping the stream.
                Ok((stream, peer)) => if let Some((member, left)) = crowd.enter(peer.ip().to_canonical()) {
                    let connection = new.clone();
                    connections.spawn(async move {
                        tokio::select! {
                            () = connection.serve(stream, member) => {}
                            () = left.asked() => {}
                        }
                    });
                },
                Err(error) => {
                    tracing::warn!(error = %error, "failed to accept a connection");
                    if files::are_used_up(&error) {
                        crowd.thin_out();
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = shutdown.now() => {}
        () = finish => {}
        () = tokio::time::sleep(GRACE) => tracing::warn!("calls were still under way at the end"),
    }
    tracing::info!("drained");
}

/// Answers on a connection that is no socket, as on every other after its handshake: for fuzzing.
pub(crate) async fn converse<S>(
    stream: S,
    router: Router,
    shutdown: Shutdown,
    settings: &Settings,
    metrics: Arc<Metrics>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let drain = Drain::new(shutdown, settings.drain_delay);
    let crowd = Arc::new(Crowd::new(settings.limits.max_connections, metrics));
    if let Some((member, _left)) = crowd.enter(Ipv4Addr::LOCALHOST.into()) {
        connection::speak(stream, router, drain, settings, member).await;
    }
}

async fn over(drain: &Drain, delay: Duration) {
    drain.begins().await;
    tracing::info!(delay = delay.as_secs(), "draining");
    drain.is_over().await;
}

#[cfg(test)]
mod tests;
