use serde_json::json;

use super::*;
use crate::record::{Action, Element, Evidence, Finding, History, WEBHOOK_ANNOTATION_LIMIT, check_chain, examine};

const NOON: &str = "2026-01-02T12:00:00Z";

fn pin(release: &str) -> Value {
    json!({
        "metadata": {"name": "web-dev", "annotations": {}},
        "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev", "releaseName": release, "state": "Active"}
    })
}

fn request<'a>(new: &'a Value, old: Option<&'a Value>) -> StampRequest<'a> {
    StampRequest {
        kind: Kind::ReleaseBinding,
        namespace: "acme",
        name: "web-dev",
        new,
        old,
        contents: None,
        user: "jane",
        manager: Some("kubectl-edit"),
        speaks_for_others: false,
        bypass: false,
        dry_run: false,
        now: NOON.parse().unwrap(),
        bounds: Bounds::default(),
        signer: None,
        world: None,
    }
}

/// The object with its stamp in it, as the API server would persist it.
fn stamped_with(object: &Value, stamp: &Stamp) -> Value {
    let mut object = object.clone();
    let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
    for key in names::WEBHOOK_KEYS {
        annotations.remove(key);
    }
    annotations.extend(stamp.annotations.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())));
    object
}

fn write(new: &Value, old: Option<&Value>) -> Value {
    stamped_with(new, &stamp(&request(new, old)).unwrap())
}

/// `new` with the annotations of `old`, as an edit sends it.
fn edited(old: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut new = old.clone();
    change(&mut new);
    new
}

fn history(object: &Value) -> History {
    History::parse(annotation(object, names::HISTORY).unwrap()).unwrap()
}

#[test]
fn the_first_record() {
    let object = write(&pin("web-1"), None);
    insta::assert_snapshot!(annotation(&object, names::HISTORY).unwrap());
    assert_eq!(annotation(&object, names::REVISION), Some("1"));
    assert_eq!(annotation(&object, names::CHANGED_BY), Some("jane"));
    assert_eq!(annotation(&object, names::CHANGED_AT), Some(NOON));
    assert_eq!(verify(&request(&object, None)).unwrap(), history(&object).last().unwrap().hash.clone());
}

#[test]
fn records_follow_on_each_other() {
    let one = write(&pin("web-1"), None);
    let two = write(&edited(&one, |o| o["spec"]["releaseName"] = "web-2".into()), Some(&one));
    let three = write(&edited(&two, |o| o["spec"]["releaseName"] = "web-1".into()), Some(&two));
    let actions: Vec<_> = history(&three).records().map(|record| record.action).collect();
    assert_eq!(actions, [Action::Deploy, Action::Deploy, Action::Rollback]);
    assert_eq!(check_chain(Kind::ReleaseBinding, "acme", "web-dev", &history(&three)), []);
    assert_eq!(
        check_chain(Kind::ReleaseBinding, "acme", "other", &history(&three)).len(),
        3,
        "a record belongs to its object"
    );
}

#[test]
fn stamping_twice_is_stamping_once() {
    let one = write(&pin("web-1"), None);
    let new = edited(&one, |o| o["spec"]["releaseName"] = "web-2".into());
    let once = write(&new, Some(&one));
    assert_eq!(write(&once, Some(&one)), once);
}

#[test]
fn metadata_changes_steal_no_authorship() {
    let one = write(&pin("web-1"), None);
    let labelled = edited(&one, |o| o["metadata"]["labels"] = json!({"a": "b"}));
    let stamp = stamp(&StampRequest { user: "omar", ..request(&labelled, Some(&one)) }).unwrap();
    assert_eq!(stamp.record, None);
    assert_eq!(stamp.annotations[names::CHANGED_BY], "jane");
}

#[test]
fn whatever_a_client_sends_under_our_keys_is_replaced() {
    let forged = edited(&pin("web-1"), |o| {
        for key in names::WEBHOOK_KEYS {
            o["metadata"]["annotations"][key] = "forged".into();
        }
    });
    let one = write(&forged, None);
    assert_eq!(annotation(&one, names::CHANGED_BY), Some("jane"));
    assert_eq!(annotation(&one, names::RELEASE_VERSION), None);
    let removed = edited(&one, |o| o["metadata"]["annotations"] = json!({"x": "y"}));
    assert_eq!(annotation(&write(&removed, Some(&one)), names::HISTORY), annotation(&one, names::HISTORY));
}

#[test]
fn a_reason_counts_once() {
    let one = write(&edited(&pin("web-1"), |o| o["metadata"]["annotations"][names::REASON] = "first".into()), None);
    let two = write(&edited(&one, |o| o["spec"]["releaseName"] = "web-2".into()), Some(&one));
    let reasons: Vec<_> = history(&two).records().map(|record| record.reason.clone()).collect();
    assert_eq!(reasons, [Some("first".into()), None], "a reason that stood there before is not that of this change");
    let new = edited(&one, |o| o["spec"]["releaseName"] = "web-2".into());
    let plugin = StampRequest { manager: Some(names::PLUGIN_MANAGER), ..request(&new, Some(&one)) };
    let repeated = stamped_with(&new, &stamp(&plugin).unwrap());
    assert_eq!(history(&repeated).last().unwrap().reason.as_deref(), Some("first"), "the plugin says what it means");
}

#[test]
fn a_lost_race_says_who_was_first() {
    let one = write(&pin("web-1"), None);
    let plugin = |new: &Value, old: Option<&Value>| {
        stamp(&StampRequest { manager: Some(names::PLUGIN_MANAGER), user: "omar", ..request(new, old) })
    };
    let expecting = |revision: &str, release: &str| {
        edited(&one, |o| {
            o["metadata"]["annotations"][names::EXPECTED_REVISION] = revision.into();
            o["spec"]["releaseName"] = release.into();
        })
    };
    assert!(plugin(&expecting("1", "web-2"), Some(&one)).is_ok());
    assert!(plugin(&expecting("0", "web-1"), Some(&one)).is_ok(), "a repeated write whose reply was lost succeeds");
    let lost = plugin(&expecting("0", "web-2"), Some(&one)).unwrap_err();
    assert_eq!(lost.code, "RevisionConflict");
    insta::assert_snapshot!(lost.message, @"jane was first: revision 1 of web-dev was made at 2026-01-02T12:00:00Z, and this change is for revision 0; look at `kubectl release history`, then repeat");
    assert!(stamp(&request(&expecting("0", "web-2"), Some(&one))).is_ok(), "other clients are not asked");
    assert_eq!(plugin(&expecting("3", "web-2"), None).unwrap_err().code, "RevisionConflict");
}

#[test]
fn actions_of_a_binding() {
    let one = write(&pin("web-1"), None);
    let act = |object: &Value, old: Option<&Value>| history(&write(object, old)).last().unwrap().action;
    let undeployed = edited(&one, |o| o["spec"]["state"] = "Undeploy".into());
    let restarted = edited(&one, |o| o["metadata"]["annotations"][names::RESTARTED_AT] = "now".into());
    let configured = edited(&one, |o| o["spec"]["componentTypeEnvironmentConfigs"] = json!({"a": 1}));
    let both = edited(&configured, |o| o["metadata"]["annotations"][names::RESTARTED_AT] = "now".into());
    let deleted = edited(&undeployed, |o| o["metadata"]["annotations"][names::ACTION] = "delete".into());
    for (new, action) in [
        (&undeployed, Action::Undeploy),
        (&restarted, Action::Restart),
        (&configured, Action::Configure),
        (&both, Action::Update),
        (&deleted, Action::Delete),
    ] {
        assert_eq!(act(new, Some(&one)), action);
    }
    let gone = write(&undeployed, Some(&one));
    assert_eq!(act(&edited(&gone, |o| o["spec"]["state"] = "Active".into()), Some(&gone)), Action::Redeploy);
}

#[test]
fn a_rollback_that_keeps_a_restart_is_known_by_its_hint() {
    let values = |replicas: Value| json!({"replicas": replicas});
    let one = write(&edited(&pin("web-1"), |o| o["spec"]["componentTypeEnvironmentConfigs"] = values(json!(2))), None);
    let two = write(&edited(&one, |o| o["metadata"]["annotations"][names::RESTARTED_AT] = "now".into()), Some(&one));
    let three = write(
        &edited(&two, |o| {
            o["spec"]["releaseName"] = "web-2".into();
            o["spec"]["componentTypeEnvironmentConfigs"] = json!({});
        }),
        Some(&two),
    );
    let act = |hint: &str, restarted: &str, change: fn(&mut Value)| {
        let new = edited(&three, |o| {
            o["metadata"]["annotations"][names::ACTION] = hint.into();
            o["metadata"]["annotations"][names::RESTARTED_AT] = restarted.into();
            change(o);
        });
        history(&write(&new, Some(&three))).last().unwrap().action
    };
    let back: fn(&mut Value) = |o| {
        o["spec"]["releaseName"] = "web-1".into();
        o["spec"]["componentTypeEnvironmentConfigs"] = json!({"replicas": 2.0});
    };
    let half: fn(&mut Value) = |o| o["spec"]["releaseName"] = "web-1".into();
    for (what, hint, restarted, change, action) in [
        ("the content of revision 2", "", "now", back, Action::Rollback),
        ("revisions 1 and 2 but for the restart", "rollback", "later", back, Action::Rollback),
        ("the same, and nobody means it", "", "later", back, Action::Deploy),
        ("the same, and something else is meant", "promote", "now", back, Action::Deploy),
        ("the release without its values", "rollback", "later", half, Action::Deploy),
        ("what is pinned today", "rollback", "later", |_| {}, Action::Restart),
        (
            "what is pinned today, its empty values left out",
            "rollback",
            "later",
            |o| drop(o["spec"].as_object_mut().unwrap().remove("componentTypeEnvironmentConfigs")),
            Action::Update,
        ),
    ] {
        assert_eq!(act(hint, restarted, change), action, "{what}");
    }
    let undeployed = edited(&three, |o| o["spec"]["state"] = "Undeploy".into());
    let undeployed = write(&undeployed, Some(&three));
    let live = edited(&undeployed, |o| {
        o["metadata"]["annotations"][names::ACTION] = "rollback".into();
        o["spec"]["state"] = "Active".into();
        back(o);
    });
    let last = history(&write(&live, Some(&undeployed))).last().unwrap().action;
    assert_eq!(last, Action::Redeploy, "that it is live again is told first");
}

#[test]
fn a_hint_that_stood_there_before_speaks_of_an_earlier_change() {
    let one = write(&pin("web-1"), None);
    let hinted = edited(&one, |o| {
        o["spec"]["releaseName"] = "web-2".into();
        o["metadata"]["annotations"][names::ACTION] = "promote".into();
    });
    let two = write(&hinted, Some(&one));
    let three = write(&edited(&two, |o| o["spec"]["releaseName"] = "web-1".into()), Some(&two));
    assert_eq!(history(&three).last().unwrap().action, Action::Rollback);
}

#[test]
fn verification_finds_what_was_changed_after_stamping() {
    let one = write(&pin("web-1"), None);
    let new = edited(&one, |o| o["spec"]["releaseName"] = "web-2".into());
    let good = write(&new, Some(&one));
    assert!(verify(&request(&good, Some(&one))).is_ok());
    let spoil = |change: fn(&mut Record)| {
        let mut history = history(&good);
        let Some(Element::Record(last)) = history.0.last_mut() else { unreachable!() };
        change(last);
        last.hash = Some(record_hash(Kind::ReleaseBinding, "acme", "web-dev", last));
        edited(&good, |o| o["metadata"]["annotations"][names::HISTORY] = history.to_text().into())
    };
    for (what, spoiled) in [
        ("another author", spoil(|record| record.by = "omar".into())),
        ("another revision", spoil(|record| record.revision = 7)),
        ("a reason made up", spoil(|record| record.reason = Some("because".into()))),
        ("another release", spoil(|record| record.release = Some("web-9".into()))),
        ("a broken link", spoil(|record| record.prev = None)),
        (
            "no record",
            edited(&good, |o| o["metadata"]["annotations"][names::HISTORY] = annotation(&one, names::HISTORY).into()),
        ),
        ("another user's stamp", edited(&good, |o| o["metadata"]["annotations"][names::CHANGED_BY] = "omar".into())),
        ("content changed afterwards", edited(&good, |o| o["spec"]["releaseName"] = "web-3".into())),
        (
            "a time of long ago",
            edited(&good, |o| o["metadata"]["annotations"][names::CHANGED_AT] = "2020-01-01T00:00:00Z".into()),
        ),
    ] {
        assert_eq!(verify(&request(&spoiled, Some(&one))).unwrap_err().code, "StampMismatch", "{what}");
    }
    let untouched = edited(&one, |o| o["metadata"]["annotations"][names::CHANGED_BY] = "omar".into());
    assert_eq!(verify(&request(&untouched, Some(&one))).unwrap_err().code, "StampMismatch");
}

#[test]
fn clocks_may_differ_a_little_and_time_never_runs_backwards() {
    let one = write(&pin("web-1"), None);
    let new = edited(&one, |o| o["spec"]["releaseName"] = "web-2".into());
    let early = StampRequest { now: "2026-01-02T11:00:00Z".parse().unwrap(), ..request(&new, Some(&one)) };
    let two = stamped_with(&new, &stamp(&early).unwrap());
    assert_eq!(annotation(&two, names::CHANGED_AT), Some(NOON));
    assert!(
        verify(&StampRequest { now: "2026-01-02T14:00:00Z".parse().unwrap(), ..request(&two, Some(&one)) }).is_ok()
    );
    let later =
        stamped_with(&new, &stamp(&StampRequest { now: "2026-01-02T12:01:00Z".parse().unwrap(), ..early }).unwrap());
    for (now, fine) in [("2026-01-02T12:01:40Z", true), ("2026-01-02T12:00:20Z", true), ("2026-01-02T12:01:41Z", false)]
    {
        let check = verify(&StampRequest { now: now.parse().unwrap(), ..request(&later, Some(&one)) });
        assert_eq!(check.is_ok(), fine, "{now}");
    }
}

#[test]
fn the_bound_keeps_the_current_and_the_last_healthy_record() {
    let bounds = Bounds { records: 3, bytes: 48 * 1024 };
    let mut object = write(&pin("web-0"), None);
    object["status"] = json!({"outcomes": [{"revision": 2, "lastHealth": "Healthy"}]});
    for revision in 2..=8 {
        let new = edited(&object, |o| o["spec"]["releaseName"] = format!("web-{revision}").into());
        let request = StampRequest { bounds, ..request(&new, Some(&object)) };
        let next = stamped_with(&new, &stamp(&request).unwrap());
        let check = StampRequest { new: &next, bounds: Bounds::default(), ..request };
        assert!(verify(&check).is_ok(), "a replica with other bounds agrees");
        object = next;
    }
    let ranges: Vec<_> =
        history(&object).0.iter().map(|element| (element.record().is_some(), element.range())).collect();
    let range = |from, to| crate::record::entry::Range { from, to };
    assert_eq!(
        ranges,
        [(false, range(1, 1)), (true, range(2, 2)), (false, range(3, 6)), (true, range(7, 7)), (true, range(8, 8))]
    );
    assert_eq!(check_chain(Kind::ReleaseBinding, "acme", "web-dev", &history(&object)), []);
}

#[test]
fn a_compaction_that_hides_a_record_is_refused() {
    let one = write(&pin("web-1"), None);
    let two = write(&edited(&one, |o| o["spec"]["releaseName"] = "web-2".into()), Some(&one));
    let new = edited(&two, |o| o["spec"]["releaseName"] = "web-3".into());
    let three = write(&new, Some(&two));
    let mut short = history(&three);
    short.0.remove(1);
    let hidden = edited(&three, |o| o["metadata"]["annotations"][names::HISTORY] = short.to_text().into());
    assert_eq!(verify(&request(&hidden, Some(&two))).unwrap_err().code, "StampMismatch");
}

/// All annotations of an object as the API server counts them.
fn annotations_size(object: &Value) -> usize {
    let annotations = object["metadata"]["annotations"].as_object().unwrap();
    annotations.iter().map(|(key, value)| key.len() + value.as_str().unwrap().len()).sum()
}

#[test]
fn a_history_makes_room_and_then_the_write_is_refused_with_the_sizes() {
    let filled = |bytes: usize| {
        edited(&pin("web-0"), |o| {
            o["metadata"]["annotations"]["x"] = "y".repeat(WEBHOOK_ANNOTATION_LIMIT - bytes).into()
        })
    };
    let refused = stamp(&request(&filled(400), None)).unwrap_err();
    assert_eq!(refused.code, "AnnotationsTooLarge");
    let signer = signer();
    let mut object = write(&filled(3500), None);
    object["status"] = json!({"outcomes": [{"revision": 2, "lastHealth": "Healthy"}]});
    let mut told = Vec::new();
    let refused = loop {
        let new = edited(&object, |o| {
            o["spec"]["releaseName"] = format!("{}x", o["spec"]["releaseName"].as_str().unwrap()).into();
            let length = o["metadata"]["annotations"]["x"].as_str().unwrap().len() + 40;
            o["metadata"]["annotations"]["x"] = "y".repeat(length).into();
        });
        let request = StampRequest { signer: Some(&signer), ..request(&new, Some(&object)) };
        match stamp(&request) {
            Ok(stamp) => {
                let next = stamped_with(&new, &stamp);
                assert!(verify(&StampRequest { new: &next, ..request }).is_ok());
                told.extend(stamp.warning);
                object = next;
            }
            Err(refused) => break refused,
        }
        assert!(annotations_size(&object) <= WEBHOOK_ANNOTATION_LIMIT);
    };
    assert_eq!(refused.code, "AnnotationsTooLarge");
    let sizes = ["metadata.annotations", "262144 bytes", ": x has 26", "release.openchoreo.dev/history has "];
    let said = refused.to_string();
    assert!(sizes.iter().all(|size| said.contains(size)), "{said}");
    let kept = history(&object);
    let revisions: Vec<_> = kept.records().map(|record| record.revision).collect();
    assert_eq!(revisions, [2, kept.last().unwrap().revision], "the healthy one and the current one stay");
    assert!(told.iter().all(|told| told.contains("the other annotations leave ")) && !told.is_empty(), "{told:?}");
    assert_eq!(check_chain(Kind::ReleaseBinding, "acme", "web-dev", &kept), []);
}

#[test]
fn annotations_that_the_cluster_would_not_take_are_refused_in_our_words() {
    let one = write(&pin("web-1"), None);
    let most = WEBHOOK_ANNOTATION_LIMIT - annotations_size(&one) - 1;
    for (bytes, fine) in [(most, true), (most + 1, false)] {
        let new = edited(&one, |o| o["metadata"]["annotations"]["x"] = "y".repeat(bytes).into());
        let stamped = stamp(&request(&new, Some(&one)));
        assert_eq!(stamped.as_ref().err().map(|refused| refused.code), (!fine).then_some("AnnotationsTooLarge"));
        assert_eq!(annotations_size(&new) <= WEBHOOK_ANNOTATION_LIMIT, fine);
    }
}

fn signer() -> Signer {
    let key = |id: &str, seed: u8| (id.to_owned(), crate::record::PrivateKey::from_seed(&[seed; 32]));
    Signer::new([key("a", 1), key("b", 2)].into(), crate::record::PublicKeys::default()).unwrap()
}

#[test]
fn a_record_is_signed_by_the_newest_key_and_checked_with_any() {
    let signer = signer();
    let new = pin("web-1");
    let request = StampRequest { signer: Some(&signer), ..request(&new, None) };
    let object = stamped_with(&new, &stamp(&request).unwrap());
    let record = history(&object).last().unwrap().clone();
    assert_eq!((record.key.as_deref(), record.sig.as_ref().map(String::len)), (Some("b"), Some(88)));
    let check = |object: &Value, signer: &Signer| {
        let verified = verify(&StampRequest { new: object, signer: Some(signer), ..request });
        verified.map_err(|refused| refused.message)
    };
    assert_eq!(check(&object, &signer), Ok(record.hash));
    let elder = |ids: &[&str]| {
        let private = signer.private().iter().filter(|(id, _)| ids.contains(&id.as_str()));
        Signer::new(private.map(|(id, key)| (id.clone(), key.clone())).collect(), Default::default()).unwrap()
    };
    assert!(check(&object, &elder(&["b"])).is_ok());
    assert!(check(&object, &elder(&["a"])).unwrap_err().contains("is not signed by the release webhook"));
    let spoil = |change: fn(&mut Record)| {
        let mut history = history(&object);
        let Some(Element::Record(last)) = history.0.last_mut() else { unreachable!() };
        change(last);
        edited(&object, |o| o["metadata"]["annotations"][names::HISTORY] = history.to_text().into())
    };
    for spoiled in [
        spoil(|record| record.sig = None),
        spoil(|record| record.key = Some("a".into())),
        spoil(|record| record.key = Some("c".into())),
        spoil(|record| record.sig = Some("A".repeat(88))),
        write(&new, None),
    ] {
        assert!(check(&spoiled, &signer).unwrap_err().contains("is not signed by the release webhook"));
    }
}

/// What a history keeps of its dropped records: each run's ends, and what is said against it.
fn runs(object: &Value) -> Vec<(u64, u64, Vec<String>)> {
    let told = |element: &Element| match element {
        Element::Dropped(run) => Some((run.dropped.from, run.dropped.to, run.unproved.iter().cloned().collect())),
        Element::Record(_) => None,
    };
    history(object).0.iter().filter_map(told).collect()
}

fn examined(object: &Value, keys: &crate::record::PublicKeys) -> Vec<&'static str> {
    let mut read = object.clone();
    read["metadata"]["namespace"] = "acme".into();
    let evidence = crate::record::Evidence { keys: Some(keys), ..Default::default() };
    crate::record::examine(Kind::ReleaseBinding, &read, &evidence).iter().map(Finding::code).collect()
}

#[test]
fn what_stands_for_dropped_records_is_signed_and_says_which_were_not() {
    let since = Some("2026-01-02T12:01:00Z".parse().unwrap());
    let keys = crate::record::PublicKeys { since, ..Default::default() };
    let signer = Signer::new(signer().private().clone(), keys).unwrap();
    let bounds = Bounds { records: 2, ..Bounds::default() };
    let mut object = write(&edited(&pin("web-0"), |o| o["metadata"]["creationTimestamp"] = NOON.into()), None);
    for revision in 2..=9 {
        let new = edited(&object, |o| o["spec"]["releaseName"] = format!("web-{revision}").into());
        // The second was made without a key as well.
        let signer = (revision != 2).then_some(&signer);
        let request = StampRequest { bounds, signer, ..request(&new, Some(&object)) };
        let next = stamped_with(&new, &stamp(&request).unwrap());
        let check = StampRequest { new: &next, ..request };
        assert!(verify(&check).is_ok(), "{revision}");
        for (key, other) in [("\"to\":", "\"to\":1"), ("\"BeforeSigning\"", ""), ("\"sig\":", "\"was\":")] {
            let text = annotation(&next, names::HISTORY).unwrap();
            let spoiled = text.replacen(key, other, 1);
            let is_spoiled = spoiled != text && text.contains("dropped");
            let spoiled = edited(&next, |o| o["metadata"]["annotations"][names::HISTORY] = spoiled.into());
            assert_eq!(verify(&StampRequest { new: &spoiled, ..check }).is_err(), is_spoiled, "{key} {revision}");
        }
        object = next;
    }
    assert_eq!(runs(&object), [(1, 2, vec!["BeforeSigning".to_owned()]), (3, 7, vec![])]);
    assert_eq!(examined(&object, signer.public()), ["DroppedBeforeSigning", "RecordsDropped"]);
}

/// A history of signed records, with something done to it around the webhook.
fn around(revisions: u64, tamper: impl FnOnce(&mut Vec<Value>)) -> Value {
    let signer = signer();
    let mut object = edited(&pin("web-0"), |o| o["metadata"]["creationTimestamp"] = NOON.into());
    let mut old = None;
    for revision in 1..=revisions {
        object["spec"]["releaseName"] = format!("web-{revision}").into();
        let request = StampRequest { signer: Some(&signer), ..request(&object, old.as_ref()) };
        object = stamped_with(&object, &stamp(&request).unwrap());
        old = Some(object.clone());
    }
    let mut written: Vec<Value> = serde_json::from_str(annotation(&object, names::HISTORY).unwrap()).unwrap();
    tamper(&mut written);
    edited(&object, |o| o["metadata"]["annotations"][names::HISTORY] = json!(written).to_string().into())
}

/// The object after an honest change that leaves its history so much room, which every replica takes.
fn squeezed(object: &Value, bounds: Bounds, signer: &Signer) -> Value {
    let new = edited(object, |o| {
        o["spec"]["releaseName"] = format!("{}x", o["spec"]["releaseName"].as_str().unwrap()).into();
    });
    let request = StampRequest { bounds, signer: Some(signer), ..request(&new, Some(object)) };
    let next = stamped_with(&new, &stamp(&request).unwrap());
    verify(&StampRequest { new: &next, ..request }).unwrap();
    next
}

fn other_binding() -> Value {
    let new = pin("web-3");
    let signer = signer();
    let request = StampRequest { name: "web-prod", signer: Some(&signer), ..request(&new, None) };
    let stamp = stamp(&request).unwrap();
    let mut record: Vec<Value> = serde_json::from_str(&stamp.annotations[names::HISTORY]).unwrap();
    record.remove(0)
}

#[test]
fn what_was_found_stays_found_when_it_is_dropped() {
    let signer = signer();
    let unknown = crate::record::PrivateKey::from_seed(&[9; 32]);
    let unknown = Signer::new([("c".to_owned(), unknown)].into(), crate::record::PublicKeys::default()).unwrap();
    type Tamper = fn(&mut Vec<Value>);
    let rows: &[(&str, Tamper, &[&str], &[&str])] = &[
        ("nothing", |_| {}, &[], &["RecordsDropped"]),
        ("a gap", |h| drop(h.drain(2..4)), &["RecordMissing"], &["RecordMissing", "RecordsDropped", "RecordsDropped"]),
        ("no beginning", |h| drop(h.remove(0)), &["RecordMissing"], &["RecordMissing", "RecordsDropped"]),
        ("another order", |h| h.swap(2, 3), &["RecordsReordered"], &["RecordsReordered"]),
        ("one twice", |h| h.insert(2, h[1].clone()), &["RecordsReordered"], &["RecordsReordered"]),
        ("another author", |h| h[3]["by"] = "eve".into(), &["RecordEdited"], &["DroppedUnproved"]),
        ("another reason", |h| h[0]["reason"] = "x".into(), &["RecordEdited"], &["DroppedUnproved"]),
        (
            "a record of another object",
            |h| {
                let mut record = other_binding();
                record["revision"] = 4.into();
                record["prev"] = h[2]["hash"].clone();
                record["hash"] = h[3]["hash"].clone();
                record["sig"] = h[3]["sig"].clone();
                h[3] = record;
            },
            &["RecordEdited"],
            &["DroppedUnproved"],
        ),
        (
            "no signature",
            |h| drop(h[3].as_object_mut().unwrap().remove("sig")),
            &["RecordUnsigned"],
            &["DroppedUnproved"],
        ),
        ("another signature", |h| h[3]["sig"] = h[4]["sig"].clone(), &["SignatureInvalid"], &["DroppedUnproved"]),
        ("another key", |h| h[3]["key"] = "zz".into(), &["KeyUnknown"], &["DroppedUnproved"]),
        (
            "a run of somebody's own",
            |h| h[3] = json!({"dropped": {"from": 4, "to": 4}, "prev": h[2]["hash"], "hash": h[3]["hash"]}),
            &["DroppedUnsigned"],
            &["DroppedUnsigned"],
        ),
        (
            "a run of somebody's own that says what it likes",
            |h| {
                let run = json!({"from": 4, "to": 4});
                h[3] = json!({"dropped": run, "prev": h[2]["hash"], "hash": h[3]["hash"], "unproved": 7, "key": "b", "sig": "x"});
            },
            &["SignatureInvalid"],
            &["SignatureInvalid"],
        ),
    ];
    let one = Bounds { records: 1, ..Bounds::default() };
    for (what, tamper, before, after) in rows {
        let object = around(7, tamper);
        let contains = |found: Vec<&str>, expected: &[&str]| expected.iter().all(|code| found.contains(code));
        let found = examined(&object, signer.public());
        assert!(contains(found.clone(), before) && before.is_empty() == found.is_empty(), "{what}: {found:?}");
        // One by one, all at once, and without any room.
        let gently = squeezed(&squeezed(&object, Bounds { records: 4, ..one }, &signer), one, &signer);
        let at_once = squeezed(&object, one, &signer);
        for next in [gently, at_once] {
            let found = examined(&next, signer.public());
            assert!(contains(found.clone(), after), "{what}: {found:?}");
            assert_eq!(found.iter().all(|code| *code == "RecordsDropped"), before.is_empty(), "{what}: {found:?}");
        }
        let pressed = squeezed(&object, Bounds { records: 1, bytes: 0 }, &signer);
        assert_eq!(runs(&pressed).len(), 1, "{what}: {:?}", runs(&pressed));
        let found = examined(&pressed, signer.public());
        let expected = if before.is_empty() { "RecordsDropped" } else { "DroppedUnproved" };
        assert!(found.contains(&expected) || what == &"no beginning", "{what}: {found:?} {:?}", runs(&pressed));
        assert_eq!(found.iter().all(|code| *code == "RecordsDropped"), before.is_empty(), "{what}: {found:?}");
        // And it goes on being told, when more is dropped behind it.
        let later = squeezed(&squeezed(&pressed, one, &signer), one, &signer);
        let found = examined(&later, signer.public());
        assert_eq!(found.iter().all(|code| *code == "RecordsDropped"), before.is_empty(), "{what}: {found:?}");
    }
    // A key that is distrusted by now.
    let distrusted = squeezed(&around(7, |_| {}), one, &unknown);
    assert_eq!(examined(&distrusted, unknown.public()), ["DroppedUnproved"]);
    assert_eq!(runs(&distrusted), [(1, 7, vec!["KeyUnknown".to_owned()])]);
}

#[test]
fn a_key_of_another_replica_is_looked_up_before_anything_is_dropped() {
    let known = signer();
    let object = around(2, |history| history[0]["key"] = "d".into());
    assert_eq!(followed_unknown_key(None, &known), None);
    assert_eq!(followed_unknown_key(Some(&pin("web")), &known), None);
    assert_eq!(followed_unknown_key(Some(&object), &known), None, "only the newest is asked for");
    let newest = around(2, |history| history[1]["key"] = "d".into());
    assert_eq!(followed_unknown_key(Some(&newest), &known).as_deref(), Some("d"));
    let nobodys = around(2, |history| history[1]["key"] = "No key's id".into());
    assert_eq!(followed_unknown_key(Some(&nobodys), &known), None);
    let said = edited(&object, |o| {
        o["metadata"]["annotations"][names::REASON] = r#""key":"d""#.into();
        o["spec"]["releaseName"] = "web-3".into();
    });
    let request = StampRequest { signer: Some(&known), ..request(&said, Some(&object)) };
    let said = stamped_with(&said, &stamp(&request).unwrap());
    assert_eq!(followed_unknown_key(Some(&said), &known), None, "a reason is no key");
}

#[test]
fn a_key_of_another_replica_is_looked_up_before_a_write_is_refused() {
    let known = signer();
    let keys = |object: &Value, old| unknown_keys(object, old, &known).into_iter().collect::<Vec<_>>();
    let object = around(2, |history| history[1]["key"] = "d".into());
    assert_eq!(keys(&object, None), ["d"]);
    assert!(keys(&object, Some(&object)).is_empty(), "nothing is added");
    assert!(keys(&around(2, |history| history[0]["key"] = "d".into()), None).is_empty(), "it was there before");
    assert!(keys(&around(2, |history| history[1]["key"] = "No key's id".into()), None).is_empty());
    let run = |n: usize| json!({"dropped": {"from": n, "to": n}, "hash": "", "key": format!("k{n:02}"), "sig": ""});
    let runs = |history: &mut Vec<Value>| *history = (0..99).map(run).collect();
    assert_eq!(keys(&around(2, runs), None).first().map(String::as_str), Some("k91"), "the newest few");
}

#[test]
fn what_a_dry_run_dropped_is_nobodys() {
    let signer = signer();
    let object = around(7, |_| {});
    let new = edited(&object, |o| o["spec"]["releaseName"] = "web-new".into());
    let bounds = Bounds { records: 2, ..Bounds::default() };
    let request = StampRequest { bounds, signer: Some(&signer), dry_run: true, ..request(&new, Some(&object)) };
    let dry = stamped_with(&new, &stamp(&request).unwrap());
    verify(&StampRequest { new: &dry, ..request }).unwrap();
    let run: Value = serde_json::from_str::<Vec<Value>>(annotation(&dry, names::HISTORY).unwrap()).unwrap().remove(0);
    assert_eq!((&run["dropped"]["to"], &run["dryRun"]), (&json!(6), &json!(true)));
    let put = |run: Value| {
        around(7, |history| {
            history.drain(..6);
            history.insert(0, run);
        })
    };
    assert_eq!(examined(&put(run.clone()), signer.public()), ["RecordOfDryRun"]);
    let unmarked = edited(&run, |run| drop(run.as_object_mut().unwrap().remove("dryRun")));
    assert_eq!(examined(&put(unmarked), signer.public()), ["SignatureInvalid"]);
    // Another webhook puts it into a change that is stored, and an honest change drops more behind it.
    let real = StampRequest { dry_run: false, ..request };
    let stored = stamped_with(&new, &stamp(&real).unwrap());
    let exchanged = edited(&stored, |o| {
        let mut history: Vec<Value> = serde_json::from_str(annotation(o, names::HISTORY).unwrap()).unwrap();
        history[0] = run.clone();
        o["metadata"]["annotations"][names::HISTORY] = json!(history).to_string().into();
    });
    assert!(verify(&StampRequest { new: &stored, ..real }).is_ok());
    assert_eq!(verify(&StampRequest { new: &exchanged, ..real }).unwrap_err().code, "StampMismatch");
    let later = squeezed(&put(run), Bounds { records: 1, ..Bounds::default() }, &signer);
    assert_eq!(examined(&later, signer.public()), ["RecordOfDryRun", "RecordsDropped"], "it stays");
    let pressed = squeezed(&later, Bounds { records: 1, bytes: 0 }, &signer);
    assert_eq!(examined(&pressed, signer.public()), ["DroppedUnproved"]);
    assert_eq!(runs(&pressed), [(1, 8, vec!["RecordOfDryRun".to_owned()])]);
}

#[test]
fn nothing_that_stands_in_a_history_stops_the_next_change() {
    let signer = signer();
    let long = "a".repeat(3000);
    let junk: [Value; 8] = [
        json!({"revision": 4}),
        json!({"revision": 5, "hash": long, "prev": long}),
        json!({"dropped": {"from": 9, "to": 2}, "hash": long, "unproved": [long]}),
        json!({"dropped": {"from": 0, "to": u64::MAX}, "hash": "\u{1}"}),
        json!({"revision": 7, "hash": 7}),
        json!({"revision": 2}),
        json!({"revision": 2}),
        json!({"revision": u64::MAX}),
    ];
    let junk: Vec<Value> = junk.iter().cycle().take(400).cloned().collect();
    let mut object = around(7, |history| drop(history.splice(3..5, junk)));
    object["status"] = json!({"outcomes": [{"revision": 2, "lastHealth": "Healthy"}]});
    let full = edited(&object, |o| {
        let size = WEBHOOK_ANNOTATION_LIMIT - 4000;
        o["metadata"]["annotations"]["x"] = "y".repeat(size).into();
    });
    let next = squeezed(&full, Bounds::default(), &signer);
    assert!(annotations_size(&next) <= WEBHOOK_ANNOTATION_LIMIT);
    let kept: Vec<Value> = serde_json::from_str(annotation(&next, names::HISTORY).unwrap()).unwrap();
    assert_eq!(kept.len(), 4, "a run, the healthy record, a run, and the new one: {kept:#?}");
    assert!(examined(&next, signer.public()).contains(&"DroppedUnproved"));
}

proptest::proptest! {
    /// What one replica has stamped, the other takes, whatever somebody has made of the history: else nobody could write the object any more.
    #[test]
    fn an_object_stays_writable_whatever_became_of_its_history(
        steps in proptest::collection::vec((0_u8..7, 0_usize..12, 0_usize..12, 0_u64..14), 0..8),
        records in 1_usize..10, bytes in 0_usize..6000
    ) {
        let tampered = around(8, |history| {
            for (step, at, other, number) in steps {
                let (at, other) = (at % history.len().max(1), other % history.len().max(1));
                match step {
                    _ if history.is_empty() => {}
                    0 => history.swap(at, other),
                    1 => history.insert(at, history[other].clone()),
                    2 => drop(history.remove(at)),
                    3 => history[at]["prev"] = history[other]["hash"].clone(),
                    4 => history[at]["hash"] = history[other]["hash"].clone(),
                    5 => history[at]["revision"] = number.into(),
                    _ => history.insert(at, json!({
                        "dropped": {"from": number, "to": number + other as u64}, "prev": history[other]["hash"],
                        "hash": history[at]["hash"]
                    })),
                }
            }
        });
        let bounds = Bounds { records, bytes };
        squeezed(&squeezed(&tampered, bounds, &signer()), bounds, &signer());
    }

    #[test]
    fn time_never_runs_backwards_whatever_the_clocks_of_the_replicas_say(
        clocks in proptest::collection::vec((-4_000_000_000_i64..4_000_000_000, -60_i64..60), 1..12)
    ) {
        let mut object: Option<Value> = None;
        let mut last: Option<Timestamp> = None;
        for (at, (clock, off)) in clocks.into_iter().enumerate() {
            let base = object.clone().unwrap_or_else(|| pin("web"));
            let new = edited(&base, |o| o["spec"]["releaseName"] = format!("web-{at}").into());
            let now = Timestamp::from_second(1_700_000_000 + clock).unwrap();
            let request = StampRequest { now, ..request(&new, object.as_ref()) };
            let next = stamped_with(&new, &stamp(&request).unwrap());
            let made: Timestamp = annotation(&next, names::CHANGED_AT).unwrap().parse().unwrap();
            proptest::prop_assert!(last.is_none_or(|last| made >= last), "{made} after {last:?}");
            proptest::prop_assert!(made >= now);
            proptest::prop_assert!(last.is_none_or(|last| made == last || made == now));
            // Another replica, whose clock may be off by so much, takes it where it is not too far off.
            let check = StampRequest { new: &next, now: now + SignedDuration::from_secs(off), ..request };
            let plausible = Some(made) == last || (made - check.now).get_seconds().abs() <= 40;
            proptest::prop_assert_eq!(verify(&check).is_ok(), plausible);
            (object, last) = (Some(next), Some(made));
        }
    }

    #[test]
    fn whatever_is_dropped_the_rest_is_as_it_was_and_fits(
        names in proptest::collection::vec("[a-z]{1,200}", 1..20), records in 1_usize..8, bytes in 0_usize..6000, healthy in 0_u64..12
    ) {
        let signer = signer();
        let mut object = pin("web");
        object["status"] = json!({"outcomes": [{"revision": healthy, "lastHealth": "Healthy"}]});
        let mut old: Option<Value> = None;
        let bounds = Bounds { records, bytes };
        let mut all = std::collections::BTreeMap::new();
        for (at, name) in names.into_iter().enumerate() {
            let new = edited(&object, |o| o["spec"]["releaseName"] = format!("{name}{at}").into());
            let request = StampRequest { bounds, signer: Some(&signer), ..request(&new, old.as_ref()) };
            object = stamped_with(&new, &stamp(&request).unwrap());
            let check = StampRequest { new: &object, ..request };
            proptest::prop_assert!(verify(&check).is_ok());
            let kept = history(&object);
            all.insert(kept.last().unwrap().revision, kept.last().unwrap().clone());
            proptest::prop_assert_eq!(check_chain(Kind::ReleaseBinding, "acme", "web-dev", &kept), []);
            proptest::prop_assert!(kept.records().all(|record| all.get(&record.revision) == Some(record)));
            let droppable = kept.records().rev().skip(1).any(|record| record.revision != healthy);
            let over = kept.records().count() > records || annotation(&object, names::HISTORY).unwrap().len() > bytes;
            proptest::prop_assert!(!over || !droppable);
            old = Some(object.clone());
        }
    }
}

#[test]
fn a_reason_that_breaks_its_rules_never_enters_a_record() {
    let one = write(&pin("web-1"), None);
    let inert = edited(&one, |o| o["metadata"]["annotations"][names::REASON] = "x\n".repeat(400).into());
    let kept = write(&inert, Some(&one));
    let new = edited(&kept, |o| o["spec"]["releaseName"] = "web-2".into());
    let plugin = StampRequest { manager: Some(names::PLUGIN_MANAGER), ..request(&new, Some(&kept)) };
    assert_eq!(stamp(&plugin).unwrap_err().code, "TooLong");
    assert!(stamp(&request(&new, Some(&kept))).is_ok(), "for others it is inert");
}

#[test]
fn a_history_is_never_given_up() {
    let release =
        |owner: Value| json!({"metadata": {"annotations": {}, "ownerReferences": [owner]}, "spec": {"interval": "5m"}});
    let as_release = |new: &Value, old: Option<&Value>| {
        stamped_with(new, &stamp(&StampRequest { kind: Kind::Release, ..request(new, old) }).unwrap())
    };
    let owner = |controller: bool| json!({"apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding", "name": "web-dev", "controller": controller});
    let rendered = as_release(&release(owner(true)), None);
    assert_eq!(annotation(&rendered, names::HISTORY), None, "its history is the binding's");
    let direct = as_release(&release(owner(false)), None);
    let claimed = edited(&direct, |o| {
        o["metadata"]["ownerReferences"] = json!([owner(true)]);
        o["spec"]["interval"] = "6m".into();
    });
    assert_eq!(history(&as_release(&claimed, Some(&direct))).records().count(), 2);
}

#[test]
fn a_component_release_has_a_stamp_and_no_history() {
    let release = json!({"metadata": {"annotations": {names::VERSION_ANNOTATION: "v1"}}, "spec": {}});
    let request = StampRequest { kind: Kind::ComponentRelease, ..request(&release, None) };
    let stamp = stamp(&request).unwrap();
    assert_eq!(
        stamp.annotations.keys().copied().collect::<Vec<_>>(),
        [names::CHANGED_AT, names::CHANGED_BY, names::RELEASE_VERSION, names::REVISION]
    );
    let object = stamped_with(&release, &stamp);
    assert!(verify(&StampRequest { new: &object, ..request }).is_ok());
}

#[test]
fn an_unreadable_history_begins_anew_and_says_so() {
    let old = edited(&pin("web-1"), |o| {
        o["metadata"]["annotations"][names::HISTORY] = "[{".into();
        o["metadata"]["annotations"][names::REVISION] = "4".into();
    });
    let new = edited(&old, |o| o["spec"]["releaseName"] = "web-2".into());
    let stamp = stamp(&request(&new, Some(&old))).unwrap();
    assert!(stamp.warning.is_some());
    assert_eq!(stamp.annotations[names::REVISION], "5");
    let anew = history(&stamped_with(&new, &stamp));
    assert_eq!(check_chain(Kind::ReleaseBinding, "acme", "web-dev", &anew), [Finding::Begins(5)]);
}

#[test]
fn what_is_stamped_over_a_history_that_others_wrote_into_is_verified() {
    let mut object = write(&pin("web-0"), None);
    for revision in 1..6 {
        let next = edited(&object, |o| o["spec"]["releaseName"] = format!("web-{revision}").into());
        object = write(&next, Some(&object));
    }
    let tricks: [fn(&mut Vec<Value>); 8] = [
        |records| records.swap(0, 2),
        |records| records[0] = json!({"dropped": {"from": 9, "to": 4}, "hash": "h"}),
        |records| records.insert(2, records[1].clone()),
        |records| records[1]["revision"] = json!(40),
        |records| records.reverse(),
        |records| records.last_mut().unwrap()["revision"] = json!(u64::MAX),
        |records| records.last_mut().unwrap()["revision"] = json!(2),
        |records| records.push(json!({"dropped": {"from": 7, "to": 90}, "hash": "h"})),
    ];
    for (at, trick) in tricks.into_iter().enumerate() {
        let mut records: Vec<Value> = serde_json::from_str(annotation(&object, names::HISTORY).unwrap()).unwrap();
        trick(&mut records);
        let mut old = object.clone();
        old["metadata"]["annotations"][names::HISTORY] = json!(records).to_string().into();
        let next = edited(&old, |o| o["spec"]["releaseName"] = "web-9".into());
        for records in [3, 30] {
            let request =
                |new| StampRequest { bounds: Bounds { records, ..Bounds::default() }, ..request(new, Some(&old)) };
            let new = stamped_with(&next, &stamp(&request(&next)).unwrap());
            assert!(verify(&request(&new)).is_ok(), "trick {at} with {records} records: {:?}", verify(&request(&new)));
            let findings = examine(Kind::ReleaseBinding, &new, &Evidence::default());
            let accuses = |finding: &Finding| {
                matches!(
                    finding,
                    Finding::NotRecorded | Finding::Changed | Finding::StampDiffers(_) | Finding::Unreadable
                )
            };
            assert!(!findings.iter().any(accuses), "the last write is as recorded, trick {at}: {findings:?}");
            let forged = edited(&new, |o| {
                let text = annotation(o, names::HISTORY).unwrap().replacen("web-1", "web-7", 1);
                o["metadata"]["annotations"][names::HISTORY] = text.into();
            });
            assert!(forged == new || verify(&request(&forged)).is_err(), "trick {at} with {records} records");
        }
    }
}
