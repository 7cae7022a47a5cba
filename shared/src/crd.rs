//! The CustomResourceDefinitions of our kinds, generated from the types; `deploy/crds/` holds the result.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::kinds::{
    Component, ComponentRelease, DataPlane, DeploymentPipeline, Environment, Kind, Project, Release, ReleaseBinding,
};
use crate::names;

/// A rule of the schema in CEL: kept by the API server also when the webhook is away.
struct Rule {
    kind: Kind,
    rule: &'static str,
    message: &'static str,
}

/// What the schema says of changes. The rules stand on `spec`, so that an optional field can be neither added nor removed past them.
const RULES: [Rule; 9] = [
    Rule { kind: Kind::ComponentRelease, rule: "self == oldSelf", message: "spec is immutable" },
    Rule { kind: Kind::ReleaseBinding, rule: "self.owner == oldSelf.owner", message: "spec.owner is immutable" },
    Rule {
        kind: Kind::ReleaseBinding,
        rule: "self.environment == oldSelf.environment",
        message: "spec.environment is immutable",
    },
    Rule { kind: Kind::Release, rule: "self.owner == oldSelf.owner", message: "spec.owner is immutable" },
    Rule {
        kind: Kind::Release,
        rule: "self.environmentName == oldSelf.environmentName",
        message: "spec.environmentName is immutable",
    },
    Rule {
        kind: Kind::Release,
        // Not `.?`: the API server takes an optional for something of unlimited size, and refuses the rule for its cost.
        rule: "has(self.targetPlane) == has(oldSelf.targetPlane) && (!has(self.targetPlane) || self.targetPlane == oldSelf.targetPlane)",
        message: "spec.targetPlane is immutable",
    },
    Rule { kind: Kind::Component, rule: "self.owner == oldSelf.owner", message: "spec.owner is immutable" },
    Rule {
        kind: Kind::Component,
        rule: "self.componentType == oldSelf.componentType",
        message: "spec.componentType cannot be changed after creation",
    },
    Rule {
        kind: Kind::Environment,
        rule: "!has(oldSelf.dataPlaneRef) || oldSelf.dataPlaneRef == self.?dataPlaneRef.orValue(null)",
        message: "dataPlaneRef is immutable once set",
    },
];

/// The definition of a kind, as it is installed.
pub fn definition(kind: Kind) -> CustomResourceDefinition {
    let mut crd = match kind {
        Kind::Project => Project::crd(),
        Kind::Environment => Environment::crd(),
        Kind::DataPlane => DataPlane::crd(),
        Kind::DeploymentPipeline => DeploymentPipeline::crd(),
        Kind::Component => Component::crd(),
        Kind::ComponentRelease => ComponentRelease::crd(),
        Kind::ReleaseBinding => ReleaseBinding::crd(),
        Kind::Release => Release::crd(),
    };
    for version in &mut crd.spec.versions {
        let Some(spec) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|schema| schema.properties.as_mut())
            .and_then(|properties| properties.get_mut("spec"))
        else {
            continue;
        };
        let rules = RULES.iter().filter(|rule| rule.kind == kind);
        let rules: Vec<Value> = rules.map(|rule| json!({ "rule": rule.rule, "message": rule.message })).collect();
        spec.x_kubernetes_validations = serde_json::from_value(Value::Array(rules)).ok();
    }
    crd
}

/// The schema of a kind's objects, as JSON.
pub fn schema(kind: Kind) -> Value {
    let crd = definition(kind);
    let schema = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
    let schema = schema.and_then(|schema| schema.open_api_v3_schema.as_ref());
    schema.and_then(|schema| serde_json::to_value(schema).ok()).unwrap_or(Value::Null)
}

/// The name of a kind's file in `deploy/crds/`, and the file.
pub fn file(kind: Kind) -> (String, String) {
    let value = serde_json::to_value(definition(kind)).unwrap_or(Value::Null);
    let name = format!("{}.{}.yaml", kind.plural(), names::GROUP);
    (
        name,
        format!("# Generated from shared/src/kinds: `make generate` writes it anew.\n{}", crate::yaml::write(&value)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(schema: &Value, path: &str, found: &mut Vec<String>) {
        if schema.get("default").is_some() {
            found.push(path.to_owned());
        }
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            defaults(property, &format!("{path}.{name}"), found);
        }
        for nested in ["items", "additionalProperties"] {
            if let Some(nested) = schema.get(nested) {
                defaults(nested, &format!("{path}[]"), found);
            }
        }
    }

    #[test]
    fn only_these_fields_have_a_default_in_the_schema() {
        let mut found = Vec::new();
        for kind in Kind::ALL {
            defaults(&schema(kind), kind.as_str(), &mut found);
        }
        assert_eq!(
            found,
            [
                "Environment.spec.dataPlaneRef.kind",
                "DeploymentPipeline.spec.promotionPaths[].sourceEnvironmentRef.kind",
                "DeploymentPipeline.spec.promotionPaths[].targetEnvironmentRefs[].kind",
                "Project.spec.deploymentPipelineRef.kind",
                "Component.spec.componentType.kind",
                "ReleaseBinding.spec.state",
            ]
        );
    }

    #[test]
    fn the_files_in_deploy_are_current() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/crds");
        for kind in Kind::ALL {
            let (name, content) = file(kind);
            #[expect(clippy::disallowed_methods, reason = "a test compares with the tree")]
            let current = std::fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
            assert!(current == content, "deploy/crds/{name} is not current: run `make generate`");
        }
    }
}
