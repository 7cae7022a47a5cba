//! What the cluster serves: asked for one API version at a time, when it is needed first.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use kube::Client;
use kube::core::{ApiResource, GroupVersionKind};
use release_shared::fence::Scope;

use super::Plane;

/// A kind that the cluster serves.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// How it is addressed.
    pub(crate) resource: ApiResource,
    /// Where its objects live.
    pub(crate) scope: Scope,
}

/// Why a kind is not known.
#[derive(Debug)]
pub(crate) enum Unknown {
    /// The cluster does not serve it.
    NotServed,
    /// The API server did not say.
    Failed(kube::Error),
}

#[derive(Debug)]
struct Version {
    kinds: HashMap<String, Known>,
    asked: Instant,
}

/// A kind that is missing is asked for again, but not more often than this.
const AGAIN: Duration = Duration::from_secs(2);

pub(super) struct Discovery {
    client: Client,
    versions: RwLock<HashMap<String, Version>>,
}

impl Discovery {
    pub(super) fn new(client: Client) -> Self {
        Self { client, versions: RwLock::default() }
    }

    async fn kind(&self, group: &str, version: &str, kind: &str) -> Result<Known, Unknown> {
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        {
            let versions = self.versions.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = versions.get(&api_version) {
                match known.kinds.get(kind) {
                    Some(known) => return Ok(known.clone()),
                    None if known.asked.elapsed() < AGAIN => return Err(Unknown::NotServed),
                    None => {}
                }
            }
        }
        let kinds = self.ask(group, version, &api_version).await.map_err(Unknown::Failed)?;
        let found = kinds.get(kind).cloned();
        let mut versions = self.versions.write().unwrap_or_else(PoisonError::into_inner);
        versions.insert(api_version, Version { kinds, asked: Instant::now() });
        found.ok_or(Unknown::NotServed)
    }

    async fn any_version(&self, group: &str, version: &str, kind: &str) -> Result<Known, Unknown> {
        match self.kind(group, version, kind).await {
            // The core group has one version only.
            Err(Unknown::NotServed) if !group.is_empty() => {}
            known => return known,
        }
        let groups = self.client.list_api_groups().await.map_err(Unknown::Failed)?.groups;
        let versions = groups.into_iter().find(|known| known.name == group).map(|known| known.versions);
        for other in versions.into_iter().flatten().filter(|other| other.version != version) {
            match self.kind(group, &other.version, kind).await {
                Err(Unknown::NotServed) => {}
                known => return known,
            }
        }
        Err(Unknown::NotServed)
    }

    /// Something says that the cluster no longer serves what was known: the next who wants it asks.
    pub(super) fn forget(&self, api_version: &str) {
        self.versions.write().unwrap_or_else(PoisonError::into_inner).remove(api_version);
    }

    async fn ask(&self, group: &str, version: &str, api_version: &str) -> Result<HashMap<String, Known>, kube::Error> {
        let list = if group.is_empty() {
            self.client.list_core_api_resources(version).await
        } else {
            self.client.list_api_group_resources(api_version).await
        };
        let list = match list {
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(HashMap::new()),
            list => list?,
        };
        let kinds = list.resources.into_iter().filter(|resource| !resource.name.contains('/'));
        let known = kinds.map(|resource| {
            let gvk = GroupVersionKind::gvk(group, version, &resource.kind);
            let scope = if resource.namespaced { Scope::Namespaced } else { Scope::Cluster };
            (resource.kind, Known { resource: ApiResource::from_gvk_with_plural(&gvk, &resource.name), scope })
        });
        Ok(known.collect())
    }
}

impl Plane {
    /// How a kind is addressed.
    ///
    /// # Errors
    /// It is not served, or nobody says so.
    pub(crate) async fn kind(&self, group: &str, version: &str, kind: &str) -> Result<Known, Unknown> {
        self.discovery.kind(group, version, kind).await
    }

    /// How a kind is addressed whose version may have gone, as versions do: its objects are still there under another.
    ///
    /// # Errors
    /// No version of it is served, or nobody says so.
    pub(crate) async fn kind_of_any_version(&self, group: &str, version: &str, kind: &str) -> Result<Known, Unknown> {
        self.discovery.any_version(group, version, kind).await
    }

    /// An object had no place: its namespace is gone, or its kind.
    pub(crate) fn doubt(&self, api_version: &str) {
        self.discovery.forget(api_version);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    /// A cluster that serves Widgets of a version, as long as it is told to.
    fn discovery(serves: &Arc<AtomicBool>, version: &'static str) -> Discovery {
        let serves = Arc::clone(serves);
        let service = tower::service_fn(move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            let kinds = json!([{"name": "widgets", "singularName": "widget", "kind": "Widget", "namespaced": true, "verbs": ["get"]}]);
            let list = json!({"kind": "APIResourceList", "groupVersion": "example.org/x", "resources": kinds});
            let versions = json!([{"groupVersion": format!("example.org/{version}"), "version": version}]);
            let groups = json!({"kind": "APIGroupList", "groups": [{"name": "example.org", "versions": versions}]});
            let none = json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"});
            let (code, body) = match path.as_str() {
                "/apis" => (200, groups),
                path if serves.load(Ordering::Relaxed) && path.ends_with(version) => (200, list),
                _ => (404, none),
            };
            let response = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
            async move { Ok::<_, Infallible>(response.unwrap()) }
        });
        Discovery::new(Client::new(service, "default"))
    }

    #[tokio::test]
    async fn a_kind_that_is_no_longer_served_is_noticed_when_in_doubt() {
        let serves = Arc::new(AtomicBool::new(true));
        let discovery = discovery(&serves, "v1");
        let ask = || discovery.kind("example.org", "v1", "Widget");
        assert_eq!(ask().await.unwrap().resource.plural, "widgets");
        serves.store(false, Ordering::Relaxed);
        assert!(ask().await.is_ok(), "nothing is asked twice");
        discovery.forget("example.org/v1");
        assert!(matches!(ask().await, Err(Unknown::NotServed)));
    }

    #[tokio::test]
    async fn what_was_made_under_a_version_that_is_gone_is_found_under_another() {
        let discovery = discovery(&Arc::new(AtomicBool::new(true)), "v1");
        assert!(matches!(discovery.kind("example.org", "v1beta1", "Widget").await, Err(Unknown::NotServed)));
        let found = discovery.any_version("example.org", "v1beta1", "Widget").await.unwrap();
        assert_eq!(found.resource.api_version, "example.org/v1");
        let other = discovery.any_version("example.org", "v1beta1", "Gadget").await;
        assert!(matches!(other, Err(Unknown::NotServed)));
    }
}
