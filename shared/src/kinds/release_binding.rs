use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Anchor, Health, Owner};

/// The pin: this component, in this environment, runs that ComponentRelease with these values.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openchoreo.dev",
    version = "v1alpha1",
    kind = "ReleaseBinding",
    namespaced,
    status = "ReleaseBindingStatus",
    category = "openchoreo",
    doc = "The pin: this component, in this environment, runs that ComponentRelease with these values.",
    selectable = ".spec.owner.projectName",
    selectable = ".spec.owner.componentName",
    selectable = ".spec.environment",
    selectable = ".spec.releaseName",
    printcolumn = r#"{"name":"Project","type":"string","jsonPath":".spec.owner.projectName"}"#,
    printcolumn = r#"{"name":"Component","type":"string","jsonPath":".spec.owner.componentName"}"#,
    printcolumn = r#"{"name":"Environment","type":"string","jsonPath":".spec.environment"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/release-version"}"#,
    printcolumn = r#"{"name":"Release","type":"string","jsonPath":".spec.releaseName"}"#,
    printcolumn = r#"{"name":"Health","type":"string","jsonPath":".status.health"}"#,
    printcolumn = r#"{"name":"Revision","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/revision"}"#,
    printcolumn = r#"{"name":"Changed By","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-by"}"#,
    printcolumn = r#"{"name":"Since","type":"date","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-at"}"#,
    printcolumn = r#"{"name":"Changed At","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-at","priority":1}"#,
    printcolumn = r#"{"name":"Display Name","type":"string","jsonPath":".metadata.annotations.openchoreo\\.dev/display-name","priority":1}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".spec.state","priority":1}"#,
    printcolumn = r#"{"name":"Cause","type":"string","jsonPath":".status.cause","priority":1}"#,
    printcolumn = r#"{"name":"Recorded","type":"string","jsonPath":".status.conditions[?(@.type==\"Recorded\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseBindingSpec {
    /// Whose pin this is. Immutable.
    pub owner: Owner,
    /// The environment. Immutable.
    #[schemars(schema_with = "super::schema::name")]
    pub environment: String,
    /// The ComponentRelease that runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub release_name: Option<String>,
    /// Whether its objects are live.
    #[serde(default)]
    pub state: State,
    /// Values of `${environmentConfigs.…}` for this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::atomic_object")]
    pub component_type_environment_configs: Option<Map<String, Value>>,
    /// Upstream's values for traits, by instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub trait_environment_configs: Option<Map<String, Value>>,
    /// Upstream's overrides of the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_overrides: Option<WorkloadOverrides>,
}

/// Whether a binding's objects are live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum State {
    /// They are.
    #[default]
    Active,
    /// They are removed; binding and history stay.
    Undeploy,
}

/// Overrides of a workload in one environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadOverrides {
    /// Variables and files of the container; upstream's shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub container: Option<Value>,
}

/// What became of a binding, written by the controller.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseBindingStatus {
    /// The generation that was last acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The health of the current revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Why it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How each revision went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["revision"]))]
    pub outcomes: Vec<Outcome>,
    /// The newest record that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Anchor>,
    /// Standard conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Upstream's endpoints; kept as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::schema::any_objects")]
    pub endpoints: Vec<Value>,
}

/// How a revision of a binding went, from the controller's own observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The revision.
    pub revision: i64,
    /// The ComponentRelease that it pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The hash of its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// When it was first seen healthy, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_healthy_at: Option<String>,
    /// Its health when it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_health: Option<Health>,
    /// When that was, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_health_at: Option<String>,
    /// Why it was not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When the next revision took its place, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// The revision that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<i64>,
}
