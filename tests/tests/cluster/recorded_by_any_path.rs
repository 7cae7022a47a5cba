//! Promise 1: who, when and why on every change, whichever way it takes into the cluster.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Context;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::audit;
use super::objects::{
    Shop, annotated, annotation, author, authors, bare, binding, created, name, records, release, with,
};
use super::person::{Person, Way};

trials! {
    admission:
    every_way_to_create_is_recorded,
    every_way_to_change_is_recorded,
    kubectl_edit_is_recorded,
    whoever_is_impersonated_is_the_author,
    a_service_account_is_recorded_under_its_own_name,
    a_dry_run_shows_the_record_and_persists_nothing,
    metadata_changes_and_empty_writes_steal_no_authorship,
    two_people_who_change_at_once_are_both_recorded,
    a_reason_counts_once,
    the_audit_log_has_the_hash_of_every_record,
}

fn every_way_to_create_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let ways: [Way; 4] = [
        ("kubectl-create", |person, object| drop(person.kubectl_on(&["create", "-f", "-"], object))),
        ("kubectl-client-side-apply", |person, object| drop(person.kubectl_on(&["apply", "-f", "-"], object))),
        ("kubectl", |person, object| drop(person.kubectl_on(&["apply", "--server-side", "-f", "-"], object))),
        ("flux", |person, object| drop(person.managing_as("flux").apply(object).unwrap())),
    ];
    for (at, (manager, create)) in ways.iter().enumerate() {
        let wanted = release(&format!("web-{at}"));
        create(&shop.jane, &wanted);
        assert_eq!(authors(&shop.jane.get(&wanted).unwrap()), [author("jane", manager)]);
    }
    Ok(())
}

fn every_way_to_change_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    const MERGE: &str = r#"{"spec":{"interval":"7m"}}"#;
    const STEPS: &str = r#"[{"op":"replace","path":"/spec/interval","value":"7m"}]"#;
    let ways: [Way; 9] = [
        ("kubectl-client-side-apply", |person, object| drop(person.kubectl_on(&["apply", "-f", "-"], &bare(object)))),
        ("kubectl", |person, object| {
            drop(person.kubectl_on(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &bare(object)));
        }),
        ("argocd-controller", |person, object| {
            let args = ["apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-"];
            drop(person.kubectl_on(&args, &bare(object)));
        }),
        ("kubectl-replace", |person, object| drop(person.kubectl_on(&["replace", "-f", "-"], object))),
        ("kubectl-patch", |person, object| {
            drop(person.kubectl_on(&["patch", "release", name(object), "--type=merge", "-p", MERGE], &Value::Null));
        }),
        ("kubectl-patch", |person, object| {
            drop(person.kubectl_on(&["patch", "release", name(object), "--type=json", "-p", STEPS], &Value::Null));
        }),
        ("somebody", |person, object| {
            let steps = json!([{ "op": "replace", "path": "/spec/interval", "value": "7m" }]);
            drop(person.managing_as("somebody").json_patch(object, &steps).unwrap());
        }),
        ("flux", |person, object| {
            let person = person.managing_as("flux").with_parameter("force=true");
            drop(person.apply(&bare(object)).unwrap());
        }),
        // The request names nobody, and no program's name is made up.
        ("", |person, object| drop(person.replace(object).unwrap())),
    ];
    for (at, (manager, change)) in ways.iter().enumerate() {
        let before = created(&shop.jane.managing_as("tests"), &release(&format!("web-{at}")));
        change(&shop.omar, &with(&before, |r| r["spec"]["interval"] = "7m".into()));
        let after = shop.jane.get(&before).unwrap();
        assert_eq!(after["spec"]["interval"], "7m");
        assert_eq!(authors(&after), [author("jane", "tests"), author("omar", manager)]);
    }

    let pin = created(&shop.jane.managing_as("tests"), &binding("web", "dev", "web-1"));
    let restart = format!("{}=now", names::RESTARTED_AT);
    shop.omar.kubectl_on(&["annotate", "releasebinding", "web-dev", &restart], &Value::Null);
    assert_eq!(authors(&shop.jane.get(&pin).unwrap()), [author("jane", "tests"), author("omar", "kubectl-annotate")]);
    Ok(())
}

fn kubectl_edit_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    created(&shop.jane.managing_as("tests"), &release("web-dev"));
    let editor = namespace.control_plane().folder().join(format!("{}-editor", namespace.name()));
    // An editor that also tries its hand at the stamp.
    fs::write(
        &editor,
        "#!/bin/sh\nsed -i -e 's/interval: 5m/interval: 7m/' -e 's/changed-by: jane/changed-by: eve/' \"$1\"\n",
    )?;
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755))?;
    shop.omar.kubectl(["edit", "release", "web-dev"]).env("KUBE_EDITOR", &editor).run().expect_code(0);
    let after = shop.jane.get(&release("web-dev")).unwrap();
    assert_eq!(after["spec"]["interval"], "7m");
    assert_eq!(authors(&after), [author("jane", "tests"), author("omar", "kubectl-edit")]);
    Ok(())
}

fn whoever_is_impersonated_is_the_author(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    shop.admin.kubectl_on(&["--as=jane", "create", "-f", "-"], &release("web-dev"));
    assert_eq!(authors(&shop.jane.get(&release("web-dev")).unwrap()), [author("jane", "kubectl-create")]);
    Ok(())
}

fn a_service_account_is_recorded_under_its_own_name(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let name = format!("system:serviceaccount:{}:default", namespace.name());
    Person::with_role(namespace, &name, "release-developer")?;
    let robot = Person::of(namespace, namespace.service_account("default")?)?;
    robot.kubectl_on(&["apply", "--server-side", "-f", "-"], &release("web-dev"));
    assert_eq!(authors(&robot.get(&release("web-dev")).unwrap()), [author(&name, "kubectl")]);
    Ok(())
}

fn a_dry_run_shows_the_record_and_persists_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let dry = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    let shown: Value = shop.jane.kubectl_on(&dry, &release("web-dev")).json();
    let made = records(&shown);
    assert_eq!((made.len(), made[0].dry_run, made[0].by.as_str()), (1, Some(true), "jane"));
    assert_eq!(shop.jane.get(&release("web-dev")).map_err(|status| status.code), Err(404));

    let before = created(&shop.jane, &release("web-dev"));
    let changed = with(&before, |r| r["spec"]["interval"] = "7m".into());
    let shown = shop.omar.in_dry_run().replace(&changed).unwrap();
    let made = records(&shown);
    assert_eq!((made.len(), made[0].dry_run, made[1].dry_run), (2, None, Some(true)));
    let after = shop.jane.get(&before).unwrap();
    assert_eq!(after, before);

    // What was shown in a dry run and then sent as it is becomes a record of its own.
    let real = shop.omar.replace(&shown).unwrap();
    assert_eq!(records(&real)[1].dry_run, None);
    Ok(())
}

fn metadata_changes_and_empty_writes_steal_no_authorship(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let wanted = with(&release("web-dev"), |r| r["spec"]["resources"][0]["object"]["n"] = json!(1));
    let before = created(&shop.jane.managing_as("tests"), &wanted);
    let ways: [Way; 8] = [
        ("a label", |person, _| drop(person.kubectl_on(&["label", "release", "web-dev", "a=b"], &Value::Null))),
        ("an annotation", |person, _| {
            drop(person.kubectl_on(&["annotate", "release", "web-dev", "a=b"], &Value::Null))
        }),
        ("a reason without a change", |person, _| {
            let reason = format!("{}=because", names::REASON);
            drop(person.kubectl_on(&["annotate", "release", "web-dev", &reason], &Value::Null));
        }),
        ("a finalizer", |person, object| {
            drop(person.merge(object, &json!({ "metadata": { "finalizers": ["tests/held"] } })).unwrap());
        }),
        ("and off again", |person, object| {
            drop(person.merge(object, &json!({ "metadata": { "finalizers": null } })).unwrap());
        }),
        ("the same once more", |person, object| {
            drop(person.kubectl_on(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &bare(object)));
        }),
        ("another way to write the same number", |person, object| {
            let same = with(object, |r| r["spec"]["resources"][0]["object"]["n"] = json!(1.0));
            drop(person.merge(object, &json!({ "spec": same["spec"] })).unwrap());
        }),
        ("the defaults written out", |person, object| drop(person.kubectl_on(&["apply", "-f", "-"], &bare(object)))),
    ];
    for (what, write) in ways {
        write(&shop.omar, &before);
        let after = shop.jane.get(&before).unwrap();
        assert_eq!(authors(&after), [author("jane", "tests")], "{what}");
        assert_eq!(annotation(&after, names::HISTORY), annotation(&before, names::HISTORY), "{what}");
    }
    Ok(())
}

fn two_people_who_change_at_once_are_both_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let one = created(&shop.jane.managing_as("tests"), &release("web-dev"));
    // Each of them ten times and never the same value twice. The API server repeats a patch that met another.
    std::thread::scope(|scope| {
        for (person, unit) in [(&shop.jane, "m"), (&shop.omar, "s")] {
            let one = &one;
            scope.spawn(move || {
                for interval in 10..20 {
                    let patch = json!({ "spec": { "interval": format!("{interval}{unit}") } });
                    person.managing_as("tests").merge(one, &patch).unwrap();
                }
            });
        }
    });
    let after = records(&shop.jane.get(&one).context("reading it again").unwrap());
    let by = |name: &str| after.iter().filter(|record| record.by == name).count();
    assert_eq!((after.len(), by("jane"), by("omar")), (21, 11, 10));
    let revisions: Vec<_> = after.iter().map(|record| record.revision).collect();
    assert_eq!(revisions, (1..=21).collect::<Vec<_>>());
    Ok(())
}

fn a_reason_counts_once(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let reasons = |object: &Value| records(object).into_iter().map(|record| record.reason).collect::<Vec<_>>();
    let said = |reason: &str| Some(reason.to_owned());
    let set = |interval: &str, reason: &str| {
        let annotations = json!({ names::REASON: reason });
        json!({ "metadata": { "annotations": annotations }, "spec": { "interval": interval } })
    };
    let web =
        created(&shop.jane, &annotated(&release("web-dev"), &[(names::REASON, "first"), (names::LINK, "https://a/1")]));
    assert_eq!(records(&web)[0].link.as_deref(), Some("https://a/1"));
    let web = shop.omar.merge(&web, &json!({ "spec": { "interval": "6m" } })).unwrap();
    assert_eq!(reasons(&web), [said("first"), None]);
    let web = shop.omar.merge(&web, &set("7m", "second")).unwrap();
    assert_eq!(reasons(&web), [said("first"), None, said("second")]);
    let web = shop.omar.merge(&web, &set("8m", "second")).unwrap();
    assert_eq!(reasons(&web), [said("first"), None, said("second"), None]);
    let web = shop.omar.managing_as(names::PLUGIN_MANAGER).merge(&web, &set("9m", "second")).unwrap();
    assert_eq!(reasons(&web), [said("first"), None, said("second"), None, said("second")]);
    // The client's own key stays as the client wrote it.
    assert_eq!(annotation(&web, names::REASON), Some("second"));
    Ok(())
}

/// Where nobody who may write the object can change it.
fn the_audit_log_has_the_hash_of_every_record(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let one = created(&shop.jane, &release("web-dev"));
    let two = shop.omar.merge(&one, &json!({ "spec": { "interval": "7m" } })).unwrap();
    shop.omar.in_dry_run().merge(&two, &json!({ "spec": { "interval": "8m" } })).unwrap();
    shop.omar.delete(&two).unwrap();
    let version = one["metadata"]["resourceVersion"].as_str().unwrap();
    let hashes: Vec<_> = records(&two).into_iter().map(|record| record.hash.unwrap()).collect();
    assert_eq!(
        audit::annotations(namespace, "release.openchoreo.dev/")?,
        [
            ("jane".to_owned(), "validate.release.openchoreo.dev/record-0".to_owned(), hashes[0].clone()),
            ("omar".to_owned(), format!("validate.release.openchoreo.dev/record-{version}"), hashes[1].clone()),
            ("omar".to_owned(), "delete.release.openchoreo.dev/deleted-revision".to_owned(), "2".to_owned()),
        ]
    );
    Ok(())
}
