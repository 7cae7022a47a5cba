//! A ComponentRelease that a binding pins, or may go back to, is not deleted.

use anyhow::ensure;
use release_shared::record::needed_releases;
use release_tests::{Namespace, fixture, trials};
use serde_json::json;

use super::objects::{Shop, binding, component_release, created, with};
use super::person::{refused, until_refused};

trials! {
    admission:
    a_release_is_not_deleted_under_its_pin,
    a_release_goes_as_soon_as_its_binding_is_gone,
    a_release_that_a_record_names_stays_as_long_as_that,
    what_a_finalizer_holds_back_needs_nothing,
    the_controller_is_judged_like_anybody,
}

const IN_USE: [(&str, &str); 1] = [("metadata.name", "ReleaseInUse")];

fn a_release_is_not_deleted_under_its_pin(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    created(&shop.jane, &binding("web", "dev", "web-1"));
    let web = component_release("web", "web-1", "1.0");
    let ask = || shop.jane.in_dry_run().delete(&web);
    until_refused("the webhook has seen the binding", ask, 403, &IN_USE)?;
    let status = shop.jane.delete(&web);
    let status = refused(&status, 403, &IN_USE);
    ensure!(status.message.contains("delete.release.openchoreo.dev"), "{status:?}");
    let told = shop.jane.kubectl(["delete", "componentrelease", "web-1"]).run().expect_code(1);
    assert_eq!(
        told.stderr(),
        "Error from server (Forbidden): admission webhook \"delete.release.openchoreo.dev\" denied the request: metadata.name: \
         ReleaseBinding web-dev pins web-1 in dev: pin another release there, or delete that binding first\n"
    );
    // Of several what can go goes.
    let told = shop.jane.kubectl(["delete", "componentreleases", "--all", "--timeout=30s"]).run().expect_code(1);
    told.expect_stderr("web-1");
    let left = shop.jane.kubectl(["get", "componentreleases", "-o", "name"]).run().expect_code(0);
    assert_eq!(left.stdout(), "componentrelease.openchoreo.dev/web-1\n");
    Ok(())
}

/// The cache is behind for a moment, and a refusal would rest on a binding that is there no more.
fn a_release_goes_as_soon_as_its_binding_is_gone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    for round in 0..10 {
        let release = component_release("web", &format!("web-r{round}"), &format!("r{round}"));
        created(&shop.jane, &release);
        let pins = ["dev", "staging"].map(|environment| binding("web", environment, &format!("web-r{round}")));
        for pin in &pins {
            created(&shop.jane, pin);
        }
        until_refused(
            "the webhook has seen the bindings",
            || shop.jane.in_dry_run().delete(&release),
            403,
            &[IN_USE[0], IN_USE[0]],
        )?;
        for pin in &pins {
            shop.jane.delete(pin).expect("a developer may");
        }
        shop.jane.delete(&release).expect("nothing needs it");
    }
    Ok(())
}

fn a_release_that_a_record_names_stays_as_long_as_that(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let pin = created(&shop.jane, &binding("web", "dev", "web-1"));
    shop.jane.merge(&pin, &json!({ "spec": { "releaseName": "web-2" } })).expect("another release of web");
    let [first, second] =
        [("web-1", "1.0"), ("web-2", "2.0")].map(|(name, version)| component_release("web", name, version));
    let ask = || shop.jane.in_dry_run().delete(&first);
    let status = until_refused("the webhook has seen both revisions", ask, 403, &IN_USE)?;
    ensure!(
        status.message.contains("ReleaseBinding web-dev may go back to web-1, which was pinned in dev before"),
        "{status:?}"
    );

    // Records leave a history at its end: after enough of them nobody goes back to the first release.
    let mut last = pin;
    while needed_releases(&last).contains("web-1") {
        let at = last["metadata"]["resourceVersion"].clone();
        let restart = json!({ "metadata": { "annotations": { "openchoreo.dev/restartedAt": at } } });
        last = shop.jane.merge(&last, &restart).expect("a restart is a record");
    }
    super::person::until_accepted("the webhook has seen the last record", || shop.jane.in_dry_run().delete(&first))?;
    shop.jane.delete(&first).expect("nobody goes back to it");
    refused(&shop.jane.delete(&second), 403, &IN_USE);

    // An outcome is as good as a record, and is written without the webhook.
    created(&shop.jane, &first);
    let outcomes = json!({ "outcomes": [{ "revision": 1, "release": "web-1" }] });
    shop.admin.merge_status(&last, &outcomes).expect("the admin may");
    until_refused("the webhook has seen the outcome", ask, 403, &IN_USE)?;
    Ok(())
}

/// Its binding is on its way out, and what runs is removed by what the Release knows.
fn what_a_finalizer_holds_back_needs_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let held = with(&binding("web", "dev", "web-1"), |b| b["metadata"]["finalizers"] = json!(["tests/held"]));
    let pin = created(&shop.jane, &held);
    let web = component_release("web", "web-1", "1.0");
    until_refused("the webhook has seen the binding", || shop.jane.in_dry_run().delete(&web), 403, &IN_USE)?;
    shop.jane.delete(&pin).expect("a developer may");
    shop.jane.delete(&web).expect("nothing needs it");
    shop.jane.merge(&pin, &json!({ "metadata": { "finalizers": null } })).expect("a finalizer comes off");
    Ok(())
}

fn the_controller_is_judged_like_anybody(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let controller = shop.controller(namespace)?;
    created(&shop.jane, &binding("web", "dev", "web-1"));
    let web = component_release("web", "web-1", "1.0");
    until_refused("the webhook has seen the binding", || controller.in_dry_run().delete(&web), 403, &IN_USE)?;
    controller.delete(&component_release("web", "web-2", "2.0")).expect("nothing needs it");
    Ok(())
}
