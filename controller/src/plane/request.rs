//! Requests to the cluster: server-side apply, deletion by identity, and what its answers mean.

use kube::core::ApiResource;
use release_shared::kinds::ObjectRef;
use serde_json::{Value, json};

use super::Plane;
use crate::request::{self, Accept, Content, Refusal, path, send};

impl Plane {
    /// Server-side apply, unforced. What the API server does not know of a kind it drops and warns of; what was admitted is applied.
    pub(crate) async fn apply(&self, resource: &ApiResource, at: &ObjectRef, object: &Value) -> Result<Value, Refusal> {
        let path = path(resource, at.namespace.as_deref(), Some(&at.name));
        send(&self.client, Content::Apply, &path, Accept::Object, object).await
    }

    /// The same, taking over what others own of it.
    pub(crate) async fn apply_by_force(
        &self,
        resource: &ApiResource,
        at: &ObjectRef,
        object: &Value,
    ) -> Result<Value, Refusal> {
        let path = path(resource, at.namespace.as_deref(), Some(&at.name));
        send(&self.client, Content::ForcedApply, &path, Accept::Object, object).await
    }

    /// Makes an object that has no namespace.
    pub(crate) async fn create(&self, resource: &ApiResource, object: &Value) -> Result<Value, Refusal> {
        send(&self.client, Content::Create, &path(resource, None, None), Accept::Object, object).await
    }

    /// Changes some of an object.
    pub(crate) async fn merge(&self, resource: &ApiResource, at: &ObjectRef, patch: &Value) -> Result<Value, Refusal> {
        let path = path(resource, at.namespace.as_deref(), Some(&at.name));
        send(&self.client, Content::Merge, &path, Accept::Metadata, patch).await
    }

    /// Deletes an object, and no other that has taken its name; the garbage collector removes what belongs to it. (Without that word a
    /// Job's pods would stay.) Whether anything was there.
    pub(crate) async fn delete(&self, resource: &ApiResource, at: &ObjectRef, uid: &str) -> Result<bool, Refusal> {
        let path = path(resource, at.namespace.as_deref(), Some(&at.name));
        request::delete(&self.client, &path, &json!({ "uid": uid })).await
    }
}
