//! Requests on our own kinds, as ourselves.

use kube::Client;
use release_edge::follow::Place;
use release_edge::kind::resource;
use release_shared::kinds::Kind;
use release_shared::object::text;
use serde::Serialize;
use serde_json::{Value, json};

use crate::request::{self, Accept, Content, Refusal, path, send};

/// The API server, for our own kinds.
#[derive(Clone)]
pub(crate) struct Own {
    client: Client,
}

impl Own {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn path(kind: Kind, place: &Place) -> String {
        path(&resource(kind), Some(&place.namespace), Some(&place.name))
    }

    /// Puts a status in place of the one that an object has at `resource_version`; the object's new resourceVersion.
    pub(crate) async fn write_status(
        &self,
        kind: Kind,
        place: &Place,
        resource_version: &str,
        status: &(impl Serialize + Sync),
    ) -> Result<String, Refusal> {
        let status = serde_json::to_value(status).map_err(|error| Refusal::Refused(error.to_string()))?;
        let patch = json!([
            { "op": "replace", "path": "/metadata/resourceVersion", "value": resource_version },
            { "op": "add", "path": "/status", "value": status },
        ]);
        let path = format!("{}/status", Self::path(kind, place));
        let written = send(&self.client, Content::Status, &path, Accept::Metadata, &patch).await?;
        Ok(text(&written, "/metadata/resourceVersion").unwrap_or_default().to_owned())
    }

    /// Applies a Release that is rendered from a binding. All of it is ours: nobody else may write it.
    pub(crate) async fn apply_release(&self, place: &Place, release: &Value) -> Result<Value, Refusal> {
        send(&self.client, Content::ForcedApply, &Self::path(Kind::Release, place), Accept::Object, release).await
    }

    /// Gives a Release, as it is at `resource_version`, these finalizers.
    pub(crate) async fn set_finalizers(
        &self,
        place: &Place,
        resource_version: &str,
        finalizers: &[String],
    ) -> Result<String, Refusal> {
        let patch = json!([
            { "op": "replace", "path": "/metadata/resourceVersion", "value": resource_version },
            { "op": "add", "path": "/metadata/finalizers", "value": finalizers },
        ]);
        let written =
            send(&self.client, Content::Patch, &Self::path(Kind::Release, place), Accept::Metadata, &patch).await?;
        Ok(text(&written, "/metadata/resourceVersion").unwrap_or_default().to_owned())
    }

    /// Deletes an object as it was seen; fine where it is gone or has changed since.
    pub(crate) async fn delete(
        &self,
        kind: Kind,
        place: &Place,
        uid: &str,
        version: Option<&str>,
    ) -> Result<(), Refusal> {
        let mut preconditions = json!({ "uid": uid });
        if let Some(version) = version {
            preconditions["resourceVersion"] = version.into();
        }
        request::delete(&self.client, &Self::path(kind, place), &preconditions).await.map(drop)
    }

    /// An object; `None` where there is none.
    pub(crate) async fn get(&self, kind: Kind, place: &Place) -> Result<Option<Value>, Refusal> {
        let request = request::request(http::Method::GET, &Self::path(kind, place), "get").body(Vec::new());
        let request = request.map_err(|error| Refusal::Refused(error.to_string()))?;
        match self.client.request::<Value>(request).await {
            Ok(object) => Ok(Some(object)),
            Err(error) => match Refusal::from(&error) {
                Refusal::NotFound => Ok(None),
                refusal => Err(refusal),
            },
        }
    }
}
