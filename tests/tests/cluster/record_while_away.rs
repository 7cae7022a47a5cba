//! Who writes around the webhook: what it goes on from when it is back, and what is told of it.

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::{Element, History, Record, check_object, content_hash, record_hash};
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::forgery::{EVE, forged, sealed, with_history};
use super::never_in_the_way::Away;
use super::objects::{annotation, created, kind, name, with};
use super::person::refused_by_the_server;
use super::recorded::recorded;
use super::subject::People;

trials! {
    admission:
    a_time_to_come_is_no_lock_and_time_does_not_run_backwards,
    the_last_number_there_is_is_no_lock,
    a_change_in_the_meantime_is_nobodys_and_is_told,
    without_the_webhook_a_finalizer_goes_alone,
    a_record_made_around_it_stays_named,
}

/// The records of an object as they stand there, of which nothing is asserted.
fn records(object: &Value) -> Vec<Record> {
    let text = annotation(object, names::HISTORY).unwrap_or_default();
    History::parse(text).unwrap_or_default().records().cloned().collect()
}

/// Puts the annotations of `wanted` into the stored object.
fn annotations_of(wanted: &Value) -> Value {
    json!({ "metadata": { "annotations": wanted["metadata"]["annotations"] } })
}

/// Planted where nobody checks it. The next record is not before it, whatever form it has, and later changes go on.
fn a_time_to_come_is_no_lock_and_time_does_not_run_backwards(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let people = People::open(namespace)?;
    let subject = people.subject(Kind::ReleaseBinding);
    let planted = [
        ("2100-01-01T00:00:00Z", Some("2100-01-01T00:00:00Z")),
        ("2100-01-01T00:00:00.25Z", Some("2100-01-01T00:00:01Z")),
        ("2100-01-01T02:00:00+02:00", Some("2100-01-01T00:00:00Z")),
        ("soon", None),
    ];
    let away = Away::take(namespace, &people.shop.jane)?;
    let objects = planted.iter().enumerate().map(|(at, (time, _))| {
        let whole = with(&subject.whole(1), |pin| {
            pin["spec"]["owner"]["componentName"] = format!("web{at}").into();
            pin["metadata"]["name"] = format!("web{at}-dev").into();
        });
        let made = created(&subject.first, &whole);
        let of_eve = records(&forged(namespace.name(), &made));
        let history = of_eve.into_iter().map(|record| Record { at: (*time).to_owned(), ..record });
        let planted = with_history(&made, &sealed(namespace.name(), &made, history));
        subject.first.merge(&made, &annotations_of(&planted)).unwrap()
    });
    let objects: Vec<_> = objects.collect();
    away.end(&people.shop.jane)?;
    installation.start_webhook()?;
    for (object, (time, expected)) in objects.iter().zip(planted) {
        for (n, revision) in [(2, 3), (3, 4)] {
            let write = subject.write(&subject.second, object, n);
            let after =
                write.api("tests").merge(object, &write.patch).unwrap_or_else(|status| panic!("{time}: {status:?}"));
            let last = records(&after).pop().unwrap();
            assert_eq!((last.revision, last.by.as_str()), (revision, "omar"), "{time}");
            match expected {
                Some(expected) => assert_eq!(last.at, expected, "{time}"),
                None => assert!(last.at.starts_with("20") && last.at.ends_with('Z'), "{time}: {}", last.at),
            }
        }
    }
    Ok(())
}

/// A number behind which no other follows.
fn the_last_number_there_is_is_no_lock(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let people = People::open(namespace)?;
    let subject = people.subject(Kind::Release);
    let away = Away::take(namespace, &people.shop.jane)?;
    let made = created(&subject.first, &subject.whole(1));
    let of_eve = records(&forged(namespace.name(), &made)).pop();
    let of_eve = of_eve.map(|record| Record { revision: u64::MAX, ..record });
    let planted = with_history(&made, &sealed(namespace.name(), &made, of_eve));
    let made = subject.first.merge(&made, &annotations_of(&planted)).unwrap();
    away.end(&people.shop.jane)?;
    installation.start_webhook()?;
    let write = subject.write(&subject.second, &made, 2);
    let after = write.api("tests").merge(&made, &write.patch).unwrap();
    let last = records(&after).pop().unwrap();
    assert_eq!((last.revision, last.by.as_str()), (u64::MAX, "omar"));
    let told = subject.first.release(["history", "release/web-dev", "--verify"]).run().expect_code(1);
    told.expect_stdout("revisions 1 to 18446744073709551614 are missing");
    Ok(())
}

/// It is not recorded as the next author's doing without a word: until then it is told, and the next record is of what is there.
fn a_change_in_the_meantime_is_nobodys_and_is_told(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let people = People::open(namespace)?;
    let made: Vec<_> = [Kind::ReleaseBinding, Kind::Environment, Kind::DeploymentPipeline]
        .into_iter()
        .map(|kind| people.subject(kind))
        .map(|subject| (created(&subject.first.managing_as("tests"), &subject.whole(1)), subject))
        .collect();
    let away = Away::take(namespace, &people.shop.jane)?;
    for (object, subject) in &made {
        subject.second.merge(object, &subject.write(&subject.second, object, 2).patch).unwrap();
    }
    away.end(&people.shop.jane)?;
    installation.start_webhook()?;
    for (object, subject) in &made {
        let [first, _] = subject.by;
        let changed = subject.first.get(object).unwrap();
        let told = check_object(kind(&changed), &changed);
        assert_eq!(told, ["it has changed since its last record, and that is not recorded"]);
        assert_eq!(annotation(&changed, names::CHANGED_BY), Some(first));
        let write = subject.write(&subject.first, &changed, 3);
        write.api("tests").merge(&changed, &write.patch).unwrap();
        recorded(&people.shop.admin, object, &[(first, "tests"), (first, "tests")])?;
    }
    Ok(())
}

/// The hooks are there and nobody answers: what is being deleted can lose its finalizers, and nothing besides.
fn without_the_webhook_a_finalizer_goes_alone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let people = People::open(namespace)?;
    let held: Vec<_> = people
        .subjects()
        .into_iter()
        .map(|subject| {
            let held = with(&subject.whole(1), |object| object["metadata"]["finalizers"] = json!(["tests/held"]));
            let made = created(&subject.first.managing_as("tests"), &held);
            subject.first.delete(&made).unwrap();
            (subject.first.get(&made).unwrap(), subject)
        })
        .collect();
    installation.stop_webhook();
    for (object, subject) in &held {
        let closed = "failed calling webhook \"mutate.release.openchoreo.dev\"";
        let mut stamps = annotations_of(&forged(namespace.name(), object));
        stamps["metadata"]["finalizers"] = Value::Null;
        refused_by_the_server(&subject.second.merge(object, &stamps), 500, closed);
        let mut change = subject.write(&subject.second, object, 2).patch;
        change["metadata"]["finalizers"] = Value::Null;
        refused_by_the_server(&subject.second.merge(object, &change), 500, closed);
        recorded(&people.shop.admin, object, &[(subject.by[0], "tests")])?;
        subject.second.merge(object, &json!({ "metadata": { "finalizers": null } })).unwrap();
        assert_eq!(subject.first.get(object).map_err(|status| status.code), Err(404));
    }
    Ok(())
}

/// By somebody who knows the format and holds no key. The webhook goes on behind it, and what was not its own stays visible.
fn a_record_made_around_it_stays_named(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let people = People::open(namespace)?;
    let subjects = || people.subjects().into_iter().filter(|subject| kind(&subject.whole(1)) != Kind::Release);
    let made: Vec<_> =
        subjects().map(|subject| (created(&subject.first.managing_as("tests"), &subject.whole(1)), subject)).collect();
    let away = Away::take(namespace, &people.shop.jane)?;
    for (object, subject) in &made {
        let write = subject.write(&subject.second, object, 2);
        let changed = write.api("tests").merge(object, &write.patch).unwrap();
        let mut history = History::parse(annotation(&changed, names::HISTORY).unwrap()).unwrap();
        let first = history.last().cloned().unwrap();
        let of_eve = Record {
            revision: 2,
            by: EVE.to_owned(),
            content: content_hash(kind(&changed), &changed),
            prev: first.hash.clone(),
            ..first
        };
        let hash = record_hash(kind(&changed), namespace.name(), name(&changed), &of_eve);
        history.0.push(Element::Record(Record { hash: Some(hash), ..of_eve }));
        let forged = with_history(&changed, &history);
        assert_eq!(check_object(kind(&forged), &forged), Vec::<String>::new(), "it holds together");
        subject.second.merge(object, &annotations_of(&forged)).unwrap();
    }
    away.end(&people.shop.jane)?;
    installation.start_webhook()?;
    for (object, subject) in &made {
        let write = subject.write(&subject.second, object, 3);
        let after = write.api("tests").merge(object, &write.patch).unwrap();
        let by: Vec<_> = records(&after).into_iter().map(|record| record.by).collect();
        assert_eq!(by, [subject.by[0], EVE, subject.by[1]]);
        let what = format!("{}/{}", kind(object).as_str().to_ascii_lowercase(), name(object));
        let told = subject.first.release(["history", &what, "--verify", "-o", "json"]).run().expect_code(1);
        let findings: Value = told.json();
        let faults: Vec<_> = findings["items"][0]["findings"].as_array().into_iter().flatten().collect();
        let found: Vec<_> = faults.iter().map(|fault| (&fault["code"], &fault["revisions"])).collect();
        assert_eq!(found, [(&json!("SignatureInvalid"), &json!({ "from": 2, "to": 2 }))], "{told}");
    }
    Ok(())
}
