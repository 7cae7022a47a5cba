//! The hash chain: each record names the hash of the one before.

use serde_json::{Value, json};

use super::content::content_hash;
use super::{Element, History, Record};
use crate::canonical;
use crate::kinds::Kind;
use crate::names;
use crate::object::{annotation, text};

/// The hash of a record of an object: SHA-256, in hexadecimal, of its canonical form together with whose record it is.
pub fn record_hash(kind: Kind, namespace: &str, name: &str, record: &Record) -> String {
    let bare = Record { hash: None, key: None, sig: None, ..record.clone() };
    let bare = serde_json::to_value(bare).unwrap_or(Value::Null);
    let sealed =
        json!({ "group": names::GROUP, "kind": kind.as_str(), "namespace": namespace, "name": name, "record": bare });
    names::sha256_hex(&canonical::to_vec(&sealed))
}

/// Where a history does not hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFault {
    /// The record of this revision does not have the hash that it carries: it was edited, or taken from another object.
    Hash(u64),
    /// The revisions do not follow on each other: `found` stands where `expected` should.
    Order {
        /// The revision that should follow.
        expected: u64,
        /// The one that does.
        found: u64,
    },
    /// The history begins with this revision: what was before was not kept, as for a Release that was orphaned, or could not be read.
    Begins(u64),
    /// The record of this revision does not name the hash of the one before it.
    Link(u64),
}

impl std::fmt::Display for ChainFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hash(revision) => {
                write!(f, "revision {revision} was edited or taken from another object: its hash is not its own")
            }
            Self::Order { expected, found } => {
                write!(f, "revision {found} stands where revision {expected} should: records are missing")
            }
            Self::Begins(revision) => {
                write!(f, "the history begins with revision {revision}: what was before is not recorded")
            }
            Self::Link(revision) => write!(f, "revision {revision} does not follow on the record before it"),
        }
    }
}

/// What can be said against the record of an object as it stands; nothing where it is as its last record has it.
pub fn check_object(kind: Kind, object: &Value) -> Vec<String> {
    let name = |pointer| text(object, pointer).unwrap_or_default();
    let Some(written) = annotation(object, names::HISTORY) else { return vec!["nothing is recorded".into()] };
    let Some(history) = History::parse(written) else { return vec!["the history cannot be read".into()] };
    let chain = check_chain(kind, name("/metadata/namespace"), name("/metadata/name"), &history);
    let mut faults: Vec<_> = chain.iter().map(ToString::to_string).collect();
    match history.last() {
        None => faults.push("nothing is recorded".into()),
        Some(last) if last.content != content_hash(kind, object) => {
            faults.push("it has changed since its last record, and that is not recorded".into());
        }
        Some(_) => {}
    }
    faults
}

/// Every place in which a history does not hold together.
pub fn check_chain(kind: Kind, namespace: &str, name: &str, history: &History) -> Vec<ChainFault> {
    let mut faults = Vec::new();
    let mut before: Option<&Element> = None;
    for element in &history.0 {
        let range = element.range();
        if let Some(record) = element.record()
            && record.hash.as_deref() != Some(&record_hash(kind, namespace, name, record))
        {
            faults.push(ChainFault::Hash(record.revision));
        }
        let expected = before.map_or(1, |before| before.range().to + 1);
        if before.is_none() && range.from > 1 && element.prev().is_none() {
            faults.push(ChainFault::Begins(range.from));
        } else if range.from != expected {
            faults.push(ChainFault::Order { expected, found: range.from });
        }
        if before.map_or(element.prev().is_some(), |before| before.hash() != element.prev()) {
            faults.push(ChainFault::Link(range.from));
        }
        before = Some(element);
    }
    faults
}
