use release_shared::record::Action;
use serde_json::json;

use super::*;

/// Revisions of `web` in dev as the webhook records them, each with its release, values and restart. The last is what is pinned.
fn pinned(revisions: &[(&str, u64, &str)]) -> Value {
    let mut binding = json!({
        "metadata": {"name": "web-dev", "namespace": "acme", "annotations": {}},
        "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev", "state": "Active"}
    });
    let mut history = History::default();
    for (at, (release, replicas, restarted)) in revisions.iter().enumerate() {
        binding["spec"]["releaseName"] = (*release).into();
        binding["spec"]["componentTypeEnvironmentConfigs"] = json!({"replicas": replicas});
        binding["metadata"]["annotations"][names::RESTARTED_AT] = (*restarted).into();
        let revision = at as u64 + 1;
        let mut record: Record = serde_json::from_value(json!({
            "revision": revision, "action": Action::Deploy, "release": release, "state": "Active",
            "config": {"componentTypeEnvironmentConfigs": {"replicas": replicas}}, "by": "dana", "at": format!("day {revision}"),
            "content": content_hash(Kind::ReleaseBinding, &binding), "prev": history.last().and_then(|last| last.hash.clone())
        }))
        .unwrap();
        if release.ends_with('1') {
            record.version = Some("v1".into());
        }
        record.hash = Some(record_hash(Kind::ReleaseBinding, "acme", "web-dev", &record));
        history.0.push(Element::Record(record));
    }
    binding["metadata"]["annotations"][names::HISTORY] = history.to_text().into();
    binding
}

/// With how revisions went: health and whether it ended.
fn with_outcomes(mut binding: Value, outcomes: &[(u64, &str)]) -> Value {
    let history = History::parse(annotation(&binding, names::HISTORY).unwrap()).unwrap();
    let content = |revision: u64| {
        history.records().find(|record| record.revision == revision).map(|record| record.content.clone())
    };
    let outcome = |(revision, health): &(u64, &str)| {
        let mut outcome =
            json!({"revision": revision, "lastHealth": health, "endedBy": revision + 1, "release": "web-9"});
        if let Some(content) = content(*revision) {
            outcome["content"] = content.into();
        }
        if *health == "Degraded" {
            outcome["cause"] = "no image".into();
        }
        outcome
    };
    binding["status"] = json!({"outcomes": outcomes.iter().map(outcome).collect::<Vec<_>>()});
    binding
}

fn drop_first(mut binding: Value, count: usize) -> Value {
    let mut history = History::parse(annotation(&binding, names::HISTORY).unwrap()).unwrap();
    let run: Vec<_> = history.0.drain(..count).collect();
    let dropped = json!({"dropped": {"from": 1, "to": count}, "hash": run.last().and_then(Element::hash)});
    history.0.insert(0, serde_json::from_value(dropped).unwrap());
    binding["metadata"]["annotations"][names::HISTORY] = history.to_text().into();
    binding
}

fn chosen(target: Result<Target, Vec<String>>) -> Result<u64, String> {
    target.map(|target| target.record.revision).map_err(|reasons| reasons.join("\n"))
}

const STORY: [(&str, u64, &str); 4] = [("web-1", 2, ""), ("web-1", 3, ""), ("web-2", 3, ""), ("web-3", 3, "")];

#[test]
fn the_newest_healthy_one_that_differs() {
    use std::slice::from_ref;
    let all = |health: &'static str| (1..=4).map(move |revision| (revision, health)).collect::<Vec<_>>();
    for (what, binding, expected) in [
        ("the one before", with_outcomes(pinned(&STORY), &all("Healthy")), 3),
        ("a bad one is left out", with_outcomes(pinned(&STORY), &[(1, "Healthy"), (2, "Healthy"), (3, "Degraded")]), 2),
        ("one that was switched off, too", with_outcomes(pinned(&STORY), &[(1, "Healthy"), (2, "Suspended")]), 1),
        (
            "what is pinned today is no way back",
            with_outcomes(pinned(&[STORY[0], STORY[2], STORY[0]]), &[(1, "Healthy"), (2, "Healthy")]),
            2,
        ),
        (
            "neither is what was only restarted since",
            with_outcomes(pinned(&[STORY[0], STORY[2], ("web-2", 3, "noon")]), &[(1, "Healthy"), (2, "Healthy")]),
            1,
        ),
    ] {
        assert_eq!(chosen(last_healthy(from_ref(&binding).first().unwrap())), Ok(expected), "{what}");
    }
}

#[test]
fn what_is_chosen_is_told() {
    let binding = with_outcomes(pinned(&STORY), &[(2, "Healthy")]);
    let target = last_healthy(&binding).unwrap();
    assert_eq!(target.describe("web"), "revision 2 (web v1), the last healthy one, which was pinned by dana on day 2");
    let target = asked(&binding, 3).unwrap();
    assert_eq!(target.describe("web"), "revision 3 (web-2), as asked, which was pinned by dana on day 3");
}

#[test]
fn why_there_is_none_is_told_for_each() {
    let mut unseen = with_outcomes(drop_first(pinned(&STORY), 1), &[(2, "Degraded"), (3, "Healthy"), (4, "Degraded")]);
    unseen["status"]["outcomes"][1].as_object_mut().unwrap().remove("endedBy");
    let all = [
        ("no controller", pinned(&STORY)),
        ("none of them", unseen),
        ("the record is gone", with_outcomes(drop_first(pinned(&STORY), 2), &[(1, "Healthy"), (2, "Healthy")])),
        ("only this one", pinned(&STORY[..1])),
        (
            "no webhook",
            json!({"metadata": {"name": "web-dev"}, "spec": {"owner": {"componentName": "web"}, "environment": "dev"}}),
        ),
    ];
    let told: String = all
        .iter()
        .map(|(what, binding)| format!("{what}:\n{}\n", chosen(last_healthy(binding)).unwrap_err()))
        .collect();
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_asked_for_must_be_there() {
    let binding = drop_first(pinned(&STORY), 2);
    assert_eq!(chosen(asked(&binding, 3)), Ok(3));
    assert_eq!(chosen(asked(&binding, 4)), Ok(4), "what is pinned now may have been changed without a record");
    insta::assert_snapshot!([0, 1, 5].map(|revision| chosen(asked(&binding, revision)).unwrap_err()).join("\n"));
}

#[test]
fn a_record_that_was_rewritten_is_no_way_back() {
    let forged = |change: fn(&mut Record), seal: bool| {
        let mut binding = with_outcomes(pinned(&STORY), &[(3, "Healthy")]);
        let mut history = History::parse(annotation(&binding, names::HISTORY).unwrap()).unwrap();
        let Element::Record(record) = &mut history.0[2] else { unreachable!() };
        change(record);
        if seal {
            record.hash = Some(record_hash(Kind::ReleaseBinding, "acme", "web-dev", record));
        }
        binding["metadata"]["annotations"][names::HISTORY] = history.to_text().into();
        binding
    };
    let edited = forged(|record| record.release = Some("web-evil".into()), false);
    let resealed = forged(|record| record.content = "evil".into(), true);
    for binding in [edited, resealed] {
        for target in [last_healthy(&binding), asked(&binding, 3)] {
            let told = chosen(target).unwrap_err();
            assert!(told.starts_with("the record of revision 3 is not the one that was made"), "{told}");
        }
    }
}
