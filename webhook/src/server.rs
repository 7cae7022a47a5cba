//! The TLS listener: HTTP/1.1 only (the API server offers nothing else to a Service), connections that outlive the client's idle
//! time, limits for whoever only holds on to one, and a drain that answers while it closes.

mod connection;
mod crowd;
mod guard;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use release_edge::shutdown::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tls::Certificates;
use connection::Connection;
use crowd::Crowd;

/// How long calls under way may take after the drain; the webhook configurations give up sooner.
pub(crate) const GRACE: Duration = Duration::from_secs(15);
/// How long nothing is accepted after that has failed: out of file descriptors, mostly, and a pause keeps the loop from spinning.
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
    let acceptor = TlsAcceptor::from(Arc::new(certificates.server_config()));
    let crowd = Arc::new(Crowd::new(settings.limits.max_connections, Arc::clone(&metrics)));
    let settings = Arc::new(settings);
    let drain_delay = settings.drain_delay;
    let mut connections = JoinSet::new();
    let over = async {
        shutdown.draining().await;
        tracing::info!(delay = drain_delay.as_secs(), "draining");
        tokio::time::sleep(drain_delay).await;
    };
    let mut over = std::pin::pin!(over);
    loop {
        tokio::select! {
            biased;
            () = shutdown.now() => return,
            () = &mut over => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        acceptor: acceptor.clone(),
                        router: router.clone(),
                        shutdown: shutdown.clone(),
                        settings: Arc::clone(&settings),
                        metrics: Arc::clone(&metrics),
                    };
                    let (member, left) = crowd.enter(peer.ip());
                    connections.spawn(async move {
                        tokio::select! {
                            () = connection.serve(stream, member) => {}
                            () = left.asked() => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(error = %error, "failed to accept a connection");
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
    let crowd = Arc::new(Crowd::new(settings.limits.max_connections, metrics));
    let (member, _left) = crowd.enter(Ipv4Addr::LOCALHOST.into());
    connection::speak(stream, router, shutdown, settings, member).await;
}

#[cfg(test)]
mod tests;
