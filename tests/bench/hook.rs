//! A hook that allows everything at once: what any webhook costs the API server, and a witness of what is asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use release_tests::block_on;
use release_tests::pki::Authority;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The last question on each path.
type Asked = Arc<Mutex<HashMap<String, Bytes>>>;

/// One that runs, until this program ends.
pub(crate) struct Hook {
    /// `https://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// The certificate of the authority that vouches for it, PEM.
    pub(crate) ca: String,
    asked: Asked,
}

impl Hook {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let credential = authority.server(&["127.0.0.1"])?;
        let certificate =
            CertificateDer::from_pem_slice(credential.public.as_bytes()).context("reading a certificate")?;
        let key = PrivateKeyDer::from_pem_slice(credential.private.as_bytes()).context("reading a key")?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
        let asked = Asked::default();
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).context("listening on loopback")?;
        let url = format!("https://{}", listener.local_addr().context("asking for a port")?);
        let serving = serve(listener, TlsAcceptor::from(Arc::new(config)), asked.clone());
        block_on(async { drop(tokio::spawn(serving)) });
        Ok(Self { url, ca: authority.pem(), asked })
    }

    /// The last question on a path, as it came.
    pub(crate) fn asked(&self, path: &str) -> Option<Bytes> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, asked: Asked) {
    // It ends when there are no more connections to be had; then the API server says so.
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, acceptor.clone(), asked.clone()));
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, asked: Asked) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| answer(request, &asked));
    // How it ends is the API server's affair.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, asked: &Asked) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    asked.lock().unwrap_or_else(PoisonError::into_inner).insert(path, body.clone());
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": { "uid": review["request"]["uid"], "allowed": true },
    });
    let mut response = Response::new(Full::from(answer.to_string()));
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}
