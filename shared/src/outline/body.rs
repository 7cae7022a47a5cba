//! The part of an object of which nothing is kept but its canonical form.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{InOrder, Out, no_outline};
use crate::canonical;
use crate::validate::{MAX_DEPTH, is_large_float};

/// Writes what it reads; `level` is that of a list or an object here, 1 being the embedded object itself.
pub(super) struct Body<'a> {
    pub(super) out: &'a mut Out,
    pub(super) level: usize,
}

impl Body<'_> {
    fn check_level<E: Error>(&self) -> Result<(), E> {
        if self.level > MAX_DEPTH { Err(no_outline("it is too deep")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Body<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.bytes.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.out.bytes.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        canonical::write_integer(value, &mut self.out.bytes);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let value = i64::try_from(value).map_err(|_| no_outline::<E>("a number in it is too large"))?;
        canonical::write_integer(value, &mut self.out.bytes);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if is_large_float(value) {
            return Err(no_outline("a number in it is too large"));
        }
        self.out.keep(&Value::from(value));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        canonical::write_plain(text, &mut self.out.bytes);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        canonical::write_string(text, &mut self.out.bytes);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.check_level()?;
        self.out.bytes.push(b'[');
        while items.next_element_seed(Item(Body { out: self.out, level: self.level + 1 }))?.is_some() {}
        self.out.bytes.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.check_level()?;
        self.out.bytes.push(b'{');
        let mut keys = InOrder::default();
        while let Some(key) = keys.next(&mut map)? {
            self.out.key(key);
            map.next_value_seed(Body { out: self.out, level: self.level + 1 })?;
        }
        self.out.bytes.push(b'}');
        Ok(())
    }
}

/// An entry of a list.
struct Item<'a>(Body<'a>);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.out.item();
        self.0.deserialize(deserializer)
    }
}
