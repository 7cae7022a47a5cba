//! An object with the annotations of its record.

use std::collections::HashSet;
use std::sync::LazyLock;

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{Bounds, Evidence, Finding, History, StampRequest, Weight, examine, stamp, verify};
use serde_json::{Map, Value, json};

use crate::platform::{NAMESPACE, now, platform, signer};

/// Any object; text that is none is taken for the history of one.
pub fn history(data: &[u8]) {
    let object = serde_json::from_slice(data).ok().filter(Value::is_object);
    let Some(object) = object.or_else(|| Some(with_history(std::str::from_utf8(data).ok()?))) else { return };
    let kind = text(&object, "/kind").and_then(Kind::parse).unwrap_or(Kind::ReleaseBinding);
    if let Some(written) = annotation(&object, names::HISTORY) {
        check_round_trip(written);
    }
    check_sound(kind, &object, 0);
    for bounds in [Bounds { records: 1000, bytes: 1 << 20 }, Bounds { records: 3, bytes: 4096 }] {
        check_next(kind, &object, bounds);
    }
}

fn with_history(text: &str) -> Value {
    let mut object = genuine()[0].clone();
    object["metadata"]["annotations"][names::HISTORY] = text.into();
    object
}

/// What is read is written as what is read as the same.
fn check_round_trip(written: &str) {
    let Some(history) = History::parse(written) else { return };
    let again = history.to_text();
    assert_eq!(History::parse(&again).as_ref(), Some(&history), "{again}");
    assert_eq!(History::parse(&again).map(|history| history.to_text()), Some(again));
}

/// A history that nothing is said against can be read, and has no element but those that the key has signed for this object; the last
/// `new` of them are not looked at.
fn check_sound(kind: Kind, object: &Value, new: usize) {
    let evidence = Evidence { keys: Some(signer().public()), ..Evidence::default() };
    let findings = examine(kind, object, &evidence);
    findings.iter().for_each(|finding| drop((finding.to_string(), finding.code(), finding.revisions())));
    if findings.iter().any(|finding| finding.weight() != Weight::Information) {
        return;
    }
    let written = annotation(object, names::HISTORY).unwrap_or_default();
    assert!(History::parse(written).is_some(), "a history that nobody can read is said to be sound: {written}");
    let elements: Vec<Value> = serde_json::from_str(written).unwrap_or_default();
    for element in &elements[..elements.len().saturating_sub(new)] {
        assert!(SIGNED.contains(&signed(kind, object, element)), "nobody signed {element}, {findings:?}");
    }
}

/// A write after this one is recorded, whatever the history is, and the record is one that the other hook takes. It makes nothing sound
/// that was not.
fn check_next(kind: Kind, old: &Value, bounds: Bounds) {
    let mut new = old.clone();
    if !new["spec"].is_object() {
        new["spec"] = json!({});
    }
    new["spec"]["releaseName"] = "of-the-next-write".into();
    let Ok(stamped) = stamp(&request(kind, &new, Some(old), bounds)) else { return };
    if !put(&mut new, stamped.annotations) {
        return;
    }
    let verified = verify(&request(kind, &new, Some(old), bounds));
    assert_eq!(verified, Ok(stamped.record.clone()), "what one hook stamps the other refuses");
    let again = stamp(&request(kind, &new, Some(old), bounds)).map(|stamp| stamp.record);
    assert_eq!(again, Ok(stamped.record.clone()), "stamped twice, it is another record");
    if annotation(&new, names::HISTORY).is_none() {
        return;
    }
    let findings = examine(kind, &new, &Evidence { keys: Some(signer().public()), ..Evidence::default() });
    assert!(!findings.iter().any(|found| matches!(found, Finding::Unreadable | Finding::Changed)), "{findings:?}");
    if bounds.records > 100 {
        check_sound(kind, &new, 1);
    }
}

fn put(object: &mut Value, stamp: impl IntoIterator<Item = (&'static str, String)>) -> bool {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return false };
    let annotations = metadata.entry("annotations").or_insert_with(|| Map::new().into());
    let Some(annotations) = annotations.as_object_mut() else { return false };
    annotations.retain(|key, _| !names::WEBHOOK_KEYS.contains(&key.as_str()));
    annotations.extend(stamp.into_iter().map(|(key, value)| (key.to_owned(), value.into())));
    true
}

fn request<'a>(kind: Kind, new: &'a Value, old: Option<&'a Value>, bounds: Bounds) -> StampRequest<'a> {
    StampRequest {
        kind,
        namespace: text(new, "/metadata/namespace").unwrap_or_default(),
        name: text(new, "/metadata/name").unwrap_or_default(),
        new,
        old,
        contents: None,
        user: "jane",
        manager: Some("kubectl-release"),
        speaks_for_others: false,
        bypass: false,
        dry_run: false,
        now: now(),
        bounds,
        signer: Some(signer()),
        world: Some(platform()),
    }
}

/// Everything that was ever signed: each element of each history on the way to [`genuine`], with whose it is.
static SIGNED: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut all = HashSet::new();
    for (kind, object) in lives().into_iter().flatten() {
        let written = annotation(&object, names::HISTORY).unwrap_or_default();
        let elements: Vec<Value> = serde_json::from_str(written).unwrap_or_default();
        all.extend(elements.iter().map(|element| signed(kind, &object, element)));
    }
    all
});

/// An element with whose it is. Of a run its own keys: what else stands there nobody reads, and nobody signs.
fn signed(kind: Kind, object: &Value, element: &Value) -> String {
    let element = match element.get("dropped") {
        Some(dropped) => json!({
            "dropped": {"from": dropped["from"], "to": dropped["to"]}, "prev": element["prev"], "hash": element["hash"],
            "key": element["key"], "sig": element["sig"],
        }),
        None => element.clone(),
    };
    let name = |pointer| text(object, pointer).unwrap_or_default();
    format!("{kind} {:?}/{:?} {element}", name("/metadata/namespace"), name("/metadata/name"))
}

static GENUINE: LazyLock<Vec<Value>> =
    LazyLock::new(|| lives().iter().filter_map(|life| life.last()).map(|(_, object)| object.clone()).collect());

/// Objects with histories that are signed from the first record to the last.
pub fn genuine() -> &'static [Value] {
    &GENUINE
}

/// Objects after each of their writes: few, many, and so many that the bound has dropped some.
fn lives() -> Vec<Vec<(Kind, Value)>> {
    let many = Bounds::default();
    let few = Bounds { records: 3, ..many };
    [
        (Kind::ReleaseBinding, "web-dev", 5, many),
        (Kind::ReleaseBinding, "web-production", 7, few),
        (Kind::Release, "web-by-hand", 2, many),
        (Kind::Environment, "dev", 1, many),
    ]
    .map(|(kind, name, revisions, bounds)| life(kind, name, revisions, bounds))
    .into()
}

fn life(kind: Kind, name: &str, revisions: u64, bounds: Bounds) -> Vec<(Kind, Value)> {
    let metadata = json!({"name": name, "namespace": NAMESPACE, "creationTimestamp": "2026-01-02T12:00:00Z"});
    let owner = json!({"projectName": "shop", "componentName": "web"});
    let mut objects: Vec<(Kind, Value)> = Vec::new();
    for revision in 1..=revisions {
        let old = objects.last().map(|(_, object)| object);
        let mut new = old.cloned().unwrap_or_else(|| {
            json!({"apiVersion": names::API_VERSION, "kind": kind.as_str(), "metadata": metadata,
                   "spec": {"owner": owner, "environment": "dev"}})
        });
        new["spec"]["releaseName"] = format!("web-{}", revision % 2 + 1).into();
        new["spec"]["componentTypeEnvironmentConfigs"] = json!({"replicas": revision});
        if !new["metadata"]["annotations"].is_object() {
            new["metadata"]["annotations"] = json!({});
        }
        new["metadata"]["annotations"][names::REASON] = format!("SHOP-{revision}: \"more\" for the sale").into();
        let stamp = stamp(&request(kind, &new, old, bounds));
        let stamp = stamp.unwrap_or_else(|fault| unreachable!("nothing is in the way of a record: {fault:?}"));
        put(&mut new, stamp.annotations);
        objects.push((kind, new));
    }
    objects
}
