use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ConditionsStatus, DeploymentPipelineRef};

/// A group of components that share one pipeline.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openchoreo.dev",
    version = "v1alpha1",
    kind = "Project",
    namespaced,
    status = "ConditionsStatus",
    shortname = "proj",
    shortname = "projs",
    category = "openchoreo",
    doc = "A group of components that share one deployment pipeline.",
    printcolumn = r#"{"name":"Pipeline","type":"string","jsonPath":".spec.deploymentPipelineRef.name"}"#,
    printcolumn = r#"{"name":"Changed By","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-by","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ProjectSpec {
    /// The pipeline along which the project's components are promoted.
    pub deployment_pipeline_ref: DeploymentPipelineRef,
    /// Upstream's project type; kept as it is.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub project_type: Option<ProjectTypeRef>,
    /// Upstream's parameters; kept as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_value")]
    pub parameters: Option<Value>,
}

/// A reference to upstream's project type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectTypeRef {
    /// `ProjectType` or `ClusterProjectType`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its name.
    pub name: String,
}
