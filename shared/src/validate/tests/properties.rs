//! What holds for any object: whole ones of all kinds, broken in random places.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::twins::bases;
use super::*;
use crate::record::{Bounds, Stamp, StampRequest, stamp};

/// Anything that JSON can say, not too large.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop_oneof![
            Just("dev"),
            Just("web"),
            Just("shop"),
            Just("web-1"),
            Just("5m"),
            Just("0s"),
            Just("${environmentConfigs.a}"),
            Just("${"),
            Just("List"),
            Just("Secret"),
            Just("v1"),
            Just("Undeploy")
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![
            "\\PC{0,8}",
            prop_oneof![
                Just("spec"),
                Just("metadata"),
                Just("annotations"),
                Just("owner"),
                Just("projectName"),
                Just("componentName"),
                Just("resources"),
                Just("object"),
                Just("template"),
                Just("id"),
                Just("interval"),
                Just("promotionPaths"),
                Just("name"),
                Just("kind"),
                Just("componentType"),
                Just("openAPIV3Schema"),
                Just("properties"),
                Just("default"),
                Just("pattern")
            ]
            .prop_map(str::to_owned)
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The places of an object, by JSON pointer; its own is not among them.
fn places(object: &Value, at: &str, found: &mut Vec<String>) {
    let entries: Vec<(String, &Value)> = match object {
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
        _ => return,
    };
    for (key, value) in entries {
        let place = format!("{at}/{key}");
        found.push(place.clone());
        places(value, &place, found);
    }
}

/// An object with something else in one place.
fn broken(object: &Value, place: &prop::sample::Index, with: Value) -> Value {
    let mut object = object.clone();
    let mut found = Vec::new();
    places(&object, "", &mut found);
    let place = place.get(&found);
    *object.pointer_mut(place).unwrap() = with;
    object
}

/// An object of any kind, whole or broken in up to three places.
fn some_object() -> impl Strategy<Value = (Kind, &'static str, Value)> {
    let breaks = prop::collection::vec((any::<prop::sample::Index>(), anything()), 0..4);
    (any::<prop::sample::Index>(), breaks).prop_map(|(base, breaks)| {
        let bases = bases();
        let (kind, name, object) = base.get(&bases).clone();
        let object = breaks.into_iter().fold(object, |object, (place, with)| broken(&object, &place, with));
        (kind, name, object)
    })
}

/// The object with other metadata: everything in it that is neither recorded nor makes a Release its binding's.
fn relabelled(object: &Value, text: &str) -> Value {
    let mut object = object.clone();
    let Some(fields) = object.as_object_mut() else { return object };
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else { return object };
    metadata.insert("labels".into(), json!({"team": text}));
    metadata.insert("finalizers".into(), json!(["tests/held"]));
    metadata.insert("resourceVersion".into(), text.into());
    fields.insert("status".into(), json!({"health": text}));
    let metadata = fields.get_mut("metadata").and_then(Value::as_object_mut).unwrap();
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    let Some(annotations) = annotations.as_object_mut() else { return object };
    for key in ["team", names::REASON, names::LINK, names::DESCRIPTION, names::HISTORY, names::CHANGED_BY] {
        annotations.insert(key.into(), text.into());
    }
    object
}

fn change<'a>(kind: Kind, name: &'a str, new: &'a Value, old: Option<&'a Value>) -> Change<'a> {
    Change { kind, name, new, old, user: Some("jane"), manager: Some("tests"), now: NOON.parse().ok() }
}

fn place() -> World {
    super::twins::place()
}

fn stamped(kind: Kind, name: &str, new: &Value, old: Option<&Value>) -> Option<Stamp> {
    let request = StampRequest {
        kind,
        namespace: "acme",
        name,
        new,
        old,
        contents: None,
        user: "jane",
        manager: Some("tests"),
        speaks_for_others: false,
        bypass: false,
        dry_run: false,
        now: NOON.parse().unwrap(),
        bounds: Bounds::default(),
        signer: None,
        world: None,
    };
    stamp(&request).ok()
}

/// The object as the webhook's patch leaves it.
fn patched(object: &Value, stamp: &Stamp) -> Value {
    let mut object = object.clone();
    let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) else { return object };
    let annotations = metadata.entry("annotations").or_insert_with(|| Map::new().into());
    let Some(annotations) = annotations.as_object_mut() else { return object };
    annotations.retain(|key, _| !names::WEBHOOK_KEYS.contains(&key.as_str()));
    annotations.extend(stamp.annotations.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())));
    object
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_makes_the_rules_panic(new in anything(), old in anything(), name in "\\PC{0,20}", text in "\\PC{0,20}") {
        let world = place();
        for kind in Kind::ALL {
            for old in [None, Some(&old)] {
                validate(&change(kind, &name, &new, old), Some(&world));
                validate(&change(kind, &text, &new, old), None);
            }
            let deletion = Deletion { kind, name: &name, object: &old, user: None, now: NOON.parse().unwrap() };
            validate_deletion(&deletion, &world);
            is_unrecorded_deletion(kind, &old);
        }
    }

    #[test]
    fn what_changes_nothing_that_is_recorded_is_never_refused((kind, name, old) in some_object(), text in "\\PC{0,30}", frozen in any::<bool>()) {
        let mut world = place();
        if frozen {
            let policy = json!({"metadata": {"annotations": {names::FROZEN: "2026-02-01T00:00:00Z; x", names::REQUIRE_REASON: "true"}}});
            world.put(Kind::Environment, "dev", Some(&policy));
        }
        for name in [name, "", "Not A Name"] {
            let new = relabelled(&old, &text);
            let findings = validate(&change(kind, name, &new, Some(&old)), Some(&world));
            prop_assert_eq!(&findings.violations, &[], "{}", old);
            prop_assert_eq!(&findings.missing, &[]);
        }
    }

    #[test]
    fn an_update_is_refused_for_new_faults_only((kind, name, old) in some_object(), at in any::<prop::sample::Index>(), with in anything()) {
        let world = place();
        let new = broken(&old, &at, with);
        let before = validate(&change(kind, name, &old, None), Some(&world)).violations;
        for violation in validate(&change(kind, name, &new, Some(&old)), Some(&world)).violations {
            let by_the_change = ["Immutable", "VersionImmutable", "OwnedRelease", "Frozen", "ReasonRequired", "NotPromoted", "DirectRelease",
                "BindingExists", "NoPipeline"].contains(&violation.code);
            prop_assert!(by_the_change || !before.iter().any(|known| known.is_same_as(&violation)), "{violation} was there before");
        }
    }

    /// However broken the rest is, a field that is fine itself can be changed.
    #[test]
    fn a_broken_object_can_be_changed_elsewhere(breaks in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..4)) {
        let mut old = release(|r| r["spec"]["environmentName"] = "strict".into());
        for (at, with) in breaks {
            let resources = broken(&old["spec"]["resources"], &at, with);
            old["spec"]["resources"] = resources;
            if old["spec"]["resources"].as_array().is_none_or(Vec::is_empty) { break; }
        }
        let mut new = old.clone();
        new["spec"]["interval"] = "7m".into();
        new["metadata"]["annotations"] = json!({names::REASON: "OPS-1"});
        let found = validate(&change(Kind::Release, "web-dev", &new, Some(&old)), Some(&place())).violations;
        prop_assert_eq!(found, &[]);
    }

    #[test]
    fn defaults_make_nothing_wrong_and_are_set_once((kind, name, object) in some_object()) {
        let defaults = crate::default::defaults(kind, &object);
        let defaulted = crate::default::with(&object, &defaults).into_owned();
        prop_assert_eq!(crate::default::defaults(kind, &defaulted), &[]);
        let world = place();
        let faults = |object: &Value| validate(&change(kind, name, object, None), Some(&world)).violations;
        let before = faults(&object);
        for violation in faults(&defaulted) {
            prop_assert!(before.iter().any(|known| known.is_same_as(&violation)), "{violation} comes of a default");
        }
    }

    #[test]
    fn stamping_twice_is_stamping_once((kind, name, old) in some_object(), at in any::<prop::sample::Index>(), with in anything()) {
        let first = stamped(kind, name, &old, None).map(|stamp| patched(&old, &stamp));
        for old in [None, first.as_ref()] {
            let new = broken(old.unwrap_or(&relabelled(&json!({"metadata": {}, "spec": {"a": 1}}), "x")), &at, with.clone());
            let Some(once) = stamped(kind, name, &new, old) else { continue };
            let twice = stamped(kind, name, &patched(&new, &once), old);
            prop_assert_eq!(Some(once), twice);
        }
    }
}
