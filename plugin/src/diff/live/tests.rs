use release_shared::yaml;
use serde_json::json;

use super::*;

fn read(text: &str) -> Value {
    yaml::read(text).unwrap().into_iter().next().map(|document| document.value).unwrap_or_default()
}

/// A Deployment with this as its spec.
fn deployment(spec: &str) -> Value {
    let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    object["spec"] = read(spec);
    object
}

fn applied(mut object: Value, fields: &Value) -> Value {
    object["metadata"]["managedFields"] =
        json!([{"manager": "release-controller", "operation": "Apply", "fieldsV1": fields}]);
    object
}

fn shown(live: &Value, desired: &Value) -> Value {
    project(live, desired)["spec"].clone()
}

#[test]
fn what_means_the_same_is_no_difference() {
    for (why, desired, live) in [
        ("defaults", "{replicas: 2}", "{replicas: 2, revisionHistoryLimit: 10}"),
        ("a null", "{strategy: null, replicas: 1}", "{strategy: {type: RollingUpdate}, replicas: 1}"),
        ("quantities", "{limits: {cpu: 1000m, memory: 1024Mi}}", "{limits: {cpu: '1', memory: 1Gi}}"),
        ("dropped zeros", "{paused: false, minReadySeconds: 0, x: ''}", "{}"),
        ("dropped lists and maps", "{args: [], labels: {}, resources: {limits: {}}}", "{}"),
        ("defaults in a list", "{containers: [{name: a}]}", "{containers: [{name: a, terminationMessagePath: /x}]}"),
        ("an order of named entries", "{env: [{name: a}, {name: b}]}", "{env: [{name: b}, {name: a}]}"),
        ("an entry of somebody else", "{volumes: [{name: a}]}", "{volumes: [{name: injected}, {name: a}]}"),
        (
            "ports with a default protocol",
            "{ports: [{port: 80}]}",
            "{ports: [{port: 80, protocol: TCP, targetPort: 80}]}",
        ),
        ("atomic lists of objects", "{rules: [{a: 1}]}", "{rules: [{a: 1, b: default}]}"),
        ("a reference with a default", "{fieldRef: {fieldPath: x}}", "{fieldRef: {apiVersion: v1, fieldPath: x}}"),
        ("labels of others", "{metadata: {labels: {a: b}}}", "{metadata: {labels: {a: b, c: d}}}"),
    ] {
        let (desired, live) = (deployment(desired), deployment(live));
        assert_eq!(shown(&live, &desired), desired["spec"], "{why}");
    }
}

#[test]
fn an_integer_may_come_back_as_a_float() {
    let (desired, mut live) = (deployment("{a: 1}"), deployment("{}"));
    live["spec"]["a"] = json!(1.0);
    assert_eq!(shown(&live, &desired).to_string(), desired["spec"].to_string());
    live["spec"]["a"] = json!(2.0);
    assert_eq!(shown(&live, &desired), json!({"a": 2.0}));
}

#[test]
fn what_is_different_is_shown_as_it_is_live() {
    for (why, desired, live, expected) in [
        ("a value", "{replicas: 2}", "{replicas: 3}", "{replicas: 3}"),
        ("an absent field", "{a: 1, b: 2}", "{b: 2}", "{b: 2}"),
        ("a zero that means something", "{automountServiceAccountToken: false}", "{}", "{}"),
        ("an empty text of a map", "{labels: {a: ''}}", "{labels: {}}", "{labels: {}}"),
        ("an absent entry", "{env: [{name: a}, {name: b}]}", "{env: [{name: b}]}", "{env: [{name: b}]}"),
        ("another type", "{a: {b: 1}}", "{a: text}", "{a: text}"),
        ("a longer list of values", "{args: [a]}", "{args: [a, b]}", "{args: [a, b]}"),
        ("a shorter one", "{args: [a, b]}", "{args: [b]}", "{args: [b]}"),
        (
            "more in a selector",
            "{nodeSelector: {a: b}}",
            "{nodeSelector: {a: b, c: d}}",
            "{nodeSelector: {a: b, c: d}}",
        ),
        ("quantities", "{limits: {cpu: 1}}", "{limits: {cpu: 1500m}}", "{limits: {cpu: 1500m}}"),
        ("what only looks like a quantity", "{args: ['1000m']}", "{args: ['1']}", "{args: ['1']}"),
    ] {
        assert_eq!(shown(&deployment(live), &deployment(desired)), read(expected), "{why}");
    }
}

#[test]
fn zeros_of_other_kinds_are_kept_by_the_api_server() {
    let widget = |spec: &str| json!({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": read(spec)});
    assert_eq!(shown(&widget("{}"), &widget("{paused: false}")), json!({}));
}

#[test]
fn what_was_applied_and_is_not_said_any_more_is_shown() {
    let fields = json!({"f:spec": {
        "f:replicas": {},
        "f:strategy": {"f:type": {}},
        "f:template": {"f:metadata": {"f:annotations": {
            "f:kubectl.kubernetes.io/restartedAt": {}, "f:release.openchoreo.dev/x": {}, "f:openchoreo.dev/y": {}, "f:mine": {}
        }}},
        "f:containers": {
            "k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}, "f:tty": {}},
            "k:{\"name\":\"old\"}": {".": {}, "f:name": {}, "f:image": {}}
        },
        "f:ports": {"k:{\"port\":53,\"protocol\":\"UDP\"}": {"f:port": {}, "f:protocol": {}}},
        "f:finalizers": {"v:\"a/old\"": {}},
        "f:selector": {},
    }});
    let live = deployment(
        "{replicas: 2, strategy: {type: Recreate, rollingUpdate: {}}, \
          template: {metadata: {annotations: {kubectl.kubernetes.io/restartedAt: x, release.openchoreo.dev/x: x, \
            openchoreo.dev/y: y, mine: m, theirs: t}}}, \
          containers: [{name: injected, image: i}, {name: old, image: o, pull: Always}, {name: web, image: w, tty: true, pull: Always}], \
          ports: [{port: 53, protocol: TCP}, {port: 53, protocol: UDP}], \
          finalizers: [a/theirs, a/old, a/mine], selector: {a: b}}",
    );
    let desired = deployment(
        "{containers: [{name: web, image: w}], ports: [{port: 53}], finalizers: [a/mine], template: {metadata: {}}}",
    );
    let expected = read(
        "{replicas: 2, strategy: {type: Recreate}, template: {metadata: {annotations: {mine: m}}}, \
          containers: [{name: web, image: w, tty: true}, {name: old, image: o}], \
          ports: [{port: 53}, {port: 53, protocol: UDP}], finalizers: [a/mine, a/old], selector: {a: b}}",
    );
    assert_eq!(shown(&applied(live, &fields), &desired), expected);
}

#[test]
fn the_marks_of_the_controller_are_no_difference() {
    let desired = deployment("{replicas: 1}");
    let mut live = desired.clone();
    live["metadata"] = json!({
        "name": "web", "uid": "u", "labels": {"openchoreo.dev/managed-by": "release-controller"},
        "annotations": {"release.openchoreo.dev/applied-hash": "h"}
    });
    let live = applied(
        live,
        &json!({"f:metadata": {
        "f:labels": {"f:openchoreo.dev/managed-by": {}}, "f:annotations": {"f:release.openchoreo.dev/applied-hash": {}}
    }, "f:spec": {"f:replicas": {}}}),
    );
    assert_eq!(project(&live, &desired), desired);
}
