use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::canonical;
use crate::names;
use crate::record::{Contents, content_changed, content_hash};
use crate::validate::{Change, MAX_DEPTH, validate, validate_in_outline};
use crate::world::World;

fn release(objects: &[Value]) -> Value {
    let entry = |(at, object): (usize, &Value)| json!({"id": format!("o-{at}"), "object": object});
    let resources: Vec<_> = objects.iter().enumerate().map(entry).collect();
    json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "Release", "metadata": {"name": "web-dev", "namespace": "acme"},
        "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environmentName": "dev", "resources": resources}
    })
}

fn config_map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"a": "b\n\u{1}\"ü"}})
}

fn outline(object: &Value) -> Option<Outline> {
    serde_json::from_str(&object.to_string()).ok()
}

fn has_outline(object: Value) -> bool {
    outline(&release(&[object])).is_some()
}

fn with(mut object: Value, pointer: &str, key: &str, value: Value) -> Value {
    object.pointer_mut(pointer).unwrap()[key] = value;
    object
}

#[test]
fn an_outline_has_what_an_object_is_and_nothing_else() {
    let outline = outline(&release(&[config_map()])).unwrap();
    let object = outline.value.pointer("/spec/resources/0/object").unwrap();
    assert_eq!(*object, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}));
}

#[test]
fn what_rules_may_have_more_to_say_of_has_no_outline() {
    assert!(has_outline(config_map()));
    let nested = |depth: usize| (0..depth).fold(Value::Null, |value, _| json!([value]));
    assert!(has_outline(with(config_map(), "", "x", nested(MAX_DEPTH - 1))));
    let label = names::RESERVED_LABELS[0];
    for (what, object) in [
        ("too deep", with(config_map(), "", "x", nested(MAX_DEPTH))),
        ("a reference as a key", with(config_map(), "", "${a}", json!(1))),
        ("a reference as a key of metadata", with(config_map(), "/metadata", "${a}", json!(1))),
        ("a generated name", with(config_map(), "/metadata", "generateName", json!("a"))),
        ("a reserved label", with(config_map(), "/metadata/labels", label, json!("a"))),
        ("a list", with(config_map(), "", "items", json!([]))),
        ("a number that is too large", with(config_map(), "", "x", json!(u64::MAX))),
        ("a float that may be such a number", with(config_map(), "", "x", json!(18_446_744_073_709_552_000.0))),
        ("a name that is no text", with(config_map(), "/metadata", "name", json!(5))),
        ("metadata that is none", with(config_map(), "", "metadata", json!(5))),
        ("a text", json!("a")),
    ] {
        assert!(!has_outline(object), "{what}");
    }
}

#[test]
fn what_the_api_server_would_not_write_has_no_outline() {
    let text = release(&[config_map()]).to_string();
    assert!(serde_json::from_str::<Outline>(&text).is_ok());
    for (from, to) in [
        (r#""data":{"#, r#""data":{"z":1,"a":2,"#),
        (r#""data":{"#, r#""data":{"a":1,"#),
        (r#""data":{"#, r#""data":{"\u0041":1,"#),
        (r#""kind":"Release","#, r#""kind":"Release","kind":"Release","#),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert!(serde_json::from_str::<Outline>(&changed).is_err(), "{to}");
    }
}

#[test]
fn other_kinds_are_read_as_a_whole() {
    let binding = with(release(&[config_map()]), "", "kind", json!("ReleaseBinding"));
    assert_eq!(outline(&binding), Some(Outline { value: binding, content: None }));
}

#[test]
fn defaults_are_part_of_the_content() {
    for fields in
        [vec![("interval", json!("5m")), ("progressingInterval", json!("10s"))], vec![("a", json!(1.5))], vec![]]
    {
        let whole = release(&[config_map()]);
        let mut changed = whole.clone();
        fields.iter().for_each(|(key, value)| changed["spec"][*key] = value.clone());
        let content = outline(&whole).unwrap().content.unwrap();
        let content = content.with(&fields);
        let contents = Some(Contents { new: &content, old: None });
        assert_eq!(Contents::hash(contents, Kind::Release, &changed), content_hash(Kind::Release, &changed));
    }
}

/// JSON as it may stand in an object.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1000_i32..1000).prop_map(|number| Value::from(f64::from(number))),
        "[a-z<>\"\\\\\n\u{1}ü]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![Just("a".to_owned()), "[a-z.ü]{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// An object that may be nearly anything.
fn object() -> impl Strategy<Value = Value> {
    let kind =
        prop_oneof![Just("Secret"), Just("ConfigMap"), Just("Role"), Just("Namespace"), Just("Release"), Just("")];
    let version = prop_oneof![Just("v1"), Just("rbac.authorization.k8s.io/v1"), Just("openchoreo.dev/v1alpha1")];
    let field = prop_oneof![Just("data"), Just("stringData"), Just("spec"), Just("items"), Just("rules"), Just("${x}")];
    let namespace = prop::option::of(prop_oneof![Just("elsewhere"), Just("kube-system"), Just("")]);
    let label = prop_oneof![Just("app"), Just(names::MANAGED_BY_LABEL)];
    let fields = prop::collection::vec((field, value()), 0..3);
    (kind, version, "[ab]", namespace, label, fields).prop_map(|(kind, version, name, namespace, label, fields)| {
        let mut metadata = json!({"name": name, "labels": {label: "x"}});
        if let Some(namespace) = namespace {
            metadata["namespace"] = namespace.into();
        }
        let mut object: Map<_, _> = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        object.extend([
            ("apiVersion".to_owned(), version.into()),
            ("kind".to_owned(), kind.into()),
            ("metadata".to_owned(), metadata),
        ]);
        Value::Object(object)
    })
}

fn change<'a>(new: &'a Value, old: Option<&'a Value>) -> Change<'a> {
    Change { kind: Kind::Release, name: "web-dev", new, old, user: Some("jane"), manager: None, now: None }
}

proptest! {
    #[test]
    fn rules_and_records_see_in_outlines_what_they_see_in_whole_objects(
        new in prop::collection::vec(object(), 0..3),
        old in prop::collection::vec(object(), 0..3),
        same in any::<bool>(),
    ) {
        let (new, old) = (release(&new), release(if same { &new } else { &old }));
        let (Some(new_outline), Some(old_outline)) = (outline(&new), outline(&old)) else { return Ok(()) };
        let (new_content, old_content) = (new_outline.content.unwrap(), old_outline.content.unwrap());
        prop_assert_eq!(new_content.size(), new["spec"].to_string().len());
        for (at, size) in new_content.sizes().iter().enumerate() {
            prop_assert_eq!(*size, new["spec"]["resources"][at].to_string().len());
        }
        for with_old in [false, true] {
            let old_content = with_old.then_some(&old_content);
            let contents = Some(Contents { new: &new_content, old: old_content });
            let [old, old_outline] = [&old, &old_outline.value].map(|old| with_old.then_some(old));
            prop_assert_eq!(
                Contents::changed(contents, Kind::Release, &new_outline.value, old_outline),
                content_changed(Kind::Release, &new, old)
            );
            prop_assert_eq!(
                Contents::hash(contents, Kind::Release, &new_outline.value),
                content_hash(Kind::Release, &new)
            );
            let mut world = World::new("acme");
            world.put(Kind::Environment, "dev", Some(&json!({})));
            prop_assert_eq!(
                validate_in_outline(&change(&new_outline.value, old_outline), contents, Some(&world)),
                validate(&change(&new, old), Some(&world))
            );
        }
    }

    #[test]
    fn what_is_written_is_canonical(value in value()) {
        let object = release(&[with(config_map(), "", "x", value)]);
        if let Some(outline) = outline(&object) {
            let content = outline.content.unwrap();
            prop_assert_eq!(content.spec(), canonical::to_vec(&object["spec"]));
        }
    }
}
