use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Owner;

/// An immutable snapshot of a component: its objects as templates, with a schema for what may differ per environment. No field
/// has a default: a default would change the content after it was hashed.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "openchoreo.dev",
    version = "v1alpha1",
    kind = "ComponentRelease",
    namespaced,
    category = "openchoreo",
    doc = "An immutable snapshot of a component: its objects as templates, with a schema for what may differ per environment.",
    selectable = ".spec.owner.projectName",
    selectable = ".spec.owner.componentName",
    printcolumn = r#"{"name":"Project","type":"string","jsonPath":".spec.owner.projectName"}"#,
    printcolumn = r#"{"name":"Component","type":"string","jsonPath":".spec.owner.componentName"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".metadata.annotations.openchoreo\\.dev/version"}"#,
    printcolumn = r#"{"name":"Image","type":"string","jsonPath":".spec.workload.container.image","priority":1}"#,
    printcolumn = r#"{"name":"Changed By","type":"string","jsonPath":".metadata.annotations.release\\.openchoreo\\.dev/changed-by"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ComponentReleaseSpec {
    /// Whose release this is.
    pub owner: Owner,
    /// The component type, frozen; for a snapshot of plain manifests their templates are its resources.
    pub component_type: ComponentTypeSnapshot,
    /// Upstream's traits, frozen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub traits: Vec<TraitSnapshot>,
    /// Upstream's parameter values, frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_profile: Option<ComponentProfile>,
    /// The workload, frozen.
    pub workload: WorkloadSpec,
}

/// A component type at the time of the release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentTypeSnapshot {
    /// `ComponentType` or `ClusterComponentType`.
    #[schemars(extend("enum" = ["ComponentType", "ClusterComponentType"]))]
    pub kind: String,
    /// `<workloadType>/<name>`.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// What it makes of a component.
    pub spec: ComponentTypeSpec,
}

/// What a component type makes of a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentTypeSpec {
    /// The kind of the primary workload, in lower case. Upstream requires a resource whose id is this word, except for `proxy`.
    #[schemars(extend("enum" = ["deployment", "statefulset", "cronjob", "job", "proxy"]))]
    pub workload_type: String,
    /// The schema of `${parameters.…}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<OpenApiSchema>,
    /// The schema of `${environmentConfigs.…}`: what may differ per environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_configs: Option<OpenApiSchema>,
    /// The objects, as templates.
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub resources: Vec<ResourceTemplate>,
    /// Upstream's allowed traits; kept as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::schema::any_objects")]
    pub allowed_traits: Vec<Value>,
    /// Upstream's allowed workflows; kept as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::schema::any_objects")]
    pub allowed_workflows: Vec<Value>,
    /// Upstream's built-in traits; kept as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::schema::any_objects")]
    pub traits: Vec<Value>,
    /// Upstream's rules before rendering; kept as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::schema::any_objects")]
    pub pre_render_validations: Vec<Value>,
    /// Upstream's rules after rendering; kept as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::schema::any_objects")]
    pub post_render_validations: Vec<Value>,
    /// Upstream's older name of `preRenderValidations`; kept as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::schema::any_objects")]
    pub validations: Vec<Value>,
}

/// A schema for values, as in a CustomResourceDefinition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenApiSchema {
    /// OpenAPI v3.
    #[serde(rename = "openAPIV3Schema")]
    #[schemars(schema_with = "super::schema::atomic_object")]
    pub open_api_v3_schema: Value,
}

/// One object, as a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceTemplate {
    /// Unique in the release, and a label value.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"))]
    pub id: String,
    /// The object; strings may hold references such as `${environmentConfigs.replicas}`.
    #[schemars(schema_with = "super::schema::template")]
    pub template: Value,
    /// Upstream's condition; kept as it is, and refused when rendering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_when: Option<String>,
    /// Upstream's loop; kept as it is, and refused when rendering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// Upstream's loop variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub var: Option<String>,
    /// Upstream's plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["dataplane", "observabilityplane"]))]
    pub target_plane: Option<String>,
}

/// A trait at the time of the release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraitSnapshot {
    /// `Trait` or `ClusterTrait`.
    #[schemars(extend("enum" = ["Trait", "ClusterTrait"]))]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its specification; kept as it is.
    #[schemars(schema_with = "super::schema::any_object")]
    pub spec: Value,
}

/// The parameter values of the component at the time of the release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentProfile {
    /// Values of `${parameters.…}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_value")]
    pub parameters: Option<Value>,
    /// Upstream's trait instances; kept as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::schema::any_objects")]
    pub traits: Vec<Value>,
}

/// The workload at the time of the release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadSpec {
    /// The main container.
    pub container: Container,
    /// Upstream's endpoints by name; kept as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub endpoints: Option<Value>,
    /// Upstream's dependencies; kept as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_object")]
    pub dependencies: Option<Value>,
}

/// A container as upstream describes a workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// The image.
    #[schemars(length(min = 1))]
    pub image: String,
    /// Its entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileVar>,
}

/// An environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub key: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileVar {
    /// Its name.
    pub key: String,
    /// Where it is mounted.
    pub mount_path: String,
    /// Its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where its content comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValueFrom {
    /// A key of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// The Secret's name.
    pub name: String,
    /// The key.
    pub key: String,
}
