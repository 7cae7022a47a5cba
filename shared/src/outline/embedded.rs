//! An object in a Release: what it is.

use serde::de::MapAccess;
use serde_json::{Map, Value};

use super::body::Body;
use super::{Fields, Object, Out, no_outline};
use crate::names;

/// The level of lists and objects in the fields of an embedded object.
const BELOW: usize = 2;

/// `apiVersion`, `kind`, `metadata` and, of a Secret, whether it has content.
#[derive(Default)]
pub(super) struct Embedded {
    object: Map<String, Value>,
    content: Vec<&'static str>,
}

impl Embedded {
    /// The outline of the object. What stands for a Secret's content is only that there is some.
    pub(super) fn into_value(mut self) -> Value {
        if self.object.get("kind").is_some_and(|kind| kind == "Secret") {
            self.object.extend(self.content.into_iter().map(|field| (field.to_owned(), Value::Bool(true))));
        }
        Value::Object(self.object)
    }
}

impl Fields for Embedded {
    fn value<'de, A: MapAccess<'de>>(&mut self, key: &'de str, map: &mut A, out: &mut Out) -> Result<(), A::Error> {
        match key {
            "apiVersion" | "kind" => text(&mut self.object, key, map, out),
            "metadata" => {
                let metadata = map.next_value_seed(Object { out, fields: Metadata::default() })?;
                self.object.insert(key.to_owned(), Value::Object(metadata.fields));
                Ok(())
            }
            "data" => self.content("data", map, out),
            "stringData" => self.content("stringData", map, out),
            "items" => Err(no_outline("it may be a list")),
            _ if key.contains("${") => Err(no_outline("a field of it is a reference")),
            _ => map.next_value_seed(Body { out, level: BELOW }),
        }
    }
}

impl Embedded {
    fn content<'de, A: MapAccess<'de>>(
        &mut self,
        field: &'static str,
        map: &mut A,
        out: &mut Out,
    ) -> Result<(), A::Error> {
        let start = out.bytes.len();
        map.next_value_seed(Body { out, level: BELOW })?;
        if !matches!(&out.bytes[start..], b"{}" | b"null") {
            self.content.push(field);
        }
        Ok(())
    }
}

/// What else metadata has. (`ObjectMeta` in apimachinery)
const STORED: [&str; 11] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Names and namespace.
#[derive(Default)]
struct Metadata {
    fields: Map<String, Value>,
}

impl Fields for Metadata {
    fn value<'de, A: MapAccess<'de>>(&mut self, key: &'de str, map: &mut A, out: &mut Out) -> Result<(), A::Error> {
        match key {
            "name" | "namespace" => text(&mut self.fields, key, map, out),
            "generateName" => Err(no_outline("it has no name of its own")),
            "labels" => map.next_value_seed(Object { out, fields: Labels }).map(drop),
            _ if STORED.contains(&key) => map.next_value_seed(Body { out, level: BELOW + 1 }),
            _ => Err(no_outline("its metadata has a field that would not be stored")),
        }
    }
}

/// Labels, none of which is reserved.
struct Labels;

impl Fields for Labels {
    fn value<'de, A: MapAccess<'de>>(&mut self, key: &'de str, map: &mut A, out: &mut Out) -> Result<(), A::Error> {
        if names::RESERVED_LABELS.contains(&key) {
            return Err(no_outline("it has a reserved label"));
        }
        map.next_value_seed(Body { out, level: BELOW + 2 })
    }
}

/// Reads a text without escapes, and keeps it.
fn text<'de, A: MapAccess<'de>>(
    into: &mut Map<String, Value>,
    key: &str,
    map: &mut A,
    out: &mut Out,
) -> Result<(), A::Error> {
    let text = map.next_value::<&'de str>()?;
    crate::canonical::write_plain(text, &mut out.bytes);
    into.insert(key.to_owned(), text.into());
    Ok(())
}
