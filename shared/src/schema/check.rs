//! Values held against their schema.

use serde_json::{Map, Value};

use super::{INT_OR_STRING, PRESERVE, format, is_true, junction, nearest, property_names};
use crate::violation::{FieldPath, Violation};

/// Everything in which a value does not match its schema; its defaults are filled in before
/// ([`apply_defaults`](super::apply_defaults)), else a required value that has one is missed.
///
/// Codes: `ConfigType`, `ConfigEnum`, `ConfigRange`, `ConfigLength`, `ConfigFormat`, `ConfigRequired`, `ConfigUnknown`, and `ConfigSecret`
/// for a value where the schema says `format: password`, which is never repeated in a message.
pub fn check(schema: &Value, value: &Value, path: &FieldPath) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_value(schema, value, path, &mut violations);
    violations
}

fn check_value(schema: &Value, value: &Value, path: &FieldPath, out: &mut Vec<Violation>) {
    if schema.get("format").and_then(Value::as_str) == Some("password") {
        out.extend((!value.is_null()).then(|| secret(path)));
        return;
    }
    if value.is_null() && is_true(schema, "nullable") {
        // Whether null is one of the words is another question, also for the API server.
        return out.extend(not_in_enum(schema, value, path));
    }
    if let Some(violation) = wrong_type(schema, value, path) {
        return out.push(violation);
    }
    out.extend(not_in_enum(schema, value, path));
    match value {
        Value::Number(number) => out.extend(number.as_f64().and_then(|number| out_of_range(schema, number, path))),
        Value::String(text) => {
            out.extend(wrong_length(schema, text.chars().count(), ["minLength", "maxLength"], path));
            out.extend(wrong_form(schema, text, path));
            out.extend(format::check(schema, text, path));
        }
        Value::Array(items) => check_items(schema, items, path, out),
        Value::Object(entries) => check_entries(schema, entries, path, out),
        Value::Null | Value::Bool(_) => {}
    }
    junction::check(schema, value, path, out);
}

fn secret(path: &FieldPath) -> Violation {
    let message = "this value is a secret (`format: password`), and configuration is stored in plain text; put it into a \
                   Secret and refer to that";
    Violation::fault(path.clone(), "ConfigSecret", message)
}

fn wrong_type(schema: &Value, value: &Value, path: &FieldPath) -> Option<Violation> {
    let wanted = match schema.get("type").and_then(Value::as_str) {
        _ if is_true(schema, INT_OR_STRING) => "integer or string",
        Some(wanted) => wanted,
        None if value.is_null() && !is_true(schema, PRESERVE) => "value",
        None => return None,
    };
    let is_integer = || value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|float| float.fract() == 0.0);
    let fits = match wanted {
        "integer or string" => value.is_string() || is_integer(),
        "integer" => is_integer(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "value" => false,
        _ => true,
    };
    let message = || format!("is {} and must be {}; correct the value", name(value), article(wanted));
    (!fits).then(|| Violation::fault(path.clone(), "ConfigType", message()).with_value(shown(value)))
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn article(wanted: &str) -> String {
    match wanted {
        "array" => "a list".to_owned(),
        "integer" | "object" | "integer or string" => format!("an {wanted}"),
        wanted => format!("a {wanted}"),
    }
}

/// A value as JSON, cut short for a message.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn not_in_enum(schema: &Value, value: &Value, path: &FieldPath) -> Option<Violation> {
    let allowed = schema.get("enum")?.as_array()?;
    let message = || {
        let allowed: Vec<String> = allowed.iter().map(shown).collect();
        format!("is {}; use one of {}", shown(value), allowed.join(", "))
    };
    (!allowed.contains(value)).then(|| Violation::fault(path.clone(), "ConfigEnum", message()).with_value(shown(value)))
}

/// Within what a float can tell: 0.3 is a multiple of 0.1.
fn is_multiple(value: f64, step: f64) -> bool {
    let count = value / step;
    (count - count.round()).abs() < 1e-9
}

fn out_of_range(schema: &Value, value: f64, path: &FieldPath) -> Option<Violation> {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    if let Some(step) = bound("multipleOf").filter(|&step| step > 0.0 && !is_multiple(value, step)) {
        let message = format!("is {value} and must be a multiple of {step}; use another number");
        return Some(Violation::fault(path.clone(), "ConfigRange", message).with_value(value.to_string()));
    }
    let message = match (bound("minimum"), bound("maximum")) {
        (Some(least), _) if value < least => format!("is {value} and must be at least {least}; use a larger number"),
        (Some(least), _) if value == least && is_true(schema, "exclusiveMinimum") => {
            format!("is {value} and must be above {least}; use a larger number")
        }
        (_, Some(most)) if value > most => format!("is {value} and must be at most {most}; use a smaller number"),
        (_, Some(most)) if value == most && is_true(schema, "exclusiveMaximum") => {
            format!("is {value} and must be below {most}; use a smaller number")
        }
        _ => return None,
    };
    Some(Violation::fault(path.clone(), "ConfigRange", message).with_value(value.to_string()))
}

/// `pattern`, found anywhere in the text as in the API server. One that is none is the schema's fault ([`soundness`](super::soundness)).
fn wrong_form(schema: &Value, text: &str, path: &FieldPath) -> Option<Violation> {
    let pattern = schema.get("pattern").and_then(Value::as_str)?;
    let matches = super::pattern(pattern).is_none_or(|pattern| pattern.is_match(text));
    let message = || format!("is {} and must match {pattern}; correct the value", shown(&Value::from(text)));
    (!matches).then(|| Violation::fault(path.clone(), "ConfigFormat", message()).with_value(text))
}

fn wrong_length(schema: &Value, length: usize, keys: [&str; 2], path: &FieldPath) -> Option<Violation> {
    let unit = if keys[0] == "minLength" { "characters" } else { "entries" };
    let [least, most] = keys.map(|key| schema.get(key).and_then(Value::as_u64));
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let message = match (least, most) {
        (Some(least), _) if length < least => format!("has {length} {unit} and must have at least {least}; add some"),
        (_, Some(most)) if length > most => format!("has {length} {unit} and may have at most {most}; shorten it"),
        _ => return None,
    };
    Some(Violation::fault(path.clone(), "ConfigLength", message).with_value(length.to_string()))
}

fn check_items(schema: &Value, items: &[Value], path: &FieldPath, out: &mut Vec<Violation>) {
    out.extend(wrong_length(schema, items.len(), ["minItems", "maxItems"], path));
    if is_true(schema, "uniqueItems")
        && let Some(at) = (1..items.len()).find(|&at| items[..at].contains(&items[at]))
    {
        let message = "stands in the list twice; remove one";
        out.push(Violation::fault(path.index(at), "ConfigFormat", message).with_value(shown(&items[at])));
    }
    if let Some(schema) = schema.get("items") {
        for (index, item) in items.iter().enumerate() {
            check_value(schema, item, &path.index(index), out);
        }
    }
}

fn check_entries(schema: &Value, entries: &Map<String, Value>, path: &FieldPath, out: &mut Vec<Violation>) {
    out.extend(wrong_length(schema, entries.len(), ["minProperties", "maxProperties"], path));
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !entries.contains_key(name) {
            let message = format!("`{name}` is required and has no default; give it a value");
            out.push(Violation::fault(path.field(name), "ConfigRequired", message));
        }
    }
    for (name, value) in entries {
        let known = schema.get("properties").and_then(|properties| properties.get(name));
        match known.or_else(|| schema.get("additionalProperties")) {
            Some(schema @ Value::Object(_)) => check_value(schema, value, &path.field(name), out),
            Some(Value::Bool(true)) => {}
            _ if is_true(schema, PRESERVE) => {}
            _ => out.push(unknown(schema, name, path)),
        }
    }
}

fn unknown(schema: &Value, name: &str, path: &FieldPath) -> Violation {
    let known: Vec<&str> = property_names(schema).collect();
    let cure = match (nearest(name, known.iter().copied()), known.as_slice()) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, []) => "nothing can be configured here".to_owned(),
        (None, known) => format!("known are `{}`", known.join("`, `")),
    };
    Violation::fault(path.field(name), "ConfigUnknown", format!("the schema has no `{name}`; {cure}")).with_value(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(schema: &Value, value: &Value) -> Vec<String> {
        check(schema, value, &FieldPath::root("config")).iter().map(|v| format!("{} {v}", v.code)).collect()
    }

    #[test]
    fn every_rule_says_what_is_wrong_and_what_to_do() {
        let table = [
            (json!({"type": "integer"}), json!(3), ""),
            (json!({"type": "integer"}), json!(3.0), ""),
            (
                json!({"type": "integer"}),
                json!(3.5),
                "ConfigType config: is a number and must be an integer; correct the value",
            ),
            (
                json!({"type": "integer"}),
                json!("3"),
                "ConfigType config: is a string and must be an integer; correct the value",
            ),
            (
                json!({"type": "string"}),
                json!(null),
                "ConfigType config: is null and must be a string; correct the value",
            ),
            (json!({"type": "string", "nullable": true}), json!(null), ""),
            (
                json!({"type": "string", "nullable": true, "enum": ["a"]}),
                json!(null),
                "ConfigEnum config: is null; use one of \"a\"",
            ),
            (json!({}), json!(null), "ConfigType config: is null and must be a value; correct the value"),
            (json!({PRESERVE: true}), json!(null), ""),
            (
                json!({"type": "array"}),
                json!({}),
                "ConfigType config: is an object and must be a list; correct the value",
            ),
            (json!({INT_OR_STRING: true}), json!("50%"), ""),
            (json!({INT_OR_STRING: true}), json!(50), ""),
            (
                json!({INT_OR_STRING: true}),
                json!(true),
                "ConfigType config: is a boolean and must be an integer or string; correct the value",
            ),
            (json!({"enum": ["a", 1]}), json!(1), ""),
            (json!({"enum": ["a", 1]}), json!("b"), "ConfigEnum config: is \"b\"; use one of \"a\", 1"),
            (
                json!({"minimum": 1, "maximum": 5}),
                json!(0),
                "ConfigRange config: is 0 and must be at least 1; use a larger number",
            ),
            (json!({"minimum": 1, "maximum": 5}), json!(5), ""),
            (
                json!({"maximum": 5, "exclusiveMaximum": true}),
                json!(5),
                "ConfigRange config: is 5 and must be below 5; use a smaller number",
            ),
            (
                json!({"minLength": 2, "maxLength": 3}),
                json!("é"),
                "ConfigLength config: has 1 characters and must have at least 2; add some",
            ),
            (
                json!({"maxItems": 1, "items": {"type": "string"}}),
                json!(["a", 1]),
                "ConfigLength config: has 2 entries and may have at most 1; shorten it, \
              ConfigType config[1]: is an integer and must be a string; correct the value",
            ),
            (
                json!({"properties": {"replicas": {}}, "required": ["replicas"]}),
                json!({"replica": 1}),
                "ConfigRequired config.replicas: `replicas` is required and has no default; give it a value, \
              ConfigUnknown config.replica: the schema has no `replica`; did you mean `replicas`?",
            ),
            (
                json!({"properties": {"a": {}, "b": {}}}),
                json!({"zone": 1}),
                "ConfigUnknown config.zone: the schema has no `zone`; known are `a`, `b`",
            ),
            (
                json!({"type": "object"}),
                json!({"x": 1}),
                "ConfigUnknown config.x: the schema has no `x`; nothing can be configured here",
            ),
            (
                json!({"additionalProperties": {"type": "string"}}),
                json!({"x": 1}),
                "ConfigType config.x: is an integer and must be a string; correct the value",
            ),
            (json!({"additionalProperties": true}), json!({"x": 1}), ""),
            (json!({"type": "string", "pattern": "^[a-z]+$"}), json!("abc"), ""),
            (json!({"type": "string", "pattern": "b"}), json!("abc"), ""),
            (
                json!({"type": "string", "pattern": "^[a-z]+$"}),
                json!("A b"),
                "ConfigFormat config: is \"A b\" and must match ^[a-z]+$; correct the value",
            ),
            (json!({"multipleOf": 0.1}), json!(0.3), ""),
            (
                json!({"type": "integer", "multipleOf": 5}),
                json!(7),
                "ConfigRange config: is 7 and must be a multiple of 5; use another number",
            ),
            (json!({"uniqueItems": true}), json!([1, 2, "1"]), ""),
            (
                json!({"uniqueItems": true}),
                json!([1, 2, 1]),
                "ConfigFormat config[2]: stands in the list twice; remove one",
            ),
            (
                json!({PRESERVE: true, "minProperties": 1, "maxProperties": 2}),
                json!({}),
                "ConfigLength config: has 0 entries and must have at least 1; add some",
            ),
            (
                json!({PRESERVE: true, "properties": {"a": {"type": "string"}}}),
                json!({"x": 1, "a": 1}),
                "ConfigType config.a: is an integer and must be a string; correct the value",
            ),
        ];
        for (schema, value, expected) in table {
            assert_eq!(messages(&schema, &value).join(", "), expected, "{schema} {value}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        let found =
            check(&json!({"type": "string", "format": "password"}), &json!("hunter2"), &FieldPath::root("config"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code, "ConfigSecret");
        assert!(!format!("{:?}", found[0]).contains("hunter2"));
    }
}
