//! What a live object has and a manifest should not.

use serde_json::Value;

use super::Problem;
use super::object::Object;

/// Set by the API server and without meaning in a manifest: dropped.
const DROPPED: [&str; 6] = ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
/// The rest of `ObjectMeta` (k8s.io/apimachinery meta/v1) that a manifest may have.
const KEPT: [&str; 6] = ["name", "generateName", "namespace", "labels", "annotations", "finalizers"];
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Drops an object's status, what the API server writes into its metadata, and its namespace unless that is kept.
pub(super) fn clean(
    object: &mut Object,
    keep_namespace: bool,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<String>,
) {
    problems
        .extend(object.value["metadata"].as_object().into_iter().flatten().filter_map(|(key, _)| refused(object, key)));
    let label = object.label();
    let warn = |path: &[&str], what: &str| format!("{}: {label}: {what}", object.origin.at(path.iter().copied()));
    let namespace = object.namespace();
    if !keep_namespace && !namespace.is_empty() {
        let what = format!(
            "its namespace `{namespace}` is left out, so that it goes to the environment's own (--keep-namespace keeps it)"
        );
        warnings.push(warn(&["metadata", "namespace"], &what));
    }
    if object.value.pointer("/metadata/annotations").is_some_and(|annotations| annotations.get(LAST_APPLIED).is_some())
    {
        let what = format!("its annotation `{LAST_APPLIED}` is left out: it holds an older version of the object");
        warnings.push(warn(&["metadata", "annotations", LAST_APPLIED], &what));
    }
    drop_fields(&mut object.value, keep_namespace);
}

fn drop_fields(value: &mut Value, keep_namespace: bool) {
    let Some(object) = value.as_object_mut() else { return };
    object.remove("status");
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    metadata.retain(|key, _| !DROPPED.contains(&key.as_str()));
    if !keep_namespace {
        metadata.remove("namespace");
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
        && annotations.remove(LAST_APPLIED).is_some()
        && annotations.is_empty()
    {
        metadata.remove("annotations");
    }
}

fn refused(object: &Object, key: &str) -> Option<Problem> {
    let message = match key {
        _ if DROPPED.contains(&key) || KEPT.contains(&key) => return None,
        "ownerReferences" => {
            "an owner is known by a uid that exists in one cluster only; remove `ownerReferences`".to_owned()
        }
        "deletionTimestamp" | "deletionGracePeriodSeconds" => {
            format!("`{key}` says that this is a copy of an object that is being deleted; remove it")
        }
        _ => {
            let cure = crate::schema::nearest(key, KEPT).map_or_else(
                || "remove it, or move it to where it belongs".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            format!("Kubernetes knows no `metadata.{key}`; {cure}")
        }
    };
    Some(object.problem(&["metadata", key], "UnknownMetadata", message))
}
