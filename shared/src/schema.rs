//! Schemas of configuration values: the part of OpenAPI v3 that CRDs use, as Kubernetes applies it.
//!
//! Understood: `type`, `enum`, `minimum`, `maximum` (and their `exclusive…`), `multipleOf`, `minLength`, `maxLength`, `pattern`,
//! `required`, `properties`, `additionalProperties`, `minProperties`, `maxProperties`, `items`, `minItems`, `maxItems`, `uniqueItems`,
//! `nullable`, `default`, `allOf`, `anyOf`, `oneOf`, `not`, `x-kubernetes-int-or-string`, `x-kubernetes-preserve-unknown-fields`, and of
//! the formats `password`, `date`, `date-time`, `byte`, `ipv4`, `ipv6`, `cidr` and `uuid`. Other formats and `x-kubernetes-validations` are
//! not looked at, as the API server does with formats that it does not know.

mod check;
mod default;
mod format;
mod junction;
mod nearest;
mod sound;

use regex_lite::{Regex, RegexBuilder};
use serde_json::{Value, json};

pub use self::check::check;
pub use self::default::{apply_defaults, defaulted};
pub use self::nearest::nearest;
pub use self::sound::soundness;

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
/// The most memory that a pattern may take once it is compiled, in bytes.
const MAX_PATTERN: usize = 64 * 1024;
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";

/// The schema of a value that is lifted out of a manifest: its type, and itself as the default. `None` for null, which
/// has no type.
pub fn infer(value: &Value) -> Option<Value> {
    let mut schema = match value {
        Value::Null => return None,
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(number) if number.is_f64() => json!({"type": "number"}),
        Value::Number(_) => json!({"type": "integer"}),
        Value::String(_) => json!({"type": "string"}),
        Value::Array(_) => json!({"type": "array", "items": {PRESERVE: true}}),
        Value::Object(_) => json!({"type": "object", PRESERVE: true}),
    };
    schema["default"] = value.clone();
    Some(schema)
}

/// A name that a schema does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The name.
    pub name: String,
    /// The one that was probably meant.
    pub nearest: Option<String>,
}

/// Follows a path of keys and positions (in decimal) as far as the schema says what is there.
///
/// # Errors
/// The first key that the schema does not have.
pub fn follow<'a>(schema: &Value, path: impl IntoIterator<Item = &'a str>) -> Result<(), Unknown> {
    let mut here = schema;
    for token in path {
        if let Some(property) = here.get("properties").and_then(|properties| properties.get(token)) {
            here = property;
        } else if let Some(items) = here.get("items") {
            here = items;
        } else if let Some(rest @ Value::Object(_)) = here.get("additionalProperties") {
            here = rest;
        } else if takes_any_key(here) {
            return Ok(());
        } else {
            let nearest = nearest(token, property_names(here)).map(str::to_owned);
            return Err(Unknown { name: token.to_owned(), nearest });
        }
    }
    Ok(())
}

/// A pattern of a schema, where it is one that can be understood in little room.
fn pattern(text: &str) -> Option<Regex> {
    RegexBuilder::new(text).size_limit(MAX_PATTERN).nest_limit(20).build().ok()
}

fn takes_any_key(schema: &Value) -> bool {
    is_true(schema, PRESERVE) || is_true(schema, "additionalProperties")
}

fn property_names(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|map| map.keys().map(String::as_str))
}

fn is_true(schema: &Value, key: &str) -> bool {
    schema.get(key) == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifted_value_has_a_schema_that_accepts_it() {
        for value in [json!(3), json!(1.5), json!("x"), json!(true), json!(["x", 1]), json!({"a": {"b": null}})] {
            let schema = infer(&value).unwrap();
            assert_eq!(check(&schema, &value, &crate::violation::FieldPath::empty()), [], "{schema}");
            assert_eq!(schema["default"], value);
        }
        assert_eq!(infer(&Value::Null), None);
    }

    #[test]
    fn a_path_is_followed_as_far_as_the_schema_knows() {
        let schema = json!({"properties": {
            "replicas": {"type": "integer"},
            "any": {"type": "object", PRESERVE: true},
            "list": {"items": {"properties": {"name": {}}}},
        }});
        assert_eq!(follow(&schema, ["replicas"]), Ok(()));
        assert_eq!(follow(&schema, ["any", "a", "b"]), Ok(()));
        assert_eq!(follow(&schema, ["list", "0", "name"]), Ok(()));
        let unknown = follow(&schema, ["replica"]).unwrap_err();
        assert_eq!((unknown.name.as_str(), unknown.nearest.as_deref()), ("replica", Some("replicas")));
        assert!(follow(&schema, ["list", "0", "title"]).is_err());
    }
}
