use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Anchor, Health, ObjectRef, Owner};

/// The rendered result for one environment: written by the controller from a binding, or by a person directly.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openchoreo.dev",
    version = "v1alpha1",
    kind = "Release",
    namespaced,
    status = "ReleaseStatus",
    category = "openchoreo",
    doc = "The objects of one component in one environment, as they are applied.",
    selectable = ".spec.owner.projectName",
    selectable = ".spec.owner.componentName",
    selectable = ".spec.environmentName",
    printcolumn = r#"{"name":"Project","type":"string","jsonPath":".spec.owner.projectName"}"#,
    printcolumn = r#"{"name":"Component","type":"string","jsonPath":".spec.owner.componentName"}"#,
    printcolumn = r#"{"name":"Environment","type":"string","jsonPath":".spec.environmentName"}"#,
    printcolumn = r#"{"name":"Health","type":"string","jsonPath":".status.health"}"#,
    printcolumn = r#"{"name":"Revision","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/revision"}"#,
    printcolumn = r#"{"name":"Changed By","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-by"}"#,
    printcolumn = r#"{"name":"Since","type":"date","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-at"}"#,
    printcolumn = r#"{"name":"Changed At","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-at","priority":1}"#,
    printcolumn = r#"{"name":"Cause","type":"string","jsonPath":".status.cause","priority":1}"#,
    printcolumn = r#"{"name":"Recorded","type":"string","jsonPath":".status.conditions[?(@.type==\"Recorded\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Binding","type":"string","jsonPath":".metadata.ownerReferences[?(@.kind==\"ReleaseBinding\")].name","priority":1}"#,
    printcolumn = r#"{"name":"Description","type":"string","jsonPath":".metadata.annotations.openchoreo\\.dev/description","priority":1}"#,
    printcolumn = r#"{"name":"Display Name","type":"string","jsonPath":".metadata.annotations.openchoreo\\.dev/display-name","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSpec {
    /// Whose release this is. Immutable.
    pub owner: Owner,
    /// The environment that it is for. Immutable.
    #[schemars(schema_with = "super::schema::name")]
    pub environment_name: String,
    /// The plane that its objects go to. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_plane: Option<TargetPlane>,
    /// The objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub resources: Vec<Resource>,
    /// How often a settled release is looked at; 5m where absent, `0s` = never. The webhook writes the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::go_duration")]
    pub interval: Option<String>,
    /// How often a release on its way is looked at; 10s, or `interval` if that is shorter, where absent; `0s` = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::go_duration")]
    pub progressing_interval: Option<String>,
}

/// The plane that a release's objects go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TargetPlane {
    /// The environment's data plane.
    DataPlane,
    /// Its observability plane.
    ObservabilityPlane,
}

/// One object of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// Unique in the release, and a label value.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"))]
    pub id: String,
    /// The whole object.
    #[schemars(schema_with = "super::schema::embedded_object")]
    pub object: Value,
}

/// What became of a release, written by the controller.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// The generation that was last acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The revision of the binding that this status speaks of, as `<binding UID>/<revision>`: its objects were applied, and
    /// observed after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendered_from: Option<String>,
    /// The worst health among the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Why it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Every object that may have been made and is not known to be gone: written before the first of them is applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<ObjectRef>,
    /// The newest record of a direct Release that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Anchor>,
    /// Each object as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceStatus>,
    /// Standard conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// One object as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// The id of the resource in the spec.
    #[schemars(length(min = 1))]
    pub id: String,
    /// Its API group; absent for the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its API version.
    #[schemars(length(min = 1))]
    pub version: String,
    /// Its kind.
    #[schemars(length(min = 1))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its namespace; absent for cluster scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its whole live `.status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_value")]
    pub status: Option<Value>,
    /// Its health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_status: Option<Health>,
    /// Why it is not healthy, or why it was not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When status or health last changed, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_observed_time: Option<String>,
}
