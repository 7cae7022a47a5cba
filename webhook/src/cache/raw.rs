//! An object of ours as it comes from the API server, with no more of it in memory than its text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::api::{ApiResource, ObjectMeta};
use kube::core::DynamicResourceScope;
use release_shared::kinds::Kind;
use release_shared::world::{Parts, View, excerpt};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An object whose spec and status are text. A parsed one may take sixteen times as much.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Read")]
pub(crate) struct RawObject {
    metadata: ObjectMeta,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Option<Box<RawValue>>,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

/// What is looked at of metadata. That who manages which field would take as much as the object.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    deletion_timestamp: Option<Time>,
    annotations: Option<BTreeMap<String, String>>,
}

impl From<Read> for RawObject {
    fn from(Read { metadata, spec, status }: Read) -> Self {
        let Metadata { name, namespace, uid, resource_version, deletion_timestamp, annotations } = metadata;
        let metadata = ObjectMeta {
            name,
            namespace,
            uid,
            resource_version,
            deletion_timestamp,
            annotations,
            ..ObjectMeta::default()
        };
        Self { metadata, spec, status }
    }
}

impl RawObject {
    /// What the rules see of it.
    pub(crate) fn view(&self, kind: Kind) -> View {
        let metadata = serde_json::to_value(&self.metadata).unwrap_or_default();
        let [spec, status] = [&self.spec, &self.status].map(|part| part.as_deref().map(RawValue::get));
        excerpt(&Parts { kind, metadata: &metadata, spec, status }).view()
    }
}

impl Resource for RawObject {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
