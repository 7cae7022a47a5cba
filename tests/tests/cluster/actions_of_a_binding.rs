//! What a change of a binding is called in its history, and what becomes of a lost race.

use release_shared::names;
use release_shared::record::Action;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{Shop, annotated, annotation, bare, binding, created, records, with};
use super::person::{Person, refused, until_shown};

trials! {
    admission:
    a_binding_tells_its_story,
    a_promotion_says_where_it_comes_from,
    a_lost_race_says_who_was_first,
    the_plugin_may_repeat_a_write_whose_reply_was_lost,
    a_long_history_keeps_within_its_bounds,
}

fn a_binding_tells_its_story(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let configs = |size: &str| json!({ "spec": { "componentTypeEnvironmentConfigs": { "size": size } } });
    let state = |state: &str| json!({ "spec": { "state": state } });
    let pin = |release: &str| json!({ "spec": { "releaseName": release } });
    let hint = |action: &str| json!({ "metadata": { "annotations": { names::ACTION: action } } });
    let mut web = created(&shop.jane, &binding("web", "dev", "web-1"));
    let mut told = vec![(Action::Deploy, Some("web-1"), Some("1.0"))];
    for (patch, action, release, version) in [
        (configs("large"), Action::Configure, "web-1", "1.0"),
        (pin("web-2"), Action::Deploy, "web-2", "2.0"),
        (json!({ "metadata": { "annotations": { names::RESTARTED_AT: "now" } } }), Action::Restart, "web-2", "2.0"),
        // Back to what revision 1 had: the release, the values and no restart.
        (
            json!({
                "metadata": { "annotations": { names::RESTARTED_AT: null } },
                "spec": { "releaseName": "web-1", "componentTypeEnvironmentConfigs": null },
            }),
            Action::Rollback,
            "web-1",
            "1.0",
        ),
        (state("Undeploy"), Action::Undeploy, "web-1", "1.0"),
        (state("Active"), Action::Redeploy, "web-1", "1.0"),
        (merged(state("Undeploy"), hint("delete")), Action::Delete, "web-1", "1.0"),
    ] {
        web = shop.omar.merge(&web, &patch).unwrap();
        told.push((action, Some(release), Some(version)));
    }
    let records = records(&web);
    let found: Vec<_> = records.iter().map(|r| (r.action, r.release.as_deref(), r.version.as_deref())).collect();
    assert_eq!(found, told);
    let states: Vec<_> = records.iter().map(|record| record.state.as_deref().unwrap_or_default()).collect();
    assert_eq!(states[4..], ["Active", "Undeploy", "Active", "Undeploy"]);
    let config = json!({ "componentTypeEnvironmentConfigs": { "size": "large" } });
    assert_eq!((&records[0].config, &records[1].config, &records[4].config), (&None, &Some(config), &None));
    Ok(())
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Some(one), Value::Object(other)) = (one.as_object_mut(), other) {
        one.extend(other);
    }
    one
}

fn a_promotion_says_where_it_comes_from(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    created(&shop.jane, &binding("web", "dev", "web-1"));
    let staging = binding("web", "staging", "web-1");
    let last = |object: &Value| records(object).pop().map(|record| (record.action, record.from));
    let from_dev = Some((Action::Promote, Some("dev".to_owned())));
    until_shown(
        "the webhook has seen the binding in dev",
        || shop.jane.in_dry_run().create(&staging),
        |object| last(object) == from_dev,
    )?;
    let staging = created(&shop.jane, &staging);
    assert_eq!(last(&staging), from_dev);
    let elsewhere = shop.jane.merge(&staging, &json!({ "spec": { "releaseName": "web-2" } })).unwrap();
    assert_eq!(last(&elsewhere), Some((Action::Promote, None)), "no environment before it pins web-2");
    let back = shop.jane.merge(&elsewhere, &json!({ "spec": { "releaseName": "web-1" } })).unwrap();
    assert_eq!(last(&back), Some((Action::Rollback, None)));
    let hint =
        json!({ "metadata": { "annotations": { names::ACTION: "promote" } }, "spec": { "releaseName": "web-2" } });
    let forth = shop.jane.merge(&back, &hint).unwrap();
    assert_eq!(last(&forth), Some((Action::Promote, None)), "the plugin knows that this is no rollback");
    Ok(())
}

/// A write of the plugin: server-side apply of the complete intent, for the revision that it saw.
fn pinned(person: &Person<'_>, release: &str, revision: u64) -> super::person::Told {
    let pin = annotated(&binding("web", "dev", release), &[(names::EXPECTED_REVISION, &revision.to_string())]);
    person.managing_as(names::PLUGIN_MANAGER).with_parameter("force=true").apply(&pin)
}

fn a_lost_race_says_who_was_first(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    const PLACE: &str = "metadata.annotations[release.openchoreo.dev/expected-revision]";
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let first = pinned(&shop.jane, "web-1", 0).unwrap();
    let told = pinned(&shop.omar, "web-2", 0);
    let status = refused(&told, 409, &[(PLACE, "RevisionConflict")]);
    let at = annotation(&first, names::CHANGED_AT).unwrap();
    let message = format!("jane was first: revision 1 of web-dev was made at {at}, and this change is for revision 0");
    assert!(status.message.contains(&message), "{status:?}");

    assert_eq!(records(&pinned(&shop.omar, "web-2", 1).unwrap()).len(), 2);
    refused(&pinned(&shop.jane, "web-1", 1), 409, &[(PLACE, "RevisionConflict")]);
    // Whoever is not the plugin never said what they saw: what stands there is the plugin's.
    let omar = shop.omar.managing_as("kubectl-edit");
    let edited = omar.merge(&first, &json!({ "spec": { "releaseName": "web-1" } })).unwrap();
    assert_eq!(records(&edited).len(), 3);

    shop.jane.delete(&first).unwrap();
    let told = pinned(&shop.jane, "web-1", 3);
    let status = refused(&told, 409, &[(PLACE, "RevisionConflict")]);
    assert!(status.message.contains("has been deleted since"), "{status:?}");
    let text = with(&bare(&first), |b| b["metadata"]["annotations"] = json!({ names::EXPECTED_REVISION: "three" }));
    let told = shop.jane.managing_as(names::PLUGIN_MANAGER).create(&text);
    refused(&told, 422, &[(PLACE, "InvalidRevision")]);
    Ok(())
}

fn the_plugin_may_repeat_a_write_whose_reply_was_lost(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let first = pinned(&shop.jane, "web-1", 0).unwrap();
    let again = pinned(&shop.jane, "web-1", 0).unwrap();
    assert_eq!(again["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    pinned(&shop.jane, "web-2", 1).unwrap();
    let again = pinned(&shop.jane, "web-2", 1).unwrap();
    assert_eq!(records(&again).len(), 2);
    Ok(())
}

fn a_long_history_keeps_within_its_bounds(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let mut web = created(&shop.jane, &binding("web", "dev", "web-1"));
    // The controller's word that revision 3 was the last that was healthy.
    for number in 2..=40 {
        if number == 4 {
            let outcomes = json!({ "outcomes": [{ "revision": 3, "lastHealth": "Healthy", "release": "web-1" }] });
            shop.admin.merge_status(&web, &outcomes).unwrap();
        }
        let patch = json!({ "spec": { "componentTypeEnvironmentConfigs": { "size": format!("{number}") } } });
        web = shop.jane.merge(&web, &patch).unwrap();
    }
    let kept: Vec<_> = records(&web).iter().map(|record| record.revision).collect();
    assert_eq!((kept.len(), kept[0], kept[1], kept[29]), (30, 3, 12, 40));
    Ok(())
}
