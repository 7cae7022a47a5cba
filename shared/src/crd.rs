//! The CustomResourceDefinitions of our kinds, generated from the types; `deploy/crds/` holds the result.

mod unknown;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, ValidationRule};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::kinds::readable_duration;
use crate::kinds::{
    Component, ComponentRelease, DataPlane, DeploymentPipeline, Environment, Kind, Project, Release, ReleaseBinding,
};
use crate::names;

pub use unknown::unknown_field;

/// A rule of the schema in CEL: kept by the API server also when the webhook is away.
struct Rule {
    kind: Kind,
    rule: &'static str,
    message: &'static str,
    /// The field that it is about, below the place where it stands.
    field: Option<&'static str>,
}

impl Rule {
    const fn new(kind: Kind, rule: &'static str, message: &'static str) -> Self {
        Self { kind, rule, message, field: None }
    }

    const fn about(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }
}

/// What the schema says of changes. The rules stand on `spec`, so that an optional field can be neither added nor removed past them.
const RULES: [Rule; 10] = [
    Rule::new(Kind::ComponentRelease, "self == oldSelf", "spec is immutable"),
    Rule::new(Kind::ReleaseBinding, "self.owner == oldSelf.owner", "spec.owner is immutable"),
    Rule::new(Kind::ReleaseBinding, "self.environment == oldSelf.environment", "spec.environment is immutable"),
    Rule::new(Kind::Release, "self.owner == oldSelf.owner", "spec.owner is immutable"),
    Rule::new(
        Kind::Release,
        "self.environmentName == oldSelf.environmentName",
        "spec.environmentName is immutable",
    ),
    Rule::new(
        Kind::Release,
        // Not `.?`: the API server takes an optional for something of unlimited size, and refuses the rule for its cost.
        "has(self.targetPlane) == has(oldSelf.targetPlane) && (!has(self.targetPlane) || self.targetPlane == oldSelf.targetPlane)",
        "spec.targetPlane is immutable",
    ),
    Rule::new(Kind::Component, "self.owner == oldSelf.owner", "spec.owner is immutable"),
    Rule::new(
        Kind::Component,
        "self.componentType == oldSelf.componentType",
        "spec.componentType cannot be changed after creation",
    ),
    Rule::new(
        Kind::Environment,
        "!has(oldSelf.dataPlaneRef) || oldSelf.dataPlaneRef == self.?dataPlaneRef.orValue(null)",
        "dataPlaneRef is immutable once set",
    ),
    // A step of a pipeline that was there before this rule is no reason to refuse a change elsewhere in it. The rule stands on the
    // whole: the API server does not know which entry of a list was which.
    Rule::new(
        Kind::DeploymentPipeline,
        concat!(
            "!has(self.promotionPaths) || !self.promotionPaths.exists(path, has(path.targetEnvironmentRefs) && ",
            "path.targetEnvironmentRefs.exists(target, target.name == path.sourceEnvironmentRef.name)) || ",
            "(has(oldSelf.promotionPaths) && oldSelf.promotionPaths.exists(path, has(path.sourceEnvironmentRef) && ",
            "has(path.sourceEnvironmentRef.name) && has(path.targetEnvironmentRefs) && path.targetEnvironmentRefs.exists(target, ",
            "has(target.name) && target.name == path.sourceEnvironmentRef.name)))"
        ),
        SELF_LOOP,
    )
    .about("promotionPaths"),
];

const SELF_LOOP: &str = "leads from an environment to itself: remove that target";

/// What the schema says of a whole spec, also of a new one. What was wrong before is tolerated.
const SPECS: [Rule; 2] = [
    // A duration that is out of bounds is another rule's. What cannot be read is not compared: an error is never tolerated.
    Rule::new(
        Kind::Release,
        concat!(
            "!has(self.interval) || !has(self.progressingInterval) || !self.interval.matches('",
            readable_duration!(),
            "') || !self.progressingInterval.matches('",
            readable_duration!(),
            "') || duration(self.interval) < duration('1s') || duration(self.progressingInterval) <= duration(self.interval) || ",
            "(oldSelf.hasValue() && has(oldSelf.value().interval) && has(oldSelf.value().progressingInterval) && ",
            "oldSelf.value().interval == self.interval && oldSelf.value().progressingInterval == self.progressingInterval)"
        ),
        "progressingInterval is longer than interval: a release on its way is looked at more often, not less",
    )
    .about("progressingInterval"),
    Rule::new(
        Kind::DeploymentPipeline,
        concat!(
            "oldSelf.hasValue() || !has(self.promotionPaths) || !self.promotionPaths.exists(path, ",
            "has(path.targetEnvironmentRefs) && ",
            "path.targetEnvironmentRefs.exists(target, target.name == path.sourceEnvironmentRef.name))"
        ),
        SELF_LOOP,
    )
    .about("promotionPaths"),
];

/// What the schema says of a whole object, with its name: the plain name, or the hashed one, which begins as the plain one does. Said on
/// creation only: later the name stays, and no change of anything else may be refused for it.
const NAMES: [Rule; 1] = [Rule::new(
    Kind::ReleaseBinding,
    "oldSelf.hasValue() || self.metadata.name == self.spec.owner.componentName + '-' + self.spec.environment || (self.metadata.name.matches('^.+-[a-z2-7]{8}$') && (self.spec.owner.componentName + '-' + self.spec.environment).startsWith(self.metadata.name.substring(0, self.metadata.name.size() - 9)))",
    "metadata.name must be <component>-<environment>: a binding is named after its component and its environment",
)];

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
        let root = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let Some(root) = root else { continue };
        let optional = json!({ "optionalOldSelf": true });
        root.x_kubernetes_validations = Some(validations(&NAMES, kind, &optional)).filter(|rules| !rules.is_empty());
        let Some(properties) = root.properties.as_mut() else { continue };
        if let Some(spec) = properties.get_mut("spec") {
            let (of_changes, of_all) = (validations(&RULES, kind, &json!({})), validations(&SPECS, kind, &optional));
            spec.x_kubernetes_validations = Some([of_changes, of_all].concat()).filter(|rules| !rules.is_empty());
        }
        properties.extend(serde_json::from_value(metadata()).ok().map(|schema| ("metadata".to_owned(), schema)));
    }
    crd
}

/// The rules of a kind as the definition holds them, each with these fields besides.
fn validations(rules: &[Rule], kind: Kind, besides: &Value) -> Vec<ValidationRule> {
    let validation = |rule: &Rule| {
        let mut validation = besides.clone();
        validation["rule"] = rule.rule.into();
        validation["message"] = rule.message.into();
        if let Some(field) = rule.field {
            validation["fieldPath"] = format!(".{field}").into();
        }
        validation
    };
    let rules: Vec<Value> = rules.iter().filter(|rule| rule.kind == kind).map(validation).collect();
    serde_json::from_value(Value::Array(rules)).unwrap_or_default()
}

/// All that a schema may say of an object's metadata is what its name is like: a DNS-1123 label, as for all our kinds.
fn metadata() -> Value {
    let name = json!({ "type": "string", "maxLength": names::MAX_NAME, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" });
    json!({ "type": "object", "properties": { "name": name } })
}

/// The schema of a kind's objects, as JSON.
pub fn schema(kind: Kind) -> Value {
    let crd = definition(kind);
    let schema = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
    let schema = schema.and_then(|schema| schema.open_api_v3_schema.as_ref());
    schema.and_then(|schema| serde_json::to_value(schema).ok()).unwrap_or(Value::Null)
}

/// The schema of a kind's spec as the API server holds objects against it: of an object within an object it knows all metadata, though
/// the schema may name some only. (`x-kubernetes-embedded-resource`, structural schemas)
pub fn spec_schema(kind: Kind) -> Value {
    let mut spec = schema(kind).pointer("/properties/spec").cloned().unwrap_or(Value::Null);
    complete(&mut spec);
    spec
}

fn complete(schema: &mut Value) {
    if schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true))
        && let Some(metadata) = schema.pointer_mut("/properties/metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
    match schema {
        Value::Object(entries) => entries.values_mut().for_each(complete),
        Value::Array(items) => items.iter_mut().for_each(complete),
        _ => {}
    }
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
