//! One pin, or one Release by hand, with everything that is told of it: as JSON, and as a page.

use jiff::Timestamp;
use release_shared::kinds::{Kind, condition};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{History, check_object, config};
use serde_json::{Map, Value, json};

use super::text_of;
use crate::print::author;
use crate::print::{age, one_line, table::Table};
use crate::reported::{revision, told};

/// A pin with the Release that is rendered from it.
pub(super) fn item(binding: &Value, release: Option<&Value>) -> Value {
    let mut item = Item::of(Kind::ReleaseBinding, binding, "/spec/environment");
    item.put("release", text(binding, "/spec/releaseName"));
    item.put("version", annotation(binding, names::RELEASE_VERSION));
    item.put("state", text(binding, "/spec/state"));
    item.put("config", config(binding));
    let conditions = conditions(binding).into_iter().chain(release.map(conditions).into_iter().flatten());
    item.put("conditions", filled(conditions.collect()));
    item.put("objects", release.and_then(objects));
    Value::Object(item.0)
}

/// A Release by itself.
pub(super) fn item_of_release(release: &Value) -> Value {
    let mut item = Item::of(Kind::Release, release, "/spec/environmentName");
    item.put("conditions", filled(conditions(release)));
    item.put("objects", objects(release));
    Value::Object(item.0)
}

/// The keys of `-o json`; what there is nothing to say of is absent.
struct Item(Map<String, Value>);

impl Item {
    fn of(kind: Kind, object: &Value, environment: &str) -> Self {
        let history = annotation(object, names::HISTORY).and_then(History::parse).unwrap_or_default();
        let last = history.last();
        let mut item = Self(Map::new());
        item.put("kind", Some(kind.as_str()));
        item.put("name", text(object, "/metadata/name"));
        item.put("component", text(object, "/spec/owner/componentName"));
        item.put("environment", text(object, environment));
        item.put("displayName", annotation(object, names::DISPLAY_NAME));
        item.put("description", annotation(object, names::DESCRIPTION));
        item.put("health", text(object, "/status/health"));
        item.put("cause", text(object, "/status/cause"));
        item.put("revision", revision(object));
        item.put("by", annotation(object, names::CHANGED_BY));
        item.put("onBehalfOf", last.and_then(|last| last.on_behalf_of.as_deref()));
        item.put("at", annotation(object, names::CHANGED_AT));
        item.put("action", last.map(|last| last.action.as_str()));
        item.put("reason", last.and_then(|last| last.reason.as_deref()));
        item.put("link", last.and_then(|last| last.link.as_deref()));
        // The history of a Release that is rendered from a pin is the pin's.
        let own = kind != Kind::Release || release_shared::object::controlling_binding(object).is_none();
        let faults = if own { check_object(kind, object) } else { Vec::new() };
        item.put("faults", (!faults.is_empty()).then(|| json!(faults)));
        item
    }

    fn put(&mut self, key: &str, value: Option<impl Into<Value>>) {
        self.0.extend(value.map(|value| (key.to_owned(), value.into())));
    }
}

fn filled(values: Vec<Value>) -> Option<Value> {
    (!values.is_empty()).then_some(Value::Array(values))
}

/// The conditions that say that something is not as it should be, with the status in which they do.
const TELLING: [(&str, &str, &str); 6] = [
    (condition::RELEASE_SYNCED, "False", "it is not rendered"),
    (condition::RECORD_TAMPERED, "True", "its record was rewritten"),
    (condition::RESOURCES_APPLIED, "False", "not everything is applied"),
    (condition::DRIFTED, "True", "somebody else has changed what is live"),
    (condition::FINALIZING, "True", "it is being removed"),
    (condition::FINALIZING, "False", "it cannot be removed"),
];

fn conditions(object: &Value) -> Vec<Value> {
    let telling = TELLING.iter().filter_map(|(name, status, _)| {
        let (reason, message) = told(object, name, status)?;
        Some(json!({ "type": name, "status": status, "reason": reason, "message": message }))
    });
    telling.collect()
}

/// The objects of a Release as the controller has seen them.
fn objects(release: &Value) -> Option<Value> {
    let seen = release.pointer("/status/resources")?.as_array()?;
    let keys = [
        ("id", "id"),
        ("group", "group"),
        ("version", "version"),
        ("kind", "kind"),
        ("namespace", "namespace"),
        ("name", "name"),
        ("health", "healthStatus"),
        ("cause", "cause"),
        ("lastObservedTime", "lastObservedTime"),
    ];
    let object = |seen: &Value| {
        let fields = keys.iter().filter_map(|(key, field)| Some(((*key).to_owned(), seen.get(field)?.clone())));
        Value::Object(fields.collect())
    };
    filled(seen.iter().map(object).collect())
}

/// Everything for people: the pins, what is to be said of each, and their objects.
pub(super) fn page(items: &[Value], now: Timestamp) -> String {
    let mut page = pins(items, now).text();
    for item in items {
        for text in sentences(item) {
            page.push_str(&one_line(&format!("{}: {text}", place(item))));
            page.push('\n');
        }
    }
    let objects = objects_of(items);
    if !objects.is_empty() {
        page.push('\n');
        page.push_str(&objects.text());
    }
    page
}

/// What stands for an item at the beginning of a line.
fn place(item: &Value) -> String {
    match text_of(item, "kind") {
        "Release" => format!("release/{}", text_of(item, "name")),
        _ => text_of(item, "environment").to_owned(),
    }
}

fn pins(items: &[Value], now: Timestamp) -> Table {
    let mut table = Table::new(["ENVIRONMENT", "VERSION", "RELEASE", "HEALTH", "REVISION", "SINCE", "BY", "REASON"]);
    for item in items {
        let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
        let undeployed = text("state").as_deref() == Some("Undeploy");
        let health =
            if undeployed { Some("Undeployed".into()) } else { text("health").or_else(|| Some("Unknown".into())) };
        let by_hand = text("kind").filter(|kind| kind == "Release").map(|_| place(item));
        table.row([
            text("environment"),
            text("version"),
            by_hand.or_else(|| text("release")),
            health,
            item.get("revision").map(ToString::to_string),
            text("at").and_then(|at| age::since(&at, now)),
            text("by").map(|by| author(&by, item.get("onBehalfOf"))),
            text("reason"),
        ]);
    }
    table
}

/// What is to be said of an item besides its line in the table.
fn sentences(item: &Value) -> Vec<String> {
    let mut sentences = Vec::new();
    match (text_of(item, "displayName"), text_of(item, "description")) {
        ("", "") => {}
        (name, "") | ("", name) => sentences.push(name.to_owned()),
        (name, description) => sentences.push(format!("{name}, {description}")),
    }
    let cause = text_of(item, "cause");
    if !cause.is_empty() {
        sentences.push(cause.to_owned());
    }
    for condition in item.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let (name, status) = (text_of(condition, "type"), text_of(condition, "status"));
        let words = TELLING.iter().find(|(telling, when, _)| *telling == name && *when == status);
        let words = words.map_or(name, |(_, _, words)| *words);
        let message = text_of(condition, "message");
        // A cause is taken from a condition in most cases: once is enough.
        if message.is_empty() || message != cause {
            let why = if message.is_empty() { text_of(condition, "reason") } else { message };
            sentences.push(format!("{words}: {why}"));
        }
    }
    sentences
}

fn objects_of(items: &[Value]) -> Table {
    let mut table = Table::new(["ENVIRONMENT", "KIND", "NAME", "HEALTH", "CAUSE"]);
    for item in items {
        for object in item.get("objects").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
            let name = text("name").unwrap_or_default();
            let name = text("namespace").map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
            let health = text("health").unwrap_or_else(|| "Unknown".into());
            table.row([Some(place(item)), text("kind"), Some(name), Some(health), text("cause")]);
        }
    }
    table
}

/// Where the records do not hold together.
pub(super) fn warnings(items: &[Value]) -> Vec<String> {
    let faults = |item: &Value| item.get("faults").and_then(Value::as_array).cloned().unwrap_or_default();
    let of = |item: &Value| {
        let place = place(item);
        faults(item)
            .iter()
            .filter_map(|fault| Some(format!("Warning: {place}: {}", fault.as_str()?)))
            .collect::<Vec<_>>()
    };
    items.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Value {
        json!({
            "metadata": {"name": "web-dev", "uid": "u", "annotations": {
                names::REVISION: "4", names::CHANGED_BY: "dana@acme.example", names::CHANGED_AT: "2026-01-02T11:00:00Z",
                names::RELEASE_VERSION: "v2", names::DISPLAY_NAME: "Web shop", names::DESCRIPTION: "sells books"
            }},
            "spec": {
                "owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev", "releaseName": "web-2",
                "state": "Active", "componentTypeEnvironmentConfigs": {"replicas": 2}
            },
            "status": {"health": "Degraded", "cause": "deployment: the image cannot be pulled", "conditions": [
                {"type": "Ready", "status": "False", "reason": "ResourcesDegraded", "message": "1 of 2"},
                {"type": "RecordTampered", "status": "True", "reason": "RevisionGone", "message": "revision 5 is gone"}
            ]}
        })
    }

    fn release(name: &str) -> Value {
        let object = |kind: &str, health: &str, cause: Option<&str>| {
            let mut object = json!({
                "id": kind.to_ascii_lowercase(), "version": "v1", "kind": kind, "namespace": "shop-dev", "name": "web",
                "healthStatus": health, "status": {"secret": "x"}, "lastObservedTime": "2026-01-02T11:30:00Z"
            });
            object["cause"] = cause.into();
            if cause.is_none() {
                object.as_object_mut().unwrap().remove("cause");
            }
            object
        };
        json!({
            "metadata": {"name": name},
            "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environmentName": "dev"},
            "status": {
                "health": "Degraded",
                "conditions": [
                    {"type": "ResourcesApplied", "status": "False", "reason": "ApplyFailed", "message": "service: the port\nis taken"},
                    {"type": "Drifted", "status": "False", "reason": "InSync"}
                ],
                "resources": [
                    object("Deployment", "Degraded", Some("the image cannot be pulled")), object("Service", "Unknown", None)
                ]
            }
        })
    }

    #[test]
    fn a_pin_is_told_with_its_objects_and_what_is_wrong() {
        let items = [item(&binding(), Some(&release("web-dev"))), item_of_release(&release("by-hand"))];
        let now = "2026-01-02T12:00:00Z".parse().unwrap();
        insta::assert_snapshot!(page(&items, now));
        insta::assert_json_snapshot!(items[0]);
        assert_eq!(
            warnings(&items),
            ["Warning: dev: nothing is recorded", "Warning: release/by-hand: nothing is recorded"]
        );
    }
}
