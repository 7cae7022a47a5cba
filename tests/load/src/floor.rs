//! The floor: a webhook that looks for nothing but the uid and allows everything. What it takes, TLS and HTTP take, so no webhook can
//! take less on that machine.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// In how much of a review the uid must stand, in bytes: the API server writes it first.
const START: usize = 4096;

/// Its settings.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where it answers
    #[arg(long)]
    listen: SocketAddr,
    /// Its certificate, PEM
    #[arg(long)]
    certificate: PathBuf,
    /// The private key, PEM
    #[arg(long)]
    key: PathBuf,
    /// Keep what it was asked last on each path in a file of that name in this folder
    #[arg(long)]
    keep: Option<PathBuf>,
    /// A patch (JSON Patch in base64) that it answers with on `/mutate`
    #[arg(long)]
    patch: Option<String>,
}

/// What it does with what it is asked.
struct Answers {
    keep: Option<PathBuf>,
    patch: Option<String>,
}

/// Answers until the process is ended.
///
/// # Errors
/// When it cannot listen, or its certificate is none.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let certificate = CertificateDer::from_pem_slice(&read(&args.certificate)?).context("reading a certificate")?;
    let key = PrivateKeyDer::from_pem_slice(&read(&args.key)?).context("reading a key")?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
    // As many threads as ours has: one more than processors. (`webhook/src/run.rs`)
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get) + 1;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_io().build();
    runtime.context("starting a runtime")?.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listening on {}", args.listen))?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let answers = Arc::new(Answers { keep: args.keep.clone(), patch: args.patch.clone() });
        loop {
            let (stream, _) = listener.accept().await.context("accepting a connection")?;
            tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&answers)));
        }
    })
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, answers: Arc<Answers>) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| answer(request, &answers));
    // How it ends is the client's affair.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, answers: &Answers) -> std::io::Result<Response<Full<Bytes>>> {
    let path = request.uri().path();
    let file = answers.keep.as_ref().map(|folder| folder.join(path.trim_start_matches('/')));
    let patch = answers.patch.as_ref().filter(|_| path == "/mutate");
    let patch = patch.map(|patch| format!(r#","patchType":"JSONPatch","patch":"{patch}""#)).unwrap_or_default();
    let mut body = request.into_body();
    let most = if file.is_some() { usize::MAX } else { START };
    let mut seen = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(data) = frame.data_ref() else { continue };
        seen.extend_from_slice(&data[..data.len().min(most - seen.len())]);
    }
    if let Some(file) = file {
        fs::write(file, &seen)?;
    }
    let text = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":"{}","allowed":true{patch}}}}}"#,
        uid(&seen).unwrap_or_default()
    );
    let mut response = Response::new(Full::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The first uid: that of the request.
fn uid(review: &[u8]) -> Option<&str> {
    const KEY: &[u8] = br#""uid":""#;
    let at = review.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    let end = review[at..].iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(&review[at..at + end]).ok()
}

#[cfg(test)]
mod tests {
    use super::uid;

    #[test]
    fn the_uid_is_that_of_the_request() {
        let review = br#"{"kind":"AdmissionReview","request":{"uid":"a-1","object":{"metadata":{"uid":"b-2"}}}}"#;
        assert_eq!(uid(review), Some("a-1"));
        assert_eq!(uid(br#"{"request":{"uid":"a"#), None);
        assert_eq!(uid(b"{}"), None);
    }
}
