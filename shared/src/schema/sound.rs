use serde_json::{Map, Value};

use super::{junction, nearest};
use crate::violation::{FieldPath, Violation};

/// The types of OpenAPI v3, as a CustomResourceDefinition may name them.
const TYPES: [&str; 6] = ["string", "integer", "number", "boolean", "array", "object"];

/// What is wrong with a schema itself: a type that does not exist, or a part that is no schema. No value could ever fit it.
pub fn soundness(schema: &Value, path: &FieldPath) -> Vec<Violation> {
    let Some(fields) = schema.as_object() else {
        return vec![Violation::fault(path.clone(), "InvalidSchema", "must be a schema: an object with a type")];
    };
    let mut violations: Vec<_> = fields.get("type").and_then(|given| check_type(given, path)).into_iter().collect();
    violations.extend(fields.get("pattern").and_then(|given| check_pattern(given, path)));
    violations.extend(fields.get("default").and_then(|default| check_default(schema, default, path)));
    for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
        violations.extend(soundness(property, &path.field("properties").field(name)));
    }
    violations.extend(check_required(fields, path));
    for name in ["items", "additionalProperties"] {
        if let Some(nested) = fields.get(name).filter(|nested| !nested.is_boolean()) {
            violations.extend(soundness(nested, &path.field(name)));
        }
    }
    for (path, nested) in junction::nested(schema, path) {
        violations.extend(soundness(nested, &path));
    }
    violations
}

/// A value that must be there and may not.
fn check_required(fields: &Map<String, Value>, path: &FieldPath) -> Vec<Violation> {
    let is_secret = |name: &&str| {
        let property = fields.get("properties").and_then(|properties| properties.get(*name));
        property.and_then(|property| property.get("format")).and_then(Value::as_str) == Some("password")
    };
    let required = fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let refuse = |name: &str| {
        let message = format!(
            "requires `{name}`, which is a secret (`format: password`) and can be given no value: put it into a Secret, and require its name"
        );
        Violation::fault(path.field("required"), "ConfigSecret", message).with_value(name)
    };
    required.filter(is_secret).map(refuse).collect()
}

fn check_pattern(given: &Value, path: &FieldPath) -> Option<Violation> {
    if given.as_str().is_some_and(|text| super::pattern(text).is_some()) {
        return None;
    }
    let message = format!("{given} is no regular expression that can be used: correct it, or remove it");
    Some(Violation::fault(path.field("pattern"), "InvalidSchema", message).with_value(given.to_string()))
}

/// A default must fit, or nobody could do without a value; and one of a secret would stand in every release.
fn check_default(schema: &Value, default: &Value, path: &FieldPath) -> Option<Violation> {
    let path = path.field("default");
    if schema.get("format").and_then(Value::as_str) == Some("password") && !default.is_null() {
        let message = "is the default of a secret (`format: password`), and would be stored in plain text with the release: remove it";
        return Some(Violation::fault(path, "ConfigSecret", message));
    }
    let Some(filled) = super::defaulted(schema, default) else {
        let message = "is larger than what fits into the cluster's store once the defaults inside it are filled in: make them smaller";
        return Some(Violation::fault(path, "InvalidSchema", message));
    };
    let fault = super::check(schema, &filled, &path).into_iter().next()?;
    let message = format!("does not fit its own schema: {}", fault.message);
    Some(Violation::fault(fault.path, "InvalidSchema", message))
}

fn check_type(given: &Value, path: &FieldPath) -> Option<Violation> {
    let path = path.field("type");
    let Some(name) = given.as_str() else {
        return Some(Violation::fault(path, "InvalidSchema", format!("must be one of {}", TYPES.join(", "))));
    };
    if TYPES.contains(&name) {
        return None;
    }
    let hint = nearest(name, TYPES).map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
    let message = format!("{name:?} is no type: write one of {}{hint}", TYPES.join(", "));
    Some(Violation::fault(path, "InvalidSchema", message).with_value(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_one() {
        let places = |schema: Value| {
            let found = soundness(&schema, &FieldPath::root("s"));
            found.into_iter().map(|violation| violation.path.as_str().to_owned()).collect::<Vec<_>>()
        };
        let good =
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}, "b": {}}});
        assert_eq!(places(good), Vec::<String>::new());
        let bad = json!({"properties": {"a": {"type": "strin"}, "b": "text", "c": {"items": {"type": 5}}}});
        assert_eq!(places(bad), ["s.properties.a.type", "s.properties.b", "s.properties.c.items.type"]);
        let defaults = json!({"properties": {
            "a": {"type": "integer", "default": "3"}, "b": {"type": "integer", "default": 3},
            "c": {"type": "string", "format": "password", "default": "x"}, "d": {"type": "string", "pattern": "("},
            "e": {"type": "object", "default": {}, "required": ["f"], "properties": {"f": {"type": "string", "default": "g"}}}
        }});
        let joined = json!({"anyOf": [{"pattern": "a"}, {"pattern": "("}], "not": {"oneOf": [{"type": "x"}]}});
        assert_eq!(places(joined), ["s.anyOf[1].pattern", "s.not.oneOf[0].type"]);
        let secret = json!({"type": "string", "format": "password"});
        assert_eq!(places(json!({"required": ["p"], "properties": {"p": secret}})), ["s.required"]);
        assert_eq!(places(defaults), ["s.properties.a.default", "s.properties.c.default", "s.properties.d.pattern"]);
    }
}
