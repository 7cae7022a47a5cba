//! Real sockets on loopback, with limits that are short.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use axum::extract::Request;
use axum::routing::{get, post};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

const SHORT: Duration = Duration::from_millis(300);
/// What no test waits for.
const LONG: Duration = Duration::from_secs(600);

fn limits() -> Limits {
    Limits {
        max_connections: 4,
        max_connection_age: LONG,
        bytes_in_flight: 7 << 20,
        handshake_timeout: LONG,
        header_timeout: LONG,
        body_timeout: LONG,
        write_timeout: LONG,
        idle_timeout: LONG,
    }
}

/// A server, and how to get to it.
struct Served {
    address: SocketAddr,
    connector: TlsConnector,
    metrics: Arc<Metrics>,
    /// Calls that are never answered.
    under_way: Arc<AtomicUsize>,
}

impl Served {
    async fn with(limits: Limits) -> Self {
        let (certificates, authority) = Certificates::on_loopback();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Arc::new(Metrics::default());
        let large = "x".repeat(1 << 20);
        let under_way = Arc::<AtomicUsize>::default();
        let endless = Arc::clone(&under_way);
        let router = Router::new()
            .route("/", get(async || "here"))
            .route(
                "/never",
                get(async move || {
                    endless.fetch_add(1, Ordering::Relaxed);
                    std::future::pending::<()>().await;
                }),
            )
            .route("/large", get(async || large))
            .route("/echo", post(async |body: String| body))
            .fallback(async |request: Request| {
                crate::body::discard(request.into_body(), LONG).await;
                "here"
            });
        let settings = Settings { drain_delay: Duration::ZERO, limits };
        let shutdown = Shutdown::on_signals().unwrap();
        tokio::spawn(serve(listener, certificates, router, shutdown, settings, metrics.clone()));
        let mut roots = RootCertStore::empty();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Self { address, connector: TlsConnector::from(Arc::new(config)), metrics, under_way }
    }

    async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn open(&self) -> TlsStream<TcpStream> {
        let name = ServerName::IpAddress(self.address.ip().into());
        self.connector.connect(name, self.socket().await).await.unwrap()
    }
}

/// Asks on a connection that stays open; the head of the answer.
async fn ask(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"here") {
        let byte = stream.read_u8().await?;
        answer.push(byte);
    }
    Ok(String::from_utf8(answer).unwrap())
}

/// Reads until the other side has ended it; how long that took.
async fn end(mut stream: impl tokio::io::AsyncRead + Unpin) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "it is still open");
    start.elapsed()
}

fn is_short(time: Duration) {
    assert!((SHORT / 2..Duration::from_secs(15)).contains(&time), "{time:?}");
}

#[tokio::test]
async fn who_is_silent_in_a_handshake_is_cut_off() {
    let served = Served::with(Limits { handshake_timeout: SHORT, ..limits() }).await;
    is_short(end(served.socket().await).await);
    // Half of a record is no better.
    let mut half = served.socket().await;
    half.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    is_short(end(half).await);
    assert_eq!(served.metrics.handshakes_failed.get(), 2);
    assert!(ask(&mut served.open().await).await.is_ok());
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let served = Served::with(Limits { header_timeout: SHORT, ..limits() }).await;
    let mut stream = served.open().await;
    let start = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
        if stream.write_all(&[*byte]).await.is_err() || start.elapsed() > Duration::from_secs(20) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_short(start.elapsed());
}

#[tokio::test]
async fn who_is_idle_between_calls_is_not_cut_off() {
    let served = Served::with(Limits { header_timeout: SHORT, handshake_timeout: SHORT * 10, ..limits() }).await;
    let mut stream = served.open().await;
    for _ in 0..3 {
        ask(&mut stream).await.unwrap();
        tokio::time::sleep(SHORT * 2).await;
    }
}

#[tokio::test]
async fn who_is_idle_for_too_long_is_cut_off() {
    let served = Served::with(Limits { idle_timeout: SHORT, ..limits() }).await;
    let mut stream = served.open().await;
    ask(&mut stream).await.unwrap();
    is_short(end(stream).await);
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let served = Served::with(Limits { write_timeout: SHORT, ..limits() }).await;
    let mut stream = served.open().await;
    let start = Instant::now();
    // Answers that nobody reads fill what the system keeps for the socket, and then nothing goes on.
    let mut asked = 0;
    while stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.is_ok() && asked < 2000 {
        asked += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(asked < 2000, "{asked} answers were left unread");
    is_short(start.elapsed());
}

#[tokio::test]
async fn who_is_silent_keeps_nobody_out() {
    let served = Served::with(limits()).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(served.open().await);
    }
    let mut used = served.open().await;
    ask(&mut used).await.unwrap();
    assert!(served.metrics.connections.get() <= 4);
    assert!(served.metrics.connections_evicted.get() >= 17);
    // Whoever came first is gone, and who is used stays when others come.
    end(silent.remove(0)).await;
    for _ in 0..3 {
        silent.push(served.open().await);
        ask(&mut used).await.unwrap();
    }
}

/// From one address, as the API server's own may be.
#[tokio::test]
async fn bodies_that_do_not_come_keep_nobody_out() {
    let served = Served::with(limits()).await;
    let mut used = served.open().await;
    ask(&mut used).await.unwrap();
    let mut slow = Vec::new();
    for _ in 0..12 {
        let mut stream = served.open().await;
        stream.write_all(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        slow.push(stream);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(served.metrics.connections.get() <= 4);
    }
    // The first has had its time, and what is kept for later is not what gave way.
    end(slow.remove(0)).await;
    ask(&mut used).await.unwrap();
}

#[tokio::test]
async fn who_finds_all_others_busy_is_turned_away() {
    let served = Served::with(limits()).await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut stream = served.open().await;
        stream.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        busy.push(stream);
    }
    let until = async |what: &str, is_so: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(10), "not {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    until("busy", &|| served.under_way.load(Ordering::Relaxed) == 4).await;
    end(served.socket().await).await;
    assert_eq!((served.metrics.connections.get(), served.metrics.connections_refused.get()), (4, 1));
    drop(busy);
    until("free", &|| served.metrics.connections.get() == 0).await;
    assert!(ask(&mut served.open().await).await.is_ok());
}

#[tokio::test]
async fn an_old_connection_is_asked_to_be_made_anew() {
    let served = Served::with(Limits { max_connection_age: SHORT, ..limits() }).await;
    let mut stream = served.open().await;
    assert!(!ask(&mut stream).await.unwrap().contains("connection: close"));
    tokio::time::sleep(SHORT).await;
    assert!(ask(&mut stream).await.unwrap().contains("connection: close"));
    assert!(end(stream).await < Duration::from_secs(5));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_told_so() {
    let served = Served::with(limits()).await;
    let many: String = (0..100).map(|number| format!("X-{number}: x\r\n")).collect();
    for head in [format!("X: {}\r\n", "x".repeat(1 << 20)), many] {
        let mut stream = served.open().await;
        // It may be refused before it was sent as a whole.
        let _ = stream.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{head}\r\n").as_bytes()).await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
}

#[tokio::test]
async fn the_probe_sees_what_the_api_server_sees() {
    use crate::health::Readiness;

    let (certificates, authority) = Certificates::on_loopback();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route(crate::probe::PATH, get(async || "ok"));
    let settings = Settings { drain_delay: Duration::ZERO, limits: limits() };
    let shutdown = Shutdown::on_signals().unwrap();
    tokio::spawn(serve(listener, certificates.clone(), router, shutdown, settings, Arc::default()));

    let readiness = Arc::new(Readiness::default());
    readiness.set_trust(None);
    readiness.set_synced();
    readiness.set_keyed();
    tokio::spawn(crate::probe::keep(address, certificates.clone(), readiness.clone()));
    let until = async |part: Option<&str>| {
        let start = Instant::now();
        loop {
            let missing = readiness.missing();
            match (part, &missing) {
                (None, None) => return,
                (Some(part), Some(missing)) if missing.contains(part) => return,
                _ => assert!(start.elapsed() < Duration::from_secs(10), "{missing:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    until(Some("no hook is installed")).await;
    certificates.are_trusted_by(vec![vec![authority]]);
    until(None).await;
    let (_, stranger) = Certificates::on_loopback();
    certificates.are_trusted_by(vec![vec![stranger]]);
    until(Some("its own socket cannot be called")).await;
}
