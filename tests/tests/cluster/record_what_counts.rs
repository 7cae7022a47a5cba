//! What is recorded and what is not: changes of content, once each, with what was said of them.

use anyhow::Context;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::audit;
use super::objects::{
    Shop, annotated, annotation, author, authors, bare, component_release, created, records, release, with,
};
use super::person::{Way, causes};

trials! {
    admission:
    metadata_changes_and_empty_writes_steal_no_authorship,
    two_people_who_change_at_once_are_both_recorded,
    a_reason_counts_once,
    the_audit_log_has_the_hash_of_every_record,
    a_history_is_not_lost_by_a_claim_a_long_reason_or_a_full_object,
    whoever_cut_a_release_stays_its_author,
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
            ("omar".to_owned(), "delete.release.openchoreo.dev/bare".to_owned(), "omar".to_owned()),
            ("omar".to_owned(), "delete.release.openchoreo.dev/deleted-revision".to_owned(), "2".to_owned()),
        ]
    );
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
