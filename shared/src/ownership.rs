//! Which fields of an applied object somebody else has taken or removed, from its managedFields alone: whoever changes a field's
//! value takes it over, so what we applied and own no longer has drifted. (Server-side apply, `structured-merge-diff`)

use serde_json::{Map, Value};

/// The set of fields (`fieldsV1`) that a field manager's applies own; `None` where it owns nothing.
pub fn applied_fields<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    let managed = object.pointer("/metadata/managedFields")?.as_array()?;
    let ours = |entry: &&Value| {
        entry.get("manager").and_then(Value::as_str) == Some(manager)
            && entry.get("operation").and_then(Value::as_str) == Some("Apply")
            && entry.get("subresource").is_none()
    };
    managed.iter().find(ours)?.get("fieldsV1")
}

/// The fields of `desired` that `owned` does not have, as paths such as `spec.replicas`; nothing where all is as it was applied.
/// What no apply can own (identity, nulls, empty containers) is not looked for.
pub fn lost(desired: &Value, owned: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    for (key, value) in desired.as_object().into_iter().flatten() {
        if !["apiVersion", "kind", "status"].contains(&key.as_str()) {
            field(key, key, value, owned, &mut lost);
        }
    }
    lost.retain(|path| !["metadata.name", "metadata.namespace"].contains(&path.as_str()));
    lost
}

/// Whether the manager that owns `spec.replicas` through the scale subresource is the cluster's autoscaler.
pub fn is_autoscaled(object: &Value) -> bool {
    let managed = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    managed.into_iter().any(|entry| {
        let is = |key: &str, value: &str| entry.get(key).and_then(Value::as_str) == Some(value);
        is("subresource", "scale")
            && is("manager", "kube-controller-manager")
            && entry.pointer("/fieldsV1/f:spec/f:replicas").is_some()
    })
}

fn field(key: &str, path: &str, value: &Value, owned: &Value, lost: &mut Vec<String>) {
    if is_nothing(value) {
        return;
    }
    match owned.get(format!("f:{key}")) {
        None => lost.push(path.to_owned()),
        Some(below) => under(path, value, below, lost),
    }
}

fn under(path: &str, value: &Value, owned: &Value, lost: &mut Vec<String>) {
    // Owned as a whole: a scalar, or an atomic list or map.
    let Some(entries) = owned.as_object().filter(|entries| entries.keys().any(|key| key != ".")) else { return };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                field(key, &format!("{path}.{key}"), value, owned, lost);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                match entries.iter().find(|(key, _)| is_item(key, item)) {
                    None => lost.push(path),
                    Some((_, below)) => under(&path, item, below, lost),
                }
            }
        }
        _ => {}
    }
}

/// Whether a key of a field set (`k:{"name":"x"}`, `v:"x"`) names this entry of a list. A key that the server has filled in from a
/// default is not in the entry.
fn is_item(key: &str, item: &Value) -> bool {
    if let Some(keys) = key.strip_prefix("k:") {
        let keys = serde_json::from_str::<Map<String, Value>>(keys).unwrap_or_default();
        let given = |(key, value): (&String, &Value)| item.get(key).is_none_or(|given| given == value);
        return !keys.is_empty() && keys.iter().any(|(key, _)| item.get(key).is_some()) && keys.iter().all(given);
    }
    key.strip_prefix("v:").is_some_and(|value| serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.values().all(is_nothing),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn desired() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"a.b/c": "d"}, "annotations": {"x": "y"}},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "app", "image": "a:1", "args": ["x"], "ports": [{"containerPort": 80}]},
            ]}}},
        })
    }

    fn owned() -> Value {
        json!({
            "f:metadata": {"f:labels": {"f:a.b/c": {}}, "f:annotations": {"f:x": {}}},
            "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}},
            }}}},
        })
    }

    #[test]
    fn nothing_is_lost_of_what_was_just_applied() {
        assert_eq!(lost(&desired(), &owned()), Vec::<String>::new());
    }

    #[test]
    fn what_somebody_took_is_named() {
        let table = [
            ("/f:spec", "f:replicas", vec!["spec.replicas"]),
            ("/f:metadata", "f:labels", vec!["metadata.labels"]),
            (
                "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"app\"}",
                "f:image",
                vec!["spec.template.spec.containers[0].image"],
            ),
        ];
        for (place, key, expected) in table {
            let mut owned = owned();
            owned.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(key);
            let found = lost(&desired(), &owned);
            assert_eq!(found, expected, "{key}");
        }
    }

    #[test]
    fn a_second_entry_of_a_list_is_told_from_the_first() {
        let mut desired = desired();
        let containers = desired.pointer_mut("/spec/template/spec/containers").unwrap().as_array_mut().unwrap();
        containers.push(json!({"name": "side", "image": "b:1"}));
        assert_eq!(lost(&desired, &owned()), ["spec.template.spec.containers[1]"]);
    }

    #[test]
    fn the_entry_of_our_applies_is_found() {
        let object = json!({"metadata": {"managedFields": [
            {"manager": "release-controller", "operation": "Update", "fieldsV1": {"f:a": {}}},
            {"manager": "release-controller", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:b": {}}},
            {"manager": "release-controller", "operation": "Apply", "fieldsV1": {"f:c": {}}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        ]}});
        assert_eq!(applied_fields(&object, "release-controller"), Some(&json!({"f:c": {}})));
        assert!(is_autoscaled(&object));
        assert_eq!(applied_fields(&json!({}), "release-controller"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(key in "[kvf]:.{0,20}", text in ".{0,10}") {
            let owned = json!({ "f:x": { key: {} } });
            let _ = lost(&json!({ "x": [text, {"name": 1}], "y": null }), &owned);
        }
    }
}
