//! ComponentReleases: who they belong to, and the specs of those that are likely to be rendered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use release_edge::follow::Place;
use release_shared::kinds::Owner;
use release_shared::object::text;
use serde_json::Value;

/// What is kept of a ComponentRelease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Its UID.
    pub(crate) uid: String,
    /// Whose it is.
    pub(crate) owner: Owner,
    /// When it was made, RFC 3339 in UTC.
    pub(crate) created: String,
}

impl Snapshot {
    pub(super) fn read(object: &Value) -> Option<Self> {
        let said = |pointer: &str| text(object, pointer).map(str::to_owned);
        Some(Self {
            uid: said("/metadata/uid")?,
            owner: super::owner(object)?,
            created: said("/metadata/creationTimestamp").unwrap_or_default(),
        })
    }
}

/// How many bytes of specs are kept, as JSON.
const MOST: usize = 2 * 1024 * 1024;

/// The specs that were seen or asked for last. They are immutable, so that whatever is here is right.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    recent: Mutex<VecDeque<Recent>>,
}

#[derive(Debug)]
struct Recent {
    place: Place,
    uid: String,
    size: usize,
    spec: Arc<Value>,
}

impl Snapshots {
    /// The spec of a ComponentRelease.
    pub(crate) fn get(&self, place: &Place, uid: &str) -> Option<Arc<Value>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.iter().position(|entry| entry.place == *place && entry.uid == uid)?;
        let entry = recent.remove(at)?;
        let spec = Arc::clone(&entry.spec);
        recent.push_back(entry);
        Some(spec)
    }

    /// Keeps a spec for a while.
    pub(crate) fn put(&self, place: &Place, uid: &str, spec: Option<&Value>) {
        let Some(spec) = spec else { return };
        let size = spec.to_string().len();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.iter().any(|entry| entry.place == *place && entry.uid == uid) {
            return;
        }
        recent.push_back(Recent { place: place.clone(), uid: uid.to_owned(), size, spec: Arc::new(spec.clone()) });
        while recent.iter().map(|entry| entry.size).sum::<usize>() > MOST && recent.len() > 1 {
            recent.pop_front();
        }
    }
}
