//! Only the webhook writes stamps and history: whatever anybody sends under its keys, alone or with a change.

use release_shared::names;
use release_shared::record::{History, check_chain, check_object};
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::forgery::{EVE, forged};
use super::objects::{annotation, bare, created, kind, name, with};
use super::person::Person;
use super::recorded::recorded;
use super::subject::{People, Subject, Write};

trials! {
    admission:
    a_forgery_holds_together,
    forged_by_annotate,
    taken_away_by_annotate,
    forged_by_patches,
    taken_away_by_patches,
    forged_by_replace,
    taken_away_by_replace,
    forged_by_apply,
    forged_by_server_side_apply,
    a_stamp_that_an_apply_owned_and_leaves_out_stays,
    a_stamp_that_an_apply_owned_is_taken_away_with_a_change,
    forged_by_the_status,
    records_of_another_object_do_not_fit,
}

/// Else the other tests of this file would try with what anybody sees through.
fn a_forgery_holds_together(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let made = created(&subject.first, &subject.whole(1));
        let forged = forged(namespace.name(), &made);
        assert_eq!(check_object(kind(&made), &forged), Vec::<String>::new());
        assert_eq!(annotation(&forged, names::CHANGED_BY), Some(EVE));
    }
    Ok(())
}

/// Somebody writes stamps alone, in this way, and nothing comes of it: no record, no other stamp.
fn alone(namespace: &Namespace<'_>, way: fn(&Subject<'_>, &Write<'_>)) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let [first, second] = subject.by;
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        way(&subject, &subject.write(&subject.second, &made, 1));
        let stored = recorded(&people.shop.admin, &made, &[(first, "tests")])?;
        assert_eq!(stamps(&stored), stamps(&made));
        // And the next change is recorded behind it.
        let write = subject.write(&subject.second, &stored, 2);
        write.api("tests").merge(&stored, &write.patch).unwrap();
        recorded(&people.shop.admin, &made, &[(first, "tests"), (second, "tests")])?;
    }
    Ok(())
}

fn stamps(object: &Value) -> Vec<Option<&str>> {
    names::WEBHOOK_KEYS.iter().map(|key| annotation(object, key)).collect()
}

fn forged_by_annotate(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    alone(namespace, |subject, write| {
        let (target, forged) = (write.target(), subject.write(&subject.second, &write.changed, 1).forged());
        for key in names::WEBHOOK_KEYS {
            let line = format!("{key}={}", annotation(&forged.changed, key).unwrap_or_default());
            write.kubectl(&["annotate", "--overwrite", &target, &line], &Value::Null);
            // Without the flag kubectl itself refuses to write over what is there.
            let is_there = annotation(&write.changed, key).is_some();
            let told = subject.second.kubectl(["annotate", &target, &line]).run().expect_code(i32::from(is_there));
            assert_eq!(told.stderr().contains("--overwrite is false"), is_there, "{told}");
        }
    })
}

fn taken_away_by_annotate(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    alone(namespace, |_, write| {
        for key in names::WEBHOOK_KEYS {
            write.kubectl(&["annotate", &write.target(), &format!("{key}-")], &Value::Null);
        }
    })
}

fn forged_by_patches(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    alone(namespace, |subject, write| {
        let forged = subject.write(&subject.second, &write.changed, 1).forged();
        subject.second.merge(&forged.changed, &forged.patch).unwrap();
        subject.second.json_patch(&forged.changed, &forged.steps).unwrap();
    })
}

fn taken_away_by_patches(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    alone(namespace, |subject, write| {
        let there = names::WEBHOOK_KEYS.into_iter().filter(|key| annotation(&write.changed, key).is_some());
        let (mut patch, mut steps) = (json!({}), Vec::new());
        for key in there {
            patch["metadata"]["annotations"][key] = Value::Null;
            let path = format!("/metadata/annotations/{}", key.replace('/', "~1"));
            steps.push(json!({ "op": "remove", "path": path }));
        }
        subject.second.merge(&write.changed, &patch).unwrap();
        subject.second.json_patch(&write.changed, &Value::Array(steps)).unwrap();
        // All annotations at once, where none of them is content.
        if subject.place[0] == "spec" && annotation(&write.changed, names::ENFORCEMENT).is_none() {
            let steps = json!([{ "op": "remove", "path": "/metadata/annotations" }]);
            subject.second.json_patch(&write.changed, &steps).unwrap();
            subject.second.merge(&write.changed, &json!({ "metadata": { "annotations": null } })).unwrap();
        }
    })
}

fn forged_by_replace(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    alone(namespace, |subject, write| {
        let forged = subject.write(&subject.second, &write.changed, 1).forged();
        write.kubectl(&["replace", "-f", "-"], &forged.whole);
        let there = subject.second.get(&forged.changed).unwrap();
        let forged = subject.write(&subject.second, &there, 1).forged();
        subject.second.replace(&forged.changed).unwrap();
    })
}

/// A PUT of what never had a stamp, and of nothing but content.
fn taken_away_by_replace(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    alone(namespace, |_, write| drop(write.kubectl(&["replace", "-f", "-"], &write.whole)))
}

fn forged_by_apply(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    alone(namespace, |subject, write| {
        let forged = subject.write(&subject.second, &write.changed, 1).forged();
        write.kubectl(&["apply", "-f", "-"], &forged.whole);
        // What was applied before and is left out now, kubectl takes away.
        write.kubectl(&["apply", "-f", "-"], &write.whole);
    })
}

fn forged_by_server_side_apply(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    alone(namespace, |subject, write| {
        let forged = subject.write(&subject.second, &write.changed, 1).forged();
        for object in [&forged.whole, &write.whole] {
            write.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], object);
        }
    })
}

/// The API server takes the annotation away before admission, since its only owner gave it up.
fn a_stamp_that_an_apply_owned_and_leaves_out_stays(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let flux = subject.first.managing_as("flux");
        owns_the_history(&flux, &subject, true);
        let after = flux.apply(&subject.whole(1)).unwrap();
        let managed = after["metadata"]["managedFields"].to_string();
        assert!(!managed.contains(&format!("f:{}", names::HISTORY)), "what the webhook writes is nobody's: {managed}");
        recorded(&people.shop.admin, &after, &[(subject.by[0], "flux")])?;
    }
    Ok(())
}

fn a_stamp_that_an_apply_owned_is_taken_away_with_a_change(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let [first, second] = subject.by;
        owns_the_history(&subject.first.managing_as("flux"), &subject, true);
        // The same manager, and another account behind it: whose the fields are says nothing of who writes.
        let flux = subject.second.managing_as("flux");
        let after = flux.apply(&subject.whole(2)).unwrap();
        recorded(&people.shop.admin, &after, &[(first, "flux"), (second, "flux")])?;
        owns_the_history(&flux, &subject, false);
        recorded(&people.shop.admin, &after, &[(first, "flux"), (second, "flux"), (second, "flux")])?;
    }
    Ok(())
}

/// Applies the first content with forged stamps, and sees that they are the applier's for the API server.
fn owns_the_history(flux: &Person<'_>, subject: &Subject<'_>, is_new: bool) {
    let forged = forged(flux.namespace().name(), &subject.whole(1));
    let owned = if is_new { flux.apply(&forged) } else { flux.with_parameter("force=true").apply(&forged) }.unwrap();
    let managed = owned["metadata"]["managedFields"].to_string();
    assert!(managed.contains(&format!("f:{}", names::HISTORY)), "what flux sent is flux's: {managed}");
}

/// Nothing but the status goes in by that way, a stamp or content neither, and it makes no record.
fn forged_by_the_status(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let mut write = subject.write(&subject.first, &made, 2).forged();
        write.patch["status"]["observedGeneration"] = 7.into();
        let (target, patch) = (write.target(), write.patch.to_string());
        let args = ["patch", &target, "--subresource=status", "--type=merge", "-p", &patch];
        people.shop.admin.kubectl_on(&args, &Value::Null);
        let stored = recorded(&people.shop.admin, &made, &[(subject.by[0], "tests")])?;
        assert!(subject.is(&stored, 1) && stored["status"]["observedGeneration"] == 7, "{stored:#}");
        let forged = with(&subject.write(&subject.first, &stored, 2).forged().changed, |object| {
            object["status"]["observedGeneration"] = 8.into();
        });
        people.shop.admin.kubectl_on(&["replace", "--subresource=status", "-f", "-"], &forged);
        let stored = recorded(&people.shop.admin, &made, &[(subject.by[0], "tests")])?;
        assert!(subject.is(&stored, 1) && stored["status"]["observedGeneration"] == 8, "{stored:#}");
        // And who is not the controller has no way there at all.
        let told = subject.second.kubectl(args).run().expect_code(1);
        assert!(told.stderr().contains("is forbidden"), "{told}");
    }
    Ok(())
}

/// They are sealed to their object: under another name they do not hold together.
fn records_of_another_object_do_not_fit(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let history = History::parse(annotation(&made, names::HISTORY).unwrap()).unwrap();
        assert_eq!(check_chain(kind(&made), namespace.name(), name(&made), &history), []);
        assert_ne!(check_chain(kind(&made), namespace.name(), "other", &history), []);
        assert_ne!(check_chain(kind(&made), "other", name(&made), &history), []);

        // A binding's name says whose it is; one of another kind can be copied under another name.
        let copy = with(&bare(&made), |copy| {
            copy["metadata"]["annotations"] = made["metadata"]["annotations"].clone();
            copy["metadata"]["name"] = "copy".into();
        });
        if kind(&made) != release_shared::kinds::Kind::ReleaseBinding {
            created(&subject.second.managing_as("tests"), &copy);
            recorded(&people.shop.admin, &copy, &[(subject.by[1], "tests")])?;
        }
    }
    Ok(())
}
