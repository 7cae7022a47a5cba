//! What the schema of a kind does not know. The API server takes it out before it stores an object, after everybody was asked.

use std::sync::LazyLock;

use serde_json::Value;

use super::spec_schema;
use crate::kinds::Kind;
use crate::violation::FieldPath;

/// The schema of each kind's spec.
static SPECS: LazyLock<Vec<(Kind, Value)>> =
    LazyLock::new(|| Kind::ALL.into_iter().map(|kind| (kind, spec_schema(kind))).collect());

/// The first field in an object's spec that its schema does not know, and that is not stored already: a newer schema may know it.
pub fn unknown_field(kind: Kind, new: &Value, old: Option<&Value>) -> Option<FieldPath> {
    let (_, schema) = SPECS.iter().find(|(of, _)| *of == kind)?;
    find(schema, new.get("spec")?, old.and_then(|old| old.get("spec")), &|| FieldPath::root("spec"))
}

/// The path is put together only where it is told: an object has thousands of fields, and mostly none is unknown.
fn find(schema: &Value, value: &Value, old: Option<&Value>, path: &dyn Fn() -> FieldPath) -> Option<FieldPath> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let old = old.and_then(|old| old.get(name));
            match known(schema, name) {
                Known::As(schema) => find(schema, value, old, &|| path().field(name)),
                Known::Anything => None,
                Known::Not => old.is_none().then(|| path().field(name)),
            }
        }),
        Value::Array(items) => {
            let schema = schema.get("items")?;
            let old = |at: usize| old.and_then(|old| old.get(at));
            items.iter().enumerate().find_map(|(at, item)| find(schema, item, old(at), &|| path().index(at)))
        }
        _ => None,
    }
}

/// What a schema says of a field.
enum Known<'a> {
    As(&'a Value),
    Anything,
    Not,
}

fn known<'a>(schema: &'a Value, name: &str) -> Known<'a> {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    let any = schema.get("additionalProperties").filter(|any| any.is_object());
    let keeps = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    match named.or(any) {
        Some(schema) => Known::As(schema),
        None if keeps => Known::Anything,
        None => Known::Not,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a row of a table reads better with values")]
    fn unknown(kind: Kind, spec: Value, old: Option<Value>) -> Option<String> {
        let old = old.map(|spec| json!({ "spec": spec }));
        unknown_field(kind, &json!({ "spec": spec }), old.as_ref()).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn the_first_field_that_no_schema_knows_is_named() {
        let path = |text: &str| Some(text.to_owned());
        let release = |id: &str, inner: &str| json!({ "owner": { "projectName": "shop" }, "resources": [{ id: "x", "object": { inner: { "a": 1 } } }] });
        for (kind, spec, expected) in [
            (Kind::Release, release("id", "anything"), None),
            (Kind::Release, release("idd", "anything"), path("spec.resources[0].idd")),
            (Kind::Release, release("id", "metadata"), None),
            (Kind::ReleaseBinding, json!({ "componentTypeEnvironmentConfigs": { "a": { "b": [] } } }), None),
            (Kind::ReleaseBinding, json!({ "owner": { "team": "x" } }), path("spec.owner.team")),
            (Kind::Environment, json!({ "gateway": { "a": 1 }, "isProduction": true }), None),
            (Kind::Project, json!(null), None),
            (Kind::Project, json!("text"), None),
        ] {
            assert_eq!(unknown(kind, spec.clone(), None), expected, "{kind} {spec}");
        }
    }

    #[test]
    fn what_is_stored_already_some_schema_knows() {
        let (new, old) = (json!({ "a": { "b": 1 } }), json!({ "a": 1 }));
        assert_eq!(unknown(Kind::Environment, new.clone(), Some(old)), None);
        assert_eq!(unknown(Kind::Environment, new, Some(json!({}))), Some("spec.a".to_owned()));
    }
}
