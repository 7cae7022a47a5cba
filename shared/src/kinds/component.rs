use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ComponentTypeRef;

/// Something that is released as one.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openchoreo.dev",
    version = "v1alpha1",
    kind = "Component",
    namespaced,
    status = "ComponentStatus",
    shortname = "comp",
    shortname = "comps",
    category = "openchoreo",
    doc = "Something that is released as one.",
    selectable = ".spec.owner.projectName",
    printcolumn = r#"{"name":"Project","type":"string","jsonPath":".spec.owner.projectName"}"#,
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.componentType.name"}"#,
    printcolumn = r#"{"name":"Changed By","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-by","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ComponentSpec {
    /// Whose component this is. Immutable.
    pub owner: ComponentOwner,
    /// Its type, `<workloadType>/<name>`. Immutable.
    pub component_type: ComponentTypeRef,
    /// Upstream: deploy every change at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_deploy: bool,
    /// Upstream: build every push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_build: Option<bool>,
    /// Upstream's parameters; kept as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_value")]
    pub parameters: Option<Value>,
    /// Upstream's traits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traits: Vec<ComponentTrait>,
    /// Upstream's build workflow; kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub workflow: Option<Value>,
}

/// Whose component it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentOwner {
    /// The project.
    #[schemars(schema_with = "super::schema::name")]
    pub project_name: String,
}

/// One instance of a trait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentTrait {
    /// `Trait` or `ClusterTrait`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Trait", "ClusterTrait"]))]
    pub kind: Option<String>,
    /// The trait's name.
    pub name: String,
    /// The name of this instance, unique in the component.
    pub instance_name: String,
    /// Its parameters; kept as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_value")]
    pub parameters: Option<Value>,
}

/// What upstream's controller last cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatestRelease {
    /// The ComponentRelease.
    pub name: String,
    /// Upstream's hash of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_hash: Option<String>,
}

/// The status of a Component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// The generation that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Standard conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What upstream's controller last cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_release: Option<LatestRelease>,
}
