use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::{Method, Request, Response};
use futures::stream;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use release_shared::{names, yaml};
use serde_json::{Value, json};

use super::super::tell::Teller;
use super::super::{Certificates, Lifetimes};
use super::*;
use crate::health::{Reached, Readiness};

const HOUR: Duration = Duration::from_secs(3600);
const INSTALLED: &str = include_str!("../../../../deploy/webhook/configurations.yaml");
const ROOT: &str = "/apis/admissionregistration.k8s.io/v1";
const SECRET: &str = "/api/v1/namespaces/release-system/secrets/release-webhook-tls";

/// The first two answers begin and do not end; after them nothing is found.
fn stalling(asked: Arc<AtomicUsize>) -> Client {
    let service = tower::service_fn(move |_: Request<Body>| {
        let turn = asked.fetch_add(1, Ordering::Relaxed);
        async move {
            let endless = stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
            let (status, body) =
                if turn < 2 { (200, axum::body::Body::from_stream(endless)) } else { (404, axum::body::Body::empty()) };
            Response::builder().status(status).body(body)
        }
    });
    Client::new(service, "default")
}

/// One that has not looked yet, with what it tells.
fn own(client: Client) -> (Own, Arc<Readiness>) {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let readiness = Arc::new(Readiness::default());
    let names = vec!["release-webhook.release-system.svc".to_owned()];
    let teller = Teller::new(client.clone(), "release-system");
    let certificates = Arc::new(Certificates::default());
    let keeper = Keeper::new(client, names, Duration::ZERO, certificates, readiness.clone(), teller);
    let lifetimes = Lifetimes { propagation: Duration::ZERO, leaf: HOUR, authority: 3 * HOUR };
    (Own::new(keeper, "release-system".to_owned(), lifetimes), readiness)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stalls_does_not_end_the_keeping() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (own, _) = own(stalling(Arc::clone(&asked)));
    tokio::spawn(own.keep());
    tokio::time::sleep(LIMIT / 2).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2, "both configurations are waited for");
    tokio::time::sleep(LIMIT).await;
    assert!(asked.load(Ordering::Relaxed) > 4, "it did not look again");
}

/// An API server that holds some objects.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    /// By their paths.
    objects: BTreeMap<String, Value>,
    /// How the paths end whose writes are refused.
    refused: Option<&'static str>,
}

impl Server {
    /// With both configurations, as they come, and with a field in each hook that nobody knows.
    fn installed() -> Self {
        let server = Self::default();
        for document in yaml::read(INSTALLED).unwrap() {
            server.install(document.value);
        }
        server
    }

    fn install(&self, mut configuration: Value) {
        configuration["metadata"]["resourceVersion"] = "1".into();
        configuration["webhooks"].as_array_mut().unwrap().iter_mut().for_each(|hook| hook["news"] = json!({ "a": 1 }));
        let path = place(configuration["kind"].as_str().unwrap());
        self.held().objects.insert(path, configuration);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    fn delete(&self, kind: &str) -> Value {
        self.held().objects.remove(&place(kind)).unwrap()
    }

    /// From now on it refuses writes whose path ends so.
    fn refuse(&self, end: &'static str) {
        self.held().refused = Some(end);
    }

    fn allow(&self) {
        self.held().refused = None;
    }

    /// Takes a key out of the Secret.
    fn take(&self, key: &str) {
        self.held().objects.get_mut(SECRET).unwrap()["data"].as_object_mut().unwrap().remove(key).unwrap();
    }

    fn answer(&self, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
        let Held { objects, refused } = &mut *self.held();
        let failed = |code: u16, message: &str| {
            let reason = if code == 404 { "NotFound" } else { "Forbidden" };
            (code, json!({ "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message }))
        };
        if *method == Method::GET {
            return objects.get(path).map_or_else(|| failed(404, "not found"), |object| (200, object.clone()));
        }
        if refused.is_some_and(|refused| path.ends_with(refused)) {
            return failed(403, "nobody may write this");
        }
        let object: Value = serde_json::from_slice(body).unwrap();
        let path = if *method == Method::POST {
            format!("{path}/{}", object["metadata"]["name"].as_str().unwrap_or("event"))
        } else {
            path.to_owned()
        };
        objects.insert(path, object.clone());
        (200, object)
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let (code, answer) = server.answer(&head.method, head.uri.path(), &body);
                Response::builder().status(code).body(axum::body::Body::from(answer.to_string()))
            }
        });
        Client::new(service, "default")
    }

    /// How many authorities each hook trusts.
    fn trusted(&self) -> Vec<usize> {
        let Held { objects, .. } = &*self.held();
        let hooks = objects.values().filter_map(|object| object["webhooks"].as_array()).flatten();
        let bundle =
            |hook: &Value| data_encoding::BASE64.decode(hook["clientConfig"]["caBundle"].as_str()?.as_bytes()).ok();
        let count = |hook| String::from_utf8(bundle(hook).unwrap_or_default()).unwrap().matches("BEGIN").count();
        hooks.map(count).collect()
    }
}

fn place(kind: &str) -> String {
    format!("{ROOT}/{}s/{}", kind.to_lowercase(), names::WEBHOOK)
}

/// What is told at `/readyz` of trust, and what somebody should look at.
fn told(own: &Own, readiness: &Readiness) -> (Option<String>, Vec<String>) {
    (readiness.missing(), own.keeper.certificates.remarks(Timestamp::now()))
}

/// Ready but for trust.
fn ready(readiness: &Readiness) {
    readiness.set_synced();
    readiness.set_keyed();
    readiness.set_reached(Reached::Yes);
}

#[tokio::test]
async fn an_authority_that_is_refused_is_told_and_does_not_sign() {
    let server = Server::installed();
    let (mut own, readiness) = own(server.client());
    ready(&readiness);
    assert_eq!(own.look().await.unwrap(), Pace::Rest);
    assert_eq!((told(&own, &readiness), server.trusted()), ((None, vec![]), vec![1, 1, 1]));
    let news = |kind: &str| server.held().objects[&place(kind)]["webhooks"][0]["news"]["a"].clone();
    assert_eq!((news("MutatingWebhookConfiguration"), news("ValidatingWebhookConfiguration")), (1.into(), 1.into()));
    let before = own.keeper.served.clone();

    server.take("ca.key");
    server.refuse("validatingwebhookconfigurations/release-webhook");
    let refused = "the authorities could not be written into the ValidatingWebhookConfiguration release-webhook, which keeps those that it has; trying again: nobody may write this";
    for turn in 1..5 {
        assert_eq!(own.look().await.unwrap(), Pace::Patience(turn));
        assert_eq!((told(&own, &readiness), server.trusted()), ((None, vec![refused.to_owned()]), vec![2, 1, 1]));
        assert_eq!(own.keeper.served, before, "it serves what a hook does not trust");
    }

    // Where hooks trust nobody any more, that is why it is unready, and it makes haste.
    let validating = server.delete("ValidatingWebhookConfiguration");
    let mut emptied = validating.clone();
    emptied["webhooks"].as_array_mut().unwrap().iter_mut().for_each(|hook| {
        hook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
    });
    server.install(emptied);
    assert_eq!(own.look().await.unwrap(), Pace::Haste);
    let unknown = "a webhook configuration does not trust the certificate that is served: invalid peer certificate: UnknownIssuer";
    assert_eq!(told(&own, &readiness), (Some(format!("{unknown}; {refused}")), vec![refused.to_owned()]));
    server.install(validating);

    server.allow();
    while own.look().await.unwrap() != Pace::Rest {}
    assert_eq!((told(&own, &readiness), server.trusted()), ((None, vec![]), vec![2, 2, 2]));
    assert_ne!(own.keeper.served, before);

    // The same for one that cannot be taken out.
    server.take("old-ca.crt");
    server.refuse("mutatingwebhookconfigurations/release-webhook");
    assert_eq!(own.look().await.unwrap(), Pace::Patience(1));
    assert_eq!((readiness.missing(), server.trusted()), (None, vec![2, 1, 1]));
}

#[tokio::test]
async fn a_configuration_that_is_missing_is_told_and_unready_is_who_has_none() {
    let server = Server::default();
    let (mut own, readiness) = own(server.client());
    ready(&readiness);
    let nobody =
        || Some("no hook is installed, so that nobody calls: install deploy/webhook/configurations.yaml".to_owned());
    for _ in 0..3 {
        assert_eq!(own.look().await.unwrap(), Pace::Haste);
        assert_eq!(told(&own, &readiness), (nobody(), vec![]), "nobody has installed them yet");
    }
    let [mutating, validating] =
        <[_; 2]>::try_from(yaml::read(INSTALLED).unwrap()).unwrap().map(|document| document.value);
    server.install(mutating.clone());
    assert_eq!(own.look().await.unwrap(), Pace::Haste);
    assert_eq!(told(&own, &readiness), (None, vec![]), "the other one is on its way");
    server.install(validating);
    assert_eq!(own.look().await.unwrap(), Pace::Rest);

    let missing =
        |kind: &str| format!("the {kind} release-webhook is missing: install deploy/webhook/configurations.yaml again");
    server.delete("MutatingWebhookConfiguration");
    assert_eq!((own.look().await.unwrap(), told(&own, &readiness)), (Pace::Haste, (None, vec![])));
    for _ in 0..2 {
        assert_eq!(own.look().await.unwrap(), Pace::Rest);
        assert_eq!(told(&own, &readiness), (None, vec![missing("MutatingWebhookConfiguration")]));
    }
    server.delete("ValidatingWebhookConfiguration");
    own.look().await.unwrap();
    own.look().await.unwrap();
    let both = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"].map(missing).to_vec();
    assert_eq!(told(&own, &readiness), (nobody(), both));
    server.install(mutating);
    own.look().await.unwrap();
    assert_eq!(told(&own, &readiness), (None, vec![missing("ValidatingWebhookConfiguration")]));
}

#[tokio::test]
async fn what_keeps_a_look_from_its_end_is_told() {
    let server = Server::installed();
    let (mut own, readiness) = own(server.client());
    ready(&readiness);
    own.look().await.unwrap();
    server.take("tls.key");
    server.refuse("release-webhook-tls");
    let problem = own.look().await.unwrap_err();
    own.problem_is(Some(error_chain(&problem)));
    let (wrong, remarks) = told(&own, &readiness);
    assert_eq!(wrong, None);
    assert!(
        remarks.len() == 1
            && remarks[0].starts_with("the certificates cannot be looked after; trying again: ")
            && remarks[0].contains("nobody may write this"),
        "{remarks:?}"
    );
    own.problem_is(None);
    assert_eq!(told(&own, &readiness), (None, vec![]));
}

#[test]
fn who_is_refused_comes_ever_more_rarely() {
    let seconds = |pace: Pace| (RETRY + pace.wait(INTERVAL)).as_secs();
    assert_eq!([Pace::Haste, Pace::Rest].map(seconds), [1, 31]);
    assert_eq!(
        [1, 2, 3, 4, 5, 6, 60, u32::MAX].map(|times| seconds(Pace::Patience(times))),
        [1, 2, 4, 8, 16, 31, 31, 31]
    );
    assert_eq!(Pace::Patience(9).wait(RETRY), RETRY, "not more rarely than where all is well");
}
