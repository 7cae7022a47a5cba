//! From text to its canonical form without anything in between: a parsed list of numbers takes sixteen times its bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// The canonical form of a value given as JSON; `None` where it is none. Where keys are not in order, as the API server writes them, it is
/// parsed first.
pub(crate) fn of_text(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match Copy(&mut out).deserialize(&mut deserializer).and_then(|()| deserializer.end()) {
        Ok(()) => Some(out),
        Err(_) => serde_json::from_str::<Value>(text).ok().map(|value| super::to_vec(&value)),
    }
}

/// Writes what it reads.
struct Copy<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Copy<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Copy<'_> {
    fn number<E>(self, number: impl Into<Number>) -> Result<(), E> {
        super::write_number(&number.into(), self.0);
        Ok(())
    }

    /// Writes the comma before all entries but the first.
    fn next(&mut self, at: &mut usize) {
        if *at > 0 {
            self.0.push(b',');
        }
        *at += 1;
    }
}

/// An entry of a list, and the comma before it.
struct Item<'a, 'b>(&'a mut Copy<'b>, &'a mut usize);

impl<'de> DeserializeSeed<'de> for Item<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.next(self.1);
        Copy(self.0.0).deserialize(deserializer)
    }
}

impl<'de> Visitor<'de> for Copy<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.number(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.number(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("it is no number"))?;
        self.number(number)
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        super::write_string(text, self.0);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        let mut at = 0;
        while items.next_element_seed(Item(&mut self, &mut at))?.is_some() {}
        self.0.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        let (mut at, mut last) = (0, None::<Cow<'de, str>>);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if last.is_some_and(|last| last >= key) {
                return Err(A::Error::custom("its keys are not in order"));
            }
            self.next(&mut at);
            super::write_string(&key, self.0);
            self.0.push(b':');
            map.next_value_seed(Copy(self.0))?;
            last = Some(key);
        }
        self.0.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_text_is_that_of_what_it_says() {
        for text in [
            r#"{"a":[1,-2,1.0,1.5,1e300,18446744073709551615,9223372036854775808,-0.0,0.1],"b":{},"c":[],"d":null}"#,
            r#"{"a":"\u003c<\n\u00e9é\ud83d\ude00","k\u0065y":true,"l":[[],[{}],{"x":[false]}]}"#,
            // Not as the API server writes it.
            r#" { "b" : 1 , "a" : [ 2 , 3 ] } "#,
            r#"{"a":1,"a":2}"#,
            "5",
            "\"x\"",
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let [whole, copied] = [crate::canonical::to_vec(&value), of_text(text).unwrap()].map(String::from_utf8);
            assert_eq!(copied, whole, "{text}");
        }
        assert_eq!([of_text("{"), of_text("{} {}"), of_text("1e999")], [None, None, None]);
    }
}
