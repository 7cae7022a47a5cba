//! The uid of a request whose review cannot be read as a whole: cut off, nested too deep, too large, or none that we know.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

/// The uid of a review's request, from as much of the review as there is. What stands before it is passed over at any depth, and what
/// comes after it is not looked at. The API server writes it as the first field of the request.
pub(super) fn find(body: &[u8]) -> Option<String> {
    let mut uid = None;
    // It ends with an error in any case: at the uid, or where the body ends or is no JSON.
    let _ = serde_json::Deserializer::from_slice(body).deserialize_map(Fields { of: Level::Review, uid: &mut uid });
    uid.filter(|uid| !uid.is_empty())
}

#[derive(Clone, Copy)]
enum Level {
    Review,
    Request,
}

impl Level {
    /// The field that leads on.
    fn key(self) -> &'static str {
        match self {
            Self::Review => "request",
            Self::Request => "uid",
        }
    }
}

struct Fields<'a> {
    of: Level,
    uid: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the field {}", self.of.key())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(is_it) = map.next_key_seed(Is(self.of.key()))? {
            match (is_it, self.of) {
                (false, _) => drop(map.next_value::<IgnoredAny>()?),
                (true, Level::Review) => map.next_value_seed(Fields { of: Level::Request, uid: &mut *self.uid })?,
                (true, Level::Request) => {
                    *self.uid = Some(map.next_value()?);
                    return Err(A::Error::custom("the rest is not needed"));
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// Whether a key is this one.
struct Is(&'static str);

impl<'de> DeserializeSeed<'de> for Is {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Is {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_the_review_ends() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [
            r#"{"kind":"x","request":{"uid":"a-1","object":{"half"#.to_owned(),
            r#"{"request" : { "uid" : "a-1""#.to_owned(),
            format!(r#"{{"x":{deep},"request":{{"object":{deep},"uid":"a-1"}}}}"#),
            r#"{"y":{"uid":"b"},"request":{"object":{"metadata":{"uid":"b"}},"uid":"a-1"},"z":}"#.to_owned(),
            r#"{"requ\u0065st":{"\u0075id":"a\u002d1"}}"#.to_owned(),
            r#"{"n":1e999,"request":{"n":-0.0e-999999,"uid":"a-1"}}"#.to_owned(),
        ] {
            assert_eq!(find(body.as_bytes()).as_deref(), Some("a-1"), "{}", &body[..body.len().min(80)]);
        }
        let invalid = [&b"{\"x\":\"\xff\xfe\",\"request\":{\"object\":\"\xc3(\",\"uid\":\"a-1\",\xff"[..]].concat();
        assert_eq!(find(&invalid).as_deref(), Some("a-1"));
    }

    #[test]
    fn there_is_none_where_nobody_could_read_one() {
        for body in [
            &b""[..],
            b"{}",
            b"null",
            b"[{\"request\":{\"uid\":\"a\"}}]",
            b"{\"request\":null}",
            b"{\"request\":[]}",
            b"{\"request\":{\"uid\":5}}",
            b"{\"request\":{\"uid\":\"\"}}",
            b"{\"request\":{\"uid\":\"cut o",
            b"{\"request\":{\"uid\":\"\xff\"}}",
            b"{\"uid\":\"a\"}",
            b"\xff\xfe",
        ] {
            assert_eq!(find(body), None, "{}", String::from_utf8_lossy(body));
        }
    }
}
