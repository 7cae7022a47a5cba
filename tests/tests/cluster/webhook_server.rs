//! The webhook's server itself: its replies to whatever is sent, its readiness, its end.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use data_encoding::BASE64;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client, Config};
use release_tests::{Installation, Namespace, Outcome, block_on, fixture, http_status, programs, trials, wait};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::objects::{Shop, release};
use super::person::{accepts, until_accepted, until_refused};

trials! {
    admission:
    every_review_gets_a_reply_with_its_uid,
    what_is_no_review_is_told_so,
    readiness_follows_the_trust_of_the_api_server,
    it_stops_at_once_when_all_is_answered,
    a_replica_that_drains_answers_to_the_end,
}

const LIMIT: Duration = Duration::from_secs(30);
const BUNDLE: &str = "jsonpath={.webhooks[0].clientConfig.caBundle}";

/// The webhook as the API server calls it: somebody who trusts the caBundle.
struct Caller {
    client: Client,
}

impl Caller {
    fn new(namespace: &Namespace<'_>, installation: &Installation<'_>) -> anyhow::Result<Self> {
        Self::at(namespace, &installation.webhook_url().context("the webhook was never started")?)
    }

    fn at(namespace: &Namespace<'_>, url: &str) -> anyhow::Result<Self> {
        let told = namespace.kubectl(["get", "mutatingwebhookconfiguration", "release-webhook", "-o", BUNDLE]).run();
        let bundle = BASE64.decode(told.expect_code(0).stdout().as_bytes()).context("reading the caBundle")?;
        let trusted: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bundle).collect();
        let mut config = Config::new(url.parse()?);
        config.root_cert = Some(trusted?.into_iter().map(|certificate| certificate.to_vec()).collect());
        let client = block_on(async { Client::try_from(config) }).context("making a client")?;
        Ok(Self { client })
    }

    fn send(&self, method: Method, path: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<Response<Vec<u8>>> {
        let request = Request::builder().method(method).uri(path).header("Content-Type", "application/json");
        let request = request.body(Body::from(body.into()))?;
        block_on(async {
            let (head, body) = self.client.send(request).await?.into_parts();
            Ok(Response::from_parts(head, body.collect().await?.to_bytes().to_vec()))
        })
    }

    /// The `response` of a review, which is well-formed whatever was sent.
    fn review(&self, body: impl Into<Vec<u8>>) -> anyhow::Result<Value> {
        let reply = self.send(Method::POST, "/mutate?timeout=10s", body)?;
        ensure!(reply.status() == StatusCode::OK, "{reply:?}");
        let review: Value = serde_json::from_slice(reply.body()).context("reading the reply")?;
        assert_eq!(
            (&review["apiVersion"], &review["kind"]),
            (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
        );
        Ok(review["response"].clone())
    }
}

/// A review of a Release with `"extra":<extra>` in it, as text since not every `extra` is JSON. The API server too
/// writes the uid first.
fn review(extra: &str) -> String {
    let object = release("web-dev").to_string();
    let object = format!(r#"{{"extra":{extra},{}"#, &object[1..]);
    let request = [
        r#""uid":"0-8-15","kind":{"group":"openchoreo.dev","version":"v1alpha1","kind":"Release"}"#,
        r#""name":"web-dev","namespace":"nowhere","operation":"CREATE","userInfo":{"username":"jane"}"#,
        &format!(r#""object":{object},"oldObject":null,"dryRun":true,"options":null"#),
    ];
    let review = r#""kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1""#;
    format!(r#"{{{review},"request":{{{}}}}}"#, request.join(","))
}

fn every_review_gets_a_reply_with_its_uid(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission()?;
    let caller = Caller::new(namespace, &installation)?;
    let good = caller.review(review("1"))?;
    assert_eq!(
        (&good["uid"], &good["allowed"], &good["patchType"]),
        (&json!("0-8-15"), &json!(true), &json!("JSONPatch"))
    );

    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let bodies = [
        ("nested too deep", review(&deep(200))),
        ("nested far too deep", review(&deep(100_000))),
        ("a number that nothing holds", review("1e999")),
        ("cut off", review("1")[..600].to_owned()),
        ("another version", review("1").replace("admission.k8s.io/v1", "admission.k8s.io/v2")),
        ("an operation that is a number", review("1").replace("\"CREATE\"", "5")),
        ("over seven megabytes", review(&format!("\"{}\"", "x".repeat(8 << 20)))),
    ];
    for (what, body) in bodies {
        let reply = caller.review(body).with_context(|| what.to_owned())?;
        assert_eq!(
            (&reply["uid"], &reply["allowed"], &reply["status"]["code"]),
            (&json!("0-8-15"), &json!(false), &json!(422)),
            "{what}"
        );
        ensure!(reply["status"]["message"].as_str().is_some_and(|message| message.len() > 20), "{what}: {reply}");
    }
    let pod = review("1").replace(
        r#""group":"openchoreo.dev","version":"v1alpha1","kind":"Release""#,
        r#""group":"","version":"v1","kind":"Pod""#,
    );
    let reply = caller.review(pod)?;
    assert_eq!(reply, json!({ "uid": "0-8-15", "allowed": true }), "not ours to judge");
    Ok(())
}

fn what_is_no_review_is_told_so(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission()?;
    let caller = Caller::new(namespace, &installation)?;
    for (method, path, status) in [
        (Method::GET, "/mutate", StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, "/validate", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/", StatusCode::NOT_FOUND),
        (Method::POST, "/mutate/", StatusCode::NOT_FOUND),
        (Method::GET, "/readyz", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(caller.send(method.clone(), path, "{}")?.status(), status, "{method} {path}");
    }
    for body in [&b""[..], b"{}", b"[]", b"null", b"\0", b"\xff\xfe", br#"{"request":{"uid":""}}"#] {
        let reply = caller.send(Method::POST, "/mutate", body)?;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{body:?}");
    }
    let health = |path: &str| installation.webhook_health(path);
    assert_eq!([health("/livez"), health("/readyz"), health("/mutate")], [Some(200), Some(200), Some(404)]);
    Ok(())
}

/// The webhook's right to write its authority, given back when this goes out of scope.
struct Withheld<'a>(&'a Namespace<'a>);

impl<'a> Withheld<'a> {
    const ACCOUNT: &'static str = "--as=system:serviceaccount:release-system:release-webhook";

    fn take(namespace: &'a Namespace<'a>) -> anyhow::Result<Self> {
        let withheld = Self(namespace);
        withheld.set(r#"["get","list","watch"]"#).success()?;
        wait::until("the API server knows that the webhook may write no configuration", LIMIT, || {
            let what = ["auth", "can-i", "update", "mutatingwebhookconfigurations/release-webhook", Self::ACCOUNT];
            Ok((namespace.kubectl(what).output()?.code() == Some(1)).then_some(()))
        })?;
        Ok(withheld)
    }

    fn set(&self, verbs: &str) -> Outcome {
        let role: Value = self.0.kubectl(["get", "clusterrole", "release-webhook", "-o", "json"]).run().json();
        let rules = role["rules"].as_array().into_iter().flatten();
        let at = rules.take_while(|rule| rule["apiGroups"][0] != "admissionregistration.k8s.io").count();
        let patch = format!(r#"[{{"op":"replace","path":"/rules/{at}/verbs","value":{verbs}}}]"#);
        self.0.kubectl(["patch", "clusterrole", "release-webhook", "--type=json", "-p", &patch]).run()
    }
}

impl Drop for Withheld<'_> {
    fn drop(&mut self) {
        self.set(r#"["get","list","watch","update","bypass"]"#).expect_code(0);
    }
}

/// As an apply of the installed files does that does not keep what others wrote.
fn empty_bundles(namespace: &Namespace<'_>) {
    for (kind, hooks) in [("mutatingwebhookconfiguration", 1), ("validatingwebhookconfiguration", 2)] {
        let steps =
            (0..hooks).map(|at| json!({ "op": "remove", "path": format!("/webhooks/{at}/clientConfig/caBundle") }));
        let steps = Value::Array(steps.collect()).to_string();
        namespace.kubectl(["patch", kind, "release-webhook", "--type=json", "-p", &steps]).run().expect_code(0);
    }
}

fn readiness_follows_the_trust_of_the_api_server(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let ready = |expected: u16| {
        wait::until(&format!("/readyz answers {expected}"), LIMIT, || {
            Ok((installation.webhook_health("/readyz") == Some(expected)).then_some(()))
        })
    };
    let ask = || shop.jane.in_dry_run().create(&release("web-dev"));
    let trusted = || until_accepted("the API server trusts the webhook", ask);
    accepts(&shop.jane, &release("web-dev"));

    // It mends by itself, long before the next look that nobody asked for.
    let start = Instant::now();
    empty_bundles(namespace);
    trusted()?;
    ensure!(start.elapsed() < Duration::from_secs(20), "mended only after {:?}", start.elapsed());

    // Where it cannot, it says that it is of no use.
    let withheld = Withheld::take(namespace)?;
    empty_bundles(namespace);
    ready(503)?;
    let status = until_refused("the API server trusts nobody", ask, 500, &[("", "")])?;
    ensure!(status.message.contains("certificate signed by unknown authority"), "{status:?}");
    assert_eq!(installation.webhook_health("/livez"), Some(200), "a restart would not help");
    drop(withheld);
    ready(200)?;
    trusted()?;
    Ok(())
}

/// The API server keeps its connections for 90 seconds; none of them holds up the end.
fn it_stops_at_once_when_all_is_answered(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    accepts(&shop.jane, &release("web-dev"));
    let caller = Caller::new(namespace, &installation)?;
    caller.review(review("1"))?;
    let log = || fs::read_to_string(installation.webhook_log()).context("reading the webhook's log");
    let before = log()?.len();
    installation.stop_webhook();
    let last_words = log()?[before..].to_owned();
    ensure!(last_words.contains("\"drained\""), "it did not end by itself:\n{last_words}");
    ensure!(caller.review(review("1")).is_err(), "somebody else answers");

    installation.start_webhook()?;
    accepts(&shop.jane, &release("web-dev"));
    let reply = Caller::new(namespace, &installation)?.review(review("1"))?;
    assert_eq!(reply["allowed"], true, "the same authority after a restart");
    Ok(())
}

/// A second replica, which shares the first one's certificate and is in nobody's way.
fn a_replica_that_drains_answers_to_the_end(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission()?;
    let control_plane = namespace.control_plane();
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let (listen, health) = (free()?, free()?);
    let mut command = Command::new(programs::find("release-webhook")?);
    command.args(["--serving-name=127.0.0.1", "--drain-delay=6s"]);
    command.args([format!("--listen={listen}"), format!("--health-listen={health}")]);
    command.env("KUBECONFIG", control_plane.service_account("release-system", "release-webhook")?);
    let (replica, mut child) = control_plane.spawn("a second replica", &command)?;
    let readiness = |expected: u16| {
        let what = format!("the second replica's readiness is {expected}");
        wait::until(&what, LIMIT, || Ok((http_status::get(health.port(), "/readyz") == Some(expected)).then_some(())))
    };
    readiness(200)?;
    let caller = Caller::at(namespace, &format!("https://{listen}"))?;
    let before = caller.send(Method::POST, "/mutate", review("1"))?;
    ensure!(before.headers().get("connection").is_none(), "{before:?}");

    let told = Instant::now();
    thread::scope(|scope| -> anyhow::Result<()> {
        scope.spawn(|| replica.stop_within(LIMIT));
        readiness(503)?;
        // New connections and old ones are served, and each is asked to go elsewhere.
        for caller in [&caller, &Caller::at(namespace, &format!("https://{listen}"))?] {
            let reply = caller.send(Method::POST, "/mutate", review("1"))?;
            assert_eq!(reply.status(), StatusCode::OK);
            assert_eq!(reply.headers().get("connection").map(|value| value.as_bytes()), Some(&b"close"[..]));
        }
        ensure!(told.elapsed() < Duration::from_secs(6), "too slow to see the drain: {:?}", told.elapsed());
        Ok(())
    })?;
    ensure!(child.wait()?.success(), "it did not end by itself");
    ensure!(told.elapsed() >= Duration::from_secs(6), "it ended before the drain was over");
    let reply = Caller::new(namespace, &installation)?.review(review("1"))?;
    assert_eq!(reply["allowed"], true, "the first replica is trusted as before");
    Ok(())
}
