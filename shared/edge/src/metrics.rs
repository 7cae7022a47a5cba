//! Figures for Prometheus, and the count of what is sent to the API server.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use kube::client::Body;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tower::{Layer, Service};

pub use prometheus_client::registry::Registry;

/// What [`text`] is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything in the registry, as Prometheus reads it.
///
/// # Errors
/// Where a figure cannot be written; none of ours fails.
pub fn text(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

/// Counts the requests to the API server, each attempt for itself.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    total: Family<Labels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    /// What was asked for, in kube's words: `get`, `list`, `watch`, `create`, `patch`, `patch_status`, …
    verb: String,
    /// The HTTP status, or `error` where no answer came.
    code: String,
}

impl Requests {
    /// Puts the count into a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("api_requests", "Requests to the API server by verb and HTTP status", self.total.clone());
    }

    /// Counts what passes through it.
    #[must_use]
    pub fn layer(&self) -> RequestsLayer {
        RequestsLayer { requests: self.clone() }
    }

    fn count(&self, verb: &str, code: &str) {
        self.total.get_or_create(&Labels { verb: verb.to_owned(), code: code.to_owned() }).inc();
    }
}

/// Counts what a client sends; from [`Requests::layer`].
#[derive(Debug, Clone)]
pub struct RequestsLayer {
    requests: Requests,
}

impl<S> Layer<S> for RequestsLayer {
    type Service = CountRequests<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountRequests { inner, requests: self.requests.clone() }
    }
}

/// A service that counts; from [`RequestsLayer`].
#[derive(Debug, Clone)]
pub struct CountRequests<S> {
    inner: S,
    requests: Requests,
}

impl<S, B> Service<Request<Body>> for CountRequests<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send,
    B: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let verb = request.extensions().get::<&'static str>().copied().unwrap_or("other");
        let requests = self.requests.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            match &answer {
                Ok(response) => requests.count(verb, response.status().as_str()),
                Err(_) => requests.count(verb, "error"),
            }
            answer
        })
    }
}
