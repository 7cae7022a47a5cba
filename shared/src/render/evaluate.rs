//! A template with its references replaced.

use serde_json::{Map, Value};

use super::context::Context;
use super::template::{self, Part, Reference, Root};
use crate::canonical;
use crate::violation::{FieldPath, Violation};

/// The rendering of one template; collects every fault and goes on with null.
pub(super) struct Evaluation<'a> {
    pub(super) context: &'a Context,
    pub(super) id: &'a str,
    pub(super) violations: Vec<Violation>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn value(&mut self, template: &Value, path: &FieldPath) -> Value {
        match template {
            Value::String(text) => self.text(text, path),
            Value::Array(items) => {
                items.iter().enumerate().map(|(index, item)| self.value(item, &path.index(index))).collect()
            }
            Value::Object(entries) => self.entries(entries, path),
            other => other.clone(),
        }
    }

    fn entries(&mut self, entries: &Map<String, Value>, path: &FieldPath) -> Value {
        let mut rendered = Map::new();
        for (key, value) in entries {
            let path = path.field(key);
            let name = match self.parts(key, &path) {
                Some(parts) => self.joined(&parts, &path),
                None => continue,
            };
            let value = self.value(value, &path);
            if rendered.insert(name.clone(), value).is_some() {
                let message = format!("renders to the key `{name}`, which stands here already; rename one");
                self.refuse(&path, "TemplateValue", 1, &message);
            }
        }
        Value::Object(rendered)
    }

    fn text(&mut self, text: &str, path: &FieldPath) -> Value {
        let Some(parts) = self.parts(text, path) else { return Value::Null };
        match parts.as_slice() {
            [Part::Reference(reference)] => {
                let found = self.lookup(reference, path).filter(|value| self.context.has_room(value));
                found.cloned().unwrap_or_default()
            }
            parts => Value::String(self.joined(parts, path)),
        }
    }

    fn parts(&mut self, text: &str, path: &FieldPath) -> Option<Vec<Part>> {
        let parsed = template::parse(text);
        parsed.map_err(|error| self.refuse(path, "UnsupportedTemplate", error.column, &error.message)).ok()
    }

    fn joined(&mut self, parts: &[Part], path: &FieldPath) -> String {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Reference(reference) => text.push_str(&self.as_text(reference, path)),
            }
        }
        text
    }

    /// A value inside a longer string: a string as it is, a number or a boolean as in JSON.
    fn as_text(&mut self, reference: &Reference, path: &FieldPath) -> String {
        let name = match self.lookup(reference, path) {
            Some(value @ Value::String(text)) => {
                return if self.context.has_room(value) { text.clone() } else { String::new() };
            }
            Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                return String::from_utf8_lossy(&canonical::to_vec(value)).into_owned();
            }
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "an object",
            Some(Value::Null) => "null",
            None => return String::new(),
        };
        let message = format!("`{reference}` is {name}, which cannot stand inside a string; refer to a single value");
        self.refuse(path, "TemplateValue", reference.column, &message);
        String::new()
    }

    fn lookup(&mut self, reference: &Reference, path: &FieldPath) -> Option<&'a Value> {
        let found = self.context.lookup(reference);
        if found.is_none() {
            let cure = match reference.root {
                Root::EnvironmentConfigs => "set it in the environment's binding, or give it a default in the schema",
                _ => "correct the reference",
            };
            let message = format!("`{reference}` has no value; {cure}");
            self.refuse(path, "MissingValue", reference.column, &message);
        }
        found
    }

    fn refuse(&mut self, path: &FieldPath, code: &'static str, column: usize, message: &str) {
        let message = format!("template `{}`, column {column}: {message}", self.id);
        self.violations.push(Violation::fault(path.clone(), code, message));
    }
}
