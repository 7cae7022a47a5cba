use serde_json::json;

use super::*;
use crate::record::{Action, Element, check_chain};

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
        user: "jane",
        manager: Some("kubectl-edit"),
        speaks_for_others: false,
        bypass: false,
        dry_run: false,
        now: NOON.parse().unwrap(),
        bounds: Bounds::default(),
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

#[test]
fn annotations_leave_room_or_the_write_says_so() {
    let filled = |bytes: usize| {
        edited(&pin("web-0"), |o| {
            o["metadata"]["annotations"]["x"] = "y".repeat(WEBHOOK_ANNOTATION_LIMIT - bytes).into()
        })
    };
    assert_eq!(stamp(&request(&filled(400), None)).unwrap_err().code, "AnnotationsTooLarge");
    let mut object = write(&filled(3000), None);
    let refused = loop {
        let new = edited(&object, |o| {
            o["spec"]["releaseName"] = format!("{}x", o["spec"]["releaseName"].as_str().unwrap()).into()
        });
        match stamp(&request(&new, Some(&object))) {
            Ok(stamp) => object = stamped_with(&new, &stamp),
            Err(refused) => break refused,
        }
        let annotations = object["metadata"]["annotations"].as_object().unwrap();
        let total: usize = annotations.iter().map(|(key, value)| key.len() + value.as_str().unwrap().len()).sum();
        assert!(total <= WEBHOOK_ANNOTATION_LIMIT, "{total}");
    };
    assert_eq!(refused.code, "AnnotationsTooLarge");
    let kept = history(&object);
    assert_eq!(kept.records().count(), kept.0.len(), "no record gives way to somebody's annotation");
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
    assert_eq!(check_chain(Kind::ReleaseBinding, "acme", "web-dev", &anew), [crate::record::ChainFault::Begins(5)]);
}
