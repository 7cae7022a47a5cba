use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use axum::http::{Method, Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// A deletion in the namespace `acme`, at revision 3 by its word.
pub(super) fn deletion(kind: Kind, uid: &str) -> Unrecorded {
    let name = "web-dev".to_owned();
    let namespace = "acme".to_owned();
    Unrecorded { kind, namespace, name, uid: uid.to_owned(), revision: "3".to_owned(), user: "jane".to_owned() }
}

/// One whose last record is of this.
fn history(action: &str) -> String {
    let record = json!({ "revision": 7, "action": action, "content": "x", "by": "dana", "at": "2026-01-02T12:00:00Z" });
    json!([record]).to_string()
}

/// Bindings of the namespace `acme`, by name, and the Events that were written there.
#[derive(Default)]
struct Cluster {
    objects: Mutex<HashMap<String, Value>>,
    events: Mutex<Vec<Value>>,
    asked: AtomicU64,
}

impl Cluster {
    fn put(&self, name: &str, uid: &str, more: &Value) {
        let mut metadata = json!({
            "name": name, "namespace": "acme", "uid": uid,
            "annotations": { names::HISTORY: history("promote"), names::REVISION: "7" },
        });
        json_patch::merge(&mut metadata, more);
        self.objects.lock().unwrap().insert(name.to_owned(), metadata);
    }

    fn remove(&self, name: &str) {
        self.objects.lock().unwrap().remove(name).unwrap();
    }

    /// Each Event: of what, and what is said.
    fn told(&self) -> Vec<(String, String)> {
        let text = |event: &Value, pointer| event.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let events = self.events.lock().unwrap();
        events.iter().map(|event| (text(event, "/regarding/name"), text(event, "/note"))).collect()
    }

    fn client(self: &Arc<Self>) -> Client {
        let cluster = Arc::clone(self);
        Client::new(tower::service_fn(move |request| Arc::clone(&cluster).answer(request)), "default")
    }

    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, std::io::Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let name = path.rsplit('/').next().unwrap();
        let (status, answer) = if parts.method == Method::POST {
            assert_eq!(path, "/apis/events.k8s.io/v1/namespaces/acme/events");
            let event: Value = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
            self.events.lock().unwrap().push(event.clone());
            (201, event)
        } else {
            assert_eq!(path, format!("/apis/openchoreo.dev/v1alpha1/namespaces/acme/releasebindings/{name}"));
            match self.objects.lock().unwrap().get(name) {
                Some(metadata) => (200, json!({ "metadata": metadata })),
                None => (404, json!({ "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404 })),
            }
        };
        Ok(Response::builder().status(status).body(Body::from(answer.to_string().into_bytes())).unwrap())
    }
}

fn said(name: &str, uid: &str, user: &str) -> Unrecorded {
    Unrecorded { name: name.to_owned(), user: user.to_owned(), ..deletion(Kind::ReleaseBinding, uid) }
}

fn lookups() -> Lookups {
    Lookups::new(Arc::default())
}

/// Longer than all looks take.
const OVER: Duration = Duration::from_secs(11);

fn soon() -> Instant {
    (tokio::time::Instant::now() + Duration::from_secs(1)).into_std()
}

#[tokio::test(start_paused = true)]
async fn what_was_there_and_is_gone_is_told_by_what_was_there() {
    let cluster = Arc::new(Cluster::default());
    let (events, telling) = Events::start(cluster.client(), "one".to_owned());
    cluster.put("web-dev", "u", &json!({}));
    events.witness(&lookups(), &said("web-dev", "u", "jane"), soon()).await;
    cluster.remove("web-dev");
    drop(events);
    telling.await.unwrap();
    let told = cluster.told();
    assert_eq!(told[0].0, "web-dev");
    assert!(told[0].1.starts_with("jane deleted this at revision 7 without a record"), "{told:?}");
    assert_eq!(told.len(), 1);
}

/// Whoever reaches the port may send any review.
#[tokio::test(start_paused = true)]
async fn what_somebody_makes_up_is_not_told() {
    let cluster = Arc::new(Cluster::default());
    let (events, telling) = Events::start(cluster.client(), "one".to_owned());
    cluster.put("recorded", "u", &json!({ "annotations": { names::HISTORY: history("delete") } }));
    cluster.put("ending", "u", &json!({ "deletionTimestamp": "2026-01-02T12:00:00Z" }));
    cluster.put("without", "u", &json!({ "annotations": { names::HISTORY: null } }));
    cluster.put("kept", "u", &json!({}));
    cluster.put("replaced", "new", &json!({}));
    for name in ["recorded", "ending", "without", "kept", "replaced", "invented"] {
        events.witness(&lookups(), &said(name, "u", "victim"), soon()).await;
    }
    for name in ["recorded", "ending", "without", "replaced"] {
        cluster.remove(name);
    }
    drop(events);
    telling.await.unwrap();
    assert_eq!(cluster.told(), []);
    // One look each, and four more at what might have been deleted.
    assert_eq!(cluster.asked.load(Ordering::Relaxed), 6 + 4);
}

#[tokio::test(start_paused = true)]
async fn an_object_has_one_place_and_all_who_are_named_are_told() {
    let cluster = Arc::new(Cluster::default());
    let (events, telling) = Events::start(cluster.client(), "one".to_owned());
    cluster.put("web-dev", "u", &json!({}));
    for at in 0..1000 {
        events.witness(&lookups(), &said("web-dev", "u", &format!("user-{}", at % 100)), soon()).await;
    }
    assert_eq!(events.dropped.load(Ordering::Relaxed), 0);
    cluster.remove("web-dev");
    drop(events);
    telling.await.unwrap();
    let told = cluster.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].1.starts_with("user-0 or user-1 or user-2 or somebody else deleted this"), "{told:?}");
}

/// Who knows of many objects cannot keep those from being told of that are really deleted.
#[tokio::test(start_paused = true)]
async fn what_is_still_there_gives_way_to_what_is_gone() {
    let cluster = Arc::new(Cluster::default());
    let (events, telling) = Events::start(cluster.client(), "one".to_owned());
    for at in 0..WAITING + 7 {
        let name = format!("kept-{at}");
        cluster.put(&name, &name, &json!({}));
        events.witness(&lookups(), &said(&name, &name, "mallory"), soon()).await;
    }
    cluster.put("web-dev", "u", &json!({}));
    events.witness(&lookups(), &said("web-dev", "u", "jane"), soon()).await;
    cluster.remove("web-dev");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(cluster.told().len(), 1);
    assert_eq!(events.dropped.load(Ordering::Relaxed), 8);
    tokio::time::sleep(OVER).await;
    drop(events);
    telling.await.unwrap();
    assert_eq!(cluster.told().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait_for_long() {
    let silent = tower::service_fn(async |_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, std::io::Error>>().await
    });
    let (events, _telling) = Events::start(Client::new(silent, "default"), "one".to_owned());
    let start = tokio::time::Instant::now();
    events.witness(&lookups(), &said("web-dev", "u", "jane"), soon()).await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert_eq!(events.dropped.load(Ordering::Relaxed), 1);
}

/// What is looked at after an answer holds no place of those that are looked at before one.
#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait_for_what_is_looked_at_after_others() {
    let cluster = Arc::new(Cluster::default());
    let is_silent = Arc::new(AtomicBool::new(false));
    let (there, silent) = (Arc::clone(&cluster), Arc::clone(&is_silent));
    let client = tower::service_fn(move |request| {
        let (cluster, is_silent) = (Arc::clone(&there), silent.load(Ordering::Relaxed));
        async move {
            if is_silent {
                std::future::pending::<()>().await;
            }
            cluster.answer(request).await
        }
    });
    let (events, telling) = Events::start(Client::new(client, "default"), "one".to_owned());
    for at in 0..AT_ONCE {
        let name = format!("web-{at}");
        cluster.put(&name, &name, &json!({}));
        events.witness(&lookups(), &said(&name, &name, "jane"), soon()).await;
    }
    is_silent.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(1)).await;
    is_silent.store(false, Ordering::Relaxed);
    let start = tokio::time::Instant::now();
    cluster.put("web-dev", "u", &json!({}));
    events.witness(&lookups(), &said("web-dev", "u", "jane"), soon()).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    cluster.remove("web-dev");
    // The way is whole again, and all are told of in the end: what hangs is given up and looked at again.
    (0..AT_ONCE).for_each(|at| cluster.remove(&format!("web-{at}")));
    drop(events);
    telling.await.unwrap();
    assert_eq!(cluster.told().len(), AT_ONCE + 1);
}
