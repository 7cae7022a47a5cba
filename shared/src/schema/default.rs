//! Defaults, filled in as the API server fills in a CRD's.

use serde_json::Value;

use crate::canonical::json_size;

/// How much defaults may add to a value, in bytes of JSON: no object of ours can be larger. A list of ten thousand empty objects, each of
/// which gets a default of some size, is a small text and a large value.
const MOST: usize = crate::validate::MAX_SIZE;

/// A value with the schema's defaults where it says nothing. A null counts as nothing unless the schema allows null
/// (Kubernetes' structural schemas: "nulls for fields that either don't have the nullable flag, or explicitly specify it
/// as false, will be pruned before defaulting"). Doing it twice changes nothing. Where the defaults come to more than fits into the
/// cluster's store, the value is as it was.
#[must_use]
pub fn apply_defaults(schema: &Value, value: &Value) -> Value {
    defaulted(schema, value).unwrap_or_else(|| value.clone())
}

/// The same; `None` where the defaults come to more than fits into the cluster's store.
#[must_use]
pub fn defaulted(schema: &Value, value: &Value) -> Option<Value> {
    let (mut value, mut left) = (value.clone(), MOST);
    fill(schema, &mut value, &mut left)?;
    Some(value)
}

fn fill(schema: &Value, value: &mut Value, left: &mut usize) -> Option<()> {
    match value {
        Value::Object(entries) => {
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let says_nothing = match entries.get(name) {
                    None => true,
                    Some(Value::Null) => !super::is_true(property, "nullable"),
                    Some(_) => false,
                };
                if let Some(default) = property.get("default").filter(|_| says_nothing) {
                    *left = left.checked_sub(name.len() + json_size(default))?;
                    entries.insert(name.clone(), default.clone());
                }
            }
            for (name, entry) in entries {
                if let Some(property) = property(schema, name) {
                    fill(property, entry, left)?;
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().try_for_each(|item| fill(schema, item, left))?;
            }
        }
        _ => {}
    }
    Some(())
}

fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get("properties").and_then(|all| all.get(name)).or_else(|| schema.get("additionalProperties"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_fill_what_is_missing_and_nothing_else() {
        let schema = json!({"properties": {
            "replicas": {"type": "integer", "default": 2},
            "note": {"nullable": true, "default": "x"},
            "limits": {"type": "object", "default": {}, "properties": {"cpu": {"default": "100m"}}},
            "ports": {"items": {"properties": {"protocol": {"default": "TCP"}}}},
            "labels": {"additionalProperties": {"properties": {"on": {"default": true}}}},
        }});
        let table = [
            (json!({}), json!({"replicas": 2, "note": "x", "limits": {"cpu": "100m"}})),
            (
                json!({"replicas": 5, "note": null, "limits": {}}),
                json!({"replicas": 5, "note": null, "limits": {"cpu": "100m"}}),
            ),
            (
                json!({"replicas": null, "note": "y", "limits": {"cpu": "1"}}),
                json!({"replicas": 2, "note": "y", "limits": {"cpu": "1"}}),
            ),
            (
                json!({"ports": [{}, {"protocol": "UDP"}], "labels": {"a": {}}}),
                json!({"ports": [{"protocol": "TCP"}, {"protocol": "UDP"}], "labels": {"a": {"on": true}},
                       "replicas": 2, "note": "x", "limits": {"cpu": "100m"}}),
            ),
        ];
        for (value, expected) in table {
            let filled = apply_defaults(&schema, &value);
            assert_eq!(filled, expected);
            assert_eq!(apply_defaults(&schema, &filled), filled);
        }
    }

    #[test]
    fn defaults_do_not_make_a_small_text_a_large_value() {
        let schema = json!({"items": {"properties": {"note": {"default": "x".repeat(1_000)}}}});
        let few = json!(vec![json!({}); 1_000]);
        assert_eq!(defaulted(&schema, &few).unwrap()[999]["note"], schema["items"]["properties"]["note"]["default"]);
        let many = json!(vec![json!({}); 10_000]);
        assert_eq!(defaulted(&schema, &many), None);
        assert_eq!(apply_defaults(&schema, &many), many);
    }
}
