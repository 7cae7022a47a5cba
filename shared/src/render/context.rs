//! What references lead to.

use std::cell::Cell;

use serde_json::{Map, Value, json};

use super::template::{Reference, Root, Segment};
use super::{Input, MOST_BYTES};
use crate::canonical::json_size;
use crate::schema;

/// The values behind the roots.
pub(super) struct Context {
    environment_configs: Value,
    parameters: Value,
    metadata: Value,
    workload: Value,
    /// How many bytes of JSON references may still bring in; `None` once they wanted more.
    left: Cell<Option<usize>>,
}

impl Context {
    pub(super) fn new(input: &Input<'_>) -> Self {
        let release = input.release;
        let schema = |name: &str| release.pointer(&format!("/componentType/spec/{name}/openAPIV3Schema"));
        let environment_configs = with_defaults(schema("environmentConfigs"), Some(input.configs));
        let parameters = with_defaults(schema("parameters"), release.pointer("/componentProfile/parameters"));
        let fits = environment_configs.is_some() && parameters.is_some();
        Self {
            environment_configs: environment_configs.unwrap_or_default(),
            parameters: parameters.unwrap_or_default(),
            metadata: metadata(input),
            workload: release.get("workload").cloned().unwrap_or_default(),
            left: Cell::new(fits.then_some(MOST_BYTES)),
        }
    }

    /// Whether there is room for a value, which then takes it.
    pub(super) fn has_room(&self, value: &Value) -> bool {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(json_size(value))));
        !self.is_full()
    }

    /// Whether references wanted more than there is room for, or defaults did.
    pub(super) fn is_full(&self) -> bool {
        self.left.get().is_none()
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

fn with_defaults(schema: Option<&Value>, values: Option<&Value>) -> Option<Value> {
    let values = values.filter(|values| values.is_object()).cloned().unwrap_or_else(|| Map::new().into());
    schema.map_or(Some(values.clone()), |schema| schema::defaulted(schema, &values))
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
