//! What is put into an object before it is stored: its defaults, and the annotations that are ours alone.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation};
use release_shared::names;
use release_shared::record::Stamp;
use serde_json::{Map, Value, json};

/// The JSON Patch; `None` where nothing changes.
pub(super) fn json(sent: &Value, defaults: &[(&str, Value)], stamp: &Stamp) -> Option<Vec<u8>> {
    let mut operations: Vec<_> = defaults.iter().map(|(key, value)| add(&["spec", key], value.clone())).collect();
    operations.extend(stamp_operations(sent, stamp));
    (!operations.is_empty()).then(|| serde_json::to_vec(&Patch(operations)).unwrap_or_default())
}

/// The operations that bring the annotations that are ours alone to what they must be.
fn stamp_operations(sent: &Value, stamp: &Stamp) -> Vec<PatchOperation> {
    let there = sent.pointer("/metadata/annotations").and_then(Value::as_object);
    if there.is_none() {
        if stamp.annotations.is_empty() {
            return Vec::new();
        }
        let all: Map<_, _> =
            stamp.annotations.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
        let all = Value::Object(all);
        let has_metadata = sent.get("metadata").is_some_and(Value::is_object);
        // What the API server sends has metadata; an object without any is given some, so that the patch applies.
        let whole = if has_metadata {
            add(&["metadata", "annotations"], all)
        } else {
            add(&["metadata"], json!({ "annotations": all }))
        };
        return vec![whole];
    }
    let there = |key: &str| there.and_then(|annotations| annotations.get(key));
    let mut operations = Vec::new();
    for key in names::WEBHOOK_KEYS {
        match (stamp.annotations.get(key), there(key)) {
            (Some(value), found) if found.and_then(Value::as_str) != Some(value) => {
                operations.push(add(&["metadata", "annotations", key], value.clone().into()));
            }
            (None, Some(_)) => {
                let path = PointerBuf::from_tokens(["metadata", "annotations", key]);
                operations.push(PatchOperation::Remove(RemoveOperation { path }));
            }
            _ => {}
        }
    }
    operations
}

fn add(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(path.iter().copied()), value })
}
