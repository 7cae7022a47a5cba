//! What the kubelet and Prometheus ask, over plain HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::metrics::{self, Registry};

/// `/livez` and `/readyz`: each is `ok`, or 503 with what is wrong as `live` and `ready` tell it.
pub fn health<L, R>(live: L, ready: R) -> Router
where
    L: Fn() -> Option<&'static str> + Clone + Send + Sync + 'static,
    R: Fn() -> Option<&'static str> + Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/livez", get(move || std::future::ready(answer(live()))))
        .route("/readyz", get(move || std::future::ready(answer(ready()))))
}

/// `/metrics`: everything in the registry.
pub fn metrics(registry: Arc<Registry>) -> Router {
    let scrape = move || {
        std::future::ready(match metrics::text(&registry) {
            Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text),
            Err(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], format!("{error}\n"))
            }
        })
    };
    Router::new().route("/metrics", get(scrape))
}

/// Listens on an address.
///
/// # Errors
/// Where the address cannot be had; the message names it.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))
}

/// Serves on a thread and a runtime of its own: who asks is answered also while everything else is busy.
///
/// # Errors
/// When the system gives no thread.
pub fn apart(listener: TcpListener, router: Router) -> anyhow::Result<()> {
    let listener = listener.into_std().context("failed to hand a listener over")?;
    let runtime = Builder::new_current_thread().enable_all().build().context("failed to start a runtime")?;
    let serve = move || {
        runtime.block_on(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => drop(axum::serve(listener, router).await),
                Err(error) => tracing::error!(error = %error, "health is not served"),
            }
        });
    };
    thread::Builder::new().name("health".to_owned()).spawn(serve).map(drop).context("failed to start a thread")
}

fn answer(wrong: Option<&'static str>) -> (StatusCode, String) {
    match wrong {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(wrong) => (StatusCode::SERVICE_UNAVAILABLE, format!("{wrong}\n")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(router: Router, path: &str) -> (u16, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn who_asks_is_told_what_is_wrong() {
        let router = health(|| None, || Some("not yet"));
        let plain = "text/plain; charset=utf-8".to_owned();
        assert_eq!(get(router.clone(), "/livez").await, (200, plain.clone(), "ok\n".to_owned()));
        assert_eq!(get(router, "/readyz").await, (503, plain, "not yet\n".to_owned()));
    }

    #[tokio::test]
    async fn prometheus_is_told_in_its_own_format() {
        let told = get(metrics(Arc::new(Registry::default())), "/metrics").await;
        assert_eq!(told, (200, metrics::CONTENT_TYPE.to_owned(), "# EOF\n".to_owned()));
    }

    #[tokio::test]
    async fn health_is_told_while_everything_else_is_busy() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        apart(listener, health(|| None, || None)).unwrap();
        // This runtime has one thread, which waits for the answer and does nothing else.
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        assert!(told.starts_with("HTTP/1.0 200 OK"), "{told}");
    }
}
