//! Where an object goes, or is somebody else's: being deleted, owned by hand, orphaned, deleted and made anew.

use std::time::Duration;

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::check_object;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::forgery::forged;
use super::objects::{Shop, annotation, binding, created, kind, name, owned_release, with};
use super::person::{Person, refused, until_accepted};
use super::recorded::{recorded, until_logged};
use super::subject::People;

trials! {
    admission:
    a_change_of_what_is_being_deleted_is_recorded,
    nothing_forged_slips_through_with_a_finalizer,
    a_change_with_the_last_finalizer_is_in_the_audit_log,
    what_is_replaced_by_force_begins_anew,
    an_owner_added_by_hand_changes_nobodys_history,
    a_release_is_claimed_by_nobody_but_the_controller,
    an_orphaned_release_is_whose_it_was_and_its_next_change_is_its_authors,
    who_lets_the_garbage_collector_delete_is_in_the_audit_log,
}

/// The garbage collector learns of new kinds every 30 seconds.
const LIMIT: Duration = Duration::from_secs(60);
const HELD: [&str; 2] = ["tests/held", "tests/kept"];

/// An object of this kind that was deleted and is held.
fn held(people: &People<'_>, kind: Kind) -> Value {
    let subject = people.subject(kind);
    let held = with(&subject.whole(1), |object| object["metadata"]["finalizers"] = json!(HELD));
    let made = created(&subject.first.managing_as("tests"), &held);
    subject.first.delete(&made).unwrap();
    let held = subject.first.get(&made).unwrap();
    assert!(held["metadata"]["deletionTimestamp"].is_string(), "not being deleted: {held:#}");
    held
}

const KINDS: [Kind; 4] = [Kind::Release, Kind::ReleaseBinding, Kind::Environment, Kind::DeploymentPipeline];

fn a_change_of_what_is_being_deleted_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for kind in KINDS {
        let (object, subject) = (held(&people, kind), people.subject(kind));
        let [first, second] = subject.by;
        subject.second.merge(&object, &json!({ "metadata": { "labels": { "a": "b" } } })).unwrap();
        recorded(&people.shop.admin, &object, &[(first, "tests")])?;
        let write = subject.write(&subject.second, &object, 2).forged();
        write.api("tests").merge(&object, &write.patch).unwrap();
        recorded(&people.shop.admin, &object, &[(first, "tests"), (second, "tests")])?;
        // Where nothing else changes, finalizers come off without the webhook.
        for left in [json!([HELD[0]]), json!(null)] {
            subject.second.merge(&object, &json!({ "metadata": { "finalizers": left } })).unwrap();
        }
        assert_eq!(subject.first.get(&object).map_err(|status| status.code), Err(404));
    }
    Ok(())
}

fn nothing_forged_slips_through_with_a_finalizer(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for kind in KINDS {
        let (object, subject) = (held(&people, kind), people.subject(kind));
        let [first, second] = subject.by;
        let stamps = forged(namespace.name(), &object)["metadata"]["annotations"].clone();
        let patch = json!({ "metadata": { "finalizers": [HELD[0]], "annotations": stamps } });
        subject.second.merge(&object, &patch).unwrap();
        let stored = recorded(&people.shop.admin, &object, &[(first, "tests")])?;
        assert_eq!(stored["metadata"]["finalizers"], json!([HELD[0]]), "{kind}");

        let mut write = subject.write(&subject.second, &stored, 2).forged();
        write.patch["metadata"]["finalizers"] = json!(["tests/another", HELD[0]]);
        let told = write.api("tests").merge(&object, &write.patch);
        assert!(told.is_err(), "the API server takes no new finalizer on what is being deleted: {told:?}");
        recorded(&people.shop.admin, &object, &[(first, "tests")])?;

        let mut write = subject.write(&subject.second, &stored, 2).forged();
        write.patch["metadata"]["finalizers"] = json!([HELD[0]]);
        write.patch["metadata"]["ownerReferences"] = json!([]);
        write.api("tests").merge(&object, &write.patch).unwrap();
        recorded(&people.shop.admin, &object, &[(first, "tests"), (second, "tests")])?;
        subject.second.merge(&object, &json!({ "metadata": { "finalizers": null } })).unwrap();
    }
    Ok(())
}

/// The object is gone with the same write, and whose change it was is not.
fn a_change_with_the_last_finalizer_is_in_the_audit_log(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for kind in KINDS {
        let (object, subject) = (held(&people, kind), people.subject(kind));
        let mut write = subject.write(&subject.second, &object, 2).forged();
        write.patch["metadata"]["finalizers"] = Value::Null;
        let last = write.api("tests").merge(&object, &write.patch).unwrap();
        assert_eq!(subject.first.get(&object).map_err(|status| status.code), Err(404));
        let made = super::objects::records(&last);
        assert_eq!(made.iter().map(|record| record.by.as_str()).collect::<Vec<_>>(), subject.by);
        until_logged(&people.shop.admin, &made)?;
    }
    Ok(())
}

/// It is a deletion and a creation, for the API server as for the record: the audit log has both.
fn what_is_replaced_by_force_begins_anew(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for kind in KINDS {
        let subject = people.subject(kind);
        let [_, second] = subject.by;
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let write = subject.write(&subject.second, &made, 2).forged();
        subject.second.kubectl_on(&["replace", "--force", "-f", "-"], &write.whole);
        let stored = recorded(&people.shop.admin, &made, &[(second, "kubectl-replace")])?;
        assert_ne!(stored["metadata"]["uid"], made["metadata"]["uid"]);
        let deleted = |key: &str| audit::annotations(namespace, key);
        let by = wait::until("the audit log has the deletion", LIMIT, || {
            Ok(deleted("deleted-revision")?.into_iter().map(|(by, ..)| by).next_back())
        })?;
        assert_eq!(by, second, "{:?}", deleted("deleted-revision"));
    }
    Ok(())
}

/// A reference to a binding that exists, as the controller writes it.
fn owner(binding: &Value, is_controller: bool) -> Value {
    json!([{
        "apiVersion": names::API_VERSION, "kind": "ReleaseBinding", "controller": is_controller,
        "name": name(binding), "uid": binding["metadata"]["uid"],
    }])
}

/// Of all kinds but a Release, whose controlling binding means something.
fn an_owner_added_by_hand_changes_nobodys_history(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let other = created(&people.shop.jane, &binding("api", "dev", "api-1"));
    for kind in KINDS {
        let subject = people.subject(kind);
        let [first, second] = subject.by;
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let references = owner(&other, kind != Kind::Release);
        let claimed = subject.second.merge(&made, &json!({ "metadata": { "ownerReferences": references } })).unwrap();
        recorded(&people.shop.admin, &made, &[(first, "tests")])?;
        let mut write = subject.write(&subject.second, &claimed, 2).forged();
        write.patch["metadata"]["ownerReferences"] = Value::Null;
        write.api("tests").merge(&claimed, &write.patch).unwrap();
        recorded(&people.shop.admin, &made, &[(first, "tests"), (second, "tests")])?;
    }
    Ok(())
}

/// Else its history would be said to be the binding's, which knows nothing of it.
fn a_release_is_claimed_by_nobody_but_the_controller(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let subject = people.subject(Kind::Release);
    let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
    let pin = created(&people.shop.jane, &binding("web", "dev", "web-1"));
    let cause = [("metadata.ownerReferences", "OwnedRelease")];
    for person in [&subject.second, &people.shop.admin] {
        let mut write = subject.write(person, &made, 2).forged();
        write.patch["metadata"]["ownerReferences"] = owner(&pin, true);
        refused(&write.api("tests").merge(&made, &write.patch), 403, &[("spec", "OwnedRelease")]);
        let claim = json!({ "metadata": { "ownerReferences": owner(&pin, true) } });
        refused(&person.merge(&made, &claim), 403, &cause);
    }
    recorded(&people.shop.admin, &made, &[("jane", "tests")])?;

    // The controller may, and even then what was recorded goes on.
    let controller = people.shop.controller(namespace)?.managing_as(names::CONTROLLER_MANAGER);
    let mut write = subject.write(&controller, &made, 2).forged();
    write.patch["metadata"]["ownerReferences"] = owner(&pin, true);
    until_accepted("the webhook has seen the binding", || controller.merge(&made, &write.patch))?;
    let by_controller = (names::CONTROLLER_USER, names::CONTROLLER_MANAGER);
    recorded(&people.shop.admin, &made, &[("jane", "tests"), by_controller])?;
    Ok(())
}

/// The binding and its history are gone, and the Release that was rendered from it says by whom: the controller. Who changes it
/// from then on is recorded, and that something was before is told.
fn an_orphaned_release_is_whose_it_was_and_its_next_change_is_its_authors(
    namespace: &Namespace<'_>,
) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let controller = shop.controller(namespace)?;
    let (pin, other) = (binding("web", "dev", "web-1"), binding("api", "dev", "api-1"));
    let [pin, other] = [pin, other].map(|pin| created(&shop.jane, &pin));
    let owned = created(&controller, &owned_release(&pin));
    seen_by_the_collector(&shop, &controller, &other)?;

    shop.jane
        .kubectl(["delete", "releasebinding", name(&pin), "--cascade=orphan", "--timeout=60s"])
        .run()
        .expect_code(0);
    let left = shop.jane.get(&owned).unwrap();
    assert!(left["metadata"]["ownerReferences"].is_null(), "still owned: {left:#}");
    assert_eq!(annotation(&left, names::CHANGED_BY), Some(names::CONTROLLER_USER));

    let change = with(&forged(namespace.name(), &left), |release| release["spec"]["interval"] = "7m".into());
    let omar = shop.omar.managing_as("tests");
    let after = until_accepted("the webhook has seen the binding go", || omar.replace(&change))?;
    let told = check_object(kind(&after), &after);
    assert_eq!(told, ["the history begins with revision 2: what was before is not recorded"]);
    assert_eq!([names::REVISION, names::CHANGED_BY].map(|key| annotation(&after, key)), [Some("2"), Some("omar")]);
    Ok(())
}

/// Once it has collected the Release of this binding, it knows all Releases.
fn seen_by_the_collector(shop: &Shop<'_>, controller: &Person<'_>, pin: &Value) -> anyhow::Result<()> {
    let collected = created(controller, &owned_release(pin));
    shop.jane.delete(pin).unwrap();
    wait::until("the garbage collector has seen our kinds", LIMIT, || Ok(shop.admin.get(&collected).err()))?;
    Ok(())
}

/// Who may change an object may give it an owner that is gone, and the collector deletes it: the hook of deletions, which does not
/// ask of the cluster's own, sees nothing of it.
fn who_lets_the_garbage_collector_delete_is_in_the_audit_log(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let subject = people.subject(Kind::ReleaseBinding);
    let other = created(&people.shop.jane, &binding("api", "dev", "api-1"));
    people.shop.jane.delete(&other).unwrap();
    let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
    let claim = json!({ "metadata": { "ownerReferences": owner(&other, false) } });
    subject.second.merge(&made, &claim).unwrap();
    wait::until("the garbage collector has deleted it", LIMIT, || Ok(subject.first.get(&made).err()))?;
    let logged = wait::until("the audit log has who gave it an owner", LIMIT, || {
        Ok(audit::annotations(namespace, "owners-")?.pop())
    })?;
    let uid = other["metadata"]["uid"].as_str().unwrap_or_default();
    assert_eq!((logged.0.as_str(), logged.2.as_str()), ("omar", format!("ReleaseBinding api-dev {uid}").as_str()));
    Ok(())
}
