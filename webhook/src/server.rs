//! The TLS listener: HTTP/1.1 only (the API server offers nothing else to a Service), connections that outlive the client's idle
//! time, and a drain that answers while it closes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use release_edge::shutdown::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::tls::Certificates;

/// How long a connection may lie idle. The API server keeps one for 90 s and does not repeat a POST that meets a closed one, so ours
/// must live longer. (hyper's header timeout is the idle timeout of a kept-alive connection.)
const IDLE: Duration = Duration::from_secs(180);
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long calls under way may take after the drain; the webhook configurations give up sooner.
const GRACE: Duration = Duration::from_secs(15);

/// Serves until the drain is over.
pub(crate) async fn serve(
    listener: TcpListener,
    certificates: Arc<Certificates>,
    router: Router,
    shutdown: Shutdown,
    drain_delay: Duration,
) {
    let acceptor = TlsAcceptor::from(Arc::new(certificates.server_config()));
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
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, acceptor.clone(), router.clone(), shutdown.clone(), drain_delay));
                }
                Err(error) => {
                    // Out of file descriptors, mostly: a pause keeps the loop from spinning.
                    tracing::warn!(error = %error, "failed to accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
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

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    shutdown: Shutdown,
    drain_delay: Duration,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "failed to switch off Nagle's algorithm");
    }
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(error = %error, "a TLS handshake failed"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    let draining = shutdown.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, draining) = (router.clone(), draining.clone());
        async move {
            let mut response = router.oneshot(request).await?;
            if draining.is_draining() {
                // Said in a response, this moves the client elsewhere without a race: it sends nothing more on this connection.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE).max_headers(64);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { shutdown.draining().await; tokio::time::sleep(drain_delay).await } => {
            // Ends an idle one; the API server would keep it for long after we are gone.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early");
    }
}
