use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::Method;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use kube::client::Body as KubeBody;
use release_edge::metrics::text;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::{PrivateKey, PublicKeys, Signer};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

/// A webhook whose caches are filled with nothing, and that reaches nobody.
fn app(bytes_in_flight: usize) -> Arc<App> {
    let nobody = tower::service_fn(async |_: axum::http::Request<KubeBody>| {
        Err::<axum::http::Response<KubeBody>, _>(std::io::Error::other("nobody is there"))
    });
    app_with(kube::Client::new(nobody, "default"), bytes_in_flight)
}

fn app_with(client: kube::Client, bytes_in_flight: usize) -> Arc<App> {
    let (readiness, metrics) = (Arc::new(Readiness::default()), Arc::<Metrics>::default());
    readiness.set_synced();
    readiness.set_keyed();
    Arc::new(App {
        cache: Arc::default(),
        keys: Arc::new(RecordKeys::new(client.clone(), "release-system")),
        readiness,
        speakers: Vec::new(),
        events: Events::start(client.clone(), "test".to_owned()).0,
        load: Load::new(bytes_in_flight, 1),
        lookups: Lookups::new(Arc::clone(&metrics)),
        metrics,
        body_timeout: Duration::from_secs(10),
        client,
    })
}

fn review() -> Value {
    let object = json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "Release", "metadata": {"name": "web-dev", "namespace": "acme"},
        "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environmentName": "dev", "resources": []}
    });
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "0-8-15", "kind": {"group": "openchoreo.dev", "version": "v1alpha1", "kind": "Release"},
        "name": "web-dev", "namespace": "acme", "operation": "CREATE", "userInfo": {"username": "jane"},
        "object": object, "oldObject": null, "dryRun": false
    } })
}

fn call(body: impl Into<Body>) -> Request {
    let request = axum::http::Request::post("/mutate?timeout=10s").header("Content-Type", "application/json");
    request.body(body.into()).unwrap()
}

/// Status, `Retry-After`, and body.
async fn ask(app: &Arc<App>, request: Request) -> (u16, Option<String>, Bytes) {
    let response = router(Arc::clone(app)).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let again = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
    (status, again, response.into_body().collect().await.unwrap().to_bytes())
}

/// The response of a review.
async fn answer(app: &Arc<App>, body: impl Into<Body>) -> Value {
    let (status, _, body) = ask(app, call(body)).await;
    assert_eq!(status, 200, "{body:?}");
    serde_json::from_slice::<Value>(&body).unwrap()["response"].clone()
}

fn never() -> Body {
    Body::from_stream(stream::pending::<Result<Bytes, Infallible>>())
}

fn chunks(count: usize) -> Body {
    let chunk = Bytes::from(vec![b' '; 1024 * 1024]);
    Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone())).take(count))
}

fn unanswered(app: &App, reason: &str) -> u64 {
    let text = text(&app.metrics.registry(Arc::default())).unwrap();
    let name = format!("release_webhook_unanswered_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_review_is_answered_and_counted() {
    let app = app(24 << 20);
    let response = answer(&app, review().to_string()).await;
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("0-8-15"), &json!(true)), "{response}");
    let text = text(&app.metrics.registry(Arc::default())).unwrap();
    let counted =
        r#"release_webhook_reviews_total{hook="mutate",kind="Release",operation="CREATE",verdict="allowed"} 1"#;
    assert!(text.contains(counted) && text.contains("release_webhook_reviews_in_flight 0"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_review_is_told_by_a_status() {
    let app = app(24 << 20);
    let with_type = |kind: &'static str| {
        let mut request = call(review().to_string());
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        request
    };
    let without_type = || {
        let mut request = call(review().to_string());
        request.headers_mut().remove(header::CONTENT_TYPE);
        request
    };
    let to = |method: Method, path: &str| {
        axum::http::Request::builder().method(method).uri(path).body(Body::from("{}")).unwrap()
    };
    for (what, request, status) in [
        ("another type", with_type("application/yaml"), 415),
        ("no type", without_type(), 415),
        ("a type with parameters", with_type("Application/JSON; charset=utf-8"), 200),
        ("nothing", call(Body::empty()), 400),
        ("no request", call(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#), 400),
        ("no uid", call(r#"{"request":{"uid":""}}"#), 400),
        ("a body that does not come", call(never()), 408),
        ("another method", to(Method::PUT, "/validate"), 405),
        ("another path", to(Method::POST, "/mutate/"), 404),
        ("no path", to(Method::POST, "/"), 404),
        ("itself", to(Method::GET, probe::PATH), 200),
    ] {
        assert_eq!(ask(&app, request).await.0, status, "{what}");
    }
    assert_eq!((unanswered(&app, "malformed"), unanswered(&app, "slow")), (8, 1));
}

#[tokio::test]
async fn a_uid_that_could_be_read_is_answered() {
    let app = app(24 << 20);
    let good = review().to_string();
    // serde_json sorts keys; the API server writes the uid first.
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let first = r#"{"kind":"AdmissionReview","request":{"uid":"0-8-15","object":{"#;
    for (what, body) in [
        ("cut off", Body::from(first)),
        ("over the limit", Body::from(format!("{first}\"x\":\"{}", "x".repeat(8 << 20)))),
        ("over the limit in chunks", {
            let start = stream::once(std::future::ready(Ok::<_, Infallible>(Bytes::from_static(first.as_bytes()))));
            Body::from_stream(start.chain(chunks(8).into_data_stream().map(|chunk| Ok(chunk.unwrap()))))
        }),
        ("nested", Body::from(good.replace(r#""resources":[]"#, &format!(r#""resources":{deep}"#)))),
    ] {
        let response = answer(&app, body).await;
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("0-8-15"), &json!(false)), "{what}");
    }
}

#[tokio::test]
async fn who_is_not_ready_asks_to_come_again() {
    let app = app(24 << 20);
    let unready = App { readiness: Arc::default(), ..Arc::into_inner(app).unwrap() };
    let (status, again, words) = ask(&Arc::new(unready), call(review().to_string())).await;
    assert_eq!((status, again.as_deref()), (503, Some("1")));
    assert_eq!(words, "the caches are not yet filled");
}

/// What is large waits for what is large, a second at most; what is small never does. The body is read to its end: who still writes does
/// not see an answer.
#[tokio::test(start_paused = true)]
async fn too_much_at_once_is_told_to_come_again() {
    let app = app(7 << 20);
    let room = app.load.room(7 << 20).await;
    let (status, again, words) = ask(&app, call(chunks(3))).await;
    assert_eq!((status, again.as_deref()), (503, Some("1")));
    assert_eq!(words, "too much is under way\n");
    assert_eq!(answer(&app, review().to_string()).await["allowed"], true);
    assert_eq!(unanswered(&app, "shed"), 1);
    drop(room);
    assert_eq!(ask(&app, call(chunks(3))).await.0, 400, "there is room again, and it is no review");
}

/// Whoever holds room with a body that does not come keeps nobody out.
#[tokio::test(start_paused = true)]
async fn a_slow_body_gives_way_to_another() {
    let app = app(7 << 20);
    let slow = tokio::spawn({
        let app = Arc::clone(&app);
        async move { ask(&app, call(never())).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    let start = tokio::time::Instant::now();
    assert_eq!(ask(&app, call(chunks(3))).await.0, 400, "it was read");
    assert!(start.elapsed() < Duration::from_millis(10), "{:?}", start.elapsed());
    let (status, again, _) = slow.await.unwrap();
    assert_eq!((status, again.as_deref()), (503, Some("1")), "on a busy machine it may have been an honest one");
}

/// The API server has given up by then; what it waits for is known from the call.
#[tokio::test(start_paused = true)]
async fn a_body_is_not_waited_for_longer_than_the_caller_waits() {
    let app = app(24 << 20);
    let start = tokio::time::Instant::now();
    let mut request = call(never());
    *request.uri_mut() = "/mutate?timeout=2s".parse().unwrap();
    assert_eq!(ask(&app, request).await.0, 408);
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[test]
fn what_the_caller_waits_for_stands_in_the_call() {
    for (uri, seconds) in [
        ("/mutate?timeout=10s", Some(10)),
        ("/mutate?x=y&timeout=1m0s", Some(60)),
        ("/mutate", None),
        ("/mutate?timeout=", None),
        ("/mutate?timeout=0s", None),
        ("/mutate?timeout=soon", None),
    ] {
        assert_eq!(patience(&uri.parse().unwrap()).map(|patience| patience.as_secs()), seconds, "{uri}");
    }
}

/// A refusal that comes after the API server has given up would be none: where nobody answers our own question, the judgement stands.
#[tokio::test(start_paused = true)]
async fn a_look_up_is_not_waited_for_longer_than_the_caller_waits() {
    let silent = tower::service_fn(async |_: axum::http::Request<KubeBody>| {
        std::future::pending::<Result<axum::http::Response<KubeBody>, std::io::Error>>().await
    });
    let app = app_with(kube::Client::new(silent, "default"), 24 << 20);
    for (timeout, most) in [("1s", 750), ("10s", 1000)] {
        let mut request = call(review().to_string());
        *request.uri_mut() = format!("/mutate?timeout={timeout}").parse().unwrap();
        let start = tokio::time::Instant::now();
        let (status, _, body) = ask(&app, request).await;
        // The environment is absent as far as the cache knows, which is looked at once more.
        let reply: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &reply["response"]["uid"]), (200, &json!("0-8-15")));
        assert!(reply["response"]["warnings"].is_array(), "{reply}");
        let took = start.elapsed().as_millis();
        assert!((most - 50..most + 50).contains(&took), "{timeout}: {took} ms");
    }
}

/// A caller's word is not enough to accuse anybody: the API server is asked before the answer whether there is such an object, and nothing
/// is written where there is none.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_somebody_made_up_is_answered_and_not_told() {
    let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&asked);
    let empty = tower::service_fn(move |request: axum::http::Request<KubeBody>| {
        noted.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
        let nothing = r#"{"kind":"Status","status":"Failure","reason":"NotFound","code":404}"#;
        let answer = axum::http::Response::builder().status(404).body(KubeBody::from(nothing.as_bytes().to_vec()));
        async { Ok::<_, std::io::Error>(answer.unwrap()) }
    });
    let app = app_with(kube::Client::new(empty, "default"), 24 << 20);
    let mut review = review();
    let request = &mut review["request"];
    request["operation"] = "DELETE".into();
    request["oldObject"] = request["object"].take();
    request["oldObject"]["metadata"]["uid"] = "invented".into();
    request["oldObject"]["metadata"]["annotations"] = json!({ "release.openchoreo.dev/history": "[]" });
    let mut call = call(review.to_string());
    *call.uri_mut() = "/validate?timeout=2s".parse().unwrap();
    let (status, _, body) = ask(&app, call).await;
    let response = &serde_json::from_slice::<Value>(&body).unwrap()["response"];
    assert_eq!(
        (status, &response["allowed"], &response["auditAnnotations"]["bare"]),
        (200, &json!(true), &json!("jane"))
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    let path = "/apis/openchoreo.dev/v1alpha1/namespaces/acme/releases/web-dev";
    assert_eq!(*asked.lock().unwrap(), [format!("GET {path}")]);
}

#[tokio::test]
async fn a_review_that_brings_out_a_fault_of_ours_fails_alone() {
    let app = app(1 << 20);
    let broken = Body::from_stream(stream::once(async { panic!("of a test") as Result<Bytes, Infallible> }));
    let (status, again, body) = ask(&app, call(broken)).await;
    assert_eq!((status, again), (500, None), "{body:?}");
    assert_eq!((unanswered(&app, "failed"), app.metrics.in_flight.get()), (1, 0));
    assert_eq!(answer(&app, review().to_string()).await["uid"], "0-8-15");
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_reads_have_an_end() {
    let app = app(24 << 20);
    // The uid comes back with the answer.
    let long = review().to_string().replace("0-8-15", &"x".repeat(1 << 20));
    let mut unread = Vec::new();
    let told = loop {
        let response = router(Arc::clone(&app)).oneshot(call(long.clone())).await.unwrap();
        if response.status() != StatusCode::OK {
            break response;
        }
        unread.push(response);
        assert!(unread.len() < 100, "all of them are kept");
    };
    assert_eq!(
        (told.status(), told.headers()[header::RETRY_AFTER].as_bytes()),
        (StatusCode::SERVICE_UNAVAILABLE, &b"1"[..])
    );
    assert_eq!(answer(&app, review().to_string()).await["allowed"], true, "others are answered");
    // What was taken as a whole has no room any more, and what was thrown away neither.
    let mut body = unread.pop().unwrap().into_body();
    assert!(body.frame().await.unwrap().unwrap().into_data().is_ok());
    drop(body);
    assert_eq!(ask(&app, call(long)).await.0, 200);
}

/// An API server in which every object is this one, after a pause.
fn api_server(object: Option<Value>, pause: Duration) -> kube::Client {
    let service = tower::service_fn(move |request: axum::http::Request<KubeBody>| {
        let is_asked =
            ["/componentreleases/", "/releasebindings/"].iter().any(|part| request.uri().path().contains(part));
        let (status, body) = match object.as_ref().filter(|_| is_asked) {
            Some(object) => (200, object.to_string()),
            None => (
                404,
                r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#.to_owned(),
            ),
        };
        async move {
            tokio::time::sleep(pause).await;
            let response = axum::http::Response::builder().status(status).body(KubeBody::from(body.into_bytes()));
            Ok::<_, std::io::Error>(response.unwrap())
        }
    });
    kube::Client::new(service, "default")
}

/// What does not fit into the cache is looked up; without it nobody knows whether the pin is right, and it is refused.
#[tokio::test(start_paused = true)]
async fn a_release_that_is_too_large_to_be_kept_is_judged_nonetheless() {
    let schema = json!({"properties": {"size": {"type": "string", "description": "x".repeat(100_000)}}});
    let owner = json!({"projectName": "shop", "componentName": "web"});
    let release = json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "ComponentRelease", "metadata": {"name": "web-1", "namespace": "acme"},
        "spec": {"owner": owner, "componentType": {"spec": {"environmentConfigs": {"openAPIV3Schema": schema}}}}
    });
    let pin = |size: Value| {
        let mut review = review();
        review["request"]["kind"]["kind"] = "ReleaseBinding".into();
        review["request"]["object"] = json!({
            "apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding", "metadata": {"name": "web-dev", "namespace": "acme"},
            "spec": {
                "owner": owner, "environment": "dev", "releaseName": "web-1", "componentTypeEnvironmentConfigs": {"size": size}
            }
        });
        review.to_string()
    };
    let app = |client| {
        let app = app_with(client, 24 << 20);
        app.cache.hear(Kind::ComponentRelease, "acme", "web-1", &release);
        assert!(app.cache.world("acme").releases["web-1"].details.is_none());
        app
    };
    let there = app(api_server(Some(release.clone()), Duration::ZERO));
    assert_eq!(answer(&there, pin("s".into())).await["allowed"], true);
    let refused = answer(&there, pin(5.into())).await;
    assert_eq!(refused["status"]["details"]["causes"][0]["reason"], "ConfigType", "{refused}");

    let silent = app(api_server(Some(release.clone()), Duration::from_secs(60)));
    for size in ["s".into(), json!(5)] {
        let refused = answer(&silent, pin(size)).await;
        assert_eq!(refused["status"]["details"]["causes"][0]["reason"], "Unreadable", "{refused}");
    }
    assert!(told(&silent, r#"release_webhook_lookups_failed_total{reason="slow"} 2"#));

    // What takes too much room when it is read is not read.
    let mut huge = release.clone();
    huge["spec"]["componentType"]["spec"]["environmentConfigs"]["openAPIV3Schema"]["enum"] = vec![0; 300_000].into();
    let refused = answer(&app(api_server(Some(huge), Duration::ZERO)), pin("s".into())).await;
    assert_eq!(refused["status"]["details"]["causes"][0]["reason"], "Unreadable", "{refused}");
    assert!(refused["status"]["message"].as_str().unwrap().contains("at most 524288 can be judged"), "{refused}");

    // Labels can be changed whatever it is.
    let labelled = |object: &str| {
        let mut review: Value = serde_json::from_str(object).unwrap();
        review["request"]["operation"] = "UPDATE".into();
        review["request"]["oldObject"] = review["request"]["object"].clone();
        review["request"]["object"]["metadata"]["labels"] = json!({"team": "blue"});
        review.to_string()
    };
    assert_eq!(answer(&silent, labelled(&pin("s".into()))).await["allowed"], true);
    // What it is changed to is not taken for right because it was not looked at before either.
    let mut changed: Value = serde_json::from_str(&labelled(&pin("s".into()))).unwrap();
    changed["request"]["object"]["spec"]["componentTypeEnvironmentConfigs"]["size"] = 5.into();
    assert_eq!(answer(&silent, changed.to_string()).await["allowed"], false);
}

/// What a binding names beyond what fits into the cache is looked up; without it nobody knows whether the release is needed, and it stays.
#[tokio::test(start_paused = true)]
async fn a_binding_with_a_past_that_is_too_long_to_be_kept_holds_its_releases_nonetheless() {
    let owner = json!({"projectName": "shop", "componentName": "web"});
    let outcome = |at: usize| json!({"revision": at, "release": format!("web-of-long-ago-{at}")});
    let binding = json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding", "metadata": {"name": "web-dev", "namespace": "acme"},
        "spec": {"owner": owner, "environment": "dev", "releaseName": "web-1"},
        "status": {"outcomes": (0..1000).map(outcome).collect::<Vec<_>>()}
    });
    let deletion = |name: &str| {
        let mut review = review();
        let request = &mut review["request"];
        request["kind"]["kind"] = "ComponentRelease".into();
        request["operation"] = "DELETE".into();
        request["name"] = name.into();
        request["object"] = Value::Null;
        request["oldObject"] = json!({
            "apiVersion": "openchoreo.dev/v1alpha1", "kind": "ComponentRelease", "metadata": {"name": name, "namespace": "acme"},
            "spec": {"owner": owner}
        });
        review.to_string()
    };
    let app = |client| {
        let app = app_with(client, 24 << 20);
        app.cache.hear(Kind::ReleaseBinding, "acme", "web-dev", &binding);
        assert!(app.cache.world("acme").bindings["web-dev"].past.is_none());
        app
    };
    let there = app(api_server(Some(binding.clone()), Duration::ZERO));
    assert_eq!(answer(&there, deletion("web-of-long-ago-1")).await["allowed"], false);
    assert_eq!(answer(&there, deletion("web-2")).await["allowed"], true, "it was looked up that nobody needs it");
    let silent = app(api_server(Some(binding.clone()), Duration::from_secs(60)));
    for name in ["web-of-long-ago-1", "web-2"] {
        let refused = answer(&silent, deletion(name)).await;
        assert_eq!(refused["status"]["details"]["causes"][0]["reason"], "ReleaseInUse", "{refused}");
    }
    let gone = app(api_server(None, Duration::ZERO));
    assert_eq!(answer(&gone, deletion("web-of-long-ago-1")).await["allowed"], true, "the binding was deleted");
}

fn told(app: &App, line: &str) -> bool {
    text(&app.metrics.registry(Arc::default())).unwrap().lines().any(|told| told == line)
}

/// However many ask for what has to be looked up, so many wait for the API server, and nobody waits long for a place.
#[tokio::test(start_paused = true)]
async fn only_so_many_reviews_look_something_up_at_once() {
    let app = app_with(api_server(None, Duration::from_millis(900)), 24 << 20);
    let start = tokio::time::Instant::now();
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let app = Arc::clone(&app);
            tokio::spawn(async move { answer(&app, review().to_string()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(told(&app, "release_webhook_lookups_in_flight 16"));
    for asked in asking {
        assert_eq!(asked.await.unwrap()["allowed"], true);
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(told(&app, "release_webhook_lookups_in_flight 0"));
    let text = text(&app.metrics.registry(Arc::default())).unwrap();
    assert!(!text.contains(r#"release_webhook_lookups_failed_total{reason="busy"} 0"#), "{text}");
}

/// A review whose history ends in a record by this key, before or after the write.
fn signed_by(key: &str, mode: Mode) -> Request {
    let history = json!([{"revision": 1, "action": "create", "content": "x", "by": "jane", "at": "2026-01-02T12:00:00Z",
        "hash": "x", "key": key, "sig": "x"}]);
    let mut review = review();
    review["request"]["object"]["metadata"]["annotations"] = json!({names::HISTORY: history.to_string()});
    let path = match mode {
        Mode::Mutate => {
            review["request"]["operation"] = "UPDATE".into();
            review["request"]["oldObject"] = review["request"]["object"].clone();
            "/mutate"
        }
        Mode::Validate => "/validate",
    };
    let request = axum::http::Request::post(path).header("Content-Type", "application/json");
    request.body(review.to_string().into()).unwrap()
}

/// Whoever reaches the port may make up the names of keys.
#[tokio::test(start_paused = true)]
async fn keys_that_somebody_makes_up_cost_few_questions() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let client = tower::service_fn(move |request: axum::http::Request<KubeBody>| {
        let is_secret = request.uri().path() == "/api/v1/namespaces/release-system/secrets/release-record-keys";
        counted.fetch_add(usize::from(is_secret), Ordering::Relaxed);
        std::future::ready(axum::http::Response::builder().status(404).body(KubeBody::empty()))
    });
    let app = app_with(kube::Client::new(client, "default"), 24 << 20);
    let key = PrivateKey::from_seed(&[1; 32]);
    app.keys.set(Signer::new([("known".to_owned(), key)].into(), PublicKeys::default()).unwrap());
    let ask = |key: String, mode| {
        let app = Arc::clone(&app);
        async move { ask(&app, signed_by(&key, mode)).await.0 }
    };
    for mode in [Mode::Mutate, Mode::Validate] {
        assert_eq!(ask("known".to_owned(), mode).await, 200);
        assert_eq!(ask("No key's name".to_owned(), mode).await, 200);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    for at in 0..50 {
        for mode in [Mode::Mutate, Mode::Validate] {
            assert_eq!(ask("gone".to_owned(), mode).await, 200);
            assert_eq!(ask(format!("made-up-{at}"), mode).await, 200);
        }
    }
    let asked = asked.load(Ordering::Relaxed);
    assert!((2..=4).contains(&asked), "200 reviews made {asked} requests");
    assert!(!told(&app, r#"release_webhook_lookups_failed_total{reason="busy"} 0"#));
}

/// What the API server would say of it has codes that are no rule's; each is known to the figures before it is said.
#[tokio::test]
async fn what_the_schema_says_is_counted_by_its_code() {
    let app = app(1 << 20);
    let mut environment = review();
    environment["request"]["kind"]["kind"] = "Environment".into();
    environment["request"]["object"] = json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "dev", "namespace": "acme"},
        "spec": {"dataPlaneRef": {"kind": "%", "name": ""}, "isProduction": "no", "unknown": 1, "gateway": {"tls": {}}}
    });
    let refused = answer(&app, environment.to_string()).await;
    assert!(told(&app, r#"release_webhook_refusals_total{code="UnknownValue"} 1"#), "{refused}");
    assert_eq!(unanswered(&app, "failed"), 0);
}
