//! What the controller has reported of an object, looked up in its status.

use release_shared::kinds::Health;
use release_shared::names;
use release_shared::object::{annotation, text};
use serde_json::Value;

/// The number of an object's current revision, where it was recorded.
pub(crate) fn revision(object: &Value) -> Option<u64> {
    annotation(object, names::REVISION)?.parse().ok()
}

/// How a revision of a binding went.
pub(crate) fn outcome(binding: &Value, revision: u64) -> Option<&Value> {
    let outcomes = binding.pointer("/status/outcomes")?.as_array()?;
    outcomes.iter().find(|outcome| outcome.get("revision").and_then(Value::as_u64) == Some(revision))
}

/// The health that stands at a JSON pointer.
pub(crate) fn health(object: &Value, pointer: &str) -> Option<Health> {
    serde_json::from_value(object.pointer(pointer)?.clone()).ok()
}

/// Whether the status speaks of the spec as it is. An annotation changes no generation.
pub(crate) fn is_observed(object: &Value) -> bool {
    let number = |pointer| object.pointer(pointer).and_then(Value::as_i64);
    number("/status/observedGeneration") >= number("/metadata/generation").or(Some(0))
}

/// A condition.
pub(crate) fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| text(condition, "/type") == Some(name))
}

/// Reason and message of a condition that has this status, `True` or `False`.
pub(crate) fn told<'a>(object: &'a Value, name: &str, status: &str) -> Option<(&'a str, &'a str)> {
    let condition = condition(object, name).filter(|condition| text(condition, "/status") == Some(status))?;
    Some((text(condition, "/reason").unwrap_or_default(), text(condition, "/message").unwrap_or_default()))
}

/// Whether a binding's objects are to be removed.
pub(crate) fn is_undeployed(binding: &Value) -> bool {
    text(binding, "/spec/state") == Some("Undeploy")
}
