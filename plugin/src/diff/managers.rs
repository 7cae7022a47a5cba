//! Who set a place of a live object, by its managedFields.

use std::collections::BTreeSet;

use release_shared::names;
use release_shared::object::text;
use serde_json::{Map, Value};

/// The field managers of a place, other than the controller. `object` has the keys of list entries in it.
pub(super) fn of(managed: &Value, object: &Value, path: &[String]) -> Vec<String> {
    let entries = managed.as_array().map(Vec::as_slice).unwrap_or_default();
    let owners = entries.iter().filter(|entry| entry.get("fieldsV1").is_some_and(|fields| owns(fields, object, path)));
    let names: BTreeSet<_> =
        owners.filter_map(|entry| text(entry, "/manager")).filter(|name| *name != names::CONTROLLER_MANAGER).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// What the controller has applied, as `fieldsV1`.
pub(super) fn applied(live: &Value) -> Option<&Value> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let is_applied = |entry: &&Value| {
        text(entry, "/manager") == Some(names::CONTROLLER_MANAGER) && text(entry, "/operation") == Some("Apply")
    };
    entries.iter().find(is_applied)?.get("fieldsV1")
}

fn owns(fields: &Value, object: &Value, path: &[String]) -> bool {
    let (Some((step, rest)), false) = (path.split_first(), is_leaf(fields)) else { return true };
    match object {
        Value::Array(items) => {
            let Some(item) = step.parse::<usize>().ok().and_then(|index| items.get(index)) else { return false };
            entries(fields).any(|(key, below)| key.names(item) && owns(below, item, rest))
        }
        object => fields
            .get(format!("f:{step}"))
            .is_some_and(|below| owns(below, object.get(step).unwrap_or(&Value::Null), rest)),
    }
}

/// Whether all that is below belongs to the owner as well.
pub(super) fn is_leaf(fields: &Value) -> bool {
    fields.as_object().is_none_or(Map::is_empty)
}

/// How an entry of a list is known.
#[derive(Debug)]
pub(super) enum Key {
    /// By some of its fields.
    Fields(Map<String, Value>),
    /// By itself.
    Value(Value),
}

impl Key {
    /// Whether this is the key of an item. (structured-merge-diff, `fieldpath.PathElement`)
    pub(super) fn names(&self, item: &Value) -> bool {
        match self {
            Self::Fields(fields) => fields.iter().all(|(name, value)| has(item, name, value)),
            Self::Value(value) => item == value,
        }
    }
}

/// Whether an item has this value in a field of its key. A port's protocol is TCP where it says none.
pub(super) fn has(item: &Value, name: &str, value: &Value) -> bool {
    item.get(name).map_or_else(|| name == "protocol" && value == "TCP", |found| found == value)
}

/// The entries of a list that an owner has.
pub(super) fn entries(fields: &Value) -> impl Iterator<Item = (Key, &Value)> {
    let fields = fields.as_object().into_iter().flatten();
    fields.filter_map(|(key, below)| {
        let key = match key.split_at_checked(2)? {
            ("k:", key) => Key::Fields(serde_json::from_str(key).ok()?),
            ("v:", value) => Key::Value(serde_json::from_str(value).ok()?),
            _ => return None,
        };
        Some((key, below))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn owners_are_found_along_the_path() {
        let entry =
            |manager: &str, fields: Value| json!({"manager": manager, "operation": "Update", "fieldsV1": fields});
        let managed = json!([
            entry(
                "kubectl-edit",
                json!({"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}}}}})
            ),
            entry("release-controller", json!({"f:spec": {"f:replicas": {}}})),
            entry("hpa", json!({"f:spec": {"f:replicas": {}}})),
            entry("labeller", json!({"f:metadata": {"f:finalizers": {"v:\"a/b\"": {}}, "f:labels": {}}})),
            entry(
                "ports",
                json!({"f:spec": {"f:ports": {"k:{\"port\":53,\"protocol\":\"TCP\"}": {"f:targetPort": {}}}}})
            ),
        ]);
        let object = json!({
            "metadata": {"finalizers": ["x", "a/b"]},
            "spec": {"containers": [{"name": "side"}, {"name": "web"}], "ports": [{"port": 53}]}
        });
        let of = |path: &str| {
            let path: Vec<_> = path.split('/').map(str::to_owned).collect();
            of(&managed, &object, &path).join(" ")
        };
        assert_eq!(of("spec/containers/1/image"), "kubectl-edit");
        assert_eq!(of("spec/containers/0/image"), "");
        assert_eq!(of("spec/containers"), "kubectl-edit");
        assert_eq!(of("spec/replicas"), "hpa");
        assert_eq!(of("metadata/finalizers/1"), "labeller");
        assert_eq!(of("metadata/labels/any"), "labeller");
        assert_eq!(of("spec/ports/0/targetPort"), "ports");
    }
}
