//! What the annotations of an object leave to its history: the API server lets all of them together have so many bytes and no more.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ring::{Bounds, Pushed};
use crate::names;
use crate::violation::{FieldPath, Violation};

/// All annotations of an object together, keys and values, in bytes: the API server's own limit (`TotalAnnotationSizeLimitB` in
/// apimachinery).
pub const WEBHOOK_ANNOTATION_LIMIT: usize = 256 * 1024;
/// How many annotations a refusal names.
const NAMED: usize = 5;

/// The room that is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    /// How many bytes the text of a history may have.
    pub(super) bytes: usize,
    /// The other annotations with their sizes, keys included.
    others: Vec<(String, usize)>,
}

impl Room {
    /// What the annotations that a client sends, and the stamps of the webhook, leave.
    pub(super) fn beside(object: &Value, stamps: &BTreeMap<&'static str, String>) -> Self {
        let sent = object.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
        let sent = sent.filter(|(key, _)| !names::WEBHOOK_KEYS.contains(&key.as_str()));
        let mut others: Vec<_> =
            sent.map(|(key, value)| (key.clone(), key.len() + value.as_str().map_or(0, str::len))).collect();
        let stamps = stamps.iter().filter(|(key, _)| **key != names::HISTORY);
        others.extend(stamps.map(|(key, value)| ((*key).to_owned(), key.len() + value.len())));
        let taken: usize = others.iter().map(|(_, size)| size).sum();
        Self { bytes: WEBHOOK_ANNOTATION_LIMIT.saturating_sub(taken + names::HISTORY.len()), others }
    }

    /// The refusal of a history of `size` bytes.
    pub(super) fn too_small(&self, size: usize) -> Violation {
        let mut all = self.others.clone();
        if size > 0 {
            all.push((names::HISTORY.to_owned(), names::HISTORY.len() + size));
        }
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let total: usize = all.iter().map(|(_, size)| size).sum();
        let mut largest: Vec<_> = all.iter().take(NAMED).map(|(key, size)| format!("{key} has {size}")).collect();
        if let Some(more) = all.len().checked_sub(NAMED).filter(|more| *more > 0) {
            largest.push(format!("{more} more are smaller"));
        }
        let message = format!(
            "all annotations of an object together may have {WEBHOOK_ANNOTATION_LIMIT} bytes, and these would have {total}: {}; remove or \
             shorten what is not needed",
            largest.join(", ")
        );
        Violation::fault(FieldPath::root("metadata").field("annotations"), "AnnotationsTooLarge", message)
    }

    /// What a client is told where a history became shorter than its bounds let it be.
    pub(super) fn tells_of(&self, pushed: &Pushed, bounds: Bounds) -> Option<String> {
        let (dropped, kept) = (pushed.dropped, pushed.kept);
        (self.bytes < bounds.bytes && dropped > 0 && kept < bounds.records).then(|| {
            format!(
                "the other annotations leave {} bytes for the history of this object: it keeps {kept} records, and dropped {dropped}",
                self.bytes
            )
        })
    }
}

/// Whether all annotations fit, with the webhook's own as they are in `stamps`.
///
/// # Errors
/// They do not; the message names the largest.
pub(super) fn check(object: &Value, stamps: &BTreeMap<&'static str, String>) -> Result<(), Box<Violation>> {
    let history = stamps.get(names::HISTORY);
    let room = Room::beside(object, stamps);
    let size = history.map_or(0, String::len);
    let fits = match history {
        Some(_) => size <= room.bytes,
        None => room.others.iter().map(|(_, size)| size).sum::<usize>() <= WEBHOOK_ANNOTATION_LIMIT,
    };
    if fits { Ok(()) } else { Err(Box::new(room.too_small(size))) }
}
