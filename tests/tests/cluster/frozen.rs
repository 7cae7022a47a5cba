//! A frozen environment: what waits until it is thawed, and what goes on.

use anyhow::ensure;
use jiff::{SignedDuration, Timestamp};
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::audit;
use super::never_in_the_way::delete_namespace;
use super::objects::{
    Shop, annotated, annotation, binding, created, environment, owned_release, pipeline, records, release, with,
};
use super::person::{Person, refused, until_accepted, until_refused};
use super::project::Project;

trials! {
    admission:
    nothing_that_is_recorded_changes_in_a_freeze,
    what_is_no_change_goes_on,
    nothing_is_deleted_in_a_freeze_and_all_of_it_at_once_after,
    a_freeze_is_over_by_itself,
    what_is_rendered_follows_its_pin,
    a_frozen_namespace_is_deleted,
    who_freezes_and_who_switches_enforcement_off_is_recorded,
    the_plugin_says_the_same_and_sends_nothing,
}

/// Long enough for any test.
pub(crate) const FREEZE: &str = "2126-01-01T00:00:00Z; inventory";

const PIN: [(&str, &str); 1] = [("spec.environment", "Frozen")];
const BY_HAND: [(&str, &str); 1] = [("spec.environmentName", "Frozen")];

/// Sets or lifts a freeze.
#[track_caller]
pub(crate) fn freeze(person: &Person<'_>, name: &str, frozen: Option<&str>) {
    let patch = json!({ "metadata": { "annotations": { names::FROZEN: frozen } } });
    person.merge(&environment(name, &[]), &patch).unwrap_or_else(|status| panic!("not set: {status:?}"));
}

/// Freezes `dev`, with a pin of `web` and a Release of `api` in it, once the webhook has seen that.
fn frozen<'a>(namespace: &'a Namespace<'a>) -> anyhow::Result<(Shop<'a>, Value, Value)> {
    let shop = Shop::open(namespace, "warn")?;
    let pin = created(&shop.jane, &binding("web", "dev", "web-1"));
    let direct = created(&shop.jane, &by_hand("by-hand"));
    freeze(&shop.pat, "dev", Some(FREEZE));
    let ask = || shop.jane.in_dry_run().merge(&pin, &json!({ "spec": { "state": "Undeploy" } }));
    until_refused("the webhook has seen the freeze", ask, 403, &PIN)?;
    Ok((shop, pin, direct))
}

fn by_hand(name: &str) -> Value {
    with(&release(name), |release| release["spec"]["owner"]["componentName"] = "api".into())
}

fn nothing_that_is_recorded_changes_in_a_freeze(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let (shop, pin, direct) = frozen(namespace)?;
    let jane = &shop.jane;
    let restart = json!({ "metadata": { "annotations": { names::RESTARTED_AT: "now" } } });
    for patch in [json!({ "spec": { "state": "Undeploy" } }), json!({ "spec": { "releaseName": "web-2" } }), restart] {
        refused(&jane.merge(&pin, &patch), 403, &PIN);
    }
    refused(&jane.create(&binding("api", "dev", "api-1")), 403, &PIN);
    refused(&jane.merge(&direct, &json!({ "spec": { "interval": "9m" } })), 403, &BY_HAND);
    refused(&jane.create(&by_hand("another")), 403, &BY_HAND);
    // The cluster's own admin is held back as well, and permitted to go past it.
    refused(&shop.admin.merge(&pin, &json!({ "spec": { "state": "Undeploy" } })), 403, &PIN);
    let told =
        jane.kubectl(["patch", "releasebinding", "web-dev", "--type=merge", "-p", r#"{"spec":{"state":"Undeploy"}}"#]);
    assert_eq!(
        told.run().expect_code(1).stderr(),
        "Error from server (Forbidden): admission webhook \"mutate.release.openchoreo.dev\" denied the request: spec.environment: dev is \
         frozen until 2126-01-01T00:00:00Z (inventory): wait until then, or have the platform team thaw it; who may bypass on \
         environments/dev goes past it with `--bypass --reason WHY`, or with the annotations release.openchoreo.dev/bypass: \"2\" and \
         release.openchoreo.dev/reason in the same write\n"
    );
    assert_eq!(records(&jane.get(&pin).unwrap()).len(), 1);
    Ok(())
}

fn what_is_no_change_goes_on(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let (shop, pin, direct) = frozen(namespace)?;
    for object in [&pin, &direct] {
        let metadata = json!({ "metadata": { "labels": { "team": "blue" }, "annotations": { "a": "b" }, "finalizers": ["a.b/c"] } });
        let changed = shop.jane.merge(object, &metadata).unwrap();
        assert_eq!(annotation(&changed, names::REVISION), Some("1"));
        shop.jane.merge(object, &json!({ "metadata": { "finalizers": null } })).unwrap();
    }
    shop.admin.merge_status(&pin, &json!({ "health": "Degraded" })).unwrap();
    let again = shop.jane.get(&pin).unwrap();
    shop.jane.replace(&again).unwrap();
    // Other environments are not frozen, and what is cut is in none.
    created(&shop.jane, &binding("web", "staging", "web-1"));
    created(&shop.jane, &super::objects::component_release("web", "web-3", "3.0"));
    Ok(())
}

fn nothing_is_deleted_in_a_freeze_and_all_of_it_at_once_after(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let (shop, pin, direct) = frozen(namespace)?;
    refused(&shop.jane.delete(&pin), 403, &PIN);
    refused(&shop.jane.delete(&direct), 403, &BY_HAND);
    let told = shop.jane.kubectl(["delete", "releasebinding", "web-dev"]).run().expect_code(1);
    assert_eq!(
        told.stderr(),
        "Error from server (Forbidden): admission webhook \"delete.release.openchoreo.dev\" denied the request: spec.environment: dev is \
         frozen until 2126-01-01T00:00:00Z (inventory): wait until then, or have the platform team thaw it; who may bypass on \
         environments/dev deletes it all the same\n"
    );
    // The webhook's cache may not know of the thaw yet: it asks before it refuses.
    for _ in 0..10 {
        freeze(&shop.pat, "dev", None);
        shop.jane.in_dry_run().delete(&pin).expect("it is thawed");
        shop.jane.in_dry_run().merge(&pin, &json!({ "spec": { "state": "Undeploy" } })).expect("it is thawed");
        freeze(&shop.pat, "dev", Some(FREEZE));
        until_refused("the webhook has seen the freeze", || shop.jane.in_dry_run().delete(&pin), 403, &PIN)?;
    }
    freeze(&shop.pat, "dev", None);
    shop.jane.delete(&pin).expect("it is thawed");
    shop.jane.delete(&direct).expect("it is thawed");
    assert_eq!(audit::annotations(namespace, "failed-open")?, [], "no call of the webhook failed");
    Ok(())
}

fn a_freeze_is_over_by_itself(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let end = Timestamp::now() + SignedDuration::from_secs(20);
    freeze(&shop.pat, "dev", Some(&format!("{end}; inventory")));
    let pin = binding("web", "dev", "web-1");
    until_refused("the webhook has seen the freeze", || shop.jane.in_dry_run().create(&pin), 403, &PIN)?;
    until_accepted("the freeze is over", || shop.jane.create(&pin))?;
    ensure!(Timestamp::now() >= end);
    // Nobody has changed the Environment for that; who sets it anew is told that it says nothing.
    assert_eq!(annotation(&shop.pat.get(&environment("dev", &[])).unwrap(), names::REVISION), Some("2"));
    let late = format!("{}={end}; inventory again", names::FROZEN);
    let told = shop.pat.kubectl(["annotate", "--overwrite", "environment/dev", &late]).run().expect_code(0);
    told.expect_stderr("is in the past: nothing is frozen by it; write a time to come, or remove it");
    Ok(())
}

fn what_is_rendered_follows_its_pin(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let (shop, pin, _) = frozen(namespace)?;
    let controller = shop.controller(namespace)?;
    let rendered = until_accepted("the webhook has seen the binding", || controller.create(&owned_release(&pin)))?;
    controller.merge(&rendered, &json!({ "spec": { "interval": "9m" } })).expect("the controller goes on");
    controller.delete(&rendered).expect("the controller goes on");
    Ok(())
}

fn a_frozen_namespace_is_deleted(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let (shop, ..) = frozen(namespace)?;
    delete_namespace(namespace, &shop.admin, &[])
}

fn who_freezes_and_who_switches_enforcement_off_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "enforce")?;
    let set = |person: &Person<'_>, object: &Value, key: &str, value: Option<&str>, reason: &str| {
        let patch = json!({ "metadata": { "annotations": { key: value, names::REASON: reason } } });
        person.managing_as("kubectl-patch").merge(object, &patch).unwrap()
    };
    let (dev, main) = (environment("dev", &[]), pipeline("enforce", &[]));
    set(&shop.pat, &dev, names::FROZEN, Some(FREEZE), "the auditors are here");
    set(&shop.admin, &dev, names::FROZEN, None, "they are gone");
    set(&shop.pat, &main, names::ENFORCEMENT, Some("warn"), "INC-7: out of order");
    set(&shop.admin, &main, names::ENFORCEMENT, Some("enforce"), "INC-7 is over");

    let history = |object: &str| {
        let shown: Value = shop.jane.release(["history", object, "-o", "json"]).run().expect_code(0).json();
        let items = shown["items"].as_array().unwrap().iter();
        let items =
            items.map(|item| ["revision", "by", "reason"].map(|key| item[key].to_string().replace('"', "")).join(" "));
        items.collect::<Vec<_>>()
    };
    assert_eq!(history("environment/dev"), ["3 admin they are gone", "2 pat the auditors are here", "1 pat null"]);
    assert_eq!(
        history("deploymentpipeline/main"),
        ["3 admin INC-7 is over", "2 pat INC-7: out of order", "1 pat null"]
    );
    let shown = shop.jane.release(["history", "environment/dev"]).run().expect_code(0);
    shown.expect_stdout("REVISION").expect_stdout("update").expect_stdout("the auditors are here");
    shop.jane.release(["history", "environment/dev", "--verify"]).run().expect_code(0);
    Ok(())
}

fn the_plugin_says_the_same_and_sends_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    freeze(&Person::admin(namespace), "dev", Some(FREEZE));
    for line in [
        "configure web dev replicas=3",
        "restart web dev --dry-run",
        "undeploy web dev --reason tired",
        "delete web dev",
        "delete web -y",
        "create web -f - --version v2",
    ] {
        let manifests = super::project::MANIFESTS.replace("web:1", "web:2");
        let told = project.dana(line).stdin(manifests).run().expect_code(3);
        told.expect_stderr(
            "refused, and nothing was sent: spec.environment: dev is frozen until 2126-01-01T00:00:00Z (inventory)",
        );
    }
    let items: Value = project.dana("history web dev -o json").run().expect_code(0).json();
    assert_eq!(items["items"].as_array().map(Vec::len), Some(1));
    project.dana("promote web --to staging").run().expect_code(0);
    // A freeze that is over is none.
    let over = annotated(&environment("dev", &[]), &[(names::FROZEN, "2020-01-01T00:00:00Z; long ago")]);
    Person::admin(namespace).merge(&over, &json!({ "metadata": over["metadata"] })).unwrap();
    project.dana("configure web dev replicas=3").run().expect_code(0);
    Ok(())
}
