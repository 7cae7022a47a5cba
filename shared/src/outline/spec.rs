//! The spec of a Release: kept as it is, but for the objects in it.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::embedded::Embedded;
use super::{Fields, Object, Out};
use crate::record::Content;

/// Reads the spec in outline, and its content.
pub(super) struct Spec;

impl<'de> DeserializeSeed<'de> for Spec {
    type Value = (Value, Content);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(Value, Content), D::Error> {
        // Large enough for most, so that what is written rarely moves.
        let mut out = Out { bytes: Vec::with_capacity(16 * 1024), ..Out::default() };
        let read = Object { out: &mut out, fields: Read::default() }.deserialize(deserializer)?;
        let content = Content::new(out.bytes, read.places, out.wider, read.sizes);
        Ok((Value::Object(read.fields), content))
    }
}

#[derive(Default)]
struct Read {
    fields: Map<String, Value>,
    places: Vec<(String, Range<usize>)>,
    sizes: Vec<usize>,
}

impl Fields for Read {
    fn value<'de, A: MapAccess<'de>>(&mut self, key: &'de str, map: &mut A, out: &mut Out) -> Result<(), A::Error> {
        let start = out.bytes.len();
        let value = if key == "resources" {
            map.next_value_seed(Resources { out, sizes: &mut self.sizes })?
        } else {
            keep(map, out)?
        };
        self.places.push((key.to_owned(), start..out.bytes.len()));
        self.fields.insert(key.to_owned(), value);
        Ok(())
    }
}

/// Reads a value as a whole.
fn keep<'de, A: MapAccess<'de>>(map: &mut A, out: &mut Out) -> Result<Value, A::Error> {
    let value = map.next_value()?;
    out.keep(&value);
    Ok(value)
}

/// The list of objects; `sizes` gets the bytes of JSON of each entry.
struct Resources<'a> {
    out: &'a mut Out,
    sizes: &'a mut Vec<usize>,
}

impl<'de> DeserializeSeed<'de> for Resources<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Resources<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        self.out.bytes.push(b'[');
        while let Some((entry, size)) = items.next_element_seed(Resource(self.out))? {
            entries.push(entry);
            self.sizes.push(size);
        }
        self.out.bytes.push(b']');
        Ok(Value::Array(entries))
    }
}

/// An entry of the list, and its bytes of JSON.
struct Resource<'a>(&'a mut Out);

impl<'de> DeserializeSeed<'de> for Resource<'_> {
    type Value = (Value, usize);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(Value, usize), D::Error> {
        self.0.item();
        let (start, wider) = (self.0.bytes.len(), self.0.wider);
        let entry = Object { out: self.0, fields: Entry::default() }.deserialize(deserializer)?;
        Ok((Value::Object(entry.fields), self.0.json_size(start, wider)))
    }
}

/// `id`, `object` in outline, and whatever else there is.
#[derive(Default)]
struct Entry {
    fields: Map<String, Value>,
}

impl Fields for Entry {
    fn value<'de, A: MapAccess<'de>>(&mut self, key: &'de str, map: &mut A, out: &mut Out) -> Result<(), A::Error> {
        let value = if key == "object" {
            map.next_value_seed(Object { out, fields: Embedded::default() })?.into_value()
        } else {
            keep(map, out)?
        };
        self.fields.insert(key.to_owned(), value);
        Ok(())
    }
}
