//! Who writes from an old copy: either nothing is written, or the change is theirs and what was between stays in the history.

use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{annotation, bare, created, with};
use super::person::refused_by_the_server;
use super::recorded::recorded;
use super::subject::{People, Subject};

trials! {
    admission:
    an_old_copy_with_its_version_is_a_conflict,
    an_old_copy_without_its_version_is_a_change_of_its_own,
    a_backup_is_restored_as_a_change_of_its_own,
    a_backup_of_what_was_deleted_begins_anew,
    a_sync_of_old_stamps_changes_nothing,
}

const APPLY: [&str; 5] = ["apply", "--server-side", "--force-conflicts", "-f", "-"];

/// The object at its first revision, as somebody read it who then was away for two others.
fn old_copy(subject: &Subject<'_>) -> Value {
    let old = created(&subject.first.managing_as("tests"), &subject.whole(1));
    for n in [2, 3] {
        let write = subject.write(&subject.first, &old, n);
        write.api("tests").merge(&old, &write.patch).unwrap();
    }
    old
}

/// As `kubectl get -o yaml` gives it and a backup keeps it: with all annotations, and without what is of one cluster only.
fn exported(object: &Value) -> Value {
    with(object, |exported| {
        *exported = bare(object);
        exported["metadata"]["annotations"] = object["metadata"]["annotations"].clone();
    })
}

fn an_old_copy_with_its_version_is_a_conflict(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let old = old_copy(&subject);
        let conflict = "the object has been modified";
        let changed = subject.write(&subject.second, &old, 4).forged().changed;
        refused_by_the_server(&subject.second.replace(&changed), 409, conflict);
        let told = subject.second.kubectl(["replace", "-f", "-"]).stdin(changed.to_string()).run().expect_code(1);
        assert!(told.stderr().contains(conflict), "{told}");
        let stored = recorded(&people.shop.admin, &old, &[(subject.by[0], "tests"); 3])?;
        assert!(subject.is(&stored, 3), "changed: {stored:#}");
    }
    Ok(())
}

/// The API server itself wants a version of our kinds; kubectl puts in the present one where there is none.
fn an_old_copy_without_its_version_is_a_change_of_its_own(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let [first, second] = subject.by;
        let old = old_copy(&subject);
        let blind = with(&old, |old| drop(old["metadata"].as_object_mut().map(|m| m.remove("resourceVersion"))));
        refused_by_the_server(&subject.second.replace(&blind), 422, "metadata.resourceVersion");
        recorded(&people.shop.admin, &old, &[(first, "tests"); 3])?;

        subject.second.kubectl_on(&["replace", "-f", "-"], &blind);
        let all = [(first, "tests"), (first, "tests"), (first, "tests"), (second, "kubectl-replace")];
        let stored = recorded(&people.shop.admin, &old, &all)?;
        assert!(subject.is(&stored, 1), "not changed back: {stored:#}");
    }
    Ok(())
}

fn a_backup_is_restored_as_a_change_of_its_own(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let [first, second] = subject.by;
        let old = old_copy(&subject);
        subject.second.kubectl_on(&APPLY, &exported(&old));
        let all = [(first, "tests"), (first, "tests"), (first, "tests"), (second, "kubectl")];
        let stored = recorded(&people.shop.admin, &old, &all)?;
        assert!(subject.is(&stored, 1), "not restored: {stored:#}");
    }
    Ok(())
}

/// What the backup says of earlier authors is gone with the object: whoever restores it is the one who made this one.
fn a_backup_of_what_was_deleted_begins_anew(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let old = old_copy(&subject);
        let last = subject.first.get(&old).unwrap();
        subject.first.delete(&old).unwrap();
        subject.second.kubectl_on(&APPLY, &exported(&last));
        let stored = recorded(&people.shop.admin, &old, &[(subject.by[1], "kubectl")])?;
        assert!(subject.is(&stored, 3), "not restored: {stored:#}");
    }
    Ok(())
}

/// A GitOps controller whose repository holds old stamps, and that asks by dry runs whether something differs.
fn a_sync_of_old_stamps_changes_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let [first, second] = subject.by;
        let old = old_copy(&subject);
        let flux = subject.second.managing_as("flux").with_parameter("force=true");
        let synced = flux.apply(&exported(&old)).unwrap();
        let all = [(first, "tests"), (first, "tests"), (first, "tests"), (second, "flux")];
        recorded(&people.shop.admin, &old, &all)?;

        assert_eq!(flux.in_dry_run().apply(&exported(&old)).unwrap(), synced, "differs for ever");
        assert_eq!(flux.apply(&exported(&old)).unwrap(), synced, "is written for ever");
        // Also where somebody else has changed what is not recorded.
        let labelled = subject.first.merge(&old, &json!({ "metadata": { "labels": { "a": "b" } } })).unwrap();
        assert_eq!(annotation(&labelled, names::HISTORY), annotation(&synced, names::HISTORY));
        assert_eq!(flux.apply(&exported(&old)).unwrap(), labelled, "is written for ever");
        recorded(&people.shop.admin, &old, &all)?;
    }
    Ok(())
}
