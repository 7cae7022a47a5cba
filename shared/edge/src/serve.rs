//! What the kubelet and Prometheus ask, over plain HTTP.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use crate::files;
use crate::metrics::{self, Registry};

/// What one may have who asks for health or figures.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// How many connections there are at most; the oldest gives way to a new one.
    most: usize,
    /// How long a question may take to come, and a connection lie idle. Figures are asked for every 10, 15, 30 or 60 s: a connection that is
    /// kept for that is closed well before.
    question: Duration,
}

const LIMITS: Limits = Limits { most: 64, question: Duration::from_secs(8) };
/// How large the head of a question may be, in bytes.
const HEAD: usize = 8 * 1024;
/// How long nothing is accepted after that has failed.
const PAUSE: Duration = Duration::from_millis(50);

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

/// Listens on an address. Where that is every one of IPv6, which takes in those of IPv4, and the machine has no IPv6, it is every one of
/// IPv4.
///
/// # Errors
/// Where the address cannot be had; the message names it.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    let bound = match bound.as_ref().err().and_then(|error| instead(address, error)) {
        Some(other) => TcpListener::bind(other).await,
        None => bound,
    };
    bound.with_context(|| format!("failed to listen on {address}"))
}

/// Where to listen instead.
fn instead(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let is_missing = matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT | Errno::EADDRNOTAVAIL)
    );
    let is_every = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    (is_every && is_missing).then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
}

/// Where a listener can be reached from this machine: one on every address is on loopback, and one of IPv6 takes in IPv4, which may be all
/// that there is.
#[must_use]
pub fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let (four, six) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let addresses = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![four],
        IpAddr::V6(ip) if ip.is_unspecified() => vec![six, four],
        ip => vec![ip],
    };
    addresses.into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect()
}

/// Answers for ever. Who only holds on to a connection costs nobody an answer.
pub async fn answer_all(listener: TcpListener, router: Router) {
    answer_within(LIMITS, listener, router).await;
}

async fn answer_within(limits: Limits, listener: TcpListener, router: Router) {
    let mut open = VecDeque::<JoinHandle<()>>::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(error = %error, "failed to accept a connection");
                if files::are_used_up(&error) {
                    open.pop_front().iter().for_each(JoinHandle::abort);
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= limits.most {
            open.pop_front().iter().for_each(JoinHandle::abort);
        }
        open.push_back(tokio::spawn(converse(stream, router.clone(), limits.question)));
    }
}

async fn converse(stream: TcpStream, router: Router, question: Duration) {
    let mut http = http1::Builder::new();
    // What is limited begins when the connection falls idle.
    http.timer(TokioTimer::new()).header_read_timeout(question).max_buf_size(HEAD);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
    if let Err(error) = served {
        tracing::debug!(error = %error, "a connection for health ended early");
    }
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
                Ok(listener) => answer_all(listener, router).await,
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
    use std::time::Instant;

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

    /// What is said on a connection that stays open.
    async fn ask(stream: &mut TcpStream) -> io::Result<String> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await?;
        let mut told = Vec::new();
        while !told.ends_with(b"ok\n") {
            told.push(stream.read_u8().await?);
        }
        Ok(String::from_utf8_lossy(&told).into_owned())
    }

    async fn served(limits: Limits) -> SocketAddr {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(answer_within(limits, listener, health(|| None, || None)));
        address
    }

    #[tokio::test]
    async fn who_is_silent_keeps_nobody_from_asking() {
        let address = served(Limits { most: 8, ..LIMITS }).await;
        let mut silent = Vec::new();
        for _ in 0..100 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut asking = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut asking).await.is_ok());
        // Whoever came first is gone.
        let mut rest = Vec::new();
        let first = tokio::io::AsyncReadExt::read_to_end(&mut silent[0], &mut rest);
        assert!(tokio::time::timeout(Duration::from_secs(10), first).await.is_ok());
    }

    #[tokio::test]
    async fn a_question_that_does_not_come_is_given_up_and_one_after_the_other_is_answered() {
        let question = Duration::from_millis(500);
        let address = served(Limits { question, ..LIMITS }).await;
        let mut scraping = TcpStream::connect(address).await.unwrap();
        for _ in 0..4 {
            assert!(ask(&mut scraping).await.is_ok(), "a scraper keeps its connection");
            tokio::time::sleep(question / 2).await;
        }
        let mut half = TcpStream::connect(address).await.unwrap();
        let start = Instant::now();
        tokio::io::AsyncWriteExt::write_all(&mut half, b"GET /livez HTTP/1.1\r\nX: ").await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::io::AsyncReadExt::read_to_end(&mut half, &mut rest);
        assert!(tokio::time::timeout(Duration::from_secs(10), end).await.is_ok());
        assert!(start.elapsed() >= question / 2, "{:?}", start.elapsed());
    }

    #[test]
    fn where_there_is_no_version_6_it_is_4() {
        let every: SocketAddr = "[::]:9443".parse().unwrap();
        let told = |address: &str, code: Errno| instead(address.parse().unwrap(), &code.into());
        assert_eq!(told("[::]:9443", Errno::EAFNOSUPPORT), Some("0.0.0.0:9443".parse().unwrap()));
        assert_eq!(told("[::]:9443", Errno::EADDRNOTAVAIL), Some("0.0.0.0:9443".parse().unwrap()));
        assert_eq!(told("[::]:9443", Errno::EADDRINUSE), None, "somebody has it");
        assert_eq!(told("[::1]:9443", Errno::EAFNOSUPPORT), None, "somebody asked for that one");
        assert_eq!(told("0.0.0.0:9443", Errno::EADDRNOTAVAIL), None);
        assert_eq!(instead(every, &io::Error::other("else")), None);
    }

    #[test]
    fn who_listens_everywhere_is_reached_on_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:9443", &["127.0.0.1:9443"][..]),
            ("[::]:9443", &["[::1]:9443", "127.0.0.1:9443"]),
            ("10.1.2.3:1", &["10.1.2.3:1"]),
        ] {
            let reached: Vec<SocketAddr> = reached.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(reachable(listen.parse().unwrap()), reached);
        }
    }
}
