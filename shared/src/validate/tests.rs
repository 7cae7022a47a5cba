use serde_json::{Value, json};

use super::*;
use crate::violation::Class;

/// The world of the tables: project `shop` with component `web`, and pipeline dev → staging → production.
fn world(enforcement: &str) -> World {
    let mut world = World::default();
    let mut put = |kind: Kind, name: &str, object: Value| world.put(kind, name, Some(&object));
    for environment in ["dev", "staging", "production"] {
        put(Kind::Environment, environment, json!({}));
    }
    let step =
        |from: &str, to: &str| json!({"sourceEnvironmentRef": {"name": from}, "targetEnvironmentRefs": [{"name": to}]});
    put(
        Kind::DeploymentPipeline,
        "main",
        json!({
            "metadata": {"annotations": {names::ENFORCEMENT: enforcement}},
            "spec": {"promotionPaths": [step("dev", "staging"), step("staging", "production")]}
        }),
    );
    put(Kind::Project, "shop", json!({"spec": {"deploymentPipelineRef": {"name": "main"}}}));
    put(Kind::Component, "web", json!({"spec": {"owner": {"projectName": "shop"}}}));
    put(Kind::Component, "api", json!({"spec": {"owner": {"projectName": "shop"}}}));
    let release = |component: &str| json!({"spec": {"owner": {"projectName": "shop", "componentName": component}}});
    put(Kind::ComponentRelease, "web-1", release("web"));
    put(Kind::ComponentRelease, "api-1", release("api"));
    world
}

use crate::names;

fn codes(kind: Kind, name: &str, new: &Value, old: Option<&Value>) -> Vec<(String, &'static str)> {
    let change = Change { kind, name, new, old, user: Some("jane") };
    let findings = validate(&change, Some(&world("warn")));
    findings.violations.iter().map(|violation| (violation.path.as_str().to_owned(), violation.code)).collect()
}

fn release(change: impl FnOnce(&mut Value)) -> Value {
    let object = |kind: &str, version: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web"}});
    let mut release = json!({
        "metadata": {"name": "web-dev"},
        "spec": {
            "owner": {"projectName": "shop", "componentName": "web"},
            "environmentName": "dev",
            "interval": "5m",
            "progressingInterval": "10s",
            "resources": [
                {"id": "deployment", "object": object("Deployment", "apps/v1")},
                {"id": "service", "object": object("Service", "v1")}
            ]
        }
    });
    change(&mut release);
    release
}

type Case = (&'static str, fn(&mut Value), &'static [(&'static str, &'static str)]);

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
    let change = Change { kind: Kind::Release, name: "web-dev", new: &broken, old: None, user: None };
    insta::assert_snapshot!(validate(&change, None), @r#"
    * spec.owner.projectName: is required: name the project
    * spec.owner.componentName: is required: name the component
    * spec.resources[1].id: "deployment" is also the id of entry 0: ids must be unique in the list
    * spec.interval: "5 minutes" is not a duration: write numbers with the unit h, m, s or ms, such as 30s, 5m or 1h30m; 0s switches it off
    "#);
}

#[test]
fn what_an_object_already_was_does_not_lock_it() {
    let old = release(|r| r["spec"]["interval"] = "5 minutes".into());
    let labelled = release(|r| {
        r["spec"]["interval"] = "5 minutes".into();
        r["metadata"]["finalizers"] = json!([]);
    });
    assert_eq!(codes(Kind::Release, "web-dev", &labelled, Some(&old)), [], "nothing recorded changes");

    let reordered = release(|r| {
        r["spec"]["interval"] = "5 minutes".into();
        r["spec"]["resources"].as_array_mut().unwrap().reverse();
    });
    assert_eq!(codes(Kind::Release, "web-dev", &reordered, Some(&old)), [], "an old fault is a warning");

    let worse = release(|r| {
        r["spec"]["interval"] = "5 minutes".into();
        r["spec"]["progressingInterval"] = "-1s".into();
    });
    assert_eq!(
        codes(Kind::Release, "web-dev", &worse, Some(&old)),
        [("spec.progressingInterval".into(), "InvalidDuration")]
    );
}

#[test]
fn an_old_fault_stays_the_same_when_its_entry_moves() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "b"}});
    let with = |at: usize| {
        release(|r| {
            r["spec"]["resources"].as_array_mut().unwrap().insert(at, json!({"id": "secret", "object": secret}));
        })
    };
    assert_eq!(codes(Kind::Release, "web-dev", &with(0), Some(&with(2))), []);
    let other =
        release(|r| r["spec"]["resources"].as_array_mut().unwrap().insert(0, json!({"id": "other", "object": secret})));
    assert_eq!(codes(Kind::Release, "web-dev", &other, Some(&with(2))).len(), 1);
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

fn binding(component: &str, environment: &str, release: &str) -> Value {
    json!({
        "metadata": {"name": format!("{component}-{environment}")},
        "spec": {
            "owner": {"projectName": "shop", "componentName": component},
            "environment": environment,
            "releaseName": release
        }
    })
}

#[test]
fn bindings() {
    let good = binding("web", "dev", "web-1");
    assert_eq!(codes(Kind::ReleaseBinding, "web-dev", &good, None), []);
    assert_eq!(codes(Kind::ReleaseBinding, "pin", &good, None), [("metadata.name".into(), "BindingName")]);
    let hashed = names::binding_name_hashed("web", "dev");
    assert_eq!(codes(Kind::ReleaseBinding, &hashed, &good, None), [("metadata.name".into(), "BindingName")]);
    let other = binding("web", "dev", "api-1");
    assert_eq!(codes(Kind::ReleaseBinding, "web-dev", &other, None), [("spec.releaseName".into(), "OtherOwner")]);
    let moved = binding("web", "staging", "web-1");
    assert_eq!(
        codes(Kind::ReleaseBinding, "web-dev", &moved, Some(&good)),
        [("metadata.name".into(), "BindingName"), ("spec.environment".into(), "Immutable")]
    );
    let mut values = good.clone();
    values["spec"]["componentTypeEnvironmentConfigs"] = json!({"replicas": 3});
    assert_eq!(
        codes(Kind::ReleaseBinding, "web-dev", &values, None),
        [("spec.componentTypeEnvironmentConfigs.replicas".into(), "ConfigUnknown")]
    );
}

#[test]
fn the_hashed_name_is_for_pairs_whose_plain_one_is_taken() {
    let mut world = world("warn");
    let mut other = binding("web", "dev", "web-1");
    other["spec"]["owner"]["componentName"] = "we".into();
    other["spec"]["environment"] = "b-dev".into();
    world.put(Kind::ReleaseBinding, "web-dev", Some(&other));
    let new = binding("web", "dev", "web-1");
    let hashed = names::binding_name_hashed("web", "dev");
    let judge = |name: &str, world: &World| {
        let change = Change { kind: Kind::ReleaseBinding, name, new: &new, old: None, user: None };
        validate(&change, Some(world)).violations.iter().map(|violation| violation.code).collect::<Vec<_>>()
    };
    assert_eq!(judge(&hashed, &world), Vec::<&str>::new());
    world.put(Kind::ReleaseBinding, &hashed, Some(&new));
    assert_eq!(judge("web-dev", &world), ["BindingExists"]);
}

#[test]
fn what_is_missing_is_told_apart_from_what_is_wrong() {
    let mut nowhere = binding("ghost", "moon", "ghost-1");
    nowhere["spec"]["owner"]["projectName"] = "none".into();
    let change = Change { kind: Kind::ReleaseBinding, name: "ghost-moon", new: &nowhere, old: None, user: None };
    let findings = validate(&change, Some(&world("warn")));
    assert_eq!(findings.violations, []);
    let codes: Vec<_> = findings.missing.iter().map(|missing| missing.code).collect();
    assert_eq!(codes, ["ProjectNotFound", "ComponentNotFound", "EnvironmentNotFound", "ReleaseNotFound"]);
    assert_eq!(findings.strict().violations.len(), 4);
    let again = Change { old: Some(&nowhere), ..change };
    assert_eq!(validate(&again, Some(&world("warn"))).missing, [], "it was told when the reference was made");
}

#[test]
fn the_pipeline_warns_or_refuses() {
    let new = binding("web", "production", "web-1");
    let change = Change { kind: Kind::ReleaseBinding, name: "web-production", new: &new, old: None, user: None };
    let warned = validate(&change, Some(&world("warn")));
    assert_eq!((warned.violations.len(), warned.warnings.len()), (0, 1));
    let refused = validate(&change, Some(&world("enforce")));
    assert_eq!(refused.class(), Some(Class::Policy));
    insta::assert_snapshot!(refused, @"spec.releaseName: web-1 cannot go to production yet: pipeline main wants it to have run healthily in staging first (nothing is pinned in staging); promote it there with `kubectl release promote web --to staging`");
    let same = Change { old: Some(&new), ..change };
    assert_eq!(validate(&same, Some(&world("enforce"))).violations, [], "a pin that stands is not judged again");
    let root = binding("web", "dev", "web-1");
    let change = Change { kind: Kind::ReleaseBinding, name: "web-dev", new: &root, old: None, user: None };
    assert_eq!(validate(&change, Some(&world("enforce"))).violations, []);
}

#[test]
fn a_release_made_by_hand_does_not_go_past_an_enforcing_pipeline_nor_beside_a_binding() {
    let new = release(|_| {});
    let change = Change { kind: Kind::Release, name: "web-dev", new: &new, old: None, user: Some("jane") };
    let mut world = world("enforce");
    world.put(Kind::ReleaseBinding, "web-dev", Some(&binding("web", "dev", "web-1")));
    let codes: Vec<_> = validate(&change, Some(&world)).violations.iter().map(|violation| violation.code).collect();
    assert_eq!(codes, ["BindingExists", "DirectRelease"]);
}

#[test]
fn another_project_is_no_way_round_an_enforcing_pipeline() {
    let mut elsewhere = release(|r| r["spec"]["owner"]["projectName"] = "ghost".into());
    elsewhere["spec"]["environmentName"] = "production".into();
    let change = Change { kind: Kind::Release, name: "web-production", new: &elsewhere, old: None, user: Some("jane") };
    let codes = |change: &Change<'_>| {
        let findings = validate(change, Some(&world("enforce")));
        findings.violations.iter().map(|violation| (violation.code, violation.rests_on.clone())).collect::<Vec<_>>()
    };
    assert!(codes(&change).contains(&("DirectRelease", None)));
    let mut pin = binding("ghost", "production", "ghost-1");
    pin["spec"]["owner"]["projectName"] = "ghost".into();
    let change = Change { kind: Kind::ReleaseBinding, name: "ghost-production", new: &pin, old: None, user: None };
    let project = crate::violation::Absence::Object(Kind::Project, "ghost".into());
    assert_eq!(codes(&change), [("NoPipeline", Some(project))]);
}

#[test]
fn what_an_object_is_cannot_be_a_reference() {
    let template = json!({
        "apiVersion": "v1", "kind": "${environmentConfigs.kind}", "metadata": {"name": "s", "${environmentConfigs.a}": "b"},
        "${environmentConfigs.data}": {"a": "b"}
    });
    let release = json!({"spec": {
        "owner": {"projectName": "shop", "componentName": "web"},
        "componentType": {"kind": "ComponentType", "name": "proxy/web", "spec": {
            "workloadType": "proxy", "resources": [{"id": "s", "template": template}],
            "environmentConfigs": {"openAPIV3Schema": {"properties": {"kind": {}, "a": {}, "data": {}}}}
        }},
        "workload": {"container": {"image": "none"}}
    }});
    let found = codes(Kind::ComponentRelease, "web-first", &release, None);
    assert_eq!(found.iter().filter(|(_, code)| *code == "TemplateIdentity").count(), 3, "{found:?}");
}

#[test]
fn an_owned_release_is_the_controllers() {
    let owned = release(|r| {
        r["metadata"]["ownerReferences"] = json!([
            {"apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding", "name": "web-dev", "controller": true, "uid": "1"}
        ]);
    });
    let changed = {
        let mut changed = owned.clone();
        changed["spec"]["interval"] = "1m".into();
        changed
    };
    let orphaned = release(|_| {});
    let judge = |user: &str, new: &Value, old: Option<&Value>| {
        let change = Change { kind: Kind::Release, name: "web-dev", new, old, user: Some(user) };
        validate(&change, None).violations.iter().map(|violation| violation.code).collect::<Vec<_>>()
    };
    let controller = "system:serviceaccount:release-system:release-controller";
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    assert_eq!(judge("jane", &owned, None), ["OwnedRelease"]);
    assert_eq!(judge("jane", &changed, Some(&owned)), ["OwnedRelease"]);
    assert_eq!(judge("jane", &orphaned, Some(&owned)), ["OwnedRelease"]);
    assert_eq!(judge("jane", &owned, Some(&orphaned)), ["OwnedRelease"]);
    assert_eq!(judge(controller, &changed, Some(&owned)), Vec::<&str>::new());
    assert_eq!(judge(collector, &orphaned, Some(&owned)), Vec::<&str>::new());
}

#[test]
fn component_releases() {
    let template = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}});
    let release = |resources: Value| {
        json!({
            "metadata": {"annotations": {"openchoreo.dev/version": "v1"}},
            "spec": {
                "owner": {"projectName": "shop", "componentName": "web"},
                "componentType": {"kind": "ComponentType", "name": "proxy/web", "spec": {"workloadType": "proxy", "resources": resources}},
                "workload": {"container": {"image": "none"}}
            }
        })
    };
    let good = release(json!([{"id": "configmap-web", "template": template}]));
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &good, None), []);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "b"}});
    let inline = release(json!([{"id": "secret-s", "template": secret}]));
    let place = "spec.componentType.spec.resources[0].template.data".to_owned();
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &inline, None), [(place, "SecretInline")]);
    let mut changed = good.clone();
    changed["spec"]["workload"]["container"]["image"] = "other".into();
    changed["metadata"]["annotations"]["openchoreo.dev/version"] = "v2".into();
    assert_eq!(
        codes(Kind::ComponentRelease, "web-first", &changed, Some(&good)),
        [("spec".into(), "Immutable"), ("metadata.annotations[openchoreo.dev/version]".into(), "VersionImmutable")]
    );
    let mut profiled = good.clone();
    profiled["spec"]["componentProfile"] = json!({});
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &profiled, Some(&good)), [("spec".into(), "Immutable")]);
}

#[test]
fn the_schema_of_the_values_is_one() {
    let release = json!({"spec": {
        "owner": {"projectName": "shop", "componentName": "web"},
        "componentType": {"kind": "ComponentType", "name": "proxy/web", "spec": {
            "workloadType": "proxy", "resources": [],
            "environmentConfigs": {"openAPIV3Schema": {"properties": {"size": {"type": "strin"}}}}
        }},
        "workload": {"container": {"image": "none"}}
    }});
    let place = "spec.componentType.spec.environmentConfigs.openAPIV3Schema.properties.size.type".to_owned();
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &release, None), [(place, "InvalidSchema")]);
}

#[test]
fn a_version_is_one_release() {
    let mut world = world("warn");
    let release = json!({
        "metadata": {"annotations": {"openchoreo.dev/version": "v1"}},
        "spec": {"owner": {"projectName": "shop", "componentName": "web"}}
    });
    world.put(Kind::ComponentRelease, "web-1", Some(&release));
    let change = Change { kind: Kind::ComponentRelease, name: "web-2", new: &release, old: None, user: None };
    let codes: Vec<_> = validate(&change, Some(&world)).violations.iter().map(|violation| violation.code).collect();
    assert_eq!(codes, ["VersionTaken"]);
}

#[test]
fn pipelines() {
    let pipeline = |paths: &[(&str, &[&str])]| {
        let paths = paths.iter().map(|(source, targets)| {
            let targets: Vec<_> = targets.iter().map(|target| json!({"name": target})).collect();
            json!({"sourceEnvironmentRef": {"name": source}, "targetEnvironmentRefs": targets})
        });
        json!({"spec": {"promotionPaths": paths.collect::<Vec<_>>()}})
    };
    let codes = |object: &Value| {
        let found = codes(Kind::DeploymentPipeline, "main", object, None);
        found.into_iter().map(|(_, code)| code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&pipeline(&[("dev", &["staging"]), ("staging", &["production"])])), Vec::<&str>::new());
    assert_eq!(codes(&pipeline(&[("dev", &[])])), Vec::<&str>::new());
    assert_eq!(codes(&pipeline(&[("dev", &["dev"])])), ["PipelineSelfLoop"]);
    assert_eq!(codes(&pipeline(&[("dev", &["staging", "staging"])])), ["PipelineDuplicate"]);
    assert_eq!(codes(&pipeline(&[("dev", &["staging"]), ("staging", &["dev"])])), ["PipelineCycle"]);
    let mut odd = pipeline(&[("dev", &[])]);
    odd["metadata"] = json!({"annotations": {names::ENFORCEMENT: "maybe"}});
    assert_eq!(codes(&odd), ["UnknownPolicyValue"]);
}

#[test]
fn a_policy_is_a_known_word() {
    let environment = |value: &str| json!({"metadata": {"annotations": {names::ALLOW_INLINE_SECRETS: value}}});
    assert_eq!(codes(Kind::Environment, "dev", &environment("true"), None), []);
    assert_eq!(codes(Kind::Environment, "dev", &environment("yes"), None).len(), 1);
}

#[test]
fn what_a_client_says_is_short_and_in_one_line() {
    let mut long = release(|_| {});
    long["metadata"]["annotations"] = json!({names::REASON: "x".repeat(513), names::LINK: "a\nb"});
    let codes: Vec<_> = codes(Kind::Release, "web-dev", &long, None).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["TooLong", "ControlCharacter"]);
}

#[test]
fn names_are_given_and_short() {
    let codes = |name: &str, object: &Value| codes(Kind::Release, name, object, None);
    let mut generated = release(|_| {});
    generated["metadata"] = json!({"generateName": "web-"});
    assert_eq!(codes("", &generated), [("metadata.generateName".into(), "GenerateName")]);
    assert_eq!(codes("", &release(|_| {})), [("metadata.name".into(), "Required")]);
    assert_eq!(codes(&"a".repeat(64), &release(|_| {})), [("metadata.name".into(), "InvalidName")]);
}

proptest::proptest! {
    #[test]
    fn no_object_makes_the_rules_panic(text in "\\PC{0,40}", number in proptest::prelude::any::<i64>()) {
        for kind in Kind::ALL {
            for value in [json!(text), json!(number), json!({"spec": text}), json!({"spec": {"resources": [number, {"id": text, "object": {"kind": text}}]}})] {
                let change = Change { kind, name: &text, new: &value, old: Some(&json!({"spec": number})), user: None };
                validate(&change, Some(&world("enforce")));
            }
        }
    }
}
