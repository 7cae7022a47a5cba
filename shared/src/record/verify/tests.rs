use serde_json::json;

use super::*;
use crate::record::chain::hash_of;
use crate::record::{Bounds, PrivateKey, Signer, StampRequest, stamp};

/// What each row does to the history of an object, and to the object.
type Tamper = fn(&mut Vec<Value>, &mut Value);

fn signer() -> Signer {
    let key = PrivateKey::from_seed(&[7; 32]);
    Signer::new([("20260101t001000z-aaaaaaaa".to_owned(), key)].into(), PublicKeys::default()).unwrap()
}

/// A binding of so many revisions, the last `signed` of them signed.
fn binding(name: &str, revisions: u64, signed: u64, bounds: Bounds) -> Value {
    let signer = signer();
    let mut object = json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding",
        "metadata": {"name": name, "namespace": "acme", "annotations": {}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev", "state": "Active"}
    });
    for revision in 1..=revisions {
        let old = (revision > 1).then(|| object.clone());
        object["spec"]["releaseName"] = format!("{name}-{revision}").into();
        object["metadata"]["annotations"][names::REASON] = format!("reason {revision}").into();
        let is_signed = revision + signed > revisions;
        let request = StampRequest {
            kind: Kind::ReleaseBinding,
            namespace: "acme",
            name,
            new: &object,
            old: old.as_ref(),
            contents: None,
            user: "jane",
            manager: None,
            speaks_for_others: false,
            bypass: false,
            dry_run: false,
            now: if is_signed { "2026-01-02T00:00:00Z" } else { "2026-01-01T00:05:00Z" }.parse().unwrap(),
            bounds,
            signer: is_signed.then_some(&signer),
            world: None,
        };
        let stamp = stamp(&request).unwrap();
        let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.extend(stamp.annotations.into_iter().map(|(key, value)| (key.to_owned(), value.into())));
    }
    object
}

fn tampered(object: &Value, tamper: Tamper) -> Value {
    let mut object = object.clone();
    let mut history: Vec<Value> = serde_json::from_str(annotation(&object, names::HISTORY).unwrap()).unwrap();
    tamper(&mut history, &mut object);
    object["metadata"]["annotations"][names::HISTORY] = json!(history).to_string().into();
    object
}

/// The hashes and links from an element on, as somebody would make them who has no key.
fn rehash(history: &mut [Value], from: usize) {
    let whose = Whose { kind: Kind::ReleaseBinding, namespace: "acme", name: "web-dev" };
    for at in from..history.len() {
        if at > 0 {
            history[at]["prev"] = history[at - 1]["hash"].clone();
        }
        history[at]["hash"] = hash_of(whose, history[at].as_object().unwrap().clone()).into();
    }
}

fn codes(findings: &[Finding]) -> Vec<String> {
    let told = |finding: &Finding| match finding.revisions() {
        Some(Range { from, to }) if from == to => format!("{} {from}", finding.code()),
        Some(Range { from, to }) => format!("{} {from}-{to}", finding.code()),
        None => finding.code().to_owned(),
    };
    findings.iter().map(told).collect()
}

fn found(object: &Value, evidence: &Evidence<'_>) -> Vec<String> {
    codes(&examine(Kind::ReleaseBinding, object, evidence))
}

const OTHER: Whose<'_> = Whose { kind: Kind::ReleaseBinding, namespace: "acme", name: "web-prod" };

#[test]
fn each_way_to_improve_on_a_history_is_found_and_named() {
    let signer = signer();
    let evidence = Evidence { keys: Some(signer.public()), others: &[OTHER], expect: None };
    let object = binding("web-dev", 5, 5, Bounds::default());
    let rows: &[(&str, Tamper, &[&str])] = &[
        ("nothing", |_, _| {}, &[]),
        ("an edited reason", |history, _| history[1]["reason"] = "another".into(), &["RecordEdited 2"]),
        (
            "an edited reason with its hash put right",
            |history, _| {
                history[1]["reason"] = "another".into();
                rehash(&mut history[..2], 1);
            },
            &["ChainBroken 3", "SignatureInvalid 2"],
        ),
        (
            "an edited reason with all hashes put right",
            |history, _| {
                history[2]["reason"] = "another".into();
                rehash(history, 2);
            },
            &["SignatureInvalid 3", "SignatureInvalid 4", "SignatureInvalid 5"],
        ),
        (
            "a signature of another record",
            |history, _| history[1]["sig"] = history[2]["sig"].clone(),
            &["SignatureInvalid 2"],
        ),
        ("a key that nobody added", |history, _| history[1]["more"] = true.into(), &["RecordEdited 2"]),
        ("one taken out of the middle", |history, _| drop(history.remove(2)), &["RecordMissing 3"]),
        ("two taken out of the middle", |history, _| drop(history.drain(1..3)), &["RecordMissing 2-3"]),
        ("the first taken out", |history, _| drop(history.remove(0)), &["RecordMissing 1"]),
        (
            "one taken out, and the next linked over the gap",
            |history, _| {
                history.remove(2);
                history[2]["revision"] = 3.into();
                rehash(&mut history[..3], 2);
            },
            &["RecordMissing 4", "SignatureInvalid 3"],
        ),
        ("two in another order", |history, _| history.swap(1, 2), &["RecordsReordered 2"]),
        ("one twice", |history, _| history.insert(2, history[1].clone()), &["RecordsReordered 2"]),
        (
            "a made-up author without a signature",
            |history, _| {
                history[4]["by"] = "omar".into();
                rehash(history, 4);
                history[4].as_object_mut().unwrap().retain(|key, _| !["key", "sig"].contains(&key.as_str()));
            },
            &["RecordUnsigned 5", "StampDiffers"],
        ),
        (
            "a made-up author with a made-up signature",
            |history, object| {
                history[4]["by"] = "omar".into();
                rehash(history, 4);
                object["metadata"]["annotations"][names::CHANGED_BY] = "omar".into();
            },
            &["SignatureInvalid 5"],
        ),
        ("a made-up key", |history, _| history[4]["key"] = "20270101t000000z-zzzzzzzz".into(), &["KeyUnknown 5"]),
        (
            "a whole history without signatures",
            |history, _| {
                for record in history {
                    record.as_object_mut().unwrap().retain(|key, _| !["key", "sig"].contains(&key.as_str()));
                }
            },
            &["RecordUnsigned 1", "RecordUnsigned 2", "RecordUnsigned 3", "RecordUnsigned 4", "RecordUnsigned 5"],
        ),
        ("made without the webhook", |_, object| object["spec"]["releaseName"] = "evil".into(), &["ChangeNotRecorded"]),
        (
            "another name in the stamp",
            |_, object| object["metadata"]["annotations"][names::CHANGED_BY] = "omar".into(),
            &["StampDiffers"],
        ),
        (
            "a stamp taken off",
            |_, object| drop(object["metadata"]["annotations"].as_object_mut().unwrap().remove(names::CHANGED_BY)),
            &["StampDiffers"],
        ),
        (
            "all stamps taken off",
            |_, object| {
                let stamps = [names::REVISION, names::CHANGED_BY, names::CHANGED_AT, names::RELEASE_VERSION];
                object["metadata"]["annotations"]
                    .as_object_mut()
                    .unwrap()
                    .retain(|key, _| !stamps.contains(&key.as_str()));
            },
            &["StampDiffers", "StampDiffers", "StampDiffers"],
        ),
        ("an empty history", |history, _| history.clear(), &["NotRecorded"]),
        (
            "set back",
            |history, object| {
                object["status"] = json!({"record": {"revision": 5, "hash": history[4]["hash"]}});
                history.pop();
                object["spec"]["releaseName"] = "web-dev-4".into();
                for (key, value) in [(names::REVISION, "4"), (names::CHANGED_BY, "jane")] {
                    object["metadata"]["annotations"][key] = value.into();
                }
            },
            &["HistorySetBack 5"],
        ),
        (
            "rewritten",
            |_, object| object["status"] = json!({"record": {"revision": 4, "hash": "0000"}}),
            &["HistoryRewritten 4"],
        ),
        (
            "as the controller has seen it",
            |history, object| object["status"] = json!({"record": {"revision": 5, "hash": history[4]["hash"]}}),
            &[],
        ),
    ];
    for (what, tamper, expected) in rows {
        assert_eq!(found(&tampered(&object, *tamper), &evidence), *expected, "{what}");
    }
    let missing = edited_annotation(&object, names::HISTORY, None);
    assert_eq!(found(&missing, &evidence), ["NotRecorded"]);
    assert_eq!(found(&edited_annotation(&object, names::HISTORY, Some("[{")), &evidence), ["Unreadable"]);
}

fn edited_annotation(object: &Value, key: &str, value: Option<&str>) -> Value {
    let mut object = object.clone();
    let annotations = object["metadata"]["annotations"].as_object_mut().unwrap();
    match value {
        Some(value) => drop(annotations.insert(key.to_owned(), value.into())),
        None => drop(annotations.remove(key)),
    }
    object
}

#[test]
fn a_record_of_a_dry_run_says_so_with_a_good_signature() {
    let signer = signer();
    let object = binding("web-dev", 2, 2, Bounds::default());
    let mut new = object.clone();
    new["spec"]["releaseName"] = "web-dev-3".into();
    let request = StampRequest {
        kind: Kind::ReleaseBinding,
        namespace: "acme",
        name: "web-dev",
        new: &new,
        old: Some(&object),
        contents: None,
        user: "omar",
        manager: None,
        speaks_for_others: false,
        bypass: false,
        dry_run: true,
        now: "2026-01-02T00:00:00Z".parse().unwrap(),
        bounds: Bounds::default(),
        signer: Some(&signer),
        world: None,
    };
    let stamp = stamp(&request).unwrap();
    for (key, value) in stamp.annotations {
        new["metadata"]["annotations"][key] = value.into();
    }
    let evidence = Evidence { keys: Some(signer.public()), ..Evidence::default() };
    assert_eq!(found(&new, &evidence), ["RecordOfDryRun 3"]);
}

#[test]
fn a_record_of_another_object_is_told_with_that_object() {
    let signer = signer();
    let evidence = Evidence { keys: Some(signer.public()), others: &[OTHER], expect: None };
    let (here, there) = (binding("web-dev", 3, 3, Bounds::default()), binding("web-prod", 3, 3, Bounds::default()));
    let taken: Vec<Value> = serde_json::from_str(annotation(&there, names::HISTORY).unwrap()).unwrap();
    let mut history: Vec<Value> = serde_json::from_str(annotation(&here, names::HISTORY).unwrap()).unwrap();
    history[1] = taken[1].clone();
    let mixed = edited_annotation(&here, names::HISTORY, Some(&json!(history).to_string()));
    assert_eq!(found(&mixed, &evidence), ["RecordOfAnotherObject 2", "ChainBroken 2", "ChainBroken 3"]);
    let said: Vec<_> = examine(Kind::ReleaseBinding, &mixed, &evidence).iter().map(ToString::to_string).collect();
    assert!(said[0].contains("ReleaseBinding acme/web-prod"), "{said:?}");
    assert_eq!(found(&mixed, &Evidence { others: &[], ..evidence })[0], "RecordEdited 2");
}

#[test]
fn what_the_bound_dropped_is_told_apart_from_what_somebody_did() {
    let signer = signer();
    let evidence = Evidence { keys: Some(signer.public()), others: &[], expect: None };
    let bounds = Bounds { records: 3, ..Bounds::default() };
    let object = binding("web-dev", 9, 9, bounds);
    let dropped_by_hand: Tamper = |history, _| {
        let (prev, hash) = (history[1]["prev"].clone(), history[1]["hash"].clone());
        history[1] = json!({"dropped": {"from": 7, "to": 7}, "prev": prev, "hash": hash});
    };
    let rows: &[(&str, Tamper, &[&str])] = &[
        ("nothing", |_, _| {}, &["RecordsDropped 1-6"]),
        ("by hand", dropped_by_hand, &["RecordsDropped 1-6", "DroppedUnsigned 7"]),
        (
            "by hand, into the run that is there",
            |history, _| {
                history[0]["dropped"]["to"] = 7.into();
                history[0]["hash"] = history[1]["hash"].clone();
                history.remove(1);
            },
            &["SignatureInvalid 1-7"],
        ),
        ("another end", |history, _| history[0]["hash"] = "00".into(), &["ChainBroken 7", "SignatureInvalid 1-6"]),
        (
            "its signature taken off",
            |history, object| {
                history[0].as_object_mut().unwrap().retain(|key, _| !["key", "sig"].contains(&key.as_str()));
                object["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z".into();
            },
            &["DroppedUnsigned 1-6"],
        ),
        (
            "its signature taken off, in an object that is older than the first key",
            |history, _| history[0].as_object_mut().unwrap().retain(|key, _| !["key", "sig"].contains(&key.as_str())),
            &["DroppedUnsigned 1-6"],
        ),
        ("gone", |history, _| drop(history.remove(0)), &["RecordMissing 1-6"]),
    ];
    for (what, tamper, expected) in rows {
        assert_eq!(found(&tampered(&object, *tamper), &evidence), *expected, "{what}");
    }
    let elsewhere = binding("web-prod", 9, 9, bounds);
    let run: Vec<Value> = serde_json::from_str(annotation(&elsewhere, names::HISTORY).unwrap()).unwrap();
    let mut history: Vec<Value> = serde_json::from_str(annotation(&object, names::HISTORY).unwrap()).unwrap();
    history[0] = run[0].clone();
    let mixed = edited_annotation(&object, names::HISTORY, Some(&json!(history).to_string()));
    assert_eq!(found(&mixed, &evidence), ["ChainBroken 7", "SignatureInvalid 1-6"]);
    assert_eq!(found(&object, &Evidence::default()), ["DroppedUnchecked 1-6"], "without keys nobody can say");
}

#[test]
fn what_is_older_than_signing_is_unproved_and_no_fault() {
    let signer = signer();
    let evidence = Evidence { keys: Some(signer.public()), others: &[], expect: None };
    let object = binding("web-dev", 5, 2, Bounds::default());
    assert_eq!(found(&object, &evidence), ["BeforeSigning 1-3"]);
    let findings = examine(Kind::ReleaseBinding, &object, &evidence);
    assert!(findings.iter().all(|finding| finding.weight() == crate::record::Weight::Unproved));
    // Nobody can set when an object was made.
    let mut young = object.clone();
    young["metadata"]["creationTimestamp"] = "2026-01-01T00:11:00Z".into();
    assert_eq!(found(&young, &evidence), ["RecordUnsigned 1", "RecordUnsigned 2", "RecordUnsigned 3"]);
    // Who says of an object nothing of its time, or of a record, says nothing for it.
    let nameless =
        tampered(&object, |_, object| drop(object["metadata"].as_object_mut().unwrap().remove("creationTimestamp")));
    assert_eq!(found(&nameless, &evidence), ["RecordUnsigned 1", "RecordUnsigned 2", "RecordUnsigned 3"]);
    let timeless = tampered(&object, |history, _| {
        history[1]["at"] = "once".into();
        rehash(&mut history[..3], 1);
    });
    assert_eq!(
        found(&timeless, &evidence),
        ["ChainBroken 4", "BeforeSigning 1", "RecordUnsigned 2", "BeforeSigning 3"]
    );
    // Without keys nobody can say, and with keys that say nothing of their time it is not proved that there was none.
    assert_eq!(found(&object, &Evidence::default()), ["UnsignedUnchecked 1-3"]);
    let unnamed = PublicKeys { unnamed: signer.public().named.values().cloned().collect(), ..PublicKeys::default() };
    assert_eq!(found(&object, &Evidence { keys: Some(&unnamed), ..evidence }), ["SigningTimeUnknown 1-3"]);
    let since = |time: &str| PublicKeys { since: Some(time.parse().unwrap()), ..unnamed.clone() };
    let (late, early) = (since("2026-01-01T00:10:00Z"), since("2025-01-01T00:00:00Z"));
    assert_eq!(found(&object, &Evidence { keys: Some(&late), ..evidence }), ["BeforeSigning 1-3"]);
    assert_eq!(
        found(&object, &Evidence { keys: Some(&early), ..evidence }),
        ["RecordUnsigned 1", "RecordUnsigned 2", "RecordUnsigned 3"]
    );
}

#[test]
fn a_history_that_is_invented_without_a_key_never_passes() {
    let signer = signer();
    let object = tampered(&binding("web-dev", 3, 3, Bounds::default()), |history, object| {
        for record in history.iter_mut() {
            record["by"] = "eve".into();
            record.as_object_mut().unwrap().retain(|key, _| !["key", "sig"].contains(&key.as_str()));
        }
        rehash(history, 0);
        object["metadata"]["annotations"][names::CHANGED_BY] = "eve".into();
        object["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z".into();
    });
    let named = signer.public().clone();
    let mut with_mine = named.clone();
    with_mine.named.insert("zz-mine".to_owned(), PrivateKey::from_seed(&[8; 32]).public());
    let unnamed = PublicKeys { unnamed: named.named.values().cloned().collect(), ..PublicKeys::default() };
    for keys in [named, with_mine] {
        let evidence = Evidence { keys: Some(&keys), ..Evidence::default() };
        assert_eq!(found(&object, &evidence), ["RecordUnsigned 1", "RecordUnsigned 2", "RecordUnsigned 3"]);
    }
    let evidence = Evidence { keys: Some(&unnamed), ..Evidence::default() };
    assert_eq!(found(&object, &evidence), ["SigningTimeUnknown 1-3"]);
    let findings = examine(Kind::ReleaseBinding, &object, &evidence);
    assert!(findings.iter().all(Finding::is_fault));
}

#[test]
fn a_hash_that_was_noted_must_be_there() {
    let signer = signer();
    let object = binding("web-dev", 9, 9, Bounds { records: 3, ..Bounds::default() });
    let history: Vec<Value> = serde_json::from_str(annotation(&object, names::HISTORY).unwrap()).unwrap();
    let fits = |object: &Value, keys: Option<&PublicKeys>, hash: &str| {
        let evidence = Evidence { keys, others: &[], expect: Some(hash) };
        !found(object, &evidence).contains(&"ExpectedMissing".to_owned())
    };
    let keys = Some(signer.public());
    for element in &history {
        assert!(fits(&object, keys, element["hash"].as_str().unwrap()));
        assert!(fits(&object, None, element["hash"].as_str().unwrap()));
    }
    assert!(!fits(&object, keys, "00"));
    let unsigned = tampered(&object, |history, _| drop(history[0].as_object_mut().unwrap().remove("sig")));
    assert!(!fits(&unsigned, keys, history[0]["hash"].as_str().unwrap()), "nobody vouches for that end");
}

#[test]
fn findings_have_codes_of_their_own_and_one_sentence() {
    let range = Range { from: 3, to: 5 };
    let all = [
        Finding::NotRecorded,
        Finding::Unreadable,
        Finding::Edited(3),
        Finding::OfAnother(3, OTHER.to_string()),
        Finding::DryRun(range),
        Finding::Missing(range),
        Finding::Begins(3),
        Finding::OutOfOrder(3, 4),
        Finding::Unlinked(3),
        Finding::Forged(range, "k".into()),
        Finding::UnknownKey(range, "k".into()),
        Finding::Unsigned(3),
        Finding::DroppedUnsigned(range),
        Finding::Undated(range),
        Finding::UnsignedUnchecked(range),
        Finding::BeforeSigning(range),
        Finding::Dropped(range, true),
        Finding::Dropped(range, false),
        Finding::DroppedBeforeSigning(range),
        Finding::DroppedUnproved(range, ["KeyUnknown".to_owned(), "RecordEdited".to_owned()].into()),
        Finding::Changed,
        Finding::StampDiffers(names::CHANGED_BY),
        Finding::SetBack(3, "h".into()),
        Finding::Rewritten(3, "h".into()),
        Finding::NotExpected("h".into()),
    ];
    let codes: BTreeSet<_> = all.iter().map(Finding::code).collect();
    assert_eq!(codes.len(), all.len());
    let lines: Vec<_> =
        all.iter().map(|finding| format!("{} {}: {finding}", finding.weight().as_str(), finding.code())).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_key_that_stands_twice_is_an_edit_whichever_of_the_two_was_signed() {
    let signer = signer();
    let evidence = Evidence { keys: Some(signer.public()), ..Evidence::default() };
    let object = binding("web-dev", 3, 3, Bounds::default());
    let written = annotation(&object, names::HISTORY).unwrap().to_owned();
    for (signed, twice) in [
        (r#""by":"jane""#, r#""by":"joan","by":"jane""#),
        (r#""by":"jane""#, r#""b\u0079":"joan","by":"jane""#),
        (r#""reason":"reason 1""#, r#""reason":"another","reason":"reason 1""#),
    ] {
        let mut object = object.clone();
        assert!(found(&object, &evidence).is_empty());
        object["metadata"]["annotations"][names::HISTORY] = written.replacen(signed, twice, 1).into();
        assert_eq!(found(&object, &evidence), ["RecordEdited 1"], "{twice}");
    }
}
