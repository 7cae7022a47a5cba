//! Valid objects, changed: at one place each, at several by a fixed seed, and from one version to the next.

use release_shared::kinds::Kind;
use release_shared::names;
use serde_json::{Value, json};

use super::place::Place;
use super::random::Random;
use super::texts::{ALPHABET, DURATIONS, POLICIES, names, said};
use super::{Case, base};

/// How many cases are changed in several places, and how many texts are put together at random.
const SEVERAL: usize = 400;
const RANDOM_TEXTS: usize = 160;

/// The fields that hold names of our own objects, or ids.
const NAMING: [&str; 8] =
    ["projectName", "componentName", "environment", "environmentName", "releaseName", "id", "name", "kind"];

/// A change, and what it is called.
struct Change {
    name: String,
    make: Box<dyn Fn(&mut Value)>,
}

impl Change {
    fn new(name: String, make: impl Fn(&mut Value) + 'static) -> Self {
        Self { name, make: Box::new(make) }
    }

    fn set(name: String, place: Place, value: Value) -> Self {
        Self::new(name, move |object| {
            if let Some(here) = place.value(object) {
                *here = value.clone();
            }
        })
    }
}

/// Sets a field where its parent is an object; a change before may have made it something else.
fn put(object: &mut Value, parent: &str, key: &str, value: &Value) {
    let parent = object.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.map(|parent| parent.insert(key.to_owned(), value.clone()));
}

/// Every generated case.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in Kind::ALL {
        let object = base::object(kind);
        cases.push(created(kind, "as it is", object.clone()));
        let changes = changes(kind, &object);
        for change in &changes {
            cases.push(changed(kind, &change.name, &object, &[change]));
        }
        cases.extend(in_several_places(kind, &object, &changes));
        cases.extend(updates(kind, &object));
    }
    cases.extend(random_texts());
    cases
}

fn created(kind: Kind, name: &str, new: Value) -> Case {
    Case { name: format!("{kind}: {name}"), kind, old: None, new }
}

fn changed(kind: Kind, name: &str, object: &Value, changes: &[&Change]) -> Case {
    let mut new = object.clone();
    changes.iter().for_each(|change| (change.make)(&mut new));
    created(kind, name, new)
}

/// Each change at one place.
fn changes(kind: Kind, object: &Value) -> Vec<Change> {
    let mut changes: Vec<_> = Place::below(object, "spec").into_iter().flat_map(|place| at(object, &place)).collect();
    changes.extend(in_metadata());
    if kind == Kind::Release {
        changes.extend(["interval", "progressingInterval"].into_iter().flat_map(durations));
    }
    changes.extend(annotated(kind));
    changes
}

/// What may be done at one place.
fn at(object: &Value, place: &Place) -> Vec<Change> {
    let mut copy = object.clone();
    let Some(here) = place.value(&mut copy).map(|here| here.clone()) else { return Vec::new() };
    let removed = place.clone();
    let mut changes = vec![Change::new(format!("{place} removed"), move |object| removed.remove(object))];
    for value in [json!(null), json!(true), json!(7), json!("text"), json!([]), json!({})] {
        if std::mem::discriminant(&value) != std::mem::discriminant(&here) {
            changes.push(Change::set(format!("{place} is {value}"), place.clone(), value));
        }
    }
    let naming = NAMING.iter().any(|name| place.to_string().ends_with(&format!(".{name}")));
    match here {
        Value::String(_) if naming => changes.extend(
            names()
                .into_iter()
                .map(|(name, text)| Change::set(format!("{place} is {name}"), place.clone(), text.into())),
        ),
        Value::String(_) => changes.extend(
            ["", "${x}", "other"]
                .map(|text| Change::set(format!("{place} is text {text:?}"), place.clone(), text.into())),
        ),
        Value::Number(_) => changes.extend(
            [json!(-1), json!(i64::MAX), json!(u64::MAX), json!(1.5), json!(1e300)]
                .map(|number| Change::set(format!("{place} is {number}"), place.clone(), number)),
        ),
        Value::Array(items) => changes.extend(of_a_list(place, &items)),
        Value::Object(entries) => {
            let mut more = entries.clone();
            more.insert("extra".to_owned(), json!("more"));
            changes.push(Change::set(format!("{place} with an unknown field"), place.clone(), Value::Object(more)));
        }
        Value::Null | Value::Bool(_) => {}
    }
    changes
}

fn of_a_list(place: &Place, items: &[Value]) -> Vec<Change> {
    let mut changes = vec![Change::set(format!("{place} is empty"), place.clone(), json!([]))];
    if let Some(first) = items.first() {
        let twice = items.iter().chain([first]).cloned().collect();
        changes.push(Change::set(format!("{place} with its first entry twice"), place.clone(), twice));
        let many = vec![first.clone(); 1001];
        changes.push(Change::set(format!("{place} with an entry 1001 times"), place.clone(), many.into()));
        let turned: Vec<_> = items.iter().rev().cloned().collect();
        changes.push(Change::set(format!("{place} turned round"), place.clone(), turned.into()));
    }
    let mixed: Vec<_> = items.iter().cloned().chain([json!(null)]).collect();
    changes.push(Change::set(format!("{place} with a null"), place.clone(), mixed.into()));
    changes
}

/// What every kind has: a name, labels, annotations, finalizers, owners.
fn in_metadata() -> Vec<Change> {
    let set = |name: String, key: &'static str, value: Value| {
        Change::new(format!("metadata.{key} is {name}"), move |object| put(object, "/metadata", key, &value))
    };
    let mut changes = Vec::new();
    changes.extend(names().into_iter().map(|(name, text)| set(name, "name", text.into())));
    for (name, text) in names() {
        changes.push(set(format!("{name}, a label"), "labels", json!({ "team": text })));
    }
    for key in ["", "a", "a/b", "a/b/c", "-a", "a b", "A.b/c", "example.org/ok", "/a", "ä"] {
        changes.push(set(format!("of label {key:?}"), "labels", json!({ key: "x" })));
        changes.push(set(format!("of annotation {key:?}"), "annotations", json!({ key: "x" })));
    }
    for value in [json!({ "a": 5 }), json!({ "a": null }), json!([]), json!("text")] {
        changes.push(set(value.to_string(), "labels", value.clone()));
        changes.push(set(value.to_string(), "annotations", value));
    }
    changes.push(set("of 262144 bytes".to_owned(), "annotations", json!({ "a": "x".repeat(262_143) })));
    changes.push(set("of 262145 bytes".to_owned(), "annotations", json!({ "a": "x".repeat(262_144) })));
    changes.push(set("a qualified name".to_owned(), "finalizers", json!(["example.org/hold"])));
    changes.push(set("no qualified name".to_owned(), "finalizers", json!(["-"])));
    changes.push(set("a plain word".to_owned(), "finalizers", json!(["hold"])));
    changes.push(set(
        "without a uid".to_owned(),
        "ownerReferences",
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "a" }]),
    ));
    changes.push(set("unknown".to_owned(), "lables", json!({})));
    changes.push(Change::new("metadata.generateName instead of a name".to_owned(), |object| {
        object["metadata"]["generateName"] = "a-".into();
        object["metadata"].as_object_mut().map(|metadata| metadata.remove("name"));
    }));
    changes.push(set("beside a name".to_owned(), "generateName", "a-".into()));
    changes
}

fn durations(field: &'static str) -> Vec<Change> {
    let change = |text: &&'static str| {
        let text = *text;
        Change::new(format!("spec.{field} is duration {text:?}"), move |object| {
            put(object, "/spec", field, &text.into());
        })
    };
    DURATIONS.iter().map(change).collect()
}

/// What the annotations that count as fields may say, on their own kind and on others.
fn annotated(kind: Kind) -> Vec<Change> {
    let set = |key: String, name: &str, text: String| {
        Change::new(format!("annotation {key} is {name}"), move |object| {
            put(object, "/metadata/annotations", &key, &text.clone().into());
        })
    };
    let mut changes = Vec::new();
    for (short, texts) in POLICIES {
        let is_own = (short == "enforcement") == (kind == Kind::DeploymentPipeline)
            && [Kind::Environment, Kind::DeploymentPipeline].contains(&kind);
        // On a kind that it says nothing on, one text is enough.
        let texts = if is_own { texts } else { &texts[texts.len() - 1..] };
        changes.extend(
            texts.iter().map(|text| {
                set(format!("release.openchoreo.dev/{short}"), &format!("text {text:?}"), (*text).to_owned())
            }),
        );
    }
    for (name, text) in said() {
        changes.push(set(names::REASON.to_owned(), &name, text.clone()));
        changes.push(set(names::LINK.to_owned(), &name, text));
    }
    for text in ["", "1.0", "v1 beta", "a\nb"] {
        changes.push(set(names::VERSION_ANNOTATION.to_owned(), &format!("text {text:?}"), text.to_owned()));
    }
    changes
}

/// Two to four changes at once, by a seed of the kind's own.
fn in_several_places(kind: Kind, object: &Value, changes: &[Change]) -> Vec<Case> {
    let seed = kind.as_str().bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut random = Random::new(seed);
    (0..SEVERAL / Kind::ALL.len())
        .map(|number| {
            let chosen: Vec<_> = (0..2 + random.below(3)).map(|_| random.one_of(changes)).collect();
            let names: Vec<_> = chosen.iter().map(|change| change.name.as_str()).collect();
            changed(kind, &format!("several {number}: {}", names.join("; ")), object, &chosen)
        })
        .collect()
}

/// A valid object whose fields change, one at a time, and one whose metadata alone does.
fn updates(kind: Kind, object: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut push = |name: String, old: &Value, new: Value| {
        let (old, new) = (numbered(kind, old, cases.len()), numbered(kind, &new, cases.len()));
        cases.push(Case { name: format!("{kind} update: {name}"), kind, old: Some(old), new });
    };
    for place in Place::below(object, "spec").into_iter().skip(1) {
        let mut new = object.clone();
        place.remove(&mut new);
        push(format!("{place} removed"), object, new.clone());
        push(format!("{place} added"), &new, object.clone());
        let mut new = object.clone();
        if let Some(Value::String(text)) = place.value(&mut new) {
            "2".clone_into(text);
            push(format!("{place} is text \"2\""), object, new);
        }
    }
    let mut new = object.clone();
    new["metadata"]["labels"]["team"] = "green".into();
    push("only a label".to_owned(), object, new);
    let mut new = object.clone();
    new["metadata"]["annotations"][names::VERSION_ANNOTATION] = "9.1".into();
    push("another version".to_owned(), object, new);
    cases
}

/// The object under a name that no other stored object has. So that no two stored objects mean anything to each other, a pin
/// and what is cut have a component of their own.
pub(super) fn numbered(kind: Kind, object: &Value, number: usize) -> Value {
    let mut object = object.clone();
    object["metadata"]["name"] = match kind {
        Kind::ReleaseBinding => format!("web-{number}-dev").into(),
        _ => format!("stored-{number}").into(),
    };
    if kind != Kind::Release {
        of_its_own(&mut object, number);
    }
    object
}

/// Gives it a component of its own, which no stored Release has. What is no owner any more stays so.
pub(super) fn of_its_own(object: &mut Value, number: usize) {
    if let Some(name) = object.pointer_mut("/spec/owner/componentName").filter(|name| *name == "web") {
        *name = format!("web-{number}").into();
    }
}

/// Texts put together at random, where a name, a label value and a duration are wanted.
fn random_texts() -> Vec<Case> {
    let mut random = Random::new(20_261_121);
    let mut cases = Vec::new();
    for number in 0..RANDOM_TEXTS {
        let text: String = (0..=random.below(8)).map(|_| *random.one_of(&ALPHABET)).collect();
        let duration: String = (0..=random.below(3))
            .map(|_| format!("{}{}", random.below(90), random.one_of(&["h", "m", "s", "ms", ".5m", "", "d"])))
            .collect();
        let places: [(Kind, &str, &str); 4] = [
            (Kind::Release, "/spec/environmentName", &text),
            (Kind::Release, "/spec/resources/1/id", &text),
            (Kind::Component, "/spec/owner/projectName", &text),
            (Kind::Release, "/spec/interval", &duration),
        ];
        let (kind, pointer, text) = places[number % places.len()];
        let mut object = base::object(kind);
        if let Some(here) = object.pointer_mut(pointer) {
            *here = text.into();
        }
        cases.push(created(kind, &format!("random {number}: {pointer} is {text:?}"), object));
    }
    cases
}
