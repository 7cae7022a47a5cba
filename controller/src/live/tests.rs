use serde_json::json;

use super::*;
use crate::metrics::Metrics;

fn objects() -> (LiveObjects, crate::queue::Requests) {
    let (queue, requests) = Queue::new(Arc::new(Metrics::default()));
    (LiveObjects::new(queue), requests)
}

fn identity() -> Identity {
    Identity { group: String::new(), kind: "ConfigMap".into(), namespace: Some("shop".into()), name: "c".into() }
}

fn live(uid: &str, version: u64) -> Live {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "c", "namespace": "shop", "uid": uid, "resourceVersion": version.to_string(),
        "labels": {
            (names::RELEASE_UID_LABEL): "r",
            (names::RELEASE_NAME_LABEL): "web-dev",
            (names::RELEASE_NAMESPACE_LABEL): "acme",
        },
    }});
    Live::read(object).unwrap()
}

fn known(objects: &LiveObjects) -> Option<String> {
    objects.get(&identity()).map(|live| live.uid.clone())
}

#[tokio::test]
async fn an_answer_that_comes_late_brings_nothing_back() {
    let (objects, _requests) = objects();
    objects.see(1, identity(), live("one", 5));
    objects.remove(&identity(), "one");
    objects.put(identity(), live("one", 5));
    assert_eq!(known(&objects), None, "nobody would say again that it is gone");
    objects.see(1, identity(), live("one", 7));
    objects.put(identity(), live("one", 8));
    assert_eq!(known(&objects).as_deref(), Some("one"), "its mark was gone, not the object");
}

#[tokio::test]
async fn what_went_a_moment_ago_can_still_be_looked_at() {
    let (objects, _requests) = objects();
    objects.see(1, identity(), live("one", 5));
    assert!(objects.ended(&identity()).is_none());
    objects.remove(&identity(), "one");
    assert_eq!(objects.ended(&identity()).map(|live| live.uid.clone()).as_deref(), Some("one"));
}

#[tokio::test]
async fn the_end_of_an_object_is_not_that_of_the_next_of_its_name() {
    let (objects, _requests) = objects();
    objects.see(1, identity(), live("one", 5));
    objects.put(identity(), live("two", 9));
    objects.remove(&identity(), "one");
    assert_eq!(known(&objects).as_deref(), Some("two"));
}

#[tokio::test]
async fn an_object_is_forgotten_with_the_last_watch_that_sees_it() {
    let (objects, _requests) = objects();
    objects.see(1, identity(), live("one", 5));
    objects.see(2, identity(), live("one", 5));
    objects.forget(1, &identity());
    assert_eq!(known(&objects).as_deref(), Some("one"));
    objects.forget(2, &identity());
    assert_eq!(known(&objects), None);
}

fn pod(owner: Option<&str>) -> PodView {
    let owner = owner.map(|uid| json!({"kind": "ReplicaSet", "name": "web", "uid": uid, "controller": true}));
    let owners: Vec<_> = owner.into_iter().collect();
    let pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "p", "ownerReferences": owners}});
    PodView::read(&pod).unwrap()
}

fn pods(objects: &LiveObjects) -> usize {
    let mut job = live("set", 1);
    job.object["kind"] = "ReplicaSet".into();
    objects.read(|inner| inner.pods_of(&job).len())
}

#[tokio::test]
async fn a_pod_that_two_identities_see_is_forgotten_with_the_last() {
    let (objects, _requests) = objects();
    objects.put_pod(1, pod(Some("set")));
    objects.put_pod(2, pod(Some("set")));
    objects.forget_pod(1, "p");
    assert_eq!(pods(&objects), 1);
    objects.forget_pod(2, "p");
    assert_eq!(pods(&objects), 0);
}

#[tokio::test]
async fn a_pod_that_was_let_go_speaks_for_its_workload_no_more() {
    let (objects, _requests) = objects();
    objects.put_pod(1, pod(Some("set")));
    objects.put_pod(1, pod(None));
    assert_eq!(pods(&objects), 0);
}

#[tokio::test]
async fn what_has_expired_is_not_kept() {
    let (objects, _requests) = objects();
    let event = |reason: &str| {
        let event = json!({"type": "Warning", "reason": reason, "involvedObject": {"name": "x", "uid": "foreign"}});
        EventView::read(&event).unwrap()
    };
    objects.put_event(1, "e-1", event("Failed"));
    objects.put_event(1, "e-2", event("BackOff"));
    objects.remove_event("foreign", "e-1");
    objects.forget_event(1, "foreign", "e-2");
    assert!(objects.read(|inner| inner.events.is_empty() && inner.around_seen_by.is_empty()));
}
