//! What other mutating webhooks change is in the record under the name of who asked, or the write is refused. Never is it recorded
//! wrongly.

use std::sync::atomic::{AtomicU32, Ordering};

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::{Action, Element, History, record_hash};
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::forgery::{forged, with_history};
use super::meddler::{Meddler, Turn};
use super::objects::{Shop, annotation, binding, component_release, created, kind, name, owned_release};
use super::person::{Told, causes, refused, until_accepted};
use super::recorded::recorded;
use super::subject::{People, steps};

trials! {
    admission:
    what_is_changed_before_is_recorded,
    what_is_changed_after_is_recorded,
    what_is_changed_last_is_recorded,
    what_is_changed_again_and_again_is_refused,
    stamps_written_before_are_replaced,
    stamps_written_after_are_replaced,
    stamps_written_last_are_refused,
    stamps_taken_away_last_are_refused,
    what_is_put_into_a_field_that_does_not_exist_is_refused,
    a_default_of_the_schema_taken_away_last_is_put_back,
    a_default_taken_away_last_is_refused,
    stamps_of_kinds_without_a_history_are_kept_too,
    a_record_written_anew_last_is_refused,
    a_history_cut_short_last_is_refused,
}

/// The object of an admission request.
fn shown(request: &Value) -> &Value {
    &request["object"]
}

/// Gives every object the nth content.
fn sets(n: u32) -> impl Fn(&Value) -> Value {
    move |request| steps(kind(shown(request)), n)
}

/// Writes all annotations anew.
fn writes_annotations(object: &Value) -> Value {
    json!([{ "op": "add", "path": "/metadata/annotations", "value": object["metadata"]["annotations"] }])
}

/// Forges stamps and a whole history.
fn forges(request: &Value) -> Value {
    writes_annotations(&forged(request["namespace"].as_str().unwrap_or_default(), shown(request)))
}

/// Takes all stamps away.
fn takes_away(request: &Value) -> Value {
    let there = names::WEBHOOK_KEYS.into_iter().filter(|key| annotation(shown(request), key).is_some());
    let path = |key: &str| format!("/metadata/annotations/{}", key.replace('/', "~1"));
    Value::Array(there.map(|key| json!({ "op": "remove", "path": path(key) })).collect())
}

/// Goes on only after a refusal for a stamp that is not that of the change.
#[track_caller]
fn mismatch(told: &Told) {
    let Err(status) = told else { panic!("not refused: {told:?}") };
    let [(field, "StampMismatch")] = causes(status)[..] else { panic!("refused otherwise: {status:?}") };
    assert!(field.starts_with("metadata.annotations["), "{status:?}");
    assert!(status.message.contains("after the release webhook had recorded it"), "not a clear message: {status:?}");
}

/// With a webhook that changes content, in this turn.
fn content_is_recorded(namespace: &Namespace<'_>, turn: Turn) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let meddler = Meddler::start(namespace, turn)?;
    for subject in people.subjects() {
        let ([first, second], admin) = (subject.by, &people.shop.admin);
        meddler.rule(sets(8));
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let stored = recorded(admin, &made, &[(first, "tests")])?;
        assert!(subject.is(&stored, 8), "the other webhook had no turn: {stored:#}");
        // Where nothing is left of a change, there is nothing to record.
        let write = subject.write(&subject.second, &stored, 2).forged();
        write.api("tests").merge(&stored, &write.patch).unwrap();
        recorded(admin, &made, &[(first, "tests")])?;
        meddler.rule(sets(9));
        write.api("tests").merge(&stored, &write.patch).unwrap();
        let stored = recorded(admin, &made, &[(first, "tests"), (second, "tests")])?;
        assert!(subject.is(&stored, 9), "the other webhook had no turn: {stored:#}");
        meddler.rule(|_| json!([]));
    }
    Ok(())
}

fn what_is_changed_before_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    content_is_recorded(namespace, Turn::Before)
}

/// The API server calls ours again.
fn what_is_changed_after_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    content_is_recorded(namespace, Turn::After)
}

fn what_is_changed_last_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    content_is_recorded(namespace, Turn::Last)
}

/// Something else each time that it is called.
fn what_is_changed_again_and_again_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let meddler = Meddler::start(namespace, Turn::Last)?;
    let never_the_same = || {
        let n = AtomicU32::new(10);
        move |request: &Value| steps(kind(shown(request)), n.fetch_add(1, Ordering::Relaxed))
    };
    refuses(&people, &meddler, &never_the_same)
}

/// With a webhook of this rule every write is refused that it changes, and nothing is stored.
fn refuses<R>(people: &People<'_>, meddler: &Meddler<'_>, rule: &dyn Fn() -> R) -> anyhow::Result<()>
where
    R: Fn(&Value) -> Value + Send + Sync + 'static,
{
    for subject in people.subjects() {
        let admin = &people.shop.admin;
        meddler.rule(rule());
        mismatch(&subject.first.create(&subject.whole(1)));
        assert_eq!(admin.get(&subject.whole(1)).map_err(|status| status.code), Err(404));
        meddler.rule(|_| json!([]));
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        meddler.rule(rule());
        let write = subject.write(&subject.second, &made, 2);
        mismatch(&subject.second.merge(&made, &write.patch));
        assert_eq!(recorded(admin, &made, &[(subject.by[0], "tests")])?, made);
        meddler.rule(|_| json!([]));
    }
    Ok(())
}

/// With a webhook that forges, and has not the last word.
fn stamps_are_replaced(namespace: &Namespace<'_>, turn: Turn) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let meddler = Meddler::start(namespace, turn)?;
    for rule in [forges, takes_away] {
        meddler.rule(rule);
        for subject in people.subjects() {
            let ([first, second], admin) = (subject.by, &people.shop.admin);
            let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
            let write = subject.write(&subject.second, &made, 2);
            write.api("tests").merge(&made, &write.patch).unwrap();
            write.api("tests").merge(&made, &json!({ "metadata": { "labels": { "a": "b" } } })).unwrap();
            recorded(admin, &made, &[(first, "tests"), (second, "tests")])?;
            subject.first.delete(&made).unwrap();
        }
    }
    Ok(())
}

fn stamps_written_before_are_replaced(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    stamps_are_replaced(namespace, Turn::Before)
}

fn stamps_written_after_are_replaced(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    stamps_are_replaced(namespace, Turn::After)
}

fn stamps_written_last_are_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let meddler = Meddler::start(namespace, Turn::Last)?;
    refuses(&people, &meddler, &|| forges)?;
    // Also where nothing is recorded.
    let made = people.subject(Kind::Release).whole(1);
    meddler.rule(forges);
    mismatch(&people.shop.omar.merge(&made, &json!({ "metadata": { "labels": { "a": "b" } } })));
    recorded(&people.shop.admin, &made, &[("jane", "tests")])?;
    Ok(())
}

fn stamps_taken_away_last_are_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let meddler = Meddler::start(namespace, Turn::Last)?;
    refuses(&people, &meddler, &|| takes_away)
}

/// The API server drops it before it stores the object: the record would be of something else.
fn what_is_put_into_a_field_that_does_not_exist_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for turn in [Turn::Before, Turn::Last] {
        let meddler = Meddler::start(namespace, turn)?;
        for subject in people.subjects() {
            meddler.rule(|_| json!([{ "op": "add", "path": "/spec/nowhere", "value": "x" }]));
            let cause = [("spec.nowhere", "UnknownField")];
            refused(&subject.first.create(&subject.whole(1)), 422, &cause);
            meddler.rule(|_| json!([]));
            let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
            meddler.rule(|_| json!([{ "op": "add", "path": "/spec/nowhere", "value": "x" }]));
            let write = subject.write(&subject.second, &made, 2).forged();
            let told = write.api("tests").merge(&made, &write.patch);
            assert!(refused(&told, 422, &cause).message.contains("mutating webhook"), "{told:?}");
            recorded(&people.shop.admin, &made, &[(subject.by[0], "tests")])?;
            subject.first.delete(&made).unwrap();
        }
    }
    Ok(())
}

/// Else the record would be of an object with it, and what is stored would have none.
fn a_default_taken_away_last_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let meddler = Meddler::start(namespace, Turn::Last)?;
    let takes_interval = |request: &Value| match shown(request)["spec"]["interval"] {
        Value::Null => json!([]),
        _ => json!([{ "op": "remove", "path": "/spec/interval" }]),
    };
    let subject = people.subject(Kind::Release);
    meddler.rule(takes_interval);
    mismatch(&subject.first.create(&subject.whole(1)));
    meddler.rule(|_| json!([]));
    let made = created(&subject.first.managing_as("tests"), &subject.whole(5));
    meddler.rule(takes_interval);
    mismatch(&subject.second.merge(&made, &json!({ "spec": { "progressingInterval": "30s" } })));
    mismatch(&subject.second.merge(&made, &json!({ "metadata": { "labels": { "a": "b" } } })));
    recorded(&people.shop.admin, &made, &[("jane", "tests")])?;
    Ok(())
}

/// By the API server, before it asks anybody else.
fn a_default_of_the_schema_taken_away_last_is_put_back(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let meddler = Meddler::start(namespace, Turn::Last)?;
    meddler.rule(|request| match shown(request)["spec"]["state"] {
        Value::Null => json!([]),
        _ => json!([{ "op": "remove", "path": "/spec/state" }]),
    });
    let subject = people.subject(Kind::ReleaseBinding);
    let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
    let write = subject.write(&subject.second, &made, 2).forged();
    write.api("tests").merge(&made, &write.patch).unwrap();
    let stored = recorded(&people.shop.admin, &made, &[("jane", "tests"), ("omar", "tests")])?;
    assert_eq!(stored["spec"]["state"], "Active");
    Ok(())
}

/// A ComponentRelease, and a Release that is rendered from a binding: a history planted there would be gone on with.
fn stamps_of_kinds_without_a_history_are_kept_too(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let controller = shop.controller(namespace)?;
    let pin = created(&shop.jane, &binding("web", "dev", "web-1"));
    let meddler = Meddler::start(namespace, Turn::Last)?;
    let plant = |key: &'static str| {
        move |request: &Value| {
            let forged = forged(request["namespace"].as_str().unwrap_or_default(), shown(request));
            let path = format!("/metadata/annotations/{}", key.replace('/', "~1"));
            json!([{ "op": "add", "path": path, "value": annotation(&forged, key) }])
        }
    };
    let cut = component_release("web", "web-9", "9.0");
    let owned = owned_release(&pin);
    until_accepted("the webhook has seen the binding", || controller.in_dry_run().create(&owned))?;
    for key in names::WEBHOOK_KEYS {
        // The version of a release that is cut is what it says itself.
        let version = || json!([{ "op": "add", "path": format!("/metadata/annotations/{}", names::RELEASE_VERSION.replace('/', "~1")), "value": "8.0" }]);
        meddler.rule(move |request| if key == names::RELEASE_VERSION { version() } else { plant(key)(request) });
        mismatch(&shop.jane.create(&cut));
        mismatch(&controller.create(&owned));
    }
    meddler.rule(|_| json!([]));
    for (person, object) in [(&shop.jane, &cut), (&controller, &owned)] {
        let made = created(person, object);
        assert_eq!(annotation(&made, names::HISTORY), None);
    }
    Ok(())
}

/// Changes the history that our webhook wrote, and sees to it that it still holds together.
fn with_new_history(request: &Value, change: fn(&Value, History) -> History) -> Value {
    let mut object = shown(request).clone();
    object["metadata"]["namespace"] = request["namespace"].clone();
    match annotation(&object, names::HISTORY).and_then(History::parse) {
        Some(history) => writes_annotations(&with_history(&object, &change(&object, history))),
        None => json!([]),
    }
}

/// With a webhook that has the last word on a change of a Release, and says this instead of ours.
fn is_refused_on_change(namespace: &Namespace<'_>, change: fn(&Value, History) -> History) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let meddler = Meddler::start(namespace, Turn::Last)?;
    let subject = people.subject(Kind::Environment);
    let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
    for n in [2, 3] {
        let write = subject.write(&subject.first, &made, n);
        write.api("tests").merge(&made, &write.patch).unwrap();
    }
    meddler.rule(move |request| with_new_history(request, change));
    let write = subject.write(&subject.second, &made, 4);
    mismatch(&write.api("tests").merge(&made, &write.patch));
    recorded(&people.shop.admin, &made, &[("pat", "tests"); 3])?;
    Ok(())
}

/// What is said of the context of a change is said by its signature alone.
fn a_record_written_anew_last_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    is_refused_on_change(namespace, |object, mut history| {
        if let Some(Element::Record(last)) = history.0.last_mut() {
            last.action = Action::Rollback;
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            last.hash = Some(record_hash(kind(object), namespace, name(object), last));
        }
        history
    })
}

/// One element stands for all that was before, as where a history grew too long.
fn a_history_cut_short_last_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    is_refused_on_change(namespace, |_, mut history| {
        let last = history.0.pop();
        let hash = history.last().and_then(|record| record.hash.clone()).unwrap_or_default();
        let dropped = json!({ "dropped": { "from": 1, "to": history.0.len() }, "hash": hash });
        let dropped = serde_json::from_value(dropped).map(Element::Dropped);
        History(dropped.ok().into_iter().chain(last).collect())
    })
}
