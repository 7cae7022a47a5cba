use jiff::Timestamp;
use serde_json::Value;

use crate::object::text;

use super::live::time;
use super::probe;
use super::words::message;

/// What is looked at of a warning event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// The kind of the object that it is about.
    pub kind: String,
    /// The name of that object.
    pub name: String,
    /// The UID of that object; empty where the event has none.
    pub uid: String,
    /// The container of that object that it is about.
    pub container: Option<String>,
    /// What happened, in one word.
    pub reason: String,
    /// What happened; one line, cut, and without what a probe printed.
    pub message: String,
    /// When it happened first.
    pub first_seen: Option<Timestamp>,
    /// When it happened last.
    pub last_seen: Option<Timestamp>,
}

impl EventView {
    /// The view of an event of `v1` or `events.k8s.io/v1`; none of one that is no warning, or about nothing.
    pub fn read(event: &Value) -> Option<Self> {
        if text(event, "/type") != Some("Warning") {
            return None;
        }
        let about = event.get("regarding").or_else(|| event.get("involvedObject"))?;
        let owned = |pointer| text(about, pointer).unwrap_or_default().to_owned();
        let reason = text(event, "/reason").unwrap_or_default();
        let words = text(event, "/note").or_else(|| text(event, "/message")).unwrap_or_default();
        let words = if ["Unhealthy", "ProbeWarning"].contains(&reason) { probe::own_words(words) } else { words };
        let first_of = |pointers: &[&str]| pointers.iter().find_map(|pointer| time(event, pointer));
        Some(Self {
            kind: owned("/kind"),
            name: text(about, "/name")?.to_owned(),
            uid: owned("/uid"),
            container: text(about, "/fieldPath").and_then(container),
            reason: reason.to_owned(),
            message: message(words),
            first_seen: first_of(&[
                "/deprecatedFirstTimestamp",
                "/firstTimestamp",
                "/eventTime",
                "/metadata/creationTimestamp",
            ]),
            last_seen: first_of(&[
                "/series/lastObservedTime",
                "/deprecatedLastTimestamp",
                "/lastTimestamp",
                "/eventTime",
                "/metadata/creationTimestamp",
            ]),
        })
    }

    /// Whether it is about the object with that UID.
    pub(super) fn is_about(&self, uid: &str) -> bool {
        !uid.is_empty() && self.uid == uid
    }
}

/// The name in `spec.containers{name}`.
fn container(field: &str) -> Option<String> {
    Some(field.split_once('{')?.1.strip_suffix('}')?.to_owned())
}

/// The last of the events about the object with that UID that `wanted` takes.
pub(super) fn last_about<'a>(
    events: &[&'a EventView],
    uid: &str,
    wanted: impl Fn(&EventView) -> bool,
) -> Option<&'a EventView> {
    let about = events.iter().copied().filter(|event| event.is_about(uid) && wanted(event));
    about.max_by(|one, other| (one.last_seen, &one.message).cmp(&(other.last_seen, &other.message)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_shapes_are_read() {
        let about = json!({"kind": "Pod", "name": "web-1", "uid": "u1", "fieldPath": "spec.containers{app}"});
        let old = json!({
            "type": "Warning", "reason": "Unhealthy", "message": "probe\nfailed", "involvedObject": about, "count": 3,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:01:00Z", "eventTime": null,
        });
        let new = json!({
            "type": "Warning", "reason": "Unhealthy", "note": "probe\nfailed", "regarding": about,
            "eventTime": "2026-01-01T00:00:00.000000Z", "series": {"lastObservedTime": "2026-01-01T00:01:00.000000Z"},
        });
        let view = EventView::read(&old).unwrap();
        assert_eq!((view.kind.as_str(), view.name.as_str(), view.uid.as_str()), ("Pod", "web-1", "u1"));
        assert_eq!((view.container.as_deref(), view.message.as_str()), (Some("app"), "probe failed"));
        assert_eq!(view.last_seen.unwrap().to_string(), "2026-01-01T00:01:00Z");
        assert_eq!(view.first_seen.unwrap().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(EventView::read(&new), Some(view));
    }

    #[test]
    fn only_warnings_about_something_are_kept() {
        let about = json!({"kind": "Pod", "name": "web-1"});
        for event in [
            json!({"type": "Normal", "reason": "Pulled", "involvedObject": about}),
            json!({"type": "Warning", "reason": "Odd"}),
            json!({"type": "Warning", "reason": "Odd", "involvedObject": {"kind": "Pod"}}),
            json!({"reason": "Odd", "involvedObject": about}),
            json!(null),
        ] {
            assert_eq!(EventView::read(&event), None, "{event}");
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let event =
            json!({"type": "Warning", "message": "é".repeat(4000), "involvedObject": {"kind": "Pod", "name": "a"}});
        assert!(EventView::read(&event).unwrap().message.len() <= 800);
    }

    #[test]
    fn what_a_probe_printed_is_not_kept() {
        let read = |reason: &str, message: &str| {
            let about = json!({"kind": "Pod", "name": "a"});
            let event = json!({"type": "Warning", "reason": reason, "message": message, "involvedObject": about});
            EventView::read(&event).unwrap().message
        };
        assert_eq!(read("Unhealthy", "Readiness probe failed: password=hunter2"), "Readiness probe failed");
        assert_eq!(read("ProbeWarning", "Liveness probe warning: Response body: hunter2"), "Liveness probe warning");
    }
}
