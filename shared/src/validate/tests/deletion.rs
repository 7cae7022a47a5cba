use serde_json::json;

use super::*;

/// A ComponentRelease of a component.
fn snapshot(component: &str) -> Value {
    json!({"spec": {"owner": {"projectName": "shop", "componentName": component}}})
}

/// `web` pins `web-2` in dev after `web-1`, and `web-1` in staging, where it has run.
fn pinned() -> World {
    let mut world = world("warn");
    let mut dev = binding("web", "dev", "web-2");
    let record = |revision: u64, release: &str| json!({"revision": revision, "action": "deploy", "release": release, "content": "c", "by": "jane", "at": "then"});
    let history = json!([record(1, "web-1"), record(2, "web-2")]);
    dev["metadata"]["annotations"] = json!({names::HISTORY: history.to_string()});
    world.put(Kind::ReleaseBinding, "web-dev", Some(&dev));
    let mut staging = binding("web", "staging", "web-1");
    staging["status"] = json!({"outcomes": [{"revision": 1, "release": "web-0"}]});
    world.put(Kind::ReleaseBinding, "web-staging", Some(&staging));
    world
}

fn deletion(kind: Kind, name: &str, object: &Value, world: &World) -> Findings {
    validate_deletion(kind, name, object, world)
}

#[test]
fn a_release_that_is_needed_stays() {
    let told = |name: &str| {
        let findings = deletion(Kind::ComponentRelease, name, &snapshot("web"), &pinned());
        assert!(findings.violations.is_empty() || findings.class() == Some(Class::Policy));
        let told = findings.violations.into_iter().map(|violation| {
            assert_eq!(violation.code, "ReleaseInUse");
            let Some(RestsOn::Object(Kind::ReleaseBinding, binding)) = violation.rests_on else {
                panic!("the binding may just have been deleted")
            };
            binding
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(told("web-2"), ["web-dev"], "it is pinned");
    assert_eq!(told("web-1"), ["web-dev", "web-staging"], "one may go back to it, the other pins it");
    assert_eq!(told("web-0"), ["web-staging"], "it has an outcome");
    assert_eq!(told("web-3"), [] as [&str; 0]);
}

#[test]
fn the_cure_is_told() {
    let findings = deletion(Kind::ComponentRelease, "web-1", &snapshot("web"), &pinned());
    insta::assert_snapshot!(findings.to_string().trim(), @r"
    * metadata.name: ReleaseBinding web-dev may go back to web-1, which was pinned in dev before: it can be deleted when that binding's history names it no more, or after the binding
    * metadata.name: ReleaseBinding web-staging pins web-1 in staging: pin another release there, or delete that binding first
    ");
}

#[test]
fn nothing_else_holds_a_release() {
    let mut world = pinned();
    let in_use = |name: &str, object: &Value, world: &World| {
        deletion(Kind::ComponentRelease, name, object, world).violations.len()
    };
    assert_eq!(in_use("web-0", &snapshot("api"), &world), 0, "nobody goes back to another component's release");
    assert_eq!(in_use("web-2", &snapshot("api"), &world), 1, "a pin is a pin");
    assert_eq!(deletion(Kind::ReleaseBinding, "web-1", &json!({}), &world), Findings::none());
    let mut ending = binding("web", "dev", "web-2");
    ending["metadata"]["deletionTimestamp"] = "2026-01-02T12:00:00Z".into();
    world.put(Kind::ReleaseBinding, "web-dev", Some(&ending));
    assert_eq!(in_use("web-2", &snapshot("web"), &world), 0, "a binding that is being deleted needs nothing");
    world.put(Kind::ReleaseBinding, "web-staging", None);
    assert_eq!(in_use("web-1", &snapshot("web"), &world), 0);
}
