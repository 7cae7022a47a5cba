//! One line of a history: a record joined with how it went, or a run of records that the bound dropped.

use jiff::Timestamp;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{Element, History as Records};
use serde_json::{Map, Value, json};

use crate::args::History;
use crate::print::author;
use crate::reported;

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Item {
    fields: Map<String, Value>,
    revision: u64,
    until: u64,
}

/// The lines of one object.
pub(super) fn items(object: &Value) -> Vec<Item> {
    let history = annotation(object, names::HISTORY).and_then(Records::parse).unwrap_or_default();
    history.0.iter().map(|element| Item::new(object, element)).collect()
}

impl Item {
    fn new(object: &Value, element: &Element) -> Self {
        let mut fields = place(object);
        match element {
            Element::Record(record) => {
                if let Ok(Value::Object(record)) = serde_json::to_value(record) {
                    fields.extend(record);
                }
                fields.extend(outcome(object, record.revision).map(|outcome| ("outcome".to_owned(), outcome)));
            }
            Element::Dropped(dropped) => {
                fields.insert("dropped".into(), json!(dropped.dropped));
                fields.insert("hash".into(), json!(dropped.hash));
                if !dropped.unproved.is_empty() {
                    fields.insert("unproved".into(), json!(dropped.unproved));
                }
            }
        }
        let range = element.range();
        Self { fields, revision: range.from, until: range.to }
    }

    /// When it was. Within one second what was promoted from elsewhere came after what it was promoted from. What the bound dropped has
    /// no time of its own and stands behind everything else.
    pub(super) fn time(&self) -> (Option<&str>, bool) {
        (self.fields.get("at").and_then(Value::as_str), self.fields.contains_key("from"))
    }

    /// Whether this is a line about a pin.
    pub(super) fn is_of_binding(&self) -> bool {
        self.fields.contains_key("environment")
    }

    /// Whether the user wants to see it.
    pub(super) fn matches(&self, args: &History, since: Option<Timestamp>) -> bool {
        let text = |key: &str| self.fields.get(key).and_then(Value::as_str);
        let at = text("at").and_then(|at| at.parse::<Timestamp>().ok());
        since.is_none_or(|since| at.is_some_and(|at| at >= since))
            && args.by.as_deref().is_none_or(|by| text("by") == Some(by) || text("onBehalfOf") == Some(by))
            && args.revision.is_none_or(|revision| (self.revision..=self.until).contains(&revision))
    }

    /// As `-o json` prints it.
    pub(super) fn json(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    /// As `-o name` prints it.
    pub(super) fn name(&self) -> String {
        let text = |key: &str| self.fields.get(key).and_then(Value::as_str).unwrap_or_default();
        format!("{}.{}/{}@{}", text("kind").to_ascii_lowercase(), names::GROUP, text("name"), self.revision)
    }

    /// As the table shows it. A cause is a whole sentence and often a long one: only the wide table has all of it.
    pub(super) fn cell(&self, key: &str, wide: bool) -> Option<String> {
        let value = self.fields.get(key);
        match key {
            "revision" if self.revision != self.until => Some(format!("{}-{}", self.revision, self.until)),
            "revision" => Some(self.revision.to_string()),
            "action" if self.fields.contains_key("dropped") => Some("(dropped)".into()),
            "action" if self.fields.get("bypass") == Some(&Value::Bool(true)) => {
                value.and_then(Value::as_str).map(|action| format!("{action} (bypass)"))
            }
            "by" => value.and_then(Value::as_str).map(|by| author(by, self.fields.get("onBehalfOf"))),
            "outcome" if wide => Some(self.outcome()),
            "outcome" => Some(cut(self.outcome())),
            "reason" => value.and_then(Value::as_str).map(str::to_owned).or_else(|| Some(String::new())),
            _ => value.and_then(Value::as_str).map(str::to_owned),
        }
    }

    fn outcome(&self) -> String {
        let text = |key: &str| self.fields.get("outcome")?.get(key)?.as_str();
        let undeployed = self.fields.get("state").is_some_and(|state| state == "Undeploy");
        match text("lastHealth").unwrap_or("Unknown") {
            // The same word as in `list` and `status`.
            "Suspended" if undeployed => "Undeployed".to_owned(),
            health => text("cause").map_or_else(|| health.to_owned(), |cause| format!("{health}: {cause}")),
        }
    }
}

/// How much of an outcome the narrow table shows, in characters.
const OUTCOME: usize = 80;

fn cut(text: String) -> String {
    match text.char_indices().nth(OUTCOME) {
        Some(_) => text.chars().take(OUTCOME - 1).chain(['…']).collect(),
        None => text,
    }
}

/// Whose line it is.
fn place(object: &Value) -> Map<String, Value> {
    let entries = [
        ("kind", text(object, "/kind")),
        ("name", text(object, "/metadata/name")),
        ("namespace", text(object, "/metadata/namespace")),
        ("project", text(object, "/spec/owner/projectName")),
        ("component", text(object, "/spec/owner/componentName")),
        ("environment", text(object, "/spec/environment").or_else(|| text(object, "/spec/environmentName"))),
    ];
    entries.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))).collect()
}

/// How a revision went, without what the record says already.
fn outcome(object: &Value, revision: u64) -> Option<Value> {
    let found = reported::outcome(object, revision)?;
    let known = ["firstHealthyAt", "lastHealth", "lastHealthAt", "cause", "endedAt", "endedBy"];
    let fields = known.into_iter().filter_map(|key| Some((key.to_owned(), found.get(key)?.clone())));
    Some(Value::Object(fields.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_joined_with_its_outcome() {
        let history = json!([
            {"dropped": {"from": 1, "to": 4}, "hash": "h4", "unproved": ["RecordEdited"]},
            {"revision": 5, "action": "deploy", "content": "c", "by": "jane", "at": "2026-01-02T12:00:00Z", "prev": "h4", "hash": "h5"}
        ]);
        let object = json!({
            "kind": "ReleaseBinding",
            "metadata": {"name": "web-dev", "namespace": "acme", "annotations": {names::HISTORY: history.to_string()}},
            "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev"},
            "status": {"outcomes": [{"revision": 5, "release": "r", "lastHealth": "Degraded", "cause": "image"}]}
        });
        let items = items(&object);
        assert_eq!(items[0].cell("revision", false).unwrap(), "1-4");
        assert_eq!(items[0].cell("action", false).unwrap(), "(dropped)");
        assert_eq!(items[0].json()["unproved"], json!(["RecordEdited"]));
        assert_eq!(items[1].cell("outcome", false).unwrap(), "Degraded: image");
        insta::assert_json_snapshot!(items[1].json());
    }

    #[test]
    fn a_bypass_and_the_person_behind_an_account_are_seen() {
        let cell = |record: Value, key: &str| {
            let fields = record.as_object().cloned().unwrap_or_default();
            Item { fields, revision: 1, until: 1 }.cell(key, false).unwrap()
        };
        assert_eq!(cell(json!({"action": "promote", "bypass": true}), "action"), "promote (bypass)");
        assert_eq!(cell(json!({"action": "promote"}), "action"), "promote");
        assert_eq!(cell(json!({"by": "argo", "onBehalfOf": "jane"}), "by"), "jane (via argo)");
        assert_eq!(cell(json!({"by": "argo"}), "by"), "argo");
    }

    #[test]
    fn an_outcome_is_a_cell_and_the_wide_table_has_all_of_it() {
        let told = |state: &str, outcome: Value, wide: bool| {
            let fields = json!({"state": state, "outcome": outcome}).as_object().cloned().unwrap_or_default();
            Item { fields, revision: 1, until: 1 }.cell("outcome", wide).unwrap()
        };
        let degraded = json!({"lastHealth": "Degraded", "cause": "ä".repeat(90)});
        assert_eq!(told("Active", degraded.clone(), false), format!("Degraded: {}…", "ä".repeat(69)));
        assert_eq!(told("Active", degraded, true), format!("Degraded: {}", "ä".repeat(90)));
        let suspended = json!({"lastHealth": "Suspended"});
        assert_eq!(told("Active", suspended.clone(), false), "Suspended");
        assert_eq!(told("Undeploy", suspended, false), "Undeployed");
        let leaving = json!({"lastHealth": "Progressing", "cause": "24 objects"});
        assert_eq!(told("Undeploy", leaving, false), "Progressing: 24 objects");
        assert_eq!(told("Active", json!({}), false), "Unknown");
    }
}
