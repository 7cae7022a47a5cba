//! The objects in the manifests, each with where it stands.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::argument::ObjectRef;
use super::origin::Origin;
use super::{Manifest, Problem};
use crate::violation::{FieldPath, Violation};

/// An object of a manifest.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Object {
    /// A string inside the object, empty where there is none.
    fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(super) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(super) fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// The API group; empty for the core group.
    pub(super) fn group(&self) -> &str {
        self.text("/apiVersion").split_once('/').map_or("", |(group, _)| group)
    }

    /// How messages name the object.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.kind(), self.name())
    }

    /// A fault at a path of keys and positions inside the object.
    pub(super) fn problem(&self, path: &[&str], code: &'static str, message: impl Into<String>) -> Problem {
        let violation = Violation::fault(self.field_path(path), code, message);
        Problem { location: Some(self.origin.at(path.iter().copied())), violation }
    }

    fn field_path(&self, path: &[&str]) -> FieldPath {
        let (mut here, mut written) = (Some(&self.value), FieldPath::empty());
        for token in path {
            let position = token.parse::<usize>().ok().filter(|_| here.is_some_and(Value::is_array));
            written = position.map_or_else(|| written.field(token), |position| written.index(position));
            here = match position {
                Some(position) => here.and_then(|here| here.get(position)),
                None => here.and_then(|here| here.get(token)),
            };
        }
        written
    }
}

/// All objects of the manifests that can be named. Lists are taken apart as kubectl does: any kind that ends in `List`
/// and has `items`, whose entries inherit `apiVersion` and kind where they have neither (`UnstructuredJSONScheme` in
/// apimachinery).
pub(super) fn objects(manifests: &[Manifest], problems: &mut Vec<Problem>) -> Vec<Object> {
    let mut objects = Vec::new();
    for Manifest { file, document } in manifests {
        let origin = Origin { file: file.clone(), lines: document.lines.clone() };
        flatten(Object { value: document.value.clone(), origin }, &mut objects);
    }
    objects.retain(|object| {
        let found = unnameable(object);
        let is_nameable = found.is_empty();
        problems.extend(found);
        is_nameable
    });
    objects
}

fn flatten(mut object: Object, objects: &mut Vec<Object>) {
    let Some(item_kind) = object.kind().strip_suffix("List").map(str::to_owned) else { return objects.push(object) };
    let Some(Value::Array(items)) = object.value.get_mut("items").map(Value::take) else { return objects.push(object) };
    for (index, mut value) in items.into_iter().enumerate() {
        if let Value::Object(entries) = &mut value
            && !item_kind.is_empty()
            && !entries.contains_key("kind")
            && !entries.contains_key("apiVersion")
        {
            entries.insert("kind".to_owned(), item_kind.clone().into());
            entries.insert("apiVersion".to_owned(), object.value["apiVersion"].clone());
        }
        let list = &object.origin;
        let lines = list.lines.child("items").and_then(|items| items.child(&index.to_string()));
        let lines = lines.unwrap_or(&list.lines).clone();
        flatten(Object { value, origin: Origin { file: list.file.clone(), lines } }, objects);
    }
}

/// Why an object can be given no id.
fn unnameable(object: &Object) -> Vec<Problem> {
    if !object.value.is_object() {
        let message = "a manifest must be an object with `apiVersion` and `kind`; correct or remove it";
        return vec![object.problem(&[], "NotAnObject", message)];
    }
    let mut found = Vec::new();
    for field in ["apiVersion", "kind"] {
        if object.text(&format!("/{field}")).is_empty() {
            let message = format!("`{field}` is missing: this is no Kubernetes object; add it, or leave the file out");
            found.push(object.problem(&[field], "Required", message));
        }
    }
    if object.name().is_empty() {
        let is_generated = !object.text("/metadata/generateName").is_empty();
        let cure = if is_generated { "replace `generateName` by it" } else { "add it" };
        let message = format!("`metadata.name` is missing, and a release must know every object by its name; {cure}");
        found.push(object.problem(&["metadata", "name"], "Required", message));
    }
    found
}

/// Every integer that does not fit `i64`: Kubernetes reads it as a float, which is another number.
pub(super) fn large_integers(object: &Object) -> Vec<Problem> {
    let mut found = Vec::new();
    each_number(&object.value, &mut Vec::new(), &mut |number, path| {
        if number.is_u64() && !number.is_i64() {
            let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
            let message = format!("{number} does not fit a signed 64-bit integer; use a smaller number, or a string");
            found.push(object.problem(&path, "IntegerRange", message));
        }
    });
    found
}

fn each_number<'a>(value: &'a Value, path: &mut Vec<Cow<'a, str>>, visit: &mut impl FnMut(&Number, &[Cow<'a, str>])) {
    let mut inside = |token: Cow<'a, str>, value: &'a Value| {
        path.push(token);
        each_number(value, path, visit);
        path.pop();
    };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| inside(key.into(), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| inside(at.to_string().into(), value)),
        Value::Number(number) => visit(number, path),
        _ => {}
    }
}

/// Leaves out what is to be left out.
pub(super) fn skip(objects: &mut Vec<Object>, skips: &[ObjectRef], problems: &mut Vec<Problem>) {
    for skip in skips {
        if !objects.iter().any(|object| skip.matches(object)) {
            let message = format!("`--skip {skip}` matches no object of the manifests; {}", known(objects.iter()));
            problems.push(Problem::argument("UnmatchedSkip", message));
        }
    }
    objects.retain(|object| !skips.iter().any(|skip| skip.matches(object)));
}

/// The objects that an argument could have meant.
pub(super) fn known<'a>(objects: impl IntoIterator<Item = &'a Object>) -> String {
    let mut labels: Vec<String> = objects.into_iter().map(Object::label).collect();
    labels.sort();
    labels.dedup();
    match labels.as_slice() {
        [] => "there are none".to_owned(),
        labels if labels.len() > 20 => format!("there are {}, … ({} in all)", labels[..20].join(", "), labels.len()),
        labels => format!("there are {}", labels.join(", ")),
    }
}
