//! What the controller makes of a Release or a binding: objects that a Release brings, where they are live, and how it stands.

use std::time::Duration;

use anyhow::Context;
use release_shared::fence::generated_namespace;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::Namespace;
use serde_json::{Value, json};

use super::objects::{annotation, component_release, name, object, with};
use super::person::{Person, Told, until_refused, until_shown};

/// Until the controller, and the cluster behind it, have done what they should.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn config_map(name: &str, size: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "size": size } })
}

pub(crate) fn service(name: &str) -> Value {
    let spec = json!({ "selector": { "app": name }, "ports": [{ "port": 80 }] });
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": spec })
}

/// One replica of an image that kwok plays well.
pub(crate) fn deployment(name: &str) -> Value {
    workload("Deployment", name)
}

/// A Deployment, StatefulSet or DaemonSet.
pub(crate) fn workload(kind: &str, name: &str) -> Value {
    let mut spec = json!({
        "selector": { "matchLabels": { "app": name } },
        "template": {
            "metadata": { "labels": { "app": name } },
            "spec": { "containers": [{ "name": "main", "image": "shop:1" }] },
        },
    });
    if kind != "DaemonSet" {
        spec["replicas"] = 1.into();
    }
    json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

pub(crate) fn job(name: &str, image: &str) -> Value {
    let container = json!({ "name": "main", "image": image });
    let pod = json!({ "spec": { "restartPolicy": "Never", "containers": [container] } });
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name }, "spec": { "template": pod } })
}

/// A Release of `web` in `dev` as somebody writes it by hand, each object under `<kind>-<name>`.
pub(crate) fn direct(name: &str, objects: &[Value]) -> Value {
    object(
        Kind::Release,
        name,
        json!({
            "owner": { "projectName": "shop", "componentName": "web" },
            "environmentName": "dev",
            "resources": objects.iter().map(resource).collect::<Vec<_>>(),
        }),
    )
}

/// The entry of an object in a Release.
pub(crate) fn resource(object: &Value) -> Value {
    let kind = object["kind"].as_str().unwrap_or_default();
    json!({ "id": names::resource_id(kind, name(object)), "object": object })
}

/// A ComponentRelease of these objects, in which `${environmentConfigs.size}` may stand.
pub(crate) fn snapshot(component: &str, name: &str, objects: &[Value]) -> Value {
    with(&component_release(component, name, name), |release| {
        let resources = objects.iter().map(|object| {
            let kind = object["kind"].as_str().unwrap_or_default();
            json!({ "id": names::resource_id(kind, super::objects::name(object)), "template": object })
        });
        release["spec"]["componentType"]["spec"]["resources"] = resources.collect();
    })
}

/// The same Release with other objects.
pub(crate) fn with_objects(release: &Value, objects: &[Value]) -> Value {
    with(release, |release| release["spec"]["resources"] = objects.iter().map(resource).collect())
}

/// The namespace of an environment of project `shop` that lists none.
pub(crate) fn generated(namespace: &Namespace<'_>, environment: &str) -> String {
    generated_namespace(namespace.name(), "shop", environment)
}

/// A namespace of the cluster.
pub(crate) fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// The object in a namespace.
pub(crate) fn within(place: &str, object: &Value) -> Value {
    with(object, |object| object["metadata"]["namespace"] = place.into())
}

/// Status, reason and message of a condition; empty where there is none.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> [&'a str; 3] {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    ["status", "reason", "message"].map(|field| found.and_then(|found| found[field].as_str()).unwrap_or_default())
}

/// What a Release says of one of its objects.
#[track_caller]
pub(crate) fn said<'a>(release: &'a Value, id: &str) -> &'a Value {
    let resources = release["status"]["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = resources.iter().find(|resource| resource["id"] == id);
    found.unwrap_or_else(|| panic!("nothing is said of {id}: {release:#}"))
}

/// Kinds and names of the inventory.
pub(crate) fn inventory(release: &Value) -> Vec<String> {
    let entries = release["status"]["inventory"].as_array().into_iter().flatten();
    let mut all: Vec<_> =
        entries.map(|entry| format!("{} {}", entry["kind"], entry["name"]).replace('"', "")).collect();
    all.sort_unstable();
    all
}

/// The last outcome of a binding.
pub(crate) fn outcome(binding: &Value) -> &Value {
    binding["status"]["outcomes"].as_array().and_then(|outcomes| outcomes.last()).unwrap_or(&Value::Null)
}

/// Whether the controller speaks of the object as it was written.
fn is_seen(now: &Value, written: &Value) -> bool {
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let generation = |object: &Value| number(&object["metadata"]["generation"]);
    let revision = |object: &Value| annotation(object, names::REVISION).and_then(|text| text.parse().ok());
    let is_recorded = now["kind"] != "ReleaseBinding"
        || Some(number(&outcome(now)["revision"])) >= revision(written) && outcome(now)["lastHealth"].is_string();
    number(&now["status"]["observedGeneration"]) >= generation(written) && is_recorded
}

/// Waits until a Release or a binding that was written is Ready as it was written.
pub(crate) fn until_ready(person: &Person<'_>, written: &Value) -> anyhow::Result<Value> {
    until_condition(person, written, "Ready", "True")
}

/// Waits until a condition of a Release or a binding that was written has this status or reason.
pub(crate) fn until_condition(
    person: &Person<'_>,
    written: &Value,
    kind: &str,
    expected: &str,
) -> anyhow::Result<Value> {
    let is_right = |now: &Value| {
        let [status, reason, _] = condition(now, kind);
        [status, reason].contains(&expected) && (expected != "True" || kind != "Ready" || is_seen(now, written))
    };
    until_shown(&format!("{} is {kind}: {expected}", name(written)), || person.get(written), is_right)
}

/// Waits until an object is there, and right.
pub(crate) fn until_live(
    person: &Person<'_>,
    object: &Value,
    is_right: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    until_shown(&shown(object), || person.get(object), is_right)
}

/// Waits until an object is there no more.
pub(crate) fn until_gone(person: &Person<'_>, object: &Value) -> anyhow::Result<()> {
    let what = format!("{} is gone", shown(object));
    until_refused(&what, || person.get(object), 404, &[]).map(drop).context(what)
}

/// Whether somebody found nothing.
pub(crate) fn is_absent(told: &Told) -> bool {
    told.as_ref().is_err_and(|status| status.code == 404)
}

fn shown(object: &Value) -> String {
    format!("{} {}", object["kind"].as_str().unwrap_or_default(), name(object))
}
