//! Only the webhook writes stamps and history: whatever anybody sends under its keys, and by whichever way.

use release_shared::names;
use release_shared::record::{History, check_chain};
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{
    Shop, annotated, annotation, author, authors, bare, component_release, created, kind, records, release, with,
};
use super::person::{Way, causes, until_shown};

trials! {
    admission:
    a_forged_stamp_does_not_survive_creation,
    a_forged_stamp_does_not_survive_any_change,
    a_stamp_that_an_apply_owned_and_leaves_out_stays,
    an_exported_object_is_restored_as_a_change_of_its_own,
    what_another_admission_step_changes_is_part_of_the_record,
    a_history_is_not_lost_by_a_claim_a_long_reason_or_a_full_object,
    whoever_cut_a_release_stays_its_author,
}

/// The object with something forged under each of the webhook's keys.
fn forged(object: &Value) -> Value {
    let history = r#"[{"revision":7,"action":"create","content":"x","by":"eve","at":"2020-01-01T00:00:00Z"}]"#;
    annotated(
        object,
        &[
            (names::REVISION, "7"),
            (names::CHANGED_BY, "eve"),
            (names::CHANGED_AT, "2020-01-01T00:00:00Z"),
            (names::RELEASE_VERSION, "9.9"),
            (names::HISTORY, history),
        ],
    )
}

fn a_forged_stamp_does_not_survive_creation(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let ways: [Way; 3] = [
        ("kubectl-create", |person, object| drop(person.kubectl_on(&["create", "-f", "-"], object))),
        ("kubectl-client-side-apply", |person, object| drop(person.kubectl_on(&["apply", "-f", "-"], object))),
        ("kubectl", |person, object| drop(person.kubectl_on(&["apply", "--server-side", "-f", "-"], object))),
    ];
    for (at, (manager, create)) in ways.iter().enumerate() {
        let wanted = forged(&release(&format!("web-{at}")));
        create(&shop.jane, &wanted);
        assert_eq!(authors(&shop.jane.get(&wanted).unwrap()), [author("jane", manager)]);
    }
    Ok(())
}

fn a_forged_stamp_does_not_survive_any_change(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let before = created(&shop.jane.managing_as("tests"), &release("web-dev"));
    let stamp = |object: &Value| names::WEBHOOK_KEYS.map(|key| annotation(object, key).map(str::to_owned));
    let ways: [Way; 10] = [
        ("annotate", |person, _| {
            for key in names::WEBHOOK_KEYS {
                person.kubectl_on(
                    &["annotate", "--overwrite", "release", "web-dev", &format!("{key}=eve")],
                    &Value::Null,
                );
            }
        }),
        ("annotate, taking away", |person, _| {
            for key in names::WEBHOOK_KEYS {
                person.kubectl_on(&["annotate", "release", "web-dev", &format!("{key}-")], &Value::Null);
            }
        }),
        ("merge", |person, object| {
            drop(
                person
                    .merge(object, &json!({ "metadata": { "annotations": forged(object)["metadata"]["annotations"] } }))
                    .unwrap(),
            );
        }),
        ("merge, taking all away", |person, object| {
            drop(person.merge(object, &json!({ "metadata": { "annotations": null } })).unwrap());
        }),
        ("JSON patch", |person, object| {
            let path = format!("/metadata/annotations/{}", names::CHANGED_BY.replace('/', "~1"));
            drop(person.json_patch(object, &json!([{ "op": "replace", "path": path, "value": "eve" }])).unwrap());
            drop(person.json_patch(object, &json!([{ "op": "remove", "path": path }])).unwrap());
            drop(person.json_patch(object, &json!([{ "op": "remove", "path": "/metadata/annotations" }])).unwrap());
        }),
        ("replace", |person, object| drop(person.kubectl_on(&["replace", "-f", "-"], &forged(&bare(object))))),
        ("replace without annotations", |person, object| {
            drop(person.kubectl_on(&["replace", "-f", "-"], &bare(object)))
        }),
        ("server-side apply", |person, object| {
            let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
            drop(person.kubectl_on(&args, &forged(&bare(object))));
        }),
        ("client-side apply", |person, object| drop(person.kubectl_on(&["apply", "-f", "-"], &forged(&bare(object))))),
        ("the same that leaves out what it applied before", |person, object| {
            drop(person.kubectl_on(&["apply", "-f", "-"], &bare(object)));
        }),
    ];
    for (what, write) in ways {
        write(&shop.omar, &before);
        let after = shop.jane.get(&before).unwrap();
        assert_eq!(stamp(&after), stamp(&before), "{what}");
    }
    // Together with a real change it is the change's own author that is recorded.
    let changed = with(&forged(&shop.jane.get(&before).unwrap()), |r| r["spec"]["interval"] = "7m".into());
    let after = shop.omar.managing_as("tests").replace(&changed).unwrap();
    assert_eq!(authors(&after), [author("jane", "tests"), author("omar", "tests")]);
    Ok(())
}

/// The API server takes the annotation away before admission, since its only owner gave it up.
fn a_stamp_that_an_apply_owned_and_leaves_out_stays(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let flux = shop.jane.managing_as("flux");
    let owned = flux.apply(&forged(&release("web-dev"))).unwrap();
    let managed = owned["metadata"]["managedFields"].to_string();
    assert!(managed.contains(&format!("f:{}", names::HISTORY)), "what flux sent is flux's: {managed}");
    let after = flux.apply(&release("web-dev")).unwrap();
    assert_eq!(authors(&after), [author("jane", "flux")]);
    let changed = with(&release("web-dev"), |r| r["spec"]["interval"] = "7m".into());
    let after = shop.omar.managing_as("flux").apply(&changed).unwrap();
    assert_eq!(authors(&after), [author("jane", "flux"), author("omar", "flux")]);
    let managed = after["metadata"]["managedFields"].to_string();
    assert!(!managed.contains(&format!("f:{}", names::HISTORY)), "what the webhook writes is nobody's: {managed}");
    Ok(())
}

/// An object exported with its history, deleted and applied again begins a history of its own.
fn an_exported_object_is_restored_as_a_change_of_its_own(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let one = created(&shop.jane.managing_as("tests"), &release("web-dev"));
    let two = shop.jane.managing_as("tests").merge(&one, &json!({ "spec": { "interval": "7m" } })).unwrap();
    let exported = with(&two, |object| {
        let annotations = object["metadata"]["annotations"].clone();
        *object = bare(object);
        object["metadata"]["annotations"] = annotations;
    });
    let older = with(&exported, |object| object["spec"]["interval"] = "5m".into());
    let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    shop.omar.kubectl_on(&args, &older);
    let three = [author("jane", "tests"), author("jane", "tests"), author("omar", "kubectl")];
    assert_eq!(authors(&shop.jane.get(&two).unwrap()), three);

    shop.jane.delete(&two).unwrap();
    shop.omar.kubectl_on(&args, &exported);
    assert_eq!(authors(&shop.jane.get(&two).unwrap()), [author("omar", "kubectl")]);

    // Under another name the records would not even hold together: they are sealed to their object.
    let moved = with(&exported, |object| object["metadata"]["name"] = "other".into());
    let history = History::parse(annotation(&moved, names::HISTORY).unwrap()).unwrap();
    assert_ne!(check_chain(kind(&moved), namespace.name(), "other", &history), []);
    Ok(())
}

/// A policy in the API server that changes every Release of this namespace, and would rather have been somebody else.
fn policy(namespace: &Namespace<'_>) -> Value {
    let changes = format!(
        r#"[JSONPatch{{ op: "add", path: "/spec/interval", value: "9m" }},
            JSONPatch{{ op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("{}"), value: "eve" }}]"#,
        names::CHANGED_BY
    );
    let releases = json!({
        "apiGroups": [names::GROUP], "apiVersions": [names::VERSION],
        "operations": ["CREATE", "UPDATE"], "resources": ["releases"],
    });
    let here = json!({ "matchLabels": { "kubernetes.io/metadata.name": namespace.name() } });
    let metadata = json!({ "name": namespace.name() });
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": metadata,
            "spec": {
                "matchConstraints": { "namespaceSelector": here, "resourceRules": [releases] },
                "failurePolicy": "Fail",
                "reinvocationPolicy": "IfNeeded",
                "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": changes } }],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": { "policyName": namespace.name() },
        },
    ]})
}

/// The API server calls the webhook again when something else changed the object after it.
fn what_another_admission_step_changes_is_part_of_the_record(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    shop.admin.kubectl_on(&["create", "-f", "-"], &policy(namespace));
    let wanted = annotated(&release("web-dev"), &[("a", "b")]);
    let dry = shop.jane.in_dry_run();
    let shown = until_shown(
        "the API server keeps the policy",
        || dry.create(&wanted),
        |object| object["spec"]["interval"] == "9m",
    );
    let made = shown.map(|_| created(&shop.jane.managing_as("tests"), &wanted));
    let args = ["delete", "mutatingadmissionpolicy,mutatingadmissionpolicybinding", namespace.name()];
    shop.admin.kubectl_on(&args, &Value::Null);
    // The record is of what is stored, and its author is who asked.
    assert_eq!(authors(&made?), [author("jane", "tests")]);
    Ok(())
}

/// Who made each revision.
fn by(object: &Value) -> Vec<String> {
    records(object).into_iter().map(|record| record.by).collect()
}

fn a_history_is_not_lost_by_a_claim_a_long_reason_or_a_full_object(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let direct = created(&shop.jane, &release("web-dev"));
    let owner = json!({ "apiVersion": "v1", "kind": "ReleaseBinding", "name": "x", "uid": "1" });
    let claim = json!({ "metadata": { "ownerReferences": [owner] }, "spec": { "interval": "6m" } });
    let claimed = shop.omar.merge(&direct, &claim).unwrap();
    assert_eq!(by(&claimed), ["jane", "omar"]);

    let long = json!({ "metadata": { "annotations": { names::REASON: "x\n".repeat(30_000) } } });
    shop.omar.merge(&direct, &long).unwrap();
    let plugin = shop.omar.managing_as(names::PLUGIN_MANAGER);
    let refused = plugin.merge(&direct, &json!({ "spec": { "interval": "7m" } })).unwrap_err();
    assert_eq!((refused.code, causes(&refused)[0].1), (422, "TooLong"));

    let full = json!({ "metadata": { "annotations": { names::REASON: null, "x/y": "z".repeat(261_500) } }, "spec": { "interval": "7m" } });
    let refused = shop.omar.merge(&direct, &full).unwrap_err();
    assert_eq!((refused.code, causes(&refused)[0].1), (422, "AnnotationsTooLarge"));
    assert_eq!(by(&shop.jane.get(&direct).unwrap()), ["jane", "omar"]);
    Ok(())
}

fn whoever_cut_a_release_stays_its_author(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let cut = created(&shop.jane, &component_release("web", "web-9", "9.0"));
    for key in names::ENVIRONMENT_POLICY.into_iter().chain([names::ENFORCEMENT, names::RESTARTED_AT]) {
        let after = shop.omar.merge(&cut, &json!({ "metadata": { "annotations": { key: "warn" } } })).unwrap();
        assert_eq!(annotation(&after, names::CHANGED_BY), Some("jane"), "{key}");
    }
    let named = json!({ "metadata": { "annotations": { names::VERSION_ANNOTATION: "10.0" } } });
    assert_eq!(causes(&shop.omar.merge(&cut, &named).unwrap_err())[0].1, "VersionImmutable");
    Ok(())
}
