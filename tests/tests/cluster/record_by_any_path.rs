//! Promise 1: who, when and why on every change, whichever way it takes into the cluster. Each way is gone with every kind that
//! people change: as a dry run, with the reply of that dry run sent for real, with forged stamps, and plainly.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::Value;

use super::objects::{bare, binding, created, environment, object, records, with};
use super::person::Person;
use super::project::{LIFT, MANIFESTS, Project};
use super::recorded::recorded;
use super::subject::{People, Write};

trials! {
    admission:
    created_by_kubectl_create,
    created_by_apply,
    created_by_server_side_apply,
    created_by_a_gitops_controller,
    created_by_a_call_without_a_program,
    changed_by_apply,
    changed_by_server_side_apply_that_forces_conflicts,
    changed_by_server_side_apply_that_forces_none,
    changed_by_replace,
    changed_by_a_merge_patch,
    changed_by_a_json_patch,
    a_strategic_merge_patch_is_none_of_the_ways,
    changed_by_a_gitops_controller,
    changed_by_a_call_without_a_program,
    changed_by_calls_that_name_no_manager,
    changed_by_edit,
    changed_by_annotate,
    changed_by_the_plugin,
}

/// A way to write, which answers with the object.
type Way = fn(&Write<'_>) -> Value;

/// Somebody makes an object of every kind in this way.
fn creates(namespace: &Namespace<'_>, manager: &str, way: Way) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let ([first, second], admin) = (subject.by, &people.shop.admin);
        let write = || subject.write(&subject.first, &subject.whole(1), 1);
        let shown = way(&write().dry());
        is_only_shown(&shown, 1, first);
        assert_eq!(admin.get(&shown).map_err(|status| status.code), Err(404), "a dry run stored something");

        let replayed = with(&bare(&shown), |object| {
            object["metadata"]["annotations"] = shown["metadata"]["annotations"].clone();
        });
        created(&subject.second.managing_as("replay"), &replayed);
        recorded(admin, &shown, &[(second, "replay")])?;
        admin.delete(&shown).unwrap();

        way(&write().forged());
        recorded(admin, &shown, &[(first, manager)])?;
    }
    Ok(())
}

/// Somebody changes an object of every kind in this way, which somebody else had made.
fn changes(namespace: &Namespace<'_>, manager: &str, way: Way) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let ([first, second], admin) = (subject.by, &people.shop.admin);
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let shown = way(&subject.write(&subject.second, &made, 2).dry());
        is_only_shown(&shown, 2, second);
        assert_eq!(admin.get(&made).unwrap(), made, "a dry run stored something");

        let replayed = subject.first.managing_as("replay").replace(&shown).unwrap();
        recorded(admin, &made, &[(first, "tests"), (first, "replay")])?;

        way(&subject.write(&subject.second, &replayed, 3).forged());
        let stored = recorded(admin, &made, &[(first, "tests"), (first, "replay"), (second, manager)])?;
        assert!(subject.is(&stored, 3), "not changed: {stored:#}");

        way(&subject.write(&subject.first, &stored, 4));
        let all = [(first, "tests"), (first, "replay"), (second, manager), (first, manager)];
        let stored = recorded(admin, &made, &all)?;
        assert!(subject.is(&stored, 4), "not changed: {stored:#}");
    }
    Ok(())
}

/// Goes on only when the last of so many records says that it was a dry run, and whose.
#[track_caller]
fn is_only_shown(shown: &Value, revision: usize, by: &str) {
    let shown = records(shown);
    let last = shown.last().map(|record| (record.by.as_str(), record.dry_run));
    assert_eq!((shown.len(), last), (revision, Some((by, Some(true)))));
}

fn created_by_kubectl_create(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    creates(namespace, "kubectl-create", |write| write.kubectl(&["create", "-f", "-"], &write.whole))
}

fn created_by_apply(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    creates(namespace, "kubectl-client-side-apply", |write| write.kubectl(&["apply", "-f", "-"], &write.whole))
}

fn created_by_server_side_apply(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    creates(namespace, "kubectl", |write| write.kubectl(&["apply", "--server-side", "-f", "-"], &write.whole))
}

fn created_by_a_gitops_controller(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    creates(namespace, "flux", |write| write.api("flux").apply(&write.whole).unwrap())
}

fn created_by_a_call_without_a_program(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    creates(namespace, "curl", |write| write.api("curl").create(&write.whole).unwrap())
}

fn changed_by_apply(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    changes(namespace, "kubectl-client-side-apply", |write| write.kubectl(&["apply", "-f", "-"], &write.whole))
}

fn changed_by_server_side_apply_that_forces_conflicts(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    changes(namespace, "kubectl", |write| {
        write.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &write.whole)
    })
}

/// Who does not force gets nothing done against the owner of a field, and nothing recorded; what one owns one may change.
fn changed_by_server_side_apply_that_forces_none(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let args = ["apply", "--server-side", "-f", "-"];
    for subject in people.subjects() {
        let ([first, second], admin) = (subject.by, &people.shop.admin);
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let write = subject.write(&subject.second, &made, 2).forged();
        let told = subject.second.kubectl(args).stdin(write.whole.to_string()).run().expect_code(1);
        assert!(told.stderr().contains("conflict with \"tests\""), "not a clear message: {told}");
        let stored = recorded(admin, &made, &[(first, "tests")])?;
        assert_eq!(stored, made);

        admin.delete(&made).unwrap();
        subject.write(&subject.first, &made, 1).kubectl(&args, &subject.whole(1));
        // With its own stamps in it, which the first one does not send.
        write.kubectl(&args, &write.whole);
        subject.write(&subject.first, &made, 3).kubectl(&args, &subject.whole(3));
        let stored = recorded(admin, &made, &[(first, "kubectl"), (second, "kubectl"), (first, "kubectl")])?;
        assert!(subject.is(&stored, 3), "not changed: {stored:#}");
    }
    Ok(())
}

fn changed_by_replace(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    changes(namespace, "kubectl-replace", |write| write.kubectl(&["replace", "-f", "-"], &write.whole))
}

fn changed_by_a_merge_patch(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    changes(namespace, "kubectl-patch", |write| {
        let (target, patch) = (write.target(), write.patch.to_string());
        write.kubectl(&["patch", &target, "--type=merge", "-p", &patch], &Value::Null)
    })
}

fn changed_by_a_json_patch(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    changes(namespace, "kubectl-patch", |write| {
        let (target, steps) = (write.target(), write.steps.to_string());
        write.kubectl(&["patch", &target, "--type=json", "-p", &steps], &Value::Null)
    })
}

/// The API server knows it for built-in kinds only. (Its third patch of ours is the apply.)
fn a_strategic_merge_patch_is_none_of_the_ways(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let write = subject.write(&subject.second, &made, 2).forged();
        let (target, patch) = (write.target(), write.patch.to_string());
        let told = subject.second.kubectl(["patch", &target, "--type=strategic", "-p", &patch]).run().expect_code(1);
        assert!(told.stderr().contains("strategic-merge-patch+json is not supported"), "{told}");
        assert_eq!(recorded(&people.shop.admin, &made, &[(subject.by[0], "tests")])?, made);
    }
    Ok(())
}

fn changed_by_a_gitops_controller(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    changes(namespace, "argocd-controller", |write| {
        write.api("argocd-controller").with_parameter("force=true").apply(&write.whole).unwrap()
    })
}

fn changed_by_a_call_without_a_program(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    changes(namespace, "curl", |write| write.api("curl").replace(&write.changed).unwrap())
}

/// A request need not name a manager, and no program's name is made up.
fn changed_by_calls_that_name_no_manager(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let [first, second] = subject.by;
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let write = |n| subject.write(&subject.second, &subject.second.get(&made).unwrap(), n).forged();
        subject.second.merge(&made, &write(2).patch).unwrap();
        subject.second.json_patch(&made, &write(3).steps).unwrap();
        subject.second.replace(&write(4).changed).unwrap();
        let all = [(first, "tests"), (second, ""), (second, ""), (second, "")];
        let stored = recorded(&people.shop.admin, &made, &all)?;
        assert!(subject.is(&stored, 4), "not changed: {stored:#}");
    }
    Ok(())
}

/// The editor replaces all of what it was given by something that is forged besides.
fn changed_by_edit(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let folder = namespace.control_plane().folder();
    let [wanted, editor] = ["wanted", "editor"].map(|what| folder.join(format!("{}-{what}", namespace.name())));
    fs::write(&editor, format!("#!/bin/sh\ncp '{}' \"$1\"\n", wanted.display()))?;
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755))?;
    for subject in people.subjects() {
        let [first, second] = subject.by;
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let write = subject.write(&subject.second, &made, 2).forged();
        fs::write(&wanted, write.changed.to_string())?;
        let edit = subject.second.kubectl(["edit", &write.target(), "-o", "json"]).env("KUBE_EDITOR", &editor);
        edit.run().expect_code(0);
        let stored = recorded(&people.shop.admin, &made, &[(first, "tests"), (second, "kubectl-edit")])?;
        assert!(subject.is(&stored, 2), "not changed: {stored:#}");
    }
    Ok(())
}

/// Where an annotation is as good as a field.
fn changed_by_annotate(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for (kind, key, value) in [
        (Kind::Release, names::RESTARTED_AT, "now"),
        (Kind::ReleaseBinding, names::RESTARTED_AT, "now"),
        (Kind::Environment, names::NAMESPACES, "shop-2"),
        (Kind::DeploymentPipeline, names::ENFORCEMENT, "enforce"),
    ] {
        let subject = people.subject(kind);
        let [first, second] = subject.by;
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let write = subject.write(&subject.second, &made, 1);
        let (target, set, unset) = (write.target(), format!("{key}={value}"), format!("{key}-"));
        let stamp = format!("{}=eve", names::CHANGED_BY);
        write.kubectl(&["annotate", "--overwrite", &target, &set, &stamp], &Value::Null);
        let mut made_by = vec![(first, "tests"), (second, "kubectl-annotate")];
        recorded(&people.shop.admin, &made, &made_by)?;
        subject.write(&subject.first, &made, 1).kubectl(&["annotate", &target, &unset], &Value::Null);
        made_by.push((first, "kubectl-annotate"));
        recorded(&people.shop.admin, &made, &made_by)?;
    }
    Ok(())
}

fn changed_by_the_plugin(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let project = Project::open(namespace)?;
    let (admin, dana) = (Person::admin(namespace), ("dana@acme.example", names::PLUGIN_MANAGER));
    let pin = |environment: &str| binding("web", environment, "any");
    let create = format!("create web -f - --version v1 --lift {LIFT}");
    project.dana(&format!("{create} --dry-run=server")).stdin(MANIFESTS).run().expect_code(0);
    assert_eq!(admin.get(&pin("dev")).map_err(|status| status.code), Err(404), "a dry run stored something");
    project.dana(&create).stdin(MANIFESTS).run().expect_code(0);
    let lines = [
        "configure web dev replicas=3",
        "restart web dev",
        "undeploy web dev --yes",
        "redeploy web dev",
        "rollback web dev --to-revision 1 --yes",
    ];
    for line in lines {
        project.dana(line).run().expect_code(0);
    }
    recorded(&admin, &pin("dev"), &[dana; 6])?;
    project.dana("promote web --to staging").run().expect_code(0);
    recorded(&admin, &pin("staging"), &[dana])?;
    let petra = ("petra@acme.example", names::PLUGIN_MANAGER);
    for object in [
        environment("dev", &[]),
        object(Kind::DeploymentPipeline, "shop", Value::Null),
        object(Kind::Project, "shop", Value::Null),
    ] {
        recorded(&admin, &object, &[petra])?;
    }
    Ok(())
}
