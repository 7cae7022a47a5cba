//! The connection to the API server.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::{HeaderName, HeaderValue, Request, header};
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use thiserror::Error;
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;

use crate::metrics::Requests;

/// How many requests may wait for their turn to be sent. (kube's own figure.)
const WAITING: usize = 1024;
/// The first pause after an answer that says "not now", the longest, and how often that is waited out. With 1 s of `Retry-After`, which
/// is what the API server says, a request is given up after about 6 s: by then a caller that works through a queue better takes the next.
const PAUSES: (Duration, Duration, u32) = (Duration::from_millis(100), Duration::from_secs(10), 5);

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// How the API server is reached: by the account of the pod, or KUBECONFIG. `user_agent` is how its audit log knows the program:
/// `<program>/v<version>`.
///
/// # Errors
/// Where there is neither, or it cannot be read.
pub async fn infer(user_agent: &'static str) -> anyhow::Result<Config> {
    // Installed once a process; a second call finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = Config::infer().await.context("failed to find the API server: run in a pod, or set KUBECONFIG")?;
    config.headers.push((header::USER_AGENT, HeaderValue::from_static(user_agent)));
    Ok(config)
}

/// A client that counts what it sends.
///
/// An answer of 429, 503 or 504 is not passed on at first: the request is sent again after the time that its `Retry-After` names, or
/// after a growing pause where it names none. Every attempt is counted, which is why kube's own retries, further in, are off. What a
/// failure that is passed on says about waiting is [`told_to_wait`].
///
/// An answer that has not begun after a minute, or of which the rest does not come, is given up; but for a watch, nobody waits for ever.
///
/// # Errors
/// Where the settings do not work.
pub fn client(mut config: Config, requests: &Requests) -> anyhow::Result<Client> {
    config.default_retry = false;
    let (first, longest, times) = PAUSES;
    let retry = RetryPolicy::new(first, longest, times, true).context("failed to set up retries")?;
    let builder = ClientBuilder::try_from(config).context("failed to make a client for the API server")?;
    Ok(builder
        .with_layer(&answer::InTime)
        .with_layer(&requests.layer())
        .with_layer(&BufferLayer::new(WAITING))
        .with_layer(&RetryLayer::new(retry))
        .build())
}

/// A client that acts as a service account over the connections of `client`, which must not itself act as somebody else.
///
/// No groups are sent: those of a service account are fixed, and the API server adds them where none are named. (`apiserver` v0.36,
/// `endpoints/filters/impersonation/mode.go`, `authorizeUsername`.)
///
/// # Errors
/// Where namespace or name have characters that no name has.
pub fn acting_as(client: &Client, namespace: &str, name: &str) -> Result<Client, header::InvalidHeaderValue> {
    let user = HeaderValue::from_str(&format!("system:serviceaccount:{namespace}:{name}"))?;
    Ok(through(client, move |request| {
        request.headers_mut().insert(IMPERSONATE_USER, user.clone());
        Ok(())
    }))
}

/// A client that tells of each request that was answered with what was asked for, of a watch when it begins, and that gives up one of which
/// the answer does not begin within `patience`: what comes next goes over another connection.
pub fn telling(client: &Client, patience: Duration, answered: impl Fn() + Send + Sync + 'static) -> Client {
    let default_namespace = client.default_namespace().to_owned();
    let (client, answered) = (client.clone(), Arc::new(answered));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, answered) = (client.clone(), Arc::clone(&answered));
        async move {
            let response = tokio::time::timeout(patience, client.send(request)).await;
            let response = response.map_err(|late| kube::Error::Service(late.into()))??;
            if response.status().is_success() {
                answered();
            }
            Ok::<_, kube::Error>(response)
        }
    });
    Client::new(service, default_namespace)
}

/// A client that reads always, and writes only while `may_write` says so.
pub fn writing_while(client: &Client, may_write: impl Fn() -> bool + Send + 'static) -> Client {
    through(client, move |request| {
        if request.method().is_safe() || may_write() { Ok(()) } else { Err(kube::Error::Service(NotNow.into())) }
    })
}

/// Why a client made by [`writing_while`] did not write.
#[derive(Debug, Error)]
#[error("this replica may no longer write")]
pub struct NotNow;

/// A client that does something to each request, or refuses it, before it goes the way of `client`.
fn through<F>(client: &Client, prepare: F) -> Client
where
    F: Fn(&mut Request<Body>) -> kube::Result<()> + Send + 'static,
{
    let default_namespace = client.default_namespace().to_owned();
    let client = client.clone();
    let service = tower::service_fn(move |mut request: Request<Body>| {
        let prepared = prepare(&mut request);
        let client = client.clone();
        async move {
            prepared?;
            client.send(request).await
        }
    });
    Client::new(service, default_namespace)
}

/// How long the API server asks to wait before the next try, whatever the code of the failure is.
#[must_use]
pub fn told_to_wait(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Api(status) = error else { return None };
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use axum::Router;
    use axum::extract::State;
    use axum::http::{HeaderMap, Method, StatusCode};
    use axum::response::{IntoResponse, Response};
    use kube::api::{Api, DynamicObject, PostParams};
    use release_shared::kinds::Kind;

    use super::*;
    use crate::kind::resource;
    use crate::metrics::{Registry, text};

    /// What was sent: the method, and whom the client acts as.
    type Sent = Arc<Mutex<Vec<(Method, Option<String>)>>>;

    const PROJECT: &str =
        r#"{"apiVersion": "openchoreo.dev/v1alpha1", "kind": "Project", "metadata": {"name": "shop"}}"#;
    const BUSY: &str =
        r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429, "reason": "TooManyRequests"}"#;

    /// An API server that is too busy the first time.
    async fn server() -> (Config, Sent) {
        let sent = Sent::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&sent));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (Config::new(format!("http://{address}").parse().unwrap()), sent)
    }

    async fn answer(State(sent): State<Sent>, method: Method, headers: HeaderMap) -> Response {
        let mut sent = sent.lock().unwrap();
        let user = headers.get(IMPERSONATE_USER).map(|user| user.to_str().unwrap().to_owned());
        sent.push((method, user));
        if sent.len() == 1 {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], BUSY).into_response()
        } else {
            PROJECT.into_response()
        }
    }

    fn projects(client: &Client) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), "shop", &resource(Kind::Project))
    }

    #[tokio::test]
    async fn a_busy_server_is_asked_again_when_it_says_and_each_attempt_is_counted() {
        let (config, _) = server().await;
        let requests = Requests::default();
        let client = client(config, &requests).unwrap();
        let began = Instant::now();
        projects(&client).get("shop").await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(1));

        let mut registry = Registry::default();
        requests.register(&mut registry);
        let text = text(&registry).unwrap();
        for line in [r#"api_requests_total{verb="get",code="429"} 1"#, r#"api_requests_total{verb="get",code="200"} 1"#]
        {
            assert!(text.lines().any(|told| told == line), "no line {line}\n{text}");
        }
    }

    #[tokio::test]
    async fn who_acts_as_an_account_names_it_in_every_attempt() {
        let (config, sent) = server().await;
        let client = client(config, &Requests::default()).unwrap();
        let account = acting_as(&client, "shop-production", "deployer").unwrap();
        projects(&account).get("shop").await.unwrap();
        projects(&client).get("shop").await.unwrap();
        let users: Vec<_> = sent.lock().unwrap().iter().map(|(_, user)| user.clone()).collect();
        let account = Some("system:serviceaccount:shop-production:deployer".to_owned());
        assert_eq!(users, [account.clone(), account, None]);
        assert!(acting_as(&client, "shop", "two\nlines").is_err());
    }

    #[tokio::test]
    async fn who_may_no_longer_write_still_reads() {
        let (config, sent) = server().await;
        let client = client(config, &Requests::default()).unwrap();
        let client = acting_as(&writing_while(&client, || false), "shop", "deployer").unwrap();
        projects(&client).get("shop").await.unwrap();
        let project = DynamicObject::new("shop", &resource(Kind::Project));
        let refused = projects(&client).create(&PostParams::default(), &project).await.unwrap_err();
        assert!(matches!(refused, kube::Error::Service(reason) if reason.is::<NotNow>()));
        assert!(sent.lock().unwrap().iter().all(|(method, _)| method == Method::GET));
    }

    #[test]
    fn a_failure_may_say_how_long_to_wait() {
        let failure = |seconds: u32| {
            let status = serde_json::json!({"code": 409, "details": {"retryAfterSeconds": seconds}});
            kube::Error::Api(serde_json::from_value(status).unwrap())
        };
        assert_eq!(told_to_wait(&failure(3)), Some(Duration::from_secs(3)));
        assert_eq!(told_to_wait(&failure(0)), None);
    }
}
