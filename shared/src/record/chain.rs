//! The hash chain: each record names the hash of the one before.

use serde_json::{Map, Value};

use super::Record;
use super::keys::Whose;
use crate::canonical;
use crate::kinds::Kind;
use crate::names;

/// The keys of a record that its hash does not cover: they follow from it.
const SEAL: [&str; 3] = ["hash", "key", "sig"];

/// The hash of a record of an object: SHA-256, in hexadecimal, of its canonical form together with whose record it is.
pub fn record_hash(kind: Kind, namespace: &str, name: &str, record: &Record) -> String {
    let Ok(Value::Object(record)) = serde_json::to_value(record) else {
        unreachable!("a record is always a JSON object")
    };
    hash_of(Whose { kind, namespace, name }, record)
}

/// The same of a record as it stands, with whatever else is in it.
pub(super) fn hash_of(whose: Whose<'_>, mut record: Map<String, Value>) -> String {
    record.retain(|key, _| !SEAL.contains(&key.as_str()));
    let text = |text: &str| Value::from(text);
    let sealed = canonical::object_to_vec([
        ("group", Some(&text(names::GROUP))),
        ("kind", Some(&text(whose.kind.as_str()))),
        ("name", Some(&text(whose.name))),
        ("namespace", Some(&text(whose.namespace))),
        ("record", Some(&Value::Object(record))),
    ]);
    names::sha256_hex(&sealed)
}
