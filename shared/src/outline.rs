//! A Release as rules and records look at it, read in one pass over its text.
//!
//! A Release is mostly the objects in it, of which rules look at little: what they are, how deep they are, what numbers are in them.
//! So each is read into its outline, what it is, while its canonical form is written, which is what is hashed. An object that a rule
//! may have more to say of, or that is not written as the API server writes it, has no outline: reading fails, and the whole object
//! is to be read instead. That keeps the rules' meaning what it is. Nothing here is recursive deeper than [`MAX_DEPTH`].
//!
//! [`MAX_DEPTH`]: crate::validate::MAX_DEPTH

mod body;
mod embedded;
mod spec;

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::kinds::Kind;
use crate::record::Content;

/// An object of ours, a Release in outline.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// The object; the objects in a Release have what they are, and nothing else.
    pub value: Value,
    /// What is recorded of a Release's spec; `None` for any other kind, of which `value` is the whole.
    pub content: Option<Content>,
}

impl<'de> Deserialize<'de> for Outline {
    /// # Errors
    /// There is no outline of this object, or it is no JSON.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Root)
    }
}

/// The fields of an object of ours. `kind` stands before `spec`, as all fields are in order.
struct Root;

impl<'de> Visitor<'de> for Root {
    type Value = Outline;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outline, A::Error> {
        let (mut fields, mut content, mut is_release) = (Map::new(), None, false);
        let mut keys = InOrder::default();
        while let Some(key) = keys.next(&mut map)? {
            let value = if key == "spec" && is_release {
                let (spec, recorded) = map.next_value_seed(spec::Spec)?;
                content = Some(recorded);
                spec
            } else {
                map.next_value::<Value>()?
            };
            is_release |= key == "kind" && value.as_str().and_then(Kind::parse) == Some(Kind::Release);
            fields.insert(key.to_owned(), value);
        }
        Ok(Outline { value: Value::Object(fields), content })
    }
}

/// The keys of a map, which must be in order, each once, and without escapes.
#[derive(Default)]
struct InOrder<'de> {
    last: Option<&'de str>,
}

impl<'de> InOrder<'de> {
    fn next<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<&'de str>, A::Error> {
        let key = map.next_key::<&'de str>()?;
        if key.is_some() && self.last >= key {
            return Err(no_outline("its keys are not in order"));
        }
        self.last = key.or(self.last);
        Ok(key)
    }
}

/// What is done with the fields of an object of which the canonical form is written.
trait Fields {
    /// Reads the value of a field and writes it.
    fn value<'de, A: MapAccess<'de>>(&mut self, key: &'de str, map: &mut A, out: &mut Out) -> Result<(), A::Error>;
}

/// An object, read by `fields`.
struct Object<'a, F> {
    out: &'a mut Out,
    fields: F,
}

impl<'de, F: Fields> DeserializeSeed<'de> for Object<'_, F> {
    type Value = F;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<F, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fields> Visitor<'de> for Object<'_, F> {
    type Value = F;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<F, A::Error> {
        self.out.bytes.push(b'{');
        let mut keys = InOrder::default();
        while let Some(key) = keys.next(&mut map)? {
            self.out.key(key);
            self.fields.value(key, &mut map, self.out)?;
        }
        self.out.bytes.push(b'}');
        Ok(self.fields)
    }
}

/// The canonical form as far as it is written.
#[derive(Debug, Default)]
struct Out {
    bytes: Vec<u8>,
    /// How many bytes more the JSON has that is sent and stored: floats are written otherwise there.
    wider: isize,
}

impl Out {
    /// Writes the key of a field, and the comma before it where it is not the first of its object.
    fn key(&mut self, key: &str) {
        if self.bytes.last() != Some(&b'{') {
            self.bytes.push(b',');
        }
        crate::canonical::write_plain(key, &mut self.bytes);
        self.bytes.push(b':');
    }

    /// Writes the comma before an entry of a list where it is not the first.
    fn item(&mut self) {
        if self.bytes.last() != Some(&b'[') {
            self.bytes.push(b',');
        }
    }

    /// Writes a value that is kept as well.
    fn keep(&mut self, value: &Value) {
        let start = self.bytes.len();
        crate::canonical::write(value, &mut self.bytes);
        self.wider += crate::canonical::json_size(value).cast_signed() - (self.bytes.len() - start).cast_signed();
    }

    /// How many bytes of JSON were written since there were `start` of the canonical form, when `wider` was what is given.
    fn json_size(&self, start: usize, wider: isize) -> usize {
        (self.bytes.len() - start).saturating_add_signed(self.wider - wider)
    }
}

fn no_outline<E: Error>(why: &str) -> E {
    E::custom(why)
}

#[cfg(test)]
mod tests;
