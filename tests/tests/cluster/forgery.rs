//! What somebody would write who knows the format of the record and wants it to say something else.

use release_shared::names;
use release_shared::record::{Element, History, Record, content_hash, record_hash};
use serde_json::{Value, json};

use super::objects::{annotated, kind, name};

/// Who never did anything.
pub(crate) const EVE: &str = "eve";

/// The object with the stamps and a complete history of changes by [`EVE`], which holds together in itself and ends in the object as
/// it is here. An object that names no namespace is of this one.
pub(crate) fn forged(namespace: &str, object: &Value) -> Value {
    let content = content_hash(kind(object), object);
    let records = [(1, "0".repeat(64), "2020-01-01T00:00:00Z"), (2, content, "2020-01-02T00:00:00Z")].map(
        |(revision, content, at)| {
            json!({
                "revision": revision, "action": "update", "content": content, "by": EVE, "manager": "kubectl-edit",
                "at": at, "reason": "as agreed", "version": "9.9",
            })
        },
    );
    let history = sealed(namespace, object, records.map(|record| serde_json::from_value(record).unwrap()));
    with_history(object, &history)
}

/// The same where it does not matter whose records they are said to be.
pub(crate) fn with_forged_stamps(object: &Value) -> Value {
    forged("nowhere", object)
}

/// These records in a row, each with the hash of the one before and with its own.
pub(crate) fn sealed(namespace: &str, object: &Value, records: impl IntoIterator<Item = Record>) -> History {
    let mut prev: Option<String> = None;
    let seal = |record: Record| {
        let record = Record { prev: prev.take(), ..record };
        let hash = record_hash(kind(object), namespace, name(object), &record);
        prev = Some(hash.clone());
        Element::Record(Record { hash: Some(hash), ..record })
    };
    History(records.into_iter().map(seal).collect())
}

/// The object with this history, and the stamps that go with its last record.
pub(crate) fn with_history(object: &Value, history: &History) -> Value {
    let last = history.last().expect("a history ends in a record");
    let stamps = [
        (names::REVISION, Some(last.revision.to_string())),
        (names::CHANGED_BY, Some(last.by.clone())),
        (names::CHANGED_AT, Some(last.at.clone())),
        (names::RELEASE_VERSION, last.version.clone()),
        (names::HISTORY, Some(history.to_text())),
    ];
    let stamps: Vec<_> = stamps.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))).collect();
    annotated(object, &stamps)
}
