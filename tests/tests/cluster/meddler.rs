//! Another mutating webhook, which has its turn before or after ours and changes what it is shown: a real server, for one namespace.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use data_encoding::BASE64;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::pki::Authority;
use release_tests::{Namespace, Outcome, block_on, wait};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::objects::environment;
use super::person::Person;

/// Until the API server calls a webhook that was just registered.
const LIMIT: Duration = Duration::from_secs(30);

/// When the API server calls it. (In the order of the configurations' names; again only when something changed after it.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Before ours, and after ours too where that changed something.
    Before,
    /// After ours, once.
    After,
    /// After ours, and once more when ours was called again because of it: it has the last word.
    Last,
}

/// The JSON patch that it answers with, from an admission request.
type Rule = dyn Fn(&Value) -> Value + Send + Sync;

/// One that is called until it goes out of scope.
pub(crate) struct Meddler<'a> {
    namespace: &'a Namespace<'a>,
    configuration: String,
    state: Arc<State>,
    listening: AbortHandle,
}

struct State {
    rule: Mutex<Arc<Rule>>,
    calls: AtomicUsize,
}

impl<'a> Meddler<'a> {
    /// One that changes nothing, of which the API server knows.
    pub(crate) fn start(namespace: &'a Namespace<'a>, turn: Turn) -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let state = Arc::new(State { rule: Mutex::new(Arc::new(|_| json!([]))), calls: AtomicUsize::new(0) });
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).context("listening on loopback")?;
        let url = format!("https://{}", listener.local_addr().context("asking for a port")?);
        let serving = serve(listener, acceptor(&authority)?, Arc::clone(&state));
        let listening = block_on(async { tokio::spawn(serving).abort_handle() });
        let prefix = if turn == Turn::Before { "a-before" } else { "z-after" };
        let configuration = format!("{prefix}-{}", namespace.name());
        let meddler = Self { namespace, configuration, state, listening };
        meddler.register(turn, &url, &authority)?;
        Ok(meddler)
    }

    fn register(&self, turn: Turn, url: &str, authority: &Authority) -> anyhow::Result<()> {
        let name = self.namespace.name();
        let resources = [Kind::Release, Kind::ReleaseBinding, Kind::Environment, Kind::DeploymentPipeline]
            .into_iter()
            .chain([Kind::ComponentRelease])
            .map(Kind::plural);
        let webhook = json!({
            "name": format!("meddle.{name}.example"),
            "admissionReviewVersions": ["v1"],
            "clientConfig": { "url": url, "caBundle": BASE64.encode(authority.pem().as_bytes()) },
            "rules": [{
                "apiGroups": [names::GROUP], "apiVersions": [names::VERSION], "operations": ["CREATE", "UPDATE"],
                "resources": resources.collect::<Vec<_>>(),
            }],
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } },
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "reinvocationPolicy": if turn == Turn::Last { "IfNeeded" } else { "Never" },
        });
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": { "name": self.configuration }, "webhooks": [webhook],
        });
        let admin = Person::admin(self.namespace);
        admin.kubectl_on(&["create", "-f", "-"], &configuration);
        wait::until("the API server calls the other webhook", LIMIT, || {
            // Whatever comes of it.
            drop(admin.in_dry_run().create(&environment("probe", &[])));
            Ok((self.calls() > 0).then_some(()))
        })
    }

    /// What it does from now on.
    pub(crate) fn rule(&self, rule: impl Fn(&Value) -> Value + Send + Sync + 'static) {
        *self.state.rule.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rule);
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> usize {
        self.state.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Meddler<'_> {
    fn drop(&mut self) {
        let delete = self.namespace.kubectl(["delete", "mutatingwebhookconfiguration", &self.configuration]);
        if let Err(error) = delete.output().and_then(Outcome::success) {
            assert!(std::thread::panicking(), "another webhook is still registered: {error:?}");
        }
        self.listening.abort();
    }
}

fn acceptor(authority: &Authority) -> anyhow::Result<TlsAcceptor> {
    let own = authority.server(&["127.0.0.1"])?;
    let certificate = CertificateDer::from_pem_slice(own.public.as_bytes()).context("reading a certificate")?;
    let key = PrivateKeyDer::from_pem_slice(own.private.as_bytes()).context("reading a key")?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, tls.clone(), Arc::clone(&state)));
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, state: Arc<State>) -> anyhow::Result<()> {
    let stream = tls.accept(stream).await?;
    let service = service_fn(|request| answer(request, Arc::clone(&state)));
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> anyhow::Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let review: Value = serde_json::from_slice(&body)?;
    let rule = Arc::clone(&state.rule.lock().unwrap_or_else(PoisonError::into_inner));
    let patch = rule(&review["request"]);
    state.calls.fetch_add(1, Ordering::Relaxed);
    let reply = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"], "allowed": true,
            "patchType": "JSONPatch", "patch": BASE64.encode(patch.to_string().as_bytes()),
        },
    });
    let body = Full::new(Bytes::from(reply.to_string()));
    Ok(Response::builder().header(header::CONTENT_TYPE, "application/json").body(body)?)
}
