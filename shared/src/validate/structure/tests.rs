use serde_json::json;

use super::*;

fn found(kind: Kind, object: &Value, said: &[Violation]) -> Vec<String> {
    let change = Change { kind, name: "a", new: object, old: None, user: None, manager: None, now: None };
    structure(&change, said).iter().map(|violation| format!("{} {}", violation.path, violation.code)).collect()
}

#[test]
fn what_the_schema_refuses_is_told() {
    let component = |spec: Value| json!({"metadata": {"name": "a"}, "spec": spec});
    let fine = json!({"owner": {"projectName": "shop"}, "componentType": {"name": "deployment/web"}});
    let rows = [
        (fine, vec![]),
        (json!({"owner": {"projectName": "shop"}}), vec!["spec.componentType Required"]),
        (
            json!({"owner": {"projectName": "shop"}, "componentType": {"name": "web", "kind": "Other"}, "typo": 1}),
            vec![
                "spec.componentType.kind UnknownValue",
                "spec.componentType.name InvalidForm",
                "spec.typo UnknownField",
            ],
        ),
        (
            json!({"owner": {"projectName": "shop"}, "componentType": {"name": 5}, "autoDeploy": null, "traits": [null]}),
            vec!["spec.componentType.name InvalidType", "spec.traits[0] InvalidType"],
        ),
    ];
    for (spec, expected) in rows {
        assert_eq!(found(Kind::Component, &component(spec.clone()), &[]), expected, "{spec}");
    }
    assert_eq!(found(Kind::DataPlane, &json!({"metadata": {"name": "a"}}), &[]), ["spec Required"]);
}

#[test]
fn what_every_object_may_have_is_known() {
    let metadata = |metadata: Value| found(Kind::DataPlane, &json!({"metadata": metadata, "spec": {}}), &[]);
    for fine in [
        json!({"labels": {"a": "", "example.org/a_b": "A.b"}, "annotations": {"A.b/c": "x\ny"}}),
        json!({"finalizers": ["example.org/hold"], "ownerReferences": []}),
        json!({"annotations": {"a": "x".repeat(MAX)}}),
    ] {
        assert_eq!(metadata(fine), Vec::<String>::new());
    }
    for (wrong, path) in [
        (json!({"labels": {"a": "-a"}}), "metadata.labels.a InvalidMetadata"),
        (json!({"labels": {"A.b/c": "a"}}), "metadata.labels[A.b/c] InvalidMetadata"),
        (json!({"labels": {"a": 5}}), "metadata.labels.a InvalidType"),
        (json!({"annotations": {"": "a"}}), "metadata.annotations[] InvalidMetadata"),
        (json!({"annotations": {"aa": "x".repeat(MAX)}}), "metadata.annotations AnnotationsTooLarge"),
        (json!({"finalizers": ["-"]}), "metadata.finalizers[0] InvalidMetadata"),
        (json!({"lables": {}}), "metadata.lables UnknownField"),
    ] {
        assert_eq!(metadata(wrong), [path]);
    }
}

/// What a key of one letter leaves.
const MAX: usize = 256 * 1024 - 1;

#[test]
fn an_object_inside_a_release_is_one_that_can_be() {
    let release = |object: Value| {
        json!({"metadata": {"name": "a"}, "spec": {
            "owner": {"projectName": "shop", "componentName": "web"}, "environmentName": "dev",
            "resources": [{"id": "a", "object": object}],
        }})
    };
    for (object, expected) in [
        (json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a:b", "namespace": "c"}}), None),
        (
            json!({"apiVersion": "a/b/c", "kind": "ConfigMap", "metadata": {"name": "a"}}),
            Some("apiVersion InvalidMetadata"),
        ),
        (json!({"apiVersion": "v1", "kind": "Config_Map", "metadata": {"name": "a"}}), Some("kind InvalidMetadata")),
        (json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": ".."}}), Some("metadata.name InvalidMetadata")),
        (
            json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a", "namespace": "A"}}),
            Some("metadata.namespace InvalidName"),
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(|rest| format!("spec.resources[0].object.{rest}")).collect();
        assert_eq!(found(Kind::Release, &release(object.clone()), &[]), expected, "{object}");
    }
}

#[test]
fn what_was_told_or_was_so_before_is_not_told_again() {
    let object = json!({"metadata": {"name": "a"}, "spec": {"owner": 5, "componentType": {}}});
    let known = Violation::fault(FieldPath::root("spec").field("owner").field("projectName"), "Required", "");
    assert_eq!(found(Kind::Component, &object, &[known]), ["spec.componentType.name Required"]);
    let change = Change {
        kind: Kind::Component,
        name: "a",
        new: &object,
        old: Some(&object),
        user: None,
        manager: None,
        now: None,
    };
    assert_eq!(structure(&change, &[]), []);
}
