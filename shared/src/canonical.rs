//! Canonical JSON: what is hashed and compared. Keys sorted by their bytes, no spaces; a number whose value fits i64 is an
//! integer, any other the shortest digits of its f64 in scientific notation, `1.5e0`: our own form, since a library's may change and
//! a hash must not.

mod text;

use serde::Serialize;
use serde_json::{Map, Number, Value};

/// The canonical form of a value, as bytes.
pub fn to_vec(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(value, &mut out);
    out
}

pub(crate) use text::of_text;

/// The canonical form of an object of these fields, given in the order of their keys; what is `None` is left out.
pub(crate) fn object_to_vec<const N: usize>(fields: [(&str, Option<&Value>); N]) -> Vec<u8> {
    debug_assert!(fields.is_sorted_by_key(|(key, _)| *key));
    let mut out = Vec::with_capacity(4096);
    write_entries(fields.into_iter().filter_map(|(key, value)| Some((key, value?))), &mut out);
    out
}

/// Writes the canonical form of a value behind what is there.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Number(number) => write_number(number, out),
        Value::Array(items) => write_array(items, out),
        Value::Object(entries) => write_object(entries, out),
        Value::String(text) => write_string(text, out),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Null => out.extend_from_slice(b"null"),
    }
}

fn write_number(number: &Number, out: &mut Vec<u8>) {
    let float = number.as_f64().filter(|_| !number.is_u64());
    match (number.as_i64().or_else(|| float.and_then(as_integer)), float) {
        (Some(integer), _) => write_json(&integer, out),
        (None, Some(float)) => out.extend_from_slice(format!("{float:e}").as_bytes()),
        (None, None) => write_json(number, out),
    }
}

/// The integer that a float is, where it is one and fits i64. The bounds are exact: -2^63 is an f64, 2^63 the first too large.
fn as_integer(float: f64) -> Option<i64> {
    let fits = float.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    #[expect(clippy::cast_possible_truncation, reason = "checked to be integral and in range")]
    fits.then_some(float as i64)
}

fn write_array(items: &[Value], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

fn write_object(entries: &Map<String, Value>, out: &mut Vec<u8>) {
    // serde_json's map is sorted unless somebody in the build asks for `preserve_order`; a hash must not depend on that.
    if entries.keys().is_sorted() {
        return write_entries(entries.iter().map(|(key, value)| (key.as_str(), value)), out);
    }
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(b.0));
    write_entries(sorted.into_iter().map(|(key, value)| (key.as_str(), value)), out);
}

fn write_entries<'a>(entries: impl Iterator<Item = (&'a str, &'a Value)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(key, out);
        out.push(b':');
        write(value, out);
    }
    out.push(b'}');
}

/// Writes a text that may need escapes.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    write_json(text, out);
}

/// Writes a text that needs no escapes, such as one that had none where it was read.
pub(crate) fn write_plain(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Writes an integer.
pub(crate) fn write_integer(integer: i64, out: &mut Vec<u8>) {
    write_json(&integer, out);
}

fn write_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).unwrap_or_else(|error| unreachable!("this is always JSON: {error}"));
}

/// How many bytes a value has as the JSON that is sent and stored, without writing it out.
pub(crate) fn json_size(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail; were it to, the size would be too small and etcd would answer.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_integral_floats_are_integers() {
        let value = json!({"b": 1.0, "a": [1.5, -0.0, 1e3], "ü": null, "Z": "a\"b\n"});
        assert_eq!(String::from_utf8(to_vec(&value)).unwrap(), r#"{"Z":"a\"b\n","a":[1.5e0,0,1000],"b":1,"ü":null}"#);
    }

    #[test]
    fn a_float_has_one_form_however_often_it_is_read() {
        for text in ["0.1", "1.7976931348623157e308", "5e-324", "123456789.123456789", "7.038531e-26"] {
            let value: Value = serde_json::from_str(text).unwrap();
            let again: Value = serde_json::from_slice(&to_vec(&value)).unwrap();
            assert_eq!(to_vec(&value), to_vec(&again), "{text}");
        }
    }

    #[test]
    fn the_bounds_of_i64_are_kept() {
        for (text, canonical) in [
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("-9.223372036854775808e18", "-9223372036854775808"),
            ("1e300", "1e300"),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(String::from_utf8(to_vec(&value)).unwrap(), canonical, "{text}");
        }
    }
}
