use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ConditionsStatus;

/// A cluster in which an environment's objects live.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openchoreo.dev",
    version = "v1alpha1",
    kind = "DataPlane",
    namespaced,
    status = "ConditionsStatus",
    shortname = "dp",
    shortname = "dps",
    category = "openchoreo",
    doc = "A cluster in which an environment's objects live.",
    printcolumn = r#"{"name":"Plane","type":"string","jsonPath":".spec.planeID"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct DataPlaneSpec {
    /// Upstream's identifier of the plane; the object's name where absent.
    #[serde(rename = "planeID", default, skip_serializing_if = "Option::is_none")]
    pub plane_id: Option<String>,
    /// Upstream's agent; kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub cluster_agent: Option<Value>,
    /// Upstream's gateway; kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub gateway: Option<Value>,
    /// Upstream's secret store; kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub secret_store_ref: Option<Value>,
    /// Upstream's observability plane; kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub observability_plane_ref: Option<Value>,
}
