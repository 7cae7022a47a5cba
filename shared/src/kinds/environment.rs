use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ConditionsStatus, DataPlaneRef};

/// A place that releases are promoted to. What it lets in is told by its policy annotations.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openchoreo.dev",
    version = "v1alpha1",
    kind = "Environment",
    namespaced,
    status = "ConditionsStatus",
    shortname = "env",
    shortname = "envs",
    category = "openchoreo",
    doc = "A place that releases are promoted to.",
    printcolumn = r#"{"name":"Production","type":"boolean","jsonPath":".spec.isProduction"}"#,
    printcolumn = r#"{"name":"Data Plane","type":"string","jsonPath":".spec.dataPlaneRef.name"}"#,
    printcolumn = r#"{"name":"Frozen","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/frozen","priority":1}"#,
    printcolumn = r#"{"name":"Changed By","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-by","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSpec {
    /// Where the environment's objects live; none = this cluster. Immutable once set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_plane_ref: Option<DataPlaneRef>,
    /// Whether this is production.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_production: bool,
    /// Upstream's gateway; kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub gateway: Option<Value>,
}
