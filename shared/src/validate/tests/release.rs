use serde_json::json;

use super::*;

#[test]
fn releases() {
    let cases: &[Case] = &[
        ("a good one", |_| {}, &[]),
        (
            "no spec",
            |r| drop(r.as_object_mut().unwrap().remove("spec")),
            &[
                ("spec.owner.projectName", "Required"),
                ("spec.owner.componentName", "Required"),
                ("spec.environmentName", "Required"),
            ],
        ),
        (
            "missing owner",
            |r| r["spec"]["owner"] = json!({}),
            &[("spec.owner.projectName", "Required"), ("spec.owner.componentName", "Required")],
        ),
        (
            "a name of 64 characters",
            |r| r["spec"]["owner"]["projectName"] = "a".repeat(64).into(),
            &[("spec.owner.projectName", "InvalidName")],
        ),
        (
            "an upper-case environment",
            |r| r["spec"]["environmentName"] = "Dev".into(),
            &[("spec.environmentName", "InvalidName")],
        ),
        (
            "a number for an environment",
            |r| r["spec"]["environmentName"] = 5.into(),
            &[("spec.environmentName", "InvalidType")],
        ),
        (
            "duplicate ids",
            |r| r["spec"]["resources"][1]["id"] = "deployment".into(),
            &[("spec.resources[1].id", "DuplicateResourceId")],
        ),
        (
            "an id that is no label value",
            |r| r["spec"]["resources"][1]["id"] = "a/b".into(),
            &[("spec.resources[1].id", "InvalidResourceId")],
        ),
        (
            "no id",
            |r| r["spec"]["resources"][1] = json!({"object": r["spec"]["resources"][1]["object"]}),
            &[("spec.resources[1].id", "Required")],
        ),
        (
            "an object that is a string",
            |r| r["spec"]["resources"][0]["object"] = "x".into(),
            &[("spec.resources[0].object", "NotAnObject")],
        ),
        (
            "a List",
            |r| r["spec"]["resources"][0]["object"]["kind"] = "List".into(),
            &[("spec.resources[0].object.kind", "ListObject")],
        ),
        (
            "one of our own kinds",
            |r| {
                r["spec"]["resources"][0]["object"]["apiVersion"] = "openchoreo.dev/v1alpha1".into();
                r["spec"]["resources"][0]["object"]["kind"] = "Project".into();
            },
            &[("spec.resources[0].object.kind", "OwnKind")],
        ),
        (
            "an object without a name",
            |r| r["spec"]["resources"][0]["object"]["metadata"] = json!({}),
            &[("spec.resources[0].object.metadata.name", "Required")],
        ),
        (
            "generateName inside",
            |r| r["spec"]["resources"][0]["object"]["metadata"] = json!({"generateName": "web-"}),
            &[("spec.resources[0].object.metadata.generateName", "GenerateName")],
        ),
        (
            "a reserved label",
            |r| r["spec"]["resources"][0]["object"]["metadata"]["labels"] = json!({"openchoreo.dev/managed-by": "me"}),
            &[("spec.resources[0].object.metadata.labels[openchoreo.dev/managed-by]", "ReservedLabel")],
        ),
        (
            "the same object twice",
            |r| r["spec"]["resources"][1]["object"] = r["spec"]["resources"][0]["object"].clone(),
            &[("spec.resources[1].object", "DuplicateObject")],
        ),
        (
            "a Secret with its content",
            |r| {
                r["spec"]["resources"][1]["object"] =
                    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}});
            },
            &[("spec.resources[1].object.stringData", "SecretInline")],
        ),
        (
            "a Secret without content",
            |r| {
                r["spec"]["resources"][1]["object"] =
                    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
            },
            &[],
        ),
        (
            "nesting",
            |r| r["spec"]["resources"][1]["object"]["spec"] = (0..100).fold(json!(1), |inner, _| json!({"a": inner})),
            &[("spec.resources[1].object", "TooDeep")],
        ),
        (
            "an integer that no i64 holds",
            |r| r["spec"]["resources"][1]["object"]["spec"] = json!({"n": u64::MAX}),
            &[("spec.resources[1].object.spec.n", "NumberOutOfRange")],
        ),
        ("5 minutes", |r| r["spec"]["interval"] = "5 minutes".into(), &[("spec.interval", "InvalidDuration")]),
        (
            "-1s",
            |r| r["spec"]["progressingInterval"] = "-1s".into(),
            &[("spec.progressingInterval", "InvalidDuration")],
        ),
        ("a number for an interval", |r| r["spec"]["interval"] = 5.into(), &[("spec.interval", "InvalidType")]),
        ("an interval of days", |r| r["spec"]["interval"] = "100h".into(), &[("spec.interval", "IntervalBounds")]),
        (
            "progressing above interval",
            |r| r["spec"]["progressingInterval"] = "6m".into(),
            &[("spec.progressingInterval", "IntervalOrder")],
        ),
        ("progressing above an interval of 0s", |r| r["spec"]["interval"] = "0s".into(), &[]),
        (
            "too large",
            |r| r["spec"]["resources"][1]["object"]["data"] = json!({"a": "x".repeat(MAX_SIZE)}),
            &[("spec", "TooLarge")],
        ),
    ];
    for (name, change, expected) in cases {
        let found = codes(Kind::Release, "web-dev", &release(change), None);
        let found: Vec<_> = found.iter().map(|(path, code)| (path.as_str(), *code)).collect();
        assert_eq!(found, *expected, "{name}");
    }
}

#[test]
fn all_faults_are_told_at_once_and_in_words() {
    let broken = release(|r| {
        r["spec"]["owner"] = json!({});
        r["spec"]["interval"] = "5 minutes".into();
        r["spec"]["resources"][1]["id"] = "deployment".into();
    });
    let change =
        Change { kind: Kind::Release, name: "web-dev", new: &broken, old: None, user: None, manager: None, now: None };
    insta::assert_snapshot!(validate(&change, None), @r#"
    * spec.owner.projectName: is required: name the project
    * spec.owner.componentName: is required: name the component
    * spec.resources[1].id: "deployment" is also the id of entry 0: ids must be unique in the list
    * spec.interval: "5 minutes" is not a duration: write numbers with the unit h, m, s or ms, such as 30s, 5m or 1h30m; 0s switches it off
    "#);
}

#[test]
fn owner_and_environment_are_immutable() {
    let old = release(|_| {});
    let moved = release(|r| {
        r["spec"]["owner"]["componentName"] = "api".into();
        r["spec"]["environmentName"] = "staging".into();
        r["spec"]["targetPlane"] = "dataplane".into();
    });
    assert_eq!(
        codes(Kind::Release, "web-dev", &moved, Some(&old)),
        [
            ("spec.owner".into(), "Immutable"),
            ("spec.environmentName".into(), "Immutable"),
            ("spec.targetPlane".into(), "Immutable")
        ]
    );
}

#[test]
fn a_release_made_by_hand_does_not_go_past_an_enforcing_pipeline_nor_beside_a_binding() {
    let new = release(|_| {});
    let change = Change {
        kind: Kind::Release,
        name: "web-dev",
        new: &new,
        old: None,
        user: Some("jane"),
        manager: None,
        now: None,
    };
    let mut world = world("enforce");
    world.put(Kind::ReleaseBinding, "web-dev", Some(&binding("web", "dev", "web-1")));
    let codes: Vec<_> = validate(&change, Some(&world)).violations.iter().map(|violation| violation.code).collect();
    assert_eq!(codes, ["BindingExists", "DirectRelease"]);
}

/// A Release with a controller ownerReference to the binding of `web` in `dev`.
fn owned(change: impl FnOnce(&mut Value)) -> Value {
    let owner = json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding", "name": "web-dev", "controller": true,
        "blockOwnerDeletion": true, "uid": "1"
    });
    release(|r| {
        r["metadata"]["ownerReferences"] = json!([owner]);
        r["metadata"]["annotations"] = json!({names::RENDERED_FROM: "1/1"});
        change(r);
    })
}

/// What is said of a change by somebody, in a world that has that binding.
fn told(user: &str, new: &Value, old: Option<&Value>) -> Vec<(String, &'static str)> {
    let mut world = world("warn");
    world.put(Kind::ReleaseBinding, "web-dev", Some(&binding("web", "dev", "web-1")));
    let change = Change { kind: Kind::Release, name: "web-dev", new, old, user: Some(user), manager: None, now: None };
    let violations = validate(&change, Some(&world)).violations;
    violations.into_iter().map(|violation| (violation.path.as_str().to_owned(), violation.code)).collect()
}

const CONTROLLER: &str = "system:serviceaccount:release-system:release-controller";
const COLLECTORS: [&str; 2] =
    ["system:serviceaccount:kube-system:generic-garbage-collector", "system:kube-controller-manager"];

#[test]
fn an_owned_release_is_the_controllers() {
    let old = owned(|_| {});
    let free = release(|r| r["metadata"]["annotations"] = json!({names::RENDERED_FROM: "1/1"}));
    let annotation = |key: &str| format!("metadata.annotations[{key}]");
    let references = || "metadata.ownerReferences".to_owned();
    let cases = [
        ("the spec", owned(|r| r["spec"]["interval"] = "1m".into()), Some(&old), Some("spec".to_owned())),
        (
            "a restart",
            owned(|r| r["metadata"]["annotations"][names::RESTARTED_AT] = "now".into()),
            Some(&old),
            Some(annotation(names::RESTARTED_AT)),
        ),
        (
            "the revision that its health is credited to",
            owned(|r| r["metadata"]["annotations"][names::RENDERED_FROM] = "1/2".into()),
            Some(&old),
            Some(annotation(names::RENDERED_FROM)),
        ),
        ("let go", free.clone(), Some(&old), Some(references())),
        ("claimed", owned(|_| {}), Some(&free), Some(references())),
        (
            "another owner beside",
            owned(|r| {
                r["metadata"]["ownerReferences"].as_array_mut().unwrap().push(json!({"kind": "ConfigMap", "name": "x"}))
            }),
            Some(&old),
            Some(references()),
        ),
        (
            "blocking nothing",
            owned(|r| r["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = false.into()),
            Some(&old),
            Some(references()),
        ),
        ("made", owned(|_| {}), None, Some(references())),
        ("a label", owned(|r| r["metadata"]["labels"] = json!({"a": "b"})), Some(&old), None),
        ("a finalizer", owned(|r| r["metadata"]["finalizers"] = json!([])), Some(&old), None),
    ];
    for (what, new, old, refused) in &cases {
        let refused: Vec<_> = refused.iter().map(|path| (path.clone(), "OwnedRelease")).collect();
        assert_eq!(told("jane", new, *old), refused, "{what}");
        assert_eq!(told(CONTROLLER, new, *old), [], "{what}, by the controller");
        for collector in COLLECTORS {
            // It takes references away, and does nothing else to what is somebody's.
            let refused = if ["let go", "blocking nothing"].contains(what) { vec![] } else { refused.clone() };
            assert_eq!(told(collector, new, *old), refused, "{what}, by {collector}");
        }
    }
}

#[test]
fn an_owned_release_is_of_its_bindings_component_and_environment() {
    let owned_by = |name: &str| owned(|r| r["metadata"]["ownerReferences"][0]["name"] = name.into());
    let refused = [("metadata.ownerReferences".to_owned(), "OwnedRelease")];
    let old = owned(|_| {});
    assert_eq!(told(CONTROLLER, &old, None), []);
    assert_eq!(told(CONTROLLER, &owned_by("web-moon"), None), refused, "no such binding");
    for change in [(|r| r["spec"]["environmentName"] = "staging".into()) as fn(&mut Value), |r| {
        r["spec"]["owner"]["componentName"] = "api".into()
    }] {
        assert_eq!(told(CONTROLLER, &owned(change), None), refused);
    }
    let moved = owned(|r| r["spec"]["environmentName"] = "staging".into());
    assert_eq!(
        told(CONTROLLER, &moved, Some(&old)),
        [("spec.environmentName".to_owned(), "Immutable"), refused[0].clone()]
    );
    // Claiming a Release of another environment changes nothing that is recorded, and is no way round either.
    let direct = release(|r| r["spec"]["environmentName"] = "staging".into());
    assert_eq!(told(CONTROLLER, &moved, Some(&direct)), refused);
    assert_eq!(told(CONTROLLER, &owned(|r| r["metadata"]["labels"] = json!({"a": "b"})), Some(&old)), []);
}
