//! Objects of any kind, read with the user's own rights: what a group version serves, single objects, all of a namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::{StreamExt, TryStreamExt, stream};
use release_shared::fence::{Scope, kind_name};
use release_shared::kinds::ObjectRef;
use release_shared::object::text;
use serde_json::Value;

use crate::cluster::{Cluster, encode};
use crate::error::Error;

/// How many requests are under way at once.
const AT_ONCE: usize = 8;
/// How many objects a list is read by, as kubectl does.
const PAGE: usize = 500;

/// A right that the user does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    pub(crate) verb: &'static str,
    /// `deployments.apps`, or a path.
    pub(crate) resource: String,
    pub(crate) namespace: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "you may not {} {}", self.verb, self.resource)?;
        self.namespace.iter().try_for_each(|namespace| write!(f, " in namespace {namespace}"))
    }
}

/// Which object this is.
pub(crate) fn reference(object: &Value) -> ObjectRef {
    let (group, version) = group_version(text(object, "/apiVersion").unwrap_or_default());
    let named = |pointer: &str| text(object, pointer).unwrap_or_default().to_owned();
    ObjectRef {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: named("/kind"),
        namespace: text(object, "/metadata/namespace").filter(|name| !name.is_empty()).map(str::to_owned),
        name: named("/metadata/name"),
    }
}

/// Group and version of an `apiVersion`.
pub(crate) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Whether a word can be one step of a path: an empty one or dots would lead to another place.
fn is_step(word: &str) -> bool {
    !["", ".", ".."].contains(&word)
}

/// The path of a group version.
fn root(api_version: &str) -> String {
    match group_version(api_version) {
        ("", version) => format!("/api/{}", encode(version)),
        (group, version) => format!("/apis/{}/{}", encode(group), encode(version)),
    }
}

/// A kind as the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    /// The plural, as it stands in URLs.
    pub(crate) resource: String,
    /// Where its objects live.
    pub(crate) scope: Scope,
}

/// What a group version serves, by kind.
#[derive(Debug)]
enum Group {
    Serves(BTreeMap<String, Served>),
    Denied(Right),
}

/// What some group versions serve.
#[derive(Debug, Default)]
pub(crate) struct Discovery(BTreeMap<String, Group>);

impl Discovery {
    /// Asks for each group version once.
    pub(crate) async fn read(cluster: &Cluster, api_versions: BTreeSet<String>) -> Result<Self, Error> {
        let groups = stream::iter(api_versions).map(async |api_version| {
            let group = discover(cluster, &api_version).await?;
            Ok::<_, Error>((api_version, group))
        });
        groups.buffered(AT_ONCE).try_collect().await.map(Self)
    }

    /// The kind of an object; `None` where the cluster has none such, or the user may not know.
    pub(crate) fn kind(&self, object: &ObjectRef) -> Option<&Served> {
        match self.0.get(&object.api_version())? {
            Group::Serves(kinds) => kinds.get(&object.kind),
            Group::Denied(_) => None,
        }
    }

    /// The objects as they are, in this order; `None` where there is none. All rights that are missing are told at once.
    pub(crate) async fn get_all(&self, cluster: &Cluster, objects: &[ObjectRef]) -> Result<Vec<Option<Value>>, Error> {
        let results: Vec<_> =
            stream::iter(objects).map(|object| self.get(cluster, object)).buffered(AT_ONCE).collect().await;
        let (mut found, mut missing) = (Vec::with_capacity(objects.len()), BTreeSet::new());
        for result in results {
            match result {
                Ok(object) => found.push(object),
                Err(Error::MissingRights(rights)) => missing.extend(rights),
                Err(error) => return Err(error),
            }
        }
        if missing.is_empty() { Ok(found) } else { Err(Error::MissingRights(missing.into_iter().collect())) }
    }

    async fn get(&self, cluster: &Cluster, object: &ObjectRef) -> Result<Option<Value>, Error> {
        if let Some(Group::Denied(right)) = self.0.get(&object.api_version()) {
            return Err(Error::MissingRights(vec![right.clone()]));
        }
        if !is_step(&object.name) {
            return Ok(None);
        }
        let Some(served) = self.kind(object) else {
            let kind = kind_name(&object.group, &object.kind);
            cluster.note_once(&format!("Note: the cluster does not know the kind {kind} of {}", object.version));
            return Ok(None);
        };
        let namespace = object.namespace.as_deref().filter(|name| served.scope == Scope::Namespaced && is_step(name));
        let path =
            format!("{}/{}", collection(&object.api_version(), &served.resource, namespace), encode(&object.name));
        let right = || right("get", &object.group, &served.resource, namespace);
        cluster.read(&path).await.map_err(|error| denied(error, right))
    }
}

async fn discover(cluster: &Cluster, api_version: &str) -> Result<Group, Error> {
    let (group, version) = group_version(api_version);
    if !(is_step(version) && (group.is_empty() || is_step(group))) {
        return Ok(Group::Serves(BTreeMap::new()));
    }
    let path = root(api_version);
    let right = || Right { verb: "get", resource: path.clone(), namespace: None };
    match cluster.read(&path).await.map_err(|error| denied(error, right)) {
        Ok(list) => Ok(Group::Serves(list.as_ref().map(kinds).unwrap_or_default())),
        Err(Error::MissingRights(rights)) => Ok(Group::Denied(rights.into_iter().next().unwrap_or_else(right))),
        Err(error) => Err(error),
    }
}

/// The kinds of an `APIResourceList`, without subresources.
fn kinds(list: &Value) -> BTreeMap<String, Served> {
    let resources = list.get("resources").and_then(Value::as_array).into_iter().flatten();
    let kind = |resource: &Value| {
        let name = text(resource, "/name").filter(|name| !name.contains('/'))?.to_owned();
        let namespaced = resource.get("namespaced").and_then(Value::as_bool)?;
        let scope = if namespaced { Scope::Namespaced } else { Scope::Cluster };
        Some((text(resource, "/kind")?.to_owned(), Served { resource: name, scope }))
    };
    resources.filter_map(kind).collect()
}

/// All objects of a resource in a namespace, page by page.
pub(crate) async fn list(
    cluster: &Cluster,
    api_version: &str,
    resource: &str,
    namespace: &str,
) -> Result<Vec<Value>, Error> {
    let path = collection(api_version, resource, Some(namespace));
    let right = || right("list", group_version(api_version).0, resource, Some(namespace));
    let (mut objects, mut next) = (Vec::new(), String::new());
    loop {
        let page = cluster.read(&format!("{path}?limit={PAGE}{next}")).await;
        let Some(mut page) = page.map_err(|error| denied(error, right))? else { return Ok(objects) };
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            objects.extend(items);
        }
        match text(&page, "/metadata/continue").filter(|token| !token.is_empty()) {
            Some(token) => next = format!("&continue={}", encode(token)),
            None => return Ok(objects),
        }
    }
}

fn collection(api_version: &str, resource: &str, namespace: Option<&str>) -> String {
    let namespace = namespace.map(|name| format!("/namespaces/{}", encode(name))).unwrap_or_default();
    format!("{}{namespace}/{}", root(api_version), encode(resource))
}

fn right(verb: &'static str, group: &str, resource: &str, namespace: Option<&str>) -> Right {
    Right { verb, resource: kind_name(group, resource), namespace: namespace.map(str::to_owned) }
}

/// A refusal names the right, not the request.
fn denied(error: Error, right: impl FnOnce() -> Right) -> Error {
    match error {
        Error::Status(status) if status.code == 403 => Error::MissingRights(vec![right()]),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_known_by_group_kind_namespace_and_name() {
        let object =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "a"}});
        assert_eq!(reference(&object).to_string(), "Deployment a/web");
        let core = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": ""}});
        assert_eq!((reference(&core).group.as_str(), reference(&core).namespace), ("", None));
    }

    #[test]
    fn what_stands_in_an_object_cannot_lead_elsewhere() {
        assert_eq!(root("v1"), "/api/v1");
        assert_eq!(root("apps/v1"), "/apis/apps/v1");
        assert_eq!(root("a?b/v1/../c"), "/apis/a%3Fb/v1%2F..%2Fc");
        assert_eq!(collection("apps/v1", "deployments", Some("a/b")), "/apis/apps/v1/namespaces/a%2Fb/deployments");
        assert!(["", ".", ".."].into_iter().all(|word| !is_step(word)) && is_step("web..1"));
    }

    #[test]
    fn kinds_are_read_without_their_subresources() {
        let list = json!({"resources": [
            {"name": "widgets", "namespaced": true, "kind": "Widget"},
            {"name": "widgets/scale", "namespaced": true, "kind": "Scale"},
            {"name": "planets", "namespaced": false, "kind": "Planet"}
        ]});
        let served = |resource: &str, scope| Served { resource: resource.into(), scope };
        let expected =
            [("Planet", served("planets", Scope::Cluster)), ("Widget", served("widgets", Scope::Namespaced))];
        assert_eq!(kinds(&list), BTreeMap::from(expected.map(|(kind, served)| (kind.to_owned(), served))));
    }

    #[test]
    fn a_missing_right_is_named() {
        let namespaced = right("get", "apps", "deployments", Some("shop-staging"));
        assert_eq!(namespaced.to_string(), "you may not get deployments.apps in namespace shop-staging");
        assert_eq!(right("get", "", "namespaces", None).to_string(), "you may not get namespaces");
    }
}
