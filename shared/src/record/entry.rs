//! The wire format of a history.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Action;

/// One change of an object. Keys are only ever added, and absent rather than null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Counted from 1 for each object.
    pub revision: u64,
    /// What kind of change it was.
    pub action: Action,
    /// The ComponentRelease that is pinned from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Its human version, as the webhook knew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The environment that it was promoted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The binding's state from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The binding's configuration from then on: its spec without owner, environment, releaseName and state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// The SHA-256 of the recorded content from then on.
    pub content: String,
    /// Who asked for it, from the API server's own request.
    pub by: String,
    /// The person behind an account that may speak for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The field manager of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Why, in the words of who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A URL, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whether it went past a rule with permission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypass: Option<bool>,
    /// Whether it was made by a dry run, and so never happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// The hash of the record before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// The hash of this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The signature over the hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<String>,
}

impl Record {
    /// Whether the facts are those of `other`: all that follows from the request, the object and its predecessor. The rest is
    /// what the replica that made the record saw.
    pub fn has_facts_of(&self, other: &Self) -> bool {
        let facts = |record: &Self| Self {
            action: Action::Update,
            from: None,
            version: None,
            bypass: None,
            at: String::new(),
            hash: None,
            key: None,
            sig: None,
            ..record.clone()
        };
        facts(self) == facts(other)
    }
}

/// A run of records that the bound dropped; the chain goes on through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Which revisions.
    pub dropped: Range,
    /// The hash of the record before the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// The hash of the last of them.
    pub hash: String,
    /// What was found of them when they were dropped, as the codes of [`Finding`](super::Finding): nobody can look again. Empty where
    /// each of them was whole, in its place, this object's and signed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unproved: BTreeSet<String>,
    /// Whether they were dropped by a dry run, and so never were.
    #[serde(default, rename = "dryRun", skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// The key that signed this element; absent where nobody signed when they were dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The signature over all of this, and over whose records they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<String>,
}

/// A run of revisions, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// An element of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "nearly all elements are records")]
pub enum Element {
    /// What was dropped.
    Dropped(Dropped),
    /// A record.
    Record(Record),
}

impl Element {
    /// The revisions that this element stands for.
    pub fn range(&self) -> Range {
        match self {
            Self::Dropped(dropped) => dropped.dropped,
            Self::Record(record) => Range { from: record.revision, to: record.revision },
        }
    }

    /// The hash before this element.
    pub fn prev(&self) -> Option<&str> {
        match self {
            Self::Dropped(dropped) => dropped.prev.as_deref(),
            Self::Record(record) => record.prev.as_deref(),
        }
    }

    /// The hash of this element.
    pub fn hash(&self) -> Option<&str> {
        match self {
            Self::Dropped(dropped) => Some(&dropped.hash),
            Self::Record(record) => record.hash.as_deref(),
        }
    }

    /// The record, if this is one.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Dropped(_) => None,
            Self::Record(record) => Some(record),
        }
    }
}

/// A history, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(pub Vec<Element>);

impl History {
    /// Reads the annotation. `None` where it is no history.
    pub fn parse(annotation: &str) -> Option<Self> {
        serde_json::from_str(annotation).ok()
    }

    /// The annotation.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("a history is always JSON: {error}"))
    }

    /// The records, oldest first, without what was dropped.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.0.iter().filter_map(Element::record)
    }

    /// The newest record.
    pub fn last(&self) -> Option<&Record> {
        self.0.last().and_then(Element::record)
    }
}
