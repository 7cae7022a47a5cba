//! Defaults, filled in as the API server fills in a CRD's.

use serde_json::Value;

/// A value with the schema's defaults where it says nothing. A null counts as nothing unless the schema allows null
/// (Kubernetes' structural schemas: "nulls for fields that either don't have the nullable flag, or explicitly specify it
/// as false, will be pruned before defaulting"). Doing it twice changes nothing.
#[must_use]
pub fn apply_defaults(schema: &Value, value: &Value) -> Value {
    let mut value = value.clone();
    fill(schema, &mut value);
    value
}

fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let says_nothing = match entries.get(name) {
                    None => true,
                    Some(Value::Null) => !super::is_true(property, "nullable"),
                    Some(_) => false,
                };
                match property.get("default") {
                    Some(default) if says_nothing => entries.insert(name.clone(), default.clone()),
                    _ => None,
                };
            }
            for (name, entry) in entries {
                if let Some(property) = property(schema, name) {
                    fill(property, entry);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| fill(schema, item));
            }
        }
        _ => {}
    }
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
}
