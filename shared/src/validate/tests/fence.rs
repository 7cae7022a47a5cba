//! What an environment lets in, for both kinds that bring objects there.

use serde_json::json;

use super::*;

const RBAC: &str = "rbac.authorization.k8s.io/v1";

fn environment(annotations: &Value) -> Value {
    json!({"metadata": {"annotations": annotations}})
}

/// A world in which `dev` has a namespace of its own, `staging` lists some, and `production` lists kinds as well.
fn fenced() -> World {
    let mut world = world("warn");
    let listed = json!({names::NAMESPACES: "{project}-staging, shared"});
    world.put(Kind::Environment, "staging", Some(&environment(&listed)));
    let kinds = "ClusterRoleBinding.rbac.authorization.k8s.io,Role.rbac.authorization.k8s.io,Namespace";
    let listed = json!({names::NAMESPACES: "prod-data-plane", names::ALLOWED_CLUSTER_KINDS: kinds});
    world.put(Kind::Environment, "production", Some(&environment(&listed)));
    world
}

fn object(version: &str, kind: &str, namespace: Option<&str>) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

/// A Release of one object in an environment.
fn with_object(environment: &str, object: &Value) -> Value {
    release(|r| {
        r["spec"]["environmentName"] = environment.into();
        r["spec"]["resources"] = json!([{"id": "x", "object": object}]);
    })
}

fn judge(kind: Kind, name: &str, new: &Value, old: Option<&Value>, world: &World) -> Vec<Violation> {
    validate(&Change { kind, name, new, old, user: Some("jane"), manager: None, now: None }, Some(world)).violations
}

fn told(violations: &[Violation]) -> Vec<(&str, &'static str)> {
    violations.iter().map(|violation| (violation.path.as_str(), violation.code)).collect()
}

type Told = &'static [(&'static str, &'static str)];

#[test]
fn objects_go_where_their_environment_lets_them() {
    const OUTSIDE: Told = &[("spec.resources[0].object.metadata.namespace", "OutsideNamespace")];
    const KIND: Told = &[("spec.resources[0].object.kind", "ClusterKind")];
    let own = crate::fence::generated_namespace("acme", "shop", "dev");
    let cases: &[(&str, Value, Told)] = &[
        ("dev", object("v1", "ConfigMap", None), &[]),
        ("dev", object("v1", "ConfigMap", Some(&own)), &[]),
        ("dev", object("v1", "ConfigMap", Some("shop-staging")), OUTSIDE),
        ("staging", object("apps/v1", "Deployment", Some("shop-staging")), &[]),
        ("staging", object("apps/v1", "Deployment", Some("shared")), &[]),
        ("staging", object("apps/v1", "Deployment", Some("{project}-staging")), OUTSIDE),
        ("staging", object("apps/v1", "Deployment", Some("prod-data-plane")), OUTSIDE),
        ("staging", object("v1", "ConfigMap", Some("kube-system")), OUTSIDE),
        ("staging", object("v1", "ConfigMap", Some("default")), OUTSIDE),
        ("staging", object("v1", "ConfigMap", Some(names::SYSTEM_NAMESPACE)), OUTSIDE),
        ("staging", object("v1", "Namespace", None), KIND),
        ("staging", object(RBAC, "ClusterRoleBinding", None), KIND),
        ("staging", object(RBAC, "RoleBinding", None), KIND),
        ("staging", object("example.org/v1", "Widget", None), &[]),
        ("staging", object("example.org/v1", "Widget", Some("elsewhere")), OUTSIDE),
        ("production", object("v1", "Service", Some("prod-data-plane")), &[]),
        ("production", object("v1", "Namespace", None), &[]),
        ("production", object(RBAC, "ClusterRoleBinding", None), &[]),
        ("production", object(RBAC, "Role", Some("prod-data-plane")), &[]),
        ("production", object(RBAC, "Role", Some("elsewhere")), OUTSIDE),
        ("production", object(RBAC, "ClusterRole", None), KIND),
        // Whoever names an environment that does not exist is told of that.
        ("moon", object(RBAC, "ClusterRole", Some("elsewhere")), &[]),
    ];
    for (environment, object, expected) in cases {
        let found = judge(Kind::Release, "web-dev", &with_object(environment, object), None, &fenced());
        assert_eq!(told(&found), *expected, "{environment}: {object}");
        for violation in &found {
            assert_eq!(violation.class, Class::Policy);
            let live = RestsOn::Object(Kind::Environment, (*environment).to_owned());
            assert_eq!(violation.rests_on, Some(live), "it may have been told a moment ago");
        }
    }
}

#[test]
fn a_refusal_names_what_is_let_in_and_who_can_change_that() {
    let outside = with_object("staging", &object("v1", "ConfigMap", Some("elsewhere")));
    let found = judge(Kind::Release, "web-dev", &outside, None, &fenced());
    insta::assert_snapshot!(found[0], @"spec.resources[0].object.metadata.namespace: staging does not let objects into namespace elsewhere; its own are shop-staging, shared: leave the namespace out, or let the platform add elsewhere to release.openchoreo.dev/namespaces on the Environment");
    let forbidden = with_object("staging", &object("v1", "ConfigMap", Some("kube-system")));
    let found = judge(Kind::Release, "web-dev", &forbidden, None, &fenced());
    insta::assert_snapshot!(found[0], @"spec.resources[0].object.metadata.namespace: nothing is released into namespace kube-system, which is the cluster's own: leave the namespace out, or name one of staging (shop-staging, shared)");
    let role = with_object("staging", &object(RBAC, "RoleBinding", None));
    let found = judge(Kind::Release, "web-dev", &role, None, &fenced());
    insta::assert_snapshot!(found[0], @"spec.resources[0].object.kind: staging does not take a RoleBinding, which gives rights: leave it out, or let the platform add RoleBinding.rbac.authorization.k8s.io to release.openchoreo.dev/allowed-cluster-kinds on the Environment");
}

#[test]
fn what_was_let_in_once_stays_editable() {
    let old = with_object("staging", &object("v1", "ConfigMap", Some("was-listed")));
    let edit = |change: fn(&mut Value)| {
        let mut new = old.clone();
        change(&mut new);
        judge(Kind::Release, "web-dev", &new, Some(&old), &fenced()).len()
    };
    assert_eq!(edit(|r| r["metadata"]["labels"] = json!({"a": "b"})), 0);
    assert_eq!(edit(|r| r["spec"]["interval"] = "7m".into()), 0, "the fault is an old one");
    assert_eq!(edit(|r| r["spec"]["resources"][0]["object"]["data"] = json!({"a": "b"})), 0);
    // Nothing else goes the way that it went.
    assert_eq!(edit(|r| r["spec"]["resources"][0]["object"]["metadata"]["name"] = "y".into()), 1);
    assert_eq!(edit(|r| r["spec"]["resources"][0]["object"]["kind"] = "Service".into()), 1);
    assert_eq!(edit(|r| r["spec"]["resources"][0]["object"]["metadata"]["namespace"] = "another".into()), 1);
}

/// A ComponentRelease of `web` with these templates.
fn snapshot(templates: &[Value]) -> Value {
    let resources: Vec<_> = templates
        .iter()
        .enumerate()
        .map(|(at, template)| json!({"id": format!("r{at}"), "template": template}))
        .collect();
    json!({"spec": {
        "owner": {"projectName": "shop", "componentName": "web"}, "componentType": {"spec": {"resources": resources}}
    }})
}

#[test]
fn a_pin_is_refused_for_what_its_release_brings() {
    let mut world = fenced();
    let templates = [
        object("v1", "ConfigMap", None),
        object("v1", "Service", Some("elsewhere")),
        object("v1", "Secret", Some("${metadata.namespace}")),
        object(RBAC, "ClusterRoleBinding", None),
        object(RBAC, "Role", Some("${metadata.namespace}")),
    ];
    world.put(Kind::ComponentRelease, "web-2", Some(&snapshot(&templates)));
    let guarded: Vec<_> = world.releases["web-2"]
        .details
        .iter()
        .flat_map(|details| &details.guarded)
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(guarded, ["r1", "r3", "r4"], "the cache keeps nothing else");

    let pin = binding("web", "staging", "web-2");
    let found = judge(Kind::ReleaseBinding, "web-staging", &pin, None, &world);
    let place = "spec.releaseName";
    assert_eq!(told(&found), [(place, "OutsideNamespace"), (place, "ClusterKind"), (place, "ClusterKind")]);
    insta::assert_snapshot!(found[0], @"spec.releaseName: resource r1 of web-2 (Service x): staging does not let objects into namespace elsewhere; its own are shop-staging, shared: leave the namespace out, or let the platform add elsewhere to release.openchoreo.dev/namespaces on the Environment");
    let found = judge(Kind::ReleaseBinding, "web-production", &binding("web", "production", "web-2"), None, &world);
    assert_eq!(told(&found), [(place, "OutsideNamespace")], "production takes both kinds");

    // A pin that stands may be configured; another release with the same fault is another fault.
    let mut configured = pin.clone();
    configured["spec"]["state"] = "Undeploy".into();
    assert_eq!(told(&judge(Kind::ReleaseBinding, "web-staging", &configured, Some(&pin), &world)), []);
    world.put(Kind::ComponentRelease, "web-3", Some(&snapshot(&templates[..2])));
    let next = binding("web", "staging", "web-3");
    assert_eq!(
        told(&judge(Kind::ReleaseBinding, "web-staging", &next, Some(&pin), &world)),
        [(place, "OutsideNamespace")]
    );
}
