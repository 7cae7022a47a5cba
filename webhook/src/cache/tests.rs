use serde_json::{Value, json};

use super::*;

fn seen(name: &str, spec: &Value) -> RawObject {
    // As it comes in a page of a list.
    let object = json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding", "spec": spec,
        "metadata": {"name": name, "namespace": "acme", "resourceVersion": "1", "managedFields": [{"fieldsV1": {"f:spec": {}}}]}
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": [object]});
    let list: kube::core::ObjectList<RawObject> = serde_json::from_str(&list.to_string()).unwrap();
    list.items.into_iter().next().unwrap()
}

fn follower(kind: Kind) -> (Arc<Cache>, Cached) {
    let cache = Arc::<Cache>::default();
    let cached = Cached { cache: cache.clone(), kind, first: None, metrics: Arc::default() };
    (cache, cached)
}

fn place(name: &str) -> Place {
    Place { namespace: "acme".to_owned(), name: name.to_owned() }
}

#[test]
fn who_judges_has_it_as_it_was_and_keeps_nobody_from_changing_it() {
    let (cache, mut cached) = follower(Kind::ReleaseBinding);
    let spec = json!({"owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev"});
    cached.apply(seen("web-dev", &spec));
    let before = cache.world("acme");
    cached.apply(seen("web-staging", &spec));
    let now = cache.world("acme");
    assert!(std::ptr::eq(&before.bindings["web-dev"], &now.bindings["web-dev"]), "what did not change is no copy");
    drop(now);
    cached.delete(&place("web-dev"));
    assert_eq!(before.bindings.keys().collect::<Vec<_>>(), ["web-dev"]);
    assert_eq!(cache.world("acme").bindings.keys().collect::<Vec<_>>(), ["web-staging"]);
    // Where nobody looks, nothing is copied.
    drop(before);
    let address = |cache: &Cache| Arc::as_ptr(&cache.world("acme"));
    let same = address(&cache);
    cached.delete(&place("web-dev"));
    assert_eq!(address(&cache), same);
}

#[test]
fn a_namespace_in_which_there_is_nothing_is_forgotten() {
    let (cache, mut cached) = follower(Kind::DataPlane);
    cached.delete(&place("never-there"));
    assert!(cache.worlds.read().unwrap().is_empty());
    cached.apply(seen("east", &json!({})));
    assert_eq!(cache.worlds.read().unwrap().len(), 1);
    cached.delete(&place("east"));
    assert!(cache.worlds.read().unwrap().is_empty());
    assert_eq!(cache.world("acme").namespace, "acme");
}

#[test]
fn an_object_with_parts_of_other_types_is_one_that_says_nothing() {
    for object in [
        json!({"metadata": {"name": "a"}, "spec": [1], "status": "x"}),
        json!({"metadata": {"name": "a"}, "spec": null}),
        json!({"metadata": {"name": "a", "annotations": null}}),
    ] {
        let raw: RawObject = serde_json::from_str(&object.to_string()).unwrap();
        let mut world = World::new("acme");
        world.put_view("a", raw.view(Kind::ReleaseBinding).trimmed());
        assert!(world.is_empty(), "{object}");
    }
}
