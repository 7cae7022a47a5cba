//! A Release → its objects as they are applied: in their namespace, marked as its own, each with the hash of what it is, and in
//! the order in which they are applied.

use serde_json::{Map, Value};

use crate::canonical;
use crate::fence::Scope;
use crate::kinds::ObjectRef;
use crate::names;
use crate::object::text;

/// Whose objects they are.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The UID of the Release.
    pub uid: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its value of [`names::RESTARTED_AT`]: a new one restarts its workloads.
    pub restarted_at: Option<&'a str>,
    /// The namespace of objects that name none.
    pub default_namespace: &'a str,
}

/// An object as it is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The id of its resource.
    pub id: String,
    /// What and where it is.
    pub reference: ObjectRef,
    /// All of it, with our labels and its hash.
    pub object: Value,
    /// What its annotation [`names::APPLIED_HASH`] says: the SHA-256 of the rest.
    pub hash: String,
}

/// The place of a kind in the order of application: what others need comes first. (Helm's install order, with whole groups in
/// place of single kinds, and kinds that are not known before the workloads that may mount what they make.)
pub fn tier(group: &str, kind: &str) -> u8 {
    match (group, kind) {
        ("", "Namespace") => 0,
        ("apiextensions.k8s.io", _) => 1,
        ("", "ServiceAccount") | ("rbac.authorization.k8s.io", _) => 2,
        ("", "ConfigMap" | "Secret" | "ResourceQuota" | "LimitRange")
        | ("networking.k8s.io", "NetworkPolicy")
        | ("scheduling.k8s.io", _) => 3,
        ("", "PersistentVolume" | "PersistentVolumeClaim") | ("storage.k8s.io", _) => 4,
        ("", "Service") => 5,
        ("", "Pod") | ("apps" | "batch", _) => 7,
        ("networking.k8s.io" | "gateway.networking.k8s.io", _) => 8,
        ("autoscaling" | "policy", _) => 9,
        _ => 6,
    }
}

/// What and where the object of a resource is. `scope` is that of its kind. `None` where it is no object.
pub fn reference(object: &Value, scope: Scope, default_namespace: &str) -> Option<ObjectRef> {
    let api_version = text(object, "/apiVersion")?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let own = text(object, "/metadata/namespace").filter(|namespace| !namespace.is_empty());
    let namespace = (scope == Scope::Namespaced).then(|| own.unwrap_or(default_namespace).to_owned());
    Some(ObjectRef {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: text(object, "/kind")?.to_owned(),
        namespace,
        name: text(object, "/metadata/name")?.to_owned(),
    })
}

/// The object of a resource as it is applied. `None` where it is no object, which admission does not let through.
pub fn desired(id: &str, object: &Value, scope: Scope, origin: &Origin<'_>) -> Option<Desired> {
    let reference = reference(object, scope, origin.default_namespace)?;
    let mut object = object.clone();
    object.as_object_mut()?.remove("status");
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    match &reference.namespace {
        Some(namespace) => drop(metadata.insert("namespace".into(), namespace.clone().into())),
        None => drop(metadata.remove("namespace")),
    }
    let labels = [
        (names::MANAGED_BY_LABEL, names::CONTROLLER_MANAGER),
        (names::RESOURCE_ID_LABEL, id),
        (names::RELEASE_UID_LABEL, origin.uid),
        (names::RELEASE_NAME_LABEL, origin.name),
        (names::RELEASE_NAMESPACE_LABEL, origin.namespace),
    ];
    put_all(metadata, "labels", &labels);
    if let Some(restarted_at) = origin.restarted_at {
        restart(&mut object, &reference, restarted_at);
    }
    let hash = names::sha256_hex(&canonical::to_vec(&object));
    put_all(object.get_mut("metadata")?.as_object_mut()?, "annotations", &[(names::APPLIED_HASH, &hash)]);
    Some(Desired { id: id.to_owned(), reference, object, hash })
}

/// A change of the pod template is what restarts a workload. (`kubectl rollout restart` does the same under a key of its own.)
fn restart(object: &mut Value, reference: &ObjectRef, restarted_at: &str) {
    if reference.group != "apps" || !["Deployment", "StatefulSet", "DaemonSet"].contains(&reference.kind.as_str()) {
        return;
    }
    let Some(template) = object.pointer_mut("/spec/template").and_then(Value::as_object_mut) else { return };
    let metadata = template.entry("metadata").or_insert_with(|| Map::new().into());
    if metadata.is_null() {
        *metadata = Map::new().into();
    }
    if let Some(metadata) = metadata.as_object_mut() {
        put_all(metadata, "annotations", &[(names::RESTARTED_AT, restarted_at)]);
    }
}

fn put_all(metadata: &mut Map<String, Value>, field: &str, entries: &[(&str, &str)]) {
    let map = metadata.entry(field).or_insert_with(|| Map::new().into());
    if !map.is_object() {
        *map = Map::new().into();
    }
    for (key, value) in entries {
        map[*key] = (*value).into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ORIGIN: Origin<'_> =
        Origin { uid: "u-1", name: "shop-dev", namespace: "acme", restarted_at: None, default_namespace: "shop-dev" };

    #[test]
    fn an_object_is_put_in_its_place_and_marked() {
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": null}, "status": {}});
        let desired = desired("configmap-c", &object, Scope::Namespaced, &ORIGIN).unwrap();
        assert_eq!(desired.reference.to_string(), "ConfigMap shop-dev/c");
        assert_eq!(
            desired.object,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "c", "namespace": "shop-dev",
            "annotations": {"release.openchoreo.dev/applied-hash": desired.hash},
            "labels": {
                "openchoreo.dev/managed-by": "release-controller",
                "openchoreo.dev/release-resource-id": "configmap-c",
                "openchoreo.dev/release-uid": "u-1",
                "openchoreo.dev/release-name": "shop-dev",
                "openchoreo.dev/release-namespace": "acme",
            }}})
        );
    }

    #[test]
    fn cluster_scope_has_no_namespace() {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "namespace": "x"}});
        let desired = desired("namespace-n", &object, Scope::Cluster, &ORIGIN).unwrap();
        assert_eq!(desired.reference.namespace, None);
        assert_eq!(desired.object.pointer("/metadata/namespace"), None);
    }

    #[test]
    fn a_restart_changes_pod_templates_and_nothing_else() {
        let restarted = Origin { restarted_at: Some("now"), ..ORIGIN };
        for (version, kind, differs) in
            [("apps/v1", "Deployment", true), ("apps/v1", "DaemonSet", true), ("v1", "ConfigMap", false)]
        {
            let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "n"}, "spec": {"template": {"metadata": null}}});
            let [before, after] =
                [ORIGIN, restarted].map(|origin| desired("i", &object, Scope::Namespaced, &origin).unwrap());
            assert_eq!(before.hash != after.hash, differs, "{kind}");
            let at = after.object.pointer("/spec/template/metadata/annotations/openchoreo.dev~1restartedAt");
            assert_eq!(at.is_some(), differs, "{kind}");
        }
    }

    #[test]
    fn what_others_need_comes_first() {
        let order = [
            ("", "Namespace"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            ("", "ServiceAccount"),
            ("", "ConfigMap"),
            ("", "PersistentVolumeClaim"),
            ("", "Service"),
            ("external-secrets.io", "ExternalSecret"),
            ("apps", "Deployment"),
            ("networking.k8s.io", "Ingress"),
            ("autoscaling", "HorizontalPodAutoscaler"),
        ];
        assert!(order.is_sorted_by_key(|(group, kind)| tier(group, kind)));
    }
}
