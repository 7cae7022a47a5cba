//! Lists in pages that have a bound in bytes and not only in objects: one object may have a megabyte and a half, and another fifty bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::uri::{InvalidUri, Uri};
use axum::http::{Method, Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Bytes;
use kube::Client;
use kube::client::Body;

/// A client whose lists come in pages of at most `bytes`, unless a single object has more: a page with more is left, and asked for again with
/// fewer objects. The next has no more than half as many again; another list begins with as many as it asks for. One list at a time.
pub(crate) fn bounded(client: &Client, bytes: usize) -> Client {
    let default_namespace = client.default_namespace().to_owned();
    let (client, last) = (client.clone(), Arc::new(AtomicU32::new(u32::MAX)));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, last) = (client.clone(), Arc::clone(&last));
        async move {
            match Page::of(&request) {
                Some(page) => page.read(&client, request, bytes, &last).await,
                None => client.send(request).await,
            }
        }
    });
    Client::new(service, default_namespace)
}

/// A page that somebody asks for.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    /// Of how many objects.
    limit: u32,
    /// Whether it is not the first of its list.
    goes_on: bool,
}

impl Page {
    fn of<T>(request: &Request<T>) -> Option<Self> {
        let parameters = || request.uri().query().into_iter().flat_map(|query| query.split('&'));
        let limit = parameters().find_map(|parameter| parameter.strip_prefix("limit="))?.parse().ok()?;
        let is_list = request.method() == Method::GET && !parameters().any(|parameter| parameter.starts_with("watch="));
        is_list.then(|| Self { limit, goes_on: parameters().any(|parameter| parameter.starts_with("continue=")) })
    }

    async fn read(
        self,
        client: &Client,
        request: Request<Body>,
        bytes: usize,
        last: &AtomicU32,
    ) -> kube::Result<Response<Body>> {
        let (head, _) = request.into_parts();
        let before = if self.goes_on { last.load(Ordering::Relaxed) } else { u32::MAX };
        let mut limit = self.limit.min(before.saturating_add(before / 2 + 1));
        loop {
            let mut head = head.clone();
            head.uri = with_limit(&head.uri, limit).map_err(|error| kube::Error::Service(error.into()))?;
            let response = client.send(Request::from_parts(head, Body::empty())).await?;
            last.store(limit, Ordering::Relaxed);
            if limit == 1 || !response.status().is_success() {
                return Ok(response);
            }
            let (head, body) = response.into_parts();
            match at_most(bytes, body).await? {
                Some(body) => return Ok(Response::from_parts(head, body.into())),
                None => limit = limit.div_ceil(4),
            }
        }
    }
}

/// The whole body; `None` where it has more bytes.
async fn at_most(bytes: usize, body: Body) -> kube::Result<Option<Bytes>> {
    match Limited::new(body, bytes).collect().await {
        Ok(body) => Ok(Some(body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(None),
        Err(error) => Err(kube::Error::Service(error)),
    }
}

/// The same, for so many objects.
fn with_limit(uri: &Uri, limit: u32) -> Result<Uri, InvalidUri> {
    let parameters = uri.query().into_iter().flat_map(|query| query.split('&'));
    let other = parameters.filter(|parameter| !parameter.is_empty() && !parameter.starts_with("limit="));
    let query: String = other.map(|parameter| format!("&{parameter}")).collect();
    format!("{}?limit={limit}{query}", uri.path()).parse()
}

#[cfg(test)]
mod tests;
