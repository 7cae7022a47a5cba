//! What references lead to.

use serde_json::{Map, Value, json};

use super::Input;
use super::template::{Reference, Root, Segment};
use crate::schema;

/// The values behind the roots.
pub(super) struct Context {
    environment_configs: Value,
    parameters: Value,
    metadata: Value,
    workload: Value,
}

impl Context {
    pub(super) fn new(input: &Input<'_>) -> Self {
        let release = input.release;
        let schema = |name: &str| release.pointer(&format!("/componentType/spec/{name}/openAPIV3Schema"));
        let parameters = release.pointer("/componentProfile/parameters");
        Self {
            environment_configs: with_defaults(schema("environmentConfigs"), Some(input.configs)),
            parameters: with_defaults(schema("parameters"), parameters),
            metadata: metadata(input),
            workload: release.get("workload").cloned().unwrap_or_default(),
        }
    }

    /// What a reference leads to.
    pub(super) fn lookup(&self, reference: &Reference) -> Option<&Value> {
        let root = match reference.root {
            Root::EnvironmentConfigs => &self.environment_configs,
            Root::Parameters => &self.parameters,
            Root::Metadata => &self.metadata,
            Root::Workload => &self.workload,
        };
        reference.path.iter().try_fold(root, |here, segment| match segment {
            Segment::Key(key) => here.get(key),
            Segment::Index(index) => here.get(index),
        })
    }
}

fn with_defaults(schema: Option<&Value>, values: Option<&Value>) -> Value {
    let values = values.filter(|values| values.is_object()).cloned().unwrap_or_else(|| Map::new().into());
    schema.map_or(values.clone(), |schema| schema::apply_defaults(schema, &values))
}

/// OpenChoreo's names for what a template may know (`metadata` of its component context).
fn metadata(input: &Input<'_>) -> Value {
    let mut metadata = json!({
        "name": input.component,
        "componentName": input.component,
        "projectName": input.project,
        "environmentName": input.environment,
    });
    if let Some(namespace) = input.namespace {
        metadata["namespace"] = namespace.into();
    }
    metadata
}
