//! The objects that measurements write.

use anyhow::Context;
use http::Request;
use kube::Client;
use release_shared::kinds::Kind;
use release_shared::names;
use serde_json::{Value, json};

/// Any object of ours in a project `shop`.
#[expect(clippy::needless_pass_by_value, reason = "the specification is made for the object")]
fn object(kind: Kind, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": names::API_VERSION, "kind": kind.as_str(), "metadata": { "name": name }, "spec": spec })
}

/// Everything that a Release of a component refers to, in the order in which it is created.
pub(crate) fn surroundings(component_name: &str, environment: &str) -> [(Kind, Value); 4] {
    let path = json!({ "sourceEnvironmentRef": { "name": environment }, "targetEnvironmentRefs": [] });
    [
        (Kind::Environment, object(Kind::Environment, environment, json!({}))),
        (Kind::DeploymentPipeline, object(Kind::DeploymentPipeline, "main", json!({ "promotionPaths": [path] }))),
        (Kind::Project, object(Kind::Project, "shop", json!({ "deploymentPipelineRef": { "name": "main" } }))),
        (Kind::Component, component(component_name)),
    ]
}

pub(crate) fn component(name: &str) -> Value {
    let kind = json!({ "name": format!("proxy/{name}") });
    object(Kind::Component, name, json!({ "owner": { "projectName": "shop" }, "componentType": kind }))
}

/// A snapshot of one ConfigMap.
pub(crate) fn component_release(component: &str, name: &str, version: &str) -> Value {
    let template = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": component }, "data": { "version": version },
    });
    snapshot(component, name, version, &[template])
}

/// A snapshot of these objects, which differ nowhere.
pub(crate) fn snapshot(component: &str, name: &str, version: &str, templates: &[Value]) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let id = |object: &Value| names::resource_id(&text(&object["kind"]), &text(&object["metadata"]["name"]));
    let resources: Vec<_> =
        templates.iter().map(|template| json!({ "id": id(template), "template": template })).collect();
    let spec = json!({
        "owner": { "projectName": "shop", "componentName": component },
        "componentType": { "kind": "ComponentType", "name": format!("proxy/{component}"), "spec": {
            "workloadType": "proxy",
            "resources": resources,
        }},
        "workload": { "container": { "image": "none" } },
    });
    let mut release = object(Kind::ComponentRelease, name, spec);
    release["metadata"]["annotations"] = json!({ (names::VERSION_ANNOTATION): version });
    release
}

pub(crate) fn binding(component: &str, environment: &str, release: &str) -> Value {
    let spec = json!({
        "owner": { "projectName": "shop", "componentName": component },
        "environment": environment,
        "releaseName": release,
    });
    object(Kind::ReleaseBinding, &names::binding_name(component, environment), spec)
}

/// A Release of this many bytes of JSON (a little over one Deployment at least): Deployments of an everyday size as far
/// as they fit, and a ConfigMap that fills the rest.
pub(crate) fn release(name: &str, component: &str, environment: &str, bytes: usize) -> Value {
    let with = |resources: &[Value]| {
        let spec = json!({
            "owner": { "projectName": "shop", "componentName": component },
            "environmentName": environment,
            "interval": "5m",
            "progressingInterval": "10s",
            "resources": resources,
        });
        object(Kind::Release, name, spec)
    };
    let size = |object: &Value| object.to_string().len();
    let mut resources = vec![filler(0)];
    let mut taken = size(&with(&resources));
    let room = bytes.saturating_sub(size(&with(&[tier(0)])));
    while taken < room {
        let tier = tier(resources.len());
        taken += ",".len() + size(&tier);
        resources.push(tier);
    }
    resources[0] = filler(bytes.saturating_sub(taken));
    with(&resources)
}

fn filler(bytes: usize) -> Value {
    let data = json!({ "content": "x".repeat(bytes) });
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "filler" }, "data": data });
    json!({ "id": "configmap-filler", "object": object })
}

/// A Deployment of an everyday size.
pub(crate) fn deployment(name: &str, labels: &Value, replicas: usize, version: &str) -> Value {
    let env: Vec<_> =
        (0..6).map(|n| json!({ "name": format!("SETTING_{n}"), "value": format!("value-{n}") })).collect();
    let probe = |path: &str| json!({ "httpGet": { "path": path, "port": "http" }, "periodSeconds": 5 });
    let container = json!({
        "name": "main",
        "image": format!("registry.example/shop/{name}:{version}"),
        "ports": [{ "name": "http", "containerPort": 8080 }],
        "env": env,
        "readinessProbe": probe("/ready"),
        "livenessProbe": probe("/live"),
        "resources": { "requests": { "cpu": "50m", "memory": "64Mi" }, "limits": { "memory": "128Mi" } },
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
    });
    let pod = json!({ "metadata": { "labels": labels }, "spec": { "containers": [container] } });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "labels": labels },
        "spec": { "replicas": replicas, "selector": { "matchLabels": labels }, "template": pod },
    })
}

fn tier(number: usize) -> Value {
    let name = format!("tier-{number}");
    let labels = json!({ "app.kubernetes.io/name": "shop", "app.kubernetes.io/component": name });
    json!({ "id": format!("deployment-{name}"), "object": deployment(&name, &labels, 2, "1.4.0") })
}

/// The address of a kind's objects in a namespace.
pub(crate) fn collection(namespace: &str, kind: Kind) -> String {
    format!("/apis/{}/namespaces/{namespace}/{}", names::API_VERSION, kind.plural())
}

/// Creates an object, and returns it as it is then.
pub(crate) async fn create(client: &Client, namespace: &str, kind: Kind, object: &Value) -> anyhow::Result<Value> {
    let request = Request::post(collection(namespace, kind)).header("Content-Type", "application/json");
    let created = client.request(request.body(object.to_string().into_bytes())?).await;
    created.with_context(|| format!("creating {} {}", kind.as_str(), object["metadata"]["name"]))
}

/// Changes an object by a merge patch.
pub(crate) async fn patch(
    client: &Client,
    namespace: &str,
    kind: Kind,
    name: &str,
    patch: &Value,
) -> anyhow::Result<Value> {
    let request = Request::patch(format!("{}/{name}", collection(namespace, kind)));
    let request = request.header("Content-Type", "application/merge-patch+json");
    let changed = client.request(request.body(patch.to_string().into_bytes())?).await;
    changed.with_context(|| format!("changing {} {name}", kind.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_the_size_asked_for() {
        for bytes in [4_000, 10_000, 100_000, 1_000_000] {
            assert_eq!(release("x", "web", "dev", bytes).to_string().len(), bytes);
        }
    }
}
