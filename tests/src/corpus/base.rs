//! Valid objects of all kinds, as full as they may be: what the generated cases change.

use release_shared::kinds::Kind;
use release_shared::names;
use serde_json::{Value, json};

/// A valid object of a kind, whose optional fields are there.
#[must_use]
pub fn object(kind: Kind) -> Value {
    let (name, spec) = match kind {
        Kind::Project => ("shop-2", project()),
        Kind::Environment => ("qa", environment()),
        Kind::DataPlane => ("east", json!({ "planeID": "east-1", "gateway": { "publicVirtualHost": "example.org" } })),
        Kind::DeploymentPipeline => ("paths", pipeline()),
        Kind::Component => ("cart", component()),
        Kind::ComponentRelease => ("web-cut", component_release()),
        Kind::ReleaseBinding => ("web-dev", binding()),
        Kind::Release => ("web-by-hand", release()),
    };
    json!({
        "apiVersion": names::API_VERSION,
        "kind": kind.as_str(),
        "metadata": { "name": name, "labels": { "team": "blue" }, "annotations": annotations(kind) },
        "spec": spec,
    })
}

fn annotations(kind: Kind) -> Value {
    let mut annotations = json!({ names::DESCRIPTION: "for the corpus", names::REASON: "because" });
    let own: &[(&str, &str)] = match kind {
        Kind::Environment => &[
            (names::NAMESPACES, "{project}-qa, shared-qa"),
            (names::ALLOWED_CLUSTER_KINDS, "Namespace, ClusterRole.rbac.authorization.k8s.io"),
            (names::ALLOW_INLINE_SECRETS, "false"),
            (names::SERVICE_ACCOUNT, "shared-qa/deployer"),
            (names::DRIFT, "warn"),
            (names::ORPHAN_ON_DELETE, "false"),
        ],
        Kind::DeploymentPipeline => &[(names::ENFORCEMENT, "warn")],
        Kind::ComponentRelease => &[(names::VERSION_ANNOTATION, "9.0")],
        _ => &[],
    };
    for (key, value) in own {
        annotations[*key] = (*value).into();
    }
    annotations
}

fn project() -> Value {
    json!({
        "deploymentPipelineRef": { "kind": "DeploymentPipeline", "name": "main" },
        "type": { "kind": "ProjectType", "name": "plain" },
        "parameters": { "tier": 1 },
    })
}

fn environment() -> Value {
    json!({ "dataPlaneRef": { "kind": "DataPlane", "name": "east" }, "isProduction": false, "gateway": { "tls": true } })
}

fn pipeline() -> Value {
    let step = |source: &str, targets: &[&str]| {
        let targets: Vec<_> = targets.iter().map(|name| json!({ "kind": "Environment", "name": name })).collect();
        json!({ "sourceEnvironmentRef": { "kind": "Environment", "name": source }, "targetEnvironmentRefs": targets })
    };
    json!({ "promotionPaths": [step("dev", &["staging", "qa"]), step("staging", &["production"])] })
}

fn component() -> Value {
    json!({
        "owner": { "projectName": "shop" },
        "componentType": { "kind": "ComponentType", "name": "deployment/web-service" },
        "autoDeploy": false,
        "autoBuild": true,
        "parameters": { "port": 80 },
        "traits": [{ "kind": "Trait", "name": "logs", "instanceName": "logs-1", "parameters": { "level": "debug" } }],
        "workflow": { "name": "build" },
    })
}

fn component_release() -> Value {
    let schema = json!({
        "type": "object",
        "properties": { "replicas": { "type": "integer", "default": 1 }, "size": { "type": "string", "default": "small" } },
    });
    json!({
        "owner": { "projectName": "shop", "componentName": "web" },
        "componentType": { "kind": "ComponentType", "name": "deployment/web", "spec": {
            "workloadType": "deployment",
            "environmentConfigs": { "openAPIV3Schema": schema },
            "parameters": { "openAPIV3Schema": { "type": "object" } },
            "resources": [
                { "id": "deployment", "template": {
                    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "labels": { "app": "web" } },
                    "spec": { "replicas": "${environmentConfigs.replicas}" },
                }},
                { "id": "configmap-web", "template": {
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" },
                    "data": { "size": "size ${environmentConfigs.size}", "where": "${metadata.name}" },
                }},
            ],
        }},
        "traits": [{ "kind": "Trait", "name": "logs", "spec": {} }],
        "componentProfile": { "parameters": { "port": 80 } },
        "workload": { "container": {
            "image": "example.org/web:1",
            "command": ["web"],
            "args": ["--fast"],
            "env": [{ "key": "MODE", "value": "fast" }, { "key": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "t", "key": "k" } } }],
            "files": [{ "key": "conf", "mountPath": "/etc/web", "value": "x" }],
        }},
    })
}

fn binding() -> Value {
    json!({
        "owner": { "projectName": "shop", "componentName": "web" },
        "environment": "dev",
        "releaseName": "web-1",
        "state": "Active",
        "componentTypeEnvironmentConfigs": { "size": "large" },
        "traitEnvironmentConfigs": { "logs-1": { "level": "info" } },
        "workloadOverrides": { "container": { "env": [] } },
    })
}

fn release() -> Value {
    json!({
        "owner": { "projectName": "shop", "componentName": "web" },
        "environmentName": "dev",
        "targetPlane": "dataplane",
        "interval": "5m",
        "progressingInterval": "10s",
        "resources": [
            { "id": "deployment", "object": {
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": { "name": "web", "labels": { "app": "web" }, "annotations": { "note": "one" } },
                "spec": { "replicas": 2, "paused": false },
            }},
            { "id": "service", "object": {
                "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "ports": [{ "port": 80 }] },
            }},
        ],
    })
}
