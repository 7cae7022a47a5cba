use serde_json::json;

use super::*;
use crate::names;
use crate::world::{MAX_DETAILS, MAX_PAST, View, World};

/// The object as it comes from the API server.
fn excerpt_of(kind: Kind, object: &Value) -> Excerpt {
    let text = |field: &str| object.get(field).map(Value::to_string);
    let (spec, status) = (text("spec"), text("status"));
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    excerpt(&Parts { kind, metadata, spec: spec.as_deref(), status: status.as_deref() })
}

fn worlds(kind: Kind, object: &Value) -> [String; 2] {
    let (mut whole, mut excerpt) = (World::new("acme"), World::new("acme"));
    whole.put(kind, "web-1", Some(object));
    excerpt.put_view("web-1", excerpt_of(kind, object).view());
    [whole, excerpt].map(|world| format!("{world:#?}"))
}

fn release(name: &str) -> Value {
    let template = |kind: &str, more: Value| {
        let mut template = json!({
            "apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": "elsewhere", "labels": {"a": "b"}},
            "spec": {"numbers": [1, 2.5, -3, u64::MAX, null, true, {"deep": [[]]}]}
        });
        template.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        template
    };
    json!({
        "metadata": {"name": name, "annotations": {names::VERSION_ANNOTATION: "v1"}},
        "spec": {
            "owner": {"projectName": "shop", "componentName": "web", "more": 1},
            "componentType": {"name": "deployment/web", "spec": {
                "environmentConfigs": {"openAPIV3Schema": {"properties": {"size": {"maximum": 1.5, "default": "<&>"}}}},
                "resources": [
                    {"id": "a", "template": template("ConfigMap", json!({"data": {"k": "v"}}))},
                    {"id": "b", "template": template("Secret", json!({"data": {}, "stringData": null}))},
                    {"id": "c", "template": template("ClusterRole", json!({"apiVersion": "rbac.authorization.k8s.io/v1"}))},
                    {"id": 5, "template": "${metadata.name}"}, {"id": "d"}, "text", [1, [2]]
                ]
            }},
            "workload": {"container": {"image": "nginx"}}
        }
    })
}

#[test]
fn rules_see_the_same_in_the_excerpt_as_in_the_whole() {
    let binding = json!({
        "metadata": {
            "deletionTimestamp": "2026-01-02T12:00:00Z",
            "annotations": {names::HISTORY: r#"[{"revision": 1, "release": "web-0"}]"#}
        },
        "spec": {
            "owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev", "releaseName": "web-1",
            "componentTypeEnvironmentConfigs": {"large": [1, 2, 3]}
        },
        "status": {
            "outcomes": [{"revision": 1, "release": "web-1", "firstHealthyAt": "then", "message": "…"}, {"release": 7}, 8],
            "health": "Healthy", "conditions": [{"type": "Ready"}]
        }
    });
    let mut here = binding.clone();
    here["metadata"].as_object_mut().unwrap().remove("deletionTimestamp");
    let policies = json!({
        names::NAMESPACES: "a, b", names::ALLOWED_CLUSTER_KINDS: "Namespace", names::FROZEN: "always",
        names::ALLOW_INLINE_SECRETS: "true", names::HISTORY_RECORDS: "5", names::ENFORCEMENT: "enforce"
    });
    let paths = json!([
        {"sourceEnvironmentRef": {"kind": "Environment", "name": "dev"}, "targetEnvironmentRefs": [{"name": "prod"}, "x", 5]},
        {"sourceEnvironmentRef": "dev"}, {"sourceEnvironmentRef": {"name": "y"}, "targetEnvironmentRefs": "z"}, null
    ]);
    let mut secret = release("web-1");
    secret["spec"]["componentType"]["spec"]["resources"][1]["template"]["stringData"] = json!({"password": "hunter2"});
    let content_name = snapshot::release_name("web", &release("")["spec"]);
    for (kind, object) in [
        (Kind::Project, json!({"spec": {"deploymentPipelineRef": {"name": "main", "kind": "DeploymentPipeline"}}})),
        (Kind::Project, json!({"spec": {"deploymentPipelineRef": "main"}})),
        (Kind::Project, json!({"spec": {"deploymentPipelineRef": [5]}})),
        (Kind::Project, json!({})),
        (Kind::Environment, json!({"metadata": {"annotations": policies}, "spec": {"dataPlaneRef": {"name": "east"}}})),
        (Kind::Environment, json!({"spec": {"dataPlaneRef": {"kind": "Other", "name": "east"}}})),
        (Kind::Environment, json!({"spec": "text"})),
        (Kind::DeploymentPipeline, json!({"metadata": {"annotations": policies}, "spec": {"promotionPaths": paths}})),
        (Kind::DataPlane, json!({"spec": {"secret": 1}})),
        (Kind::Component, json!({"spec": {"owner": {"projectName": "shop"}, "parameters": {"a": [1]}}})),
        (Kind::Component, json!({"spec": {"owner": {"projectName": 5}}})),
        (Kind::ComponentRelease, release("web-1")),
        (Kind::ComponentRelease, release(&content_name)),
        (Kind::ComponentRelease, secret),
        (
            Kind::ComponentRelease,
            json!({"metadata": {"name": content_name}, "spec": {"owner": {"projectName": "shop"}}}),
        ),
        (Kind::ReleaseBinding, binding),
        (Kind::ReleaseBinding, here),
        (Kind::ReleaseBinding, json!({"spec": null, "status": {"outcomes": {"release": "x"}}})),
    ] {
        let [whole, excerpt] = worlds(kind, &object);
        assert_eq!(whole, excerpt, "{object}");
    }
}

#[test]
fn of_a_release_with_a_name_of_its_content_only_a_little_is_read() {
    let name = snapshot::release_name("web", &release("")["spec"]);
    let excerpt = excerpt_of(Kind::ComponentRelease, &release(&name)).object;
    assert!(excerpt.pointer("/spec/workload").is_none(), "{excerpt}");
    let template = &excerpt["spec"]["componentType"]["spec"]["resources"][0]["template"];
    let metadata = json!({"name": "x", "namespace": "elsewhere"});
    assert_eq!(*template, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": true}));
    assert!(worlds(Kind::ComponentRelease, &release(&name))[1].contains("content: None"));
}

/// As large as the API server stores one, whatever it is large with: its place in the cache has a bound.
#[test]
fn of_a_large_release_is_kept_what_is_stated() {
    let schema = |count: usize| {
        let properties = (0..count).map(|at| (format!("value-{at}"), json!({"type": "string", "default": "x"})));
        json!({"type": "object", "properties": properties.collect::<Map<_, _>>()})
    };
    let guarded = |count: usize| {
        let entry = |at: usize| {
            let metadata = json!({"name": format!("object-{at}"), "namespace": "elsewhere"});
            json!({"id": format!("r{at}"), "template": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}})
        };
        Value::Array((0..count).map(entry).collect())
    };
    let spec = "/spec/componentType/spec";
    for (what, path, value, is_kept) in [
        ("values", "/environmentConfigs/openAPIV3Schema", schema(200), true),
        ("too many values", "/environmentConfigs/openAPIV3Schema", schema(20_000), false),
        ("one large list", "/environmentConfigs/openAPIV3Schema", json!({"enum": vec![0; 600_000]}), false),
        ("objects elsewhere", "/resources", guarded(50), true),
        ("too many objects elsewhere", "/resources", guarded(1000), false),
        ("large names", "/resources/0/template/metadata/name", "x".repeat(1_000_000).into(), false),
        ("a large object", "/resources/0/template/spec", vec![0; 600_000].into(), true),
    ] {
        let mut object = release("web-1");
        *object.pointer_mut(&format!("{spec}{path}")).unwrap() = value;
        let mut world = World::new("acme");
        world.put_view("web-1", excerpt_of(Kind::ComponentRelease, &object).view().trimmed());
        let details = world.releases["web-1"].details.clone();
        assert_eq!(details.is_some(), is_kept, "{what}");
        assert!(details.is_none_or(|details| details.size() <= MAX_DETAILS), "{what}");
        // Text, and what the rules call it.
        let told = format!("{world:?}").len();
        assert!(told < 2 * MAX_DETAILS, "{what}: {told}");
        world.put(Kind::ComponentRelease, "web-1", Some(&object));
        assert!(world.releases["web-1"].details.is_some(), "{what}: who asks for it has all of it");
    }
}

/// The longest history that an Environment lets in, and outcomes that somebody else has written: its place in the cache has a bound.
#[test]
fn of_a_binding_with_a_long_past_is_kept_what_is_stated() {
    let named = |count: usize, name: fn(usize) -> String| {
        (1..=count).map(|at| json!({"revision": at, "release": name(at), "firstHealthyAt": "then"})).collect::<Value>()
    };
    let usual = |at: usize| format!("shop-gu7e7tnclodlp7po-{at:03}");
    let none = || Value::Array(Vec::new());
    for (what, history, outcomes, is_kept) in [
        ("as many records as are usual, and their outcomes", named(30, usual), named(51, usual), true),
        (
            "as many records as there may be, of a few releases",
            named(500, |at| format!("web-{}", at % 20)),
            none(),
            true,
        ),
        ("as many records as there may be", named(500, usual), none(), false),
        ("many outcomes", none(), named(5_000, usual), false),
        ("long names", none(), named(70, |at| format!("{at}{}", "x".repeat(250))), false),
        ("one name", none(), named(1, |_| "x".repeat(1_000_000)), false),
    ] {
        let binding = json!({
            "metadata": {"annotations": {names::HISTORY: history.to_string()}},
            "spec": {
                "owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev", "releaseName": "web-1"
            },
            "status": {"outcomes": outcomes}
        });
        let view = excerpt_of(Kind::ReleaseBinding, &binding).view();
        let mut world = World::new("acme");
        world.put_view("web-dev", view.clone().trimmed());
        let past = &world.bindings["web-dev"].past;
        assert_eq!(past.is_some(), is_kept, "{what}");
        assert!(past.as_ref().is_none_or(|past| past.size() <= MAX_PAST), "{what}");
        let told = format!("{world:?}").len();
        assert!(told < 2 * MAX_PAST, "{what}: {told}");
        assert_eq!(
            world.bindings["web-dev"].release.as_deref(),
            Some("web-1"),
            "{what}: what is pinned is always known"
        );
        assert_eq!(world.put_view("web-dev", view), !is_kept, "{what}: who asks for it has all of it");
        assert!(world.bindings["web-dev"].past.is_some());
    }
}

#[test]
fn what_is_as_it_was_changes_nothing() {
    let binding = json!({"spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev"}});
    let ending = json!({"metadata": {"deletionTimestamp": "then"}, "spec": binding["spec"]});
    let mut world = World::new("acme");
    let put = |world: &mut World, kind, object| world.put_view("web-dev", View::read(kind, object));
    assert!(!world.remove(Kind::ReleaseBinding, "web-dev"));
    for object in [&binding, &ending, &binding] {
        assert!(put(&mut world, Kind::ReleaseBinding, object));
        assert!(!put(&mut world, Kind::ReleaseBinding, object));
    }
    assert!(put(&mut world, Kind::DataPlane, &ending) && world.is_ending(Kind::DataPlane, "web-dev"));
    assert!(world.remove(Kind::DataPlane, "web-dev") && !world.is_ending(Kind::DataPlane, "web-dev"));
    assert!(world.remove(Kind::ReleaseBinding, "web-dev") && world.is_empty());
}
