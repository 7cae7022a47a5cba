//! What is reviewed: Releases of any size with the objects that people release, and a binding. The same bytes in every run.

use release_shared::kinds::Kind;
use release_shared::world::World;
use serde_json::{Map, Value, json};

/// The namespace of everything here.
pub(crate) const NAMESPACE: &str = "acme";

/// A namespace in which all that the objects name is there.
pub(crate) fn world() -> World {
    let mut world = World::new(NAMESPACE);
    let kind = |kind: &str, spec: Value| json!({"apiVersion": "openchoreo.dev/v1alpha1", "kind": kind, "spec": spec});
    let owner = json!({"projectName": "shop", "componentName": "web"});
    let paths = json!([{"sourceEnvironmentRef": {"name": "dev"}, "targetEnvironmentRefs": [{"name": "production"}]}]);
    world.put(Kind::Project, "shop", Some(&kind("Project", json!({"deploymentPipelineRef": {"name": "default"}}))));
    world.put(Kind::DeploymentPipeline, "default", Some(&kind("DeploymentPipeline", json!({"promotionPaths": paths}))));
    world.put(Kind::Component, "web", Some(&kind("Component", json!({"owner": {"projectName": "shop"}}))));
    for environment in ["dev", "production"] {
        world.put(Kind::Environment, environment, Some(&kind("Environment", json!({}))));
    }
    let schema =
        json!({"type": "object", "properties": {"replicas": {"type": "integer"}, "logLevel": {"type": "string"}}});
    let component_type = json!({"spec": {"environmentConfigs": {"openAPIV3Schema": schema}, "resources": []}});
    for version in 1..=2 {
        let release = kind("ComponentRelease", json!({"owner": owner, "componentType": component_type}));
        world.put(Kind::ComponentRelease, &format!("web-{version}"), Some(&release));
    }
    world
}

/// A Release whose JSON has at least `size` bytes, and few more than an object's.
pub(crate) fn release(size: usize) -> Value {
    let mut resources = Vec::new();
    let mut so_far = 800;
    let parts = [deployment, service, config_map, config_map, ingress];
    while so_far < size {
        let at = resources.len();
        let mut object = parts[at % parts.len()](at);
        let mut length = object.to_string().len() + 50;
        if so_far + length > size + 600 {
            object = filler(at, size.saturating_sub(so_far));
            length = object.to_string().len() + 50;
        }
        so_far += length;
        let id = format!("{}-{at}", object["kind"].as_str().unwrap_or("object").to_ascii_lowercase());
        resources.push(json!({"id": id, "object": object}));
    }
    stored(
        "Release",
        "web-dev",
        &json!({
            "owner": {"projectName": "shop", "componentName": "web"}, "environmentName": "dev", "interval": "5m",
            "progressingInterval": "10s", "resources": resources
        }),
    )
}

/// A binding with some values.
pub(crate) fn binding() -> Value {
    stored(
        "ReleaseBinding",
        "web-dev",
        &json!({
            "owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev", "releaseName": "web-1",
            "componentTypeEnvironmentConfigs": {"replicas": 2, "logLevel": "info"}
        }),
    )
}

/// A Release of about `size` bytes in which as much is wrong as can be: each resource lacks nearly everything and repeats an id.
pub(crate) fn faulty(size: usize) -> Value {
    let mut release = release(0);
    let labels: Map<_, _> =
        release_shared::names::RESERVED_LABELS.into_iter().map(|key| (key.to_owned(), "x".into())).collect();
    let entry = json!({"id": "a", "object": {"metadata": {"labels": labels, "generateName": "a"}}});
    let count = size / (entry.to_string().len() + 1);
    release["spec"]["resources"] = Value::Array(vec![entry; count]);
    release
}

/// An object of ours as the API server has it.
fn stored(kind: &str, name: &str, spec: &Value) -> Value {
    let fields =
        json!({"f:metadata": {"f:annotations": {".": {}, "f:openchoreo.dev/description": {}}}, "f:spec": {".": {}}});
    json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": kind,
        "metadata": {
            "name": name, "namespace": NAMESPACE, "uid": "5c0f6b0e-9f0e-4b52-8a3e-0d1c2b3a4f5e", "generation": 3,
            "resourceVersion": "184467", "creationTimestamp": "2026-01-02T11:00:00Z",
            "labels": {"openchoreo.dev/project": "shop", "openchoreo.dev/component": "web"},
            "annotations": {"openchoreo.dev/description": "The shop's front end <web>"},
            "managedFields": [{
                "manager": "kubectl-create", "operation": "Update", "apiVersion": "openchoreo.dev/v1alpha1",
                "time": "2026-01-02T11:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields
            }]
        },
        "spec": spec
    })
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "labels": {
        "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "shop", "app.kubernetes.io/version": "1.4.2"
    }})
}

fn deployment(at: usize) -> Value {
    let name = format!("web-{at}");
    let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "shop"});
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http", "scheme": "HTTP"}, "periodSeconds": 10, "failureThreshold": 3});
    let variable = |at: usize| json!({"name": format!("SHOP_SETTING_{at}"), "value": format!("https://api-{at}.shop.example.com/v1?limit=20&page=1")});
    let container = json!({
        "name": "web", "image": format!("registry.example.com/shop/web:1.4.{at}"), "imagePullPolicy": "IfNotPresent",
        "args": ["--listen=:8080", "--log-format=json"],
        "env": (0..8).map(variable).collect::<Vec<_>>(),
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "livenessProbe": probe("/live"), "readinessProbe": probe("/ready"),
        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/shop", "readOnly": true}]
    });
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(&name), "spec": {
        "replicas": 3, "revisionHistoryLimit": 2, "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": {"labels": labels}, "spec": {
            "containers": [container], "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "settings", "configMap": {"name": format!("settings-{at}")}}]
        }}
    }})
}

fn service(at: usize) -> Value {
    let ports = json!([{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]);
    let selector = json!({"app.kubernetes.io/name": format!("web-{at}"), "app.kubernetes.io/part-of": "shop"});
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(&format!("web-{at}")),
        "spec": {"type": "ClusterIP", "ports": ports, "selector": selector}})
}

fn config_map(at: usize) -> Value {
    let line = |key: usize| format!("shop.feature-{key}.enabled = true # \"on\" since release {at}\n");
    let data: Map<_, _> = (0..3)
        .map(|file| (format!("settings-{file}.conf"), (0..10).map(|key| line(key * file)).collect::<String>().into()))
        .collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&format!("settings-{at}")), "data": data})
}

fn ingress(at: usize) -> Value {
    let backend = json!({"service": {"name": format!("web-{at}"), "port": {"name": "http"}}});
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata(&format!("web-{at}")), "spec": {
        "ingressClassName": "public", "rules": [{"host": format!("web-{at}.shop.example.com"), "http": {"paths": paths}}]
    }})
}

/// What fills a Release up to its size.
fn filler(at: usize, size: usize) -> Value {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(size / 45);
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&format!("text-{at}")), "data": {"text": text}})
}
