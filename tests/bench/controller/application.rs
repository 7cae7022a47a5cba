//! Applications that are released: what they consist of.

use anyhow::Context;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::objects::deployment;

/// One small workload and what it needs: four objects.
pub(crate) fn small(name: &str, version: &str) -> Vec<Value> {
    vec![account(name, version), settings(name, version), service(name, version), workload(name, version)]
}

/// Two workloads that are reached from outside: ten objects, each another one with another version.
pub(crate) fn large(name: &str, version: &str) -> Vec<Value> {
    let tiers = [format!("{name}-front"), format!("{name}-back")];
    let of_each = |tier: &String| [settings(tier, version), service(tier, version), workload(tier, version)];
    let mut objects = vec![account(name, version)];
    objects.extend(tiers.iter().flat_map(of_each));
    objects.extend([budget(&tiers[0], version), wall(&tiers[1], version), entrance(&tiers[0], version)]);
    objects
}

/// Creates one of these objects in a namespace.
pub(crate) async fn create(client: &Client, namespace: &str, object: &Value) -> anyhow::Result<()> {
    let object: DynamicObject = serde_json::from_value(object.clone()).context("reading an object")?;
    let types = object.types.clone().context("an object without a kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    api.create(&PostParams::default(), &object).await.with_context(|| format!("creating a {}", types.kind))?;
    Ok(())
}

fn object(api_version: &str, kind: &str, name: &str, version: &str) -> Value {
    let labels = json!({ "app.kubernetes.io/name": name, "app.kubernetes.io/version": version });
    json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "labels": labels } })
}

fn specified(mut object: Value, spec: Value) -> Value {
    object["spec"] = spec;
    object
}

fn account(name: &str, version: &str) -> Value {
    object("v1", "ServiceAccount", name, version)
}

fn settings(name: &str, version: &str) -> Value {
    let mut settings = object("v1", "ConfigMap", name, version);
    settings["data"] = json!({ "version": version, "greeting": "hello" });
    settings
}

fn selector(name: &str) -> Value {
    json!({ "app.kubernetes.io/component": name })
}

fn service(name: &str, version: &str) -> Value {
    let port = json!({ "name": "http", "port": 80, "targetPort": "http" });
    specified(object("v1", "Service", name, version), json!({ "selector": selector(name), "ports": [port] }))
}

/// With one pod.
fn workload(name: &str, version: &str) -> Value {
    let mut workload = deployment(name, &selector(name), 1, version);
    workload["metadata"] = object("apps/v1", "Deployment", name, version)["metadata"].clone();
    workload
}

fn budget(name: &str, version: &str) -> Value {
    let spec = json!({ "minAvailable": 0, "selector": { "matchLabels": selector(name) } });
    specified(object("policy/v1", "PodDisruptionBudget", name, version), spec)
}

fn wall(name: &str, version: &str) -> Value {
    let spec = json!({ "podSelector": { "matchLabels": selector(name) }, "policyTypes": ["Ingress"], "ingress": [{}] });
    specified(object("networking.k8s.io/v1", "NetworkPolicy", name, version), spec)
}

fn entrance(name: &str, version: &str) -> Value {
    let backend = json!({ "service": { "name": name, "port": { "name": "http" } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    let rule = json!({ "host": format!("{name}.example"), "http": { "paths": [path] } });
    specified(object("networking.k8s.io/v1", "Ingress", name, version), json!({ "rules": [rule] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_another_one_with_another_version() {
        for (objects, others) in [(small("web", "1"), small("web", "2")), (large("web", "1"), large("web", "2"))] {
            let identity = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
            for (object, other) in objects.iter().zip(&others) {
                assert_eq!(identity(object), identity(other));
                assert_ne!(object, other);
            }
        }
        assert_eq!((small("web", "1").len(), large("web", "1").len()), (4, 10));
    }
}
