//! Tables of objects and what is said of them, one file a kind or subject.

mod bypass;
mod component_release;
mod deletion;
mod deployment_pipeline;
mod environment;
mod fence;
mod freeze;
mod metadata;
mod properties;
mod ratchet;
mod reason;
mod release;
mod release_binding;
mod twins;

use serde_json::{Value, json};

use super::*;
use crate::names;
use crate::violation::{Class, RestsOn};
use crate::world::View;

/// The clock of the tables.
const NOON: &str = "2026-01-02T12:00:00Z";

/// The world of the tables: project `shop` with component `web`, and pipeline dev → staging → production.
fn world(enforcement: &str) -> World {
    let mut world = World::new("acme");
    let mut put = |kind: Kind, name: &str, object: Value| world.put(kind, name, Some(&object));
    for environment in ["dev", "staging", "production"] {
        put(Kind::Environment, environment, json!({}));
    }
    let step =
        |from: &str, to: &str| json!({"sourceEnvironmentRef": {"name": from}, "targetEnvironmentRefs": [{"name": to}]});
    put(
        Kind::DeploymentPipeline,
        "main",
        json!({
            "metadata": {"annotations": {names::ENFORCEMENT: enforcement}},
            "spec": {"promotionPaths": [step("dev", "staging"), step("staging", "production")]}
        }),
    );
    put(Kind::Project, "shop", json!({"spec": {"deploymentPipelineRef": {"name": "main"}}}));
    put(Kind::Component, "web", json!({"spec": {"owner": {"projectName": "shop"}}}));
    put(Kind::Component, "api", json!({"spec": {"owner": {"projectName": "shop"}}}));
    let release = |component: &str| json!({"spec": {"owner": {"projectName": "shop", "componentName": component}}});
    put(Kind::ComponentRelease, "web-1", release("web"));
    put(Kind::ComponentRelease, "api-1", release("api"));
    world
}

fn codes(kind: Kind, name: &str, new: &Value, old: Option<&Value>) -> Vec<(String, &'static str)> {
    let change = Change { kind, name, new, old, user: Some("jane"), manager: None, now: None };
    let findings = validate(&change, Some(&world("warn")));
    findings.violations.iter().map(|violation| (violation.path.as_str().to_owned(), violation.code)).collect()
}

fn release(change: impl FnOnce(&mut Value)) -> Value {
    let object = |kind: &str, version: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web"}});
    let mut release = json!({
        "metadata": {"name": "web-dev"},
        "spec": {
            "owner": {"projectName": "shop", "componentName": "web"},
            "environmentName": "dev",
            "interval": "5m",
            "progressingInterval": "10s",
            "resources": [
                {"id": "deployment", "object": object("Deployment", "apps/v1")},
                {"id": "service", "object": object("Service", "v1")}
            ]
        }
    });
    change(&mut release);
    release
}

fn binding(component: &str, environment: &str, release: &str) -> Value {
    json!({
        "metadata": {"name": format!("{component}-{environment}")},
        "spec": {
            "owner": {"projectName": "shop", "componentName": component},
            "environment": environment,
            "releaseName": release
        }
    })
}

type Case = (&'static str, fn(&mut Value), &'static [(&'static str, &'static str)]);

proptest::proptest! {
    #[test]
    fn no_object_makes_the_rules_panic(text in "\\PC{0,40}", number in proptest::prelude::any::<i64>()) {
        for kind in Kind::ALL {
            for value in [json!(text), json!(number), json!({"spec": text}), json!({"spec": {"resources": [number, {"id": text, "object": {"kind": text}}]}}), json!({"metadata": {"annotations": {names::NAMESPACES: text, names::ALLOWED_CLUSTER_KINDS: text, names::SERVICE_ACCOUNT: text, names::FROZEN: text, names::REQUIRE_REASON: text, names::HISTORY_BYTES: text}}})] {
                let change = Change { kind, name: &text, new: &value, old: Some(&json!({"spec": number})), user: None, manager: None, now: NOON.parse().ok() };
                validate(&change, Some(&world("enforce")));
                let now = NOON.parse().unwrap();
                let deletion = Deletion { kind, name: &text, object: &value, user: None, now };
                validate_deletion(&deletion, &world("enforce"));
            }
        }
    }
}
