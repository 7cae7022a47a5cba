//! What all kinds have in common, read leniently: a field of the wrong type is a field that is absent.

use jiff::Timestamp;
use serde_json::Value;

use crate::object::text;

use super::Assessment;

/// A live object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live<'a>(pub(super) &'a Value);

/// A condition of a status.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition<'a> {
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    /// `lastTransitionTime`.
    pub(super) since: Option<Timestamp>,
    /// `lastUpdateTime`, which a Deployment's conditions have besides.
    pub(super) updated: Option<Timestamp>,
    /// The generation that it speaks of.
    pub(super) observed: Option<i64>,
}

impl<'a> Condition<'a> {
    pub(super) fn is(&self, status: &str) -> bool {
        self.status == status
    }

    /// Its message, or else its reason, or else `otherwise`.
    pub(super) fn words_or(&self, otherwise: &'a str) -> &'a str {
        let says = |words: &&str| !words.trim().is_empty();
        [self.message, self.reason].into_iter().find(says).unwrap_or(otherwise)
    }
}

impl<'a> Live<'a> {
    pub(super) fn group(self) -> &'a str {
        group(self.0)
    }

    pub(super) fn kind(self) -> &'a str {
        text(self.0, "/kind").unwrap_or_default()
    }

    pub(super) fn uid(self) -> &'a str {
        text(self.0, "/metadata/uid").unwrap_or_default()
    }

    pub(super) fn text(self, pointer: &str) -> &'a str {
        text(self.0, pointer).unwrap_or_default()
    }

    pub(super) fn number(self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer).and_then(Value::as_i64)
    }

    /// A number of a status, which leaves zeros out.
    pub(super) fn count(self, pointer: &str) -> i64 {
        self.number(pointer).unwrap_or(0)
    }

    pub(super) fn is_true(self, pointer: &str) -> bool {
        self.0.pointer(pointer) == Some(&Value::Bool(true))
    }

    pub(super) fn list(self, pointer: &str) -> &'a [Value] {
        self.0.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn time(self, pointer: &str) -> Option<Timestamp> {
        time(self.0, pointer)
    }

    /// `metadata.generation`.
    pub(super) fn generation(self) -> Option<i64> {
        self.number("/metadata/generation")
    }

    /// The condition of that type in the status.
    pub(super) fn condition(self, kind: &str) -> Option<Condition<'a>> {
        condition(self.list("/status/conditions"), kind)
    }

    /// Where the object is being deleted: that.
    pub(super) fn leaving(self) -> Option<Assessment> {
        text(self.0, "/metadata/deletionTimestamp")?;
        let finalizers: Vec<_> = self.list("/metadata/finalizers").iter().filter_map(Value::as_str).collect();
        let waits =
            if finalizers.is_empty() { String::new() } else { format!("; waits for {}", finalizers.join(", ")) };
        Some(Assessment::progressing(&format!("is being deleted{waits}")))
    }

    /// Where the status speaks of an earlier spec, or no controller has looked at the object at all: that. Nothing else of the
    /// status counts then.
    pub(super) fn unobserved(self) -> Option<Assessment> {
        let observed = self.count("/status/observedGeneration");
        let behind = match self.generation() {
            Some(generation) => observed < generation,
            None => self.0.get("status").is_none(),
        };
        let cause =
            if observed == 0 { "waits for its controller" } else { "waits for its controller to see the last change" };
        behind.then(|| Assessment::progressing(cause))
    }
}

/// The API group of an object, from its `apiVersion`.
pub(super) fn group(object: &Value) -> &str {
    text(object, "/apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group)
}

/// The condition of type `kind` among `conditions`.
pub(super) fn condition<'a>(conditions: &'a [Value], kind: &str) -> Option<Condition<'a>> {
    let found = conditions.iter().find(|condition| text(condition, "/type") == Some(kind))?;
    Some(Condition {
        status: text(found, "/status").unwrap_or_default(),
        reason: text(found, "/reason").unwrap_or_default(),
        message: text(found, "/message").unwrap_or_default(),
        since: time(found, "/lastTransitionTime"),
        updated: time(found, "/lastUpdateTime"),
        observed: found.get("observedGeneration").and_then(Value::as_i64),
    })
}

/// A time, RFC 3339.
pub(super) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer)?.parse().ok()
}
