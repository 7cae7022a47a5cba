//! Without the webhook, and where the API server has no mutating policies: who sends a stamp may write no other name than their own, and
//! only with a change of what is recorded.

use release_shared::names;
use release_tests::{Namespace, trials};
use serde_json::{Value, json};

use super::forgery::with_forged_stamps;
use super::objects::{annotated, annotation, binding, component, created, environment, pipeline, project, with};
use super::person::{Person, refused_by_the_server};

trials! {
    oldest:
    nobody_becomes_the_author_of_what_another_one_does,
    a_stamp_moves_only_with_what_is_recorded,
    a_stamp_is_not_lost,
    an_annotation_that_is_as_good_as_a_field_is_recorded_content,
}

/// With a stamp as the webhook would have written it for the admin.
fn stamped(object: &Value) -> Value {
    annotated(&with_forged_stamps(object), &[(names::CHANGED_BY, "admin")])
}

fn stamp(object: &Value) -> [Option<String>; 5] {
    names::WEBHOOK_KEYS.map(|key| annotation(object, key).map(str::to_owned))
}

fn nobody_becomes_the_author_of_what_another_one_does(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    for object in
        [project(), environment("dev", &[]), pipeline("warn", &[]), component("web"), binding("web", "dev", "x")]
    {
        let said =
            "metadata.annotations[release.openchoreo.dev/changed-by] can only become admin, who makes this change";
        let told = admin.create(&with_forged_stamps(&object));
        let status = refused_by_the_server(&told, 403, said);
        assert!(status.message.contains("ValidatingAdmissionPolicy 'release-stamps'"), "{status:?}");
        // Any of them takes the author's own name.
        for key in names::WEBHOOK_KEYS.into_iter().filter(|key| *key != names::CHANGED_BY) {
            refused_by_the_server(&admin.create(&annotated(&object, &[(key, "1")])), 403, said);
        }
        let object = created(&admin, &object);
        refused_by_the_server(
            &admin.merge(
                &object,
                &json!({
                    "metadata": { "annotations": { names::CHANGED_BY: "eve" } }, "spec": { "unknown": 1 },
                }),
            ),
            403,
            "release-stamps",
        );
    }
    let pin = created(&admin, &stamped(&binding("api", "dev", "x")));
    let eve = json!({ "metadata": { "annotations": { names::CHANGED_BY: "eve" } }, "spec": { "releaseName": "y" } });
    refused_by_the_server(&admin.merge(&pin, &eve), 403, "can only become admin");
    Ok(())
}

fn a_stamp_moves_only_with_what_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let pin = created(&admin, &binding("web", "dev", "web-1"));
    for key in names::WEBHOOK_KEYS {
        let own = json!({ "metadata": { "annotations": { key: "admin", names::CHANGED_BY: "admin" } } });
        refused_by_the_server(&admin.merge(&pin, &own), 403, "and this write makes none: leave it as it is");
    }
    let own =
        json!({ "metadata": { "annotations": { names::CHANGED_BY: "admin" } }, "spec": { "releaseName": "web-2" } });
    let pin = admin.merge(&pin, &own).unwrap();
    assert_eq!(annotation(&pin, names::CHANGED_BY), Some("admin"));

    // An honest change, by whatever way, leaves an old stamp beside the newer spec.
    let before = stamp(&pin);
    admin.merge(&pin, &json!({ "spec": { "releaseName": "web-3" } })).unwrap();
    admin.replace(&with(&admin.get(&pin).unwrap(), |pin| pin["spec"]["releaseName"] = "web-4".into())).unwrap();
    admin.kubectl_on(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &binding("web", "dev", "web-5"));
    let after = admin.merge(&pin, &json!({ "metadata": { "labels": { "a": "b" } } })).unwrap();
    assert_eq!((stamp(&after), &after["spec"]["releaseName"]), (before, &json!("web-5")));
    Ok(())
}

fn a_stamp_is_not_lost(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let pin = created(&admin, &stamped(&binding("web", "dev", "web-1")));
    let none = |release: &str| binding("web", "dev", release);
    let put = |object: Value| {
        with(&object, |object| object["metadata"]["resourceVersion"] = pin["metadata"]["resourceVersion"].clone())
    };
    refused_by_the_server(&admin.replace(&put(none("web-1"))), 403, "and this write makes none");
    refused_by_the_server(&admin.replace(&put(none("web-2"))), 403, "can only become admin");
    for key in names::WEBHOOK_KEYS {
        let without = json!({ "metadata": { "annotations": { key: null } } });
        refused_by_the_server(&admin.merge(&pin, &without), 403, "and this write makes none");
    }
    assert_eq!(stamp(&admin.get(&pin).unwrap()), stamp(&pin));
    Ok(())
}

fn an_annotation_that_is_as_good_as_a_field_is_recorded_content(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    for (object, key, value) in [
        (environment("dev", &[]), names::DRIFT, "enforce"),
        (pipeline("warn", &[]), names::ENFORCEMENT, "enforce"),
        (binding("web", "dev", "web-1"), names::RESTARTED_AT, "2026-01-01T00:00:00Z"),
    ] {
        let object = created(&admin, &object);
        let annotations =
            |other: &str| json!({ "metadata": { "annotations": { other: value, names::CHANGED_BY: "admin" } } });
        refused_by_the_server(&admin.merge(&object, &annotations("tests/other")), 403, "and this write makes none");
        admin.merge(&object, &annotations(key)).unwrap();
    }
    Ok(())
}
