//! What can be said about a template before there are values for it.

use serde_json::Value;

use super::template::{self, Part, Reference, Root, Segment};
use crate::schema;
use crate::violation::{FieldPath, Violation};

/// Every fault of a template: `UnsupportedTemplate` for an expression that is no reference, `UnknownConfigKey` for a
/// reference to a configuration value that the snapshot's schema does not have (without a schema it has none).
pub fn check_templates(path: &FieldPath, template: &Value, schema: Option<&Value>) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_value(path, template, schema, &mut violations);
    violations
}

fn check_value(path: &FieldPath, template: &Value, schema: Option<&Value>, out: &mut Vec<Violation>) {
    match template {
        Value::String(text) => check_text(path, text, schema, out),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_value(&path.index(index), item, schema, out);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let path = path.field(key);
                check_text(&path, key, schema, out);
                check_value(&path, value, schema, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn check_text(path: &FieldPath, text: &str, schema: Option<&Value>, out: &mut Vec<Violation>) {
    match template::parse(text) {
        Ok(parts) => out.extend(parts.iter().filter_map(|part| match part {
            Part::Reference(reference) => unknown_key(path, reference, schema),
            Part::Text(_) => None,
        })),
        Err(error) => {
            let message = format!("column {}: {}", error.column, error.message);
            out.push(Violation::fault(path.clone(), "UnsupportedTemplate", message));
        }
    }
}

fn unknown_key(path: &FieldPath, reference: &Reference, schema: Option<&Value>) -> Option<Violation> {
    if reference.root != Root::EnvironmentConfigs {
        return None;
    }
    let tokens: Vec<String> = reference.path.iter().map(token).collect();
    let unknown = schema::follow(schema.unwrap_or(&Value::Null), tokens.iter().map(String::as_str)).err()?;
    let cure = unknown.nearest.map_or_else(
        || "add it to `environmentConfigs` or correct the reference".to_owned(),
        |nearest| format!("did you mean `{nearest}`?"),
    );
    let (column, name) = (reference.column, unknown.name);
    let message = format!("column {column}: `{reference}`: the schema of this release has no `{name}`; {cure}");
    Some(Violation::fault(path.clone(), "UnknownConfigKey", message).with_value(reference.to_string()))
}

fn token(segment: &Segment) -> String {
    match segment {
        Segment::Key(key) => key.clone(),
        Segment::Index(index) => index.to_string(),
    }
}
