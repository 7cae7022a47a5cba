use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConditionsStatus, EnvironmentRef};

/// The paths along which releases are promoted. Whether they are kept or only told about is the annotation `enforcement`.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openchoreo.dev",
    version = "v1alpha1",
    kind = "DeploymentPipeline",
    namespaced,
    status = "ConditionsStatus",
    shortname = "deppipe",
    shortname = "deppipes",
    category = "openchoreo",
    doc = "The paths along which releases are promoted from environment to environment.",
    printcolumn = r#"{"name":"Enforcement","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/enforcement"}"#,
    printcolumn = r#"{"name":"Changed By","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-by","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentPipelineSpec {
    /// From which environment to which others a release may go. A path without targets declares a single environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub promotion_paths: Vec<PromotionPath>,
}

/// One source and where a release may go from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionPath {
    /// The environment that a release comes from.
    pub source_environment_ref: EnvironmentRef,
    /// The environments that it may go to next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub target_environment_refs: Vec<EnvironmentRef>,
}
