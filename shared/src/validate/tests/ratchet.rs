//! What was wrong before is no reason to refuse a change now.

use serde_json::json;

use super::*;

#[test]
fn what_an_object_already_was_does_not_lock_it() {
    let old = release(|r| r["spec"]["interval"] = "5 minutes".into());
    let labelled = release(|r| {
        r["spec"]["interval"] = "5 minutes".into();
        r["metadata"]["finalizers"] = json!([]);
    });
    assert_eq!(codes(Kind::Release, "web-dev", &labelled, Some(&old)), [], "nothing recorded changes");

    let reordered = release(|r| {
        r["spec"]["interval"] = "5 minutes".into();
        r["spec"]["resources"].as_array_mut().unwrap().reverse();
    });
    assert_eq!(codes(Kind::Release, "web-dev", &reordered, Some(&old)), [], "an old fault is a warning");

    let worse = release(|r| {
        r["spec"]["interval"] = "5 minutes".into();
        r["spec"]["progressingInterval"] = "-1s".into();
    });
    assert_eq!(
        codes(Kind::Release, "web-dev", &worse, Some(&old)),
        [("spec.progressingInterval".into(), "InvalidDuration")]
    );
}

#[test]
fn intervals_in_the_wrong_order_are_a_fault_of_both() {
    let with = |interval: &str, resource: &str| {
        release(|r| {
            r["spec"]["interval"] = interval.into();
            r["spec"]["progressingInterval"] = "6m".into();
            r["spec"]["resources"][0]["id"] = resource.into();
        })
    };
    let old = with("5m", "a");
    assert_eq!(codes(Kind::Release, "web-dev", &with("5m", "b"), Some(&old)), []);
    assert_eq!(
        codes(Kind::Release, "web-dev", &with("4m", "a"), Some(&old)),
        [("spec.progressingInterval".into(), "IntervalOrder")]
    );
    assert_eq!(codes(Kind::Release, "web-dev", &with("6m", "a"), Some(&old)), []);
}

#[test]
fn an_old_fault_stays_the_same_when_its_entry_moves() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "b"}});
    let with = |at: usize| {
        release(|r| {
            r["spec"]["resources"].as_array_mut().unwrap().insert(at, json!({"id": "secret", "object": secret}));
        })
    };
    assert_eq!(codes(Kind::Release, "web-dev", &with(0), Some(&with(2))), []);
    let other =
        release(|r| r["spec"]["resources"].as_array_mut().unwrap().insert(0, json!({"id": "other", "object": secret})));
    assert_eq!(codes(Kind::Release, "web-dev", &other, Some(&with(2))).len(), 1);
}
