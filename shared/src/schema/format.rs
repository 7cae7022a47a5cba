//! The formats of text that the API server judges in a CRD's values, as far as they are of use in a configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use data_encoding::BASE64;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use super::check::shown;
use crate::violation::{FieldPath, Violation};

/// A format's name, what a text of it is, and whether one is.
type Format = (&'static str, &'static str, fn(&str) -> bool);

const FORMATS: [Format; 7] = [
    ("date", "a date, such as 2026-11-21", |text| text.len() == 10 && text.parse::<Date>().is_ok()),
    ("date-time", "a time after RFC 3339, such as 2026-11-21T10:15:00Z", |text| text.parse::<Timestamp>().is_ok()),
    ("byte", "base64", |text| BASE64.decode(text.as_bytes()).is_ok()),
    ("ipv4", "an IPv4 address", |text| text.parse::<Ipv4Addr>().is_ok()),
    ("ipv6", "an IPv6 address", |text| text.parse::<Ipv6Addr>().is_ok()),
    ("cidr", "a network, such as 10.0.0.0/8", is_network),
    ("uuid", "a UUID", is_uuid),
];

pub(super) fn check(schema: &Value, text: &str, path: &FieldPath) -> Option<Violation> {
    let wanted = schema.get("format").and_then(Value::as_str)?;
    let (_, what, _) = FORMATS.iter().find(|(name, _, fits)| *name == wanted && !fits(text))?;
    let message =
        format!("is {} and must be {what} (`format: {wanted}`); correct the value", shown(&Value::from(text)));
    Some(Violation::fault(path.clone(), "ConfigFormat", message).with_value(text))
}

fn is_network(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.bytes().all(|digit| digit.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// With its hyphens, or without any. (`kube-openapi`, `strfmt`, `UUIDPattern`.)
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    (lengths == [8, 4, 4, 4, 12] || lengths == [32]) && groups.concat().bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_of_its_format() {
        let table = [
            ("date", "2026-02-28", "2026-02-30"),
            ("date-time", "2026-11-21T10:15:00+01:00", "2026-11-21"),
            ("byte", "aGVsbG8=", "aGVsbG8"),
            ("ipv4", "10.0.0.1", "10.0.0.256"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("cidr", "fd00::/64", "10.0.0.0/+8"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b"),
        ];
        for (format, good, bad) in table {
            let schema = json!({ "type": "string", "format": format });
            let found = |text| check(&schema, text, &FieldPath::root("c"));
            assert_eq!(found(good), None, "{format}");
            assert!(found(bad).is_some_and(|fault| fault.message.contains(format)), "{format}");
        }
        assert_eq!(check(&json!({ "format": "colour" }), "red", &FieldPath::root("c")), None);
    }
}
