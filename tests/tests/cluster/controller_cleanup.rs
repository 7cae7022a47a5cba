//! What goes when something ends: all that was made, and nothing else. And every end comes.

use anyhow::ensure;
use release_shared::names;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::live::{
    LIMIT, condition, config_map, deployment, direct, generated, is_absent, namespace as named, outcome, snapshot,
    until_condition, until_gone, until_live, until_ready, within,
};
use super::objects::{Shop, binding, created, environment, records, with};

trials! {
    undeployed_and_deployed_again,
    with_its_binding_everything_goes,
    what_is_made_anew_waits_for_the_end_of_what_was,
    a_deletion_in_the_foreground_waits_for_everything,
    an_orphaned_release_stays_live,
    what_was_made_last_goes_first,
    a_deletion_ends_where_the_environment_is_gone,
    a_deletion_ends_where_the_namespace_is_gone,
    the_whole_namespace_of_a_project_goes,
}

/// A Deployment and a ConfigMap of `web` in `dev`, and where they are.
fn go_live(namespace: &Namespace<'_>, shop: &Shop<'_>) -> anyhow::Result<(Value, [Value; 2])> {
    let objects = [deployment("web"), config_map("web", "small")];
    created(&shop.jane, &snapshot("web", "web-3", &objects));
    let pin = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-3")))?;
    let live = generated(namespace, "dev");
    Ok((pin, objects.map(|object| within(&live, &object))))
}

fn all_gone(shop: &Shop<'_>, live: &[Value]) -> anyhow::Result<()> {
    live.iter().try_for_each(|object| until_gone(&shop.admin, object))
}

/// Refers to the Release of the binding.
fn rendered() -> Value {
    direct("web-dev", &[])
}

/// A Release of the other component.
fn by_hand() -> Value {
    with(&direct("by-hand", &[config_map("by-hand", "small")]), |release| {
        release["spec"]["owner"]["componentName"] = "api".into();
    })
}

fn undeployed_and_deployed_again(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let (pin, live) = go_live(namespace, &shop)?;
    let state =
        |state: &str| json!({ "spec": { "state": state }, "metadata": { "annotations": { names::REASON: state } } });
    let down = shop.jane.merge(&pin, &state("Undeploy")).unwrap();
    let told = until_condition(&shop.jane, &down, "ReleaseSynced", "ResourcesUndeployed")?;
    assert_eq!(condition(&told, "Ready")[..2], ["False", "ResourcesUndeployed"]);
    assert_eq!((&told["status"]["health"], &outcome(&told)["revision"]), (&json!("Suspended"), &json!(2)));
    all_gone(&shop, &live)?;
    until_gone(&shop.jane, &rendered())?;
    assert_eq!(records(&told).len(), 2);
    let place = generated(namespace, "dev");
    let pods = || shop.admin.kubectl(["get", "pods", "-n", &place, "-o", "name"]).run().expect_code(0);
    wait::until("its pods are gone", LIMIT, || Ok(pods().stdout().is_empty().then_some(())))?;

    let up = until_ready(&shop.jane, &shop.jane.merge(&told, &state("Active")).unwrap())?;
    let reasons: Vec<_> = records(&up).into_iter().map(|record| record.reason.unwrap_or_default()).collect();
    assert_eq!(reasons, ["", "Undeploy", "Active"]);
    for object in &live {
        shop.admin.get(object).unwrap();
    }
    let healths = up["status"]["outcomes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let healths: Vec<_> = healths.iter().map(|outcome| outcome["lastHealth"].as_str().unwrap_or_default()).collect();
    assert_eq!(healths, ["Healthy", "Suspended", "Healthy"]);
    Ok(())
}

fn with_its_binding_everything_goes(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let (pin, live) = go_live(namespace, &shop)?;
    let other = until_ready(&shop.jane, &created(&shop.jane, &binding("api", "dev", "api-1")))?;
    shop.jane.kubectl(["delete", "releasebinding", "web-dev"]).run().expect_code(0);
    all_gone(&shop, &live)?;
    until_gone(&shop.jane, &rendered())?;
    ensure!(is_absent(&shop.jane.get(&pin)));
    // The neighbour's is another Release's.
    let theirs = shop.admin.get(&within(&generated(namespace, "dev"), &config_map("api", ""))).unwrap();
    ensure!(theirs["metadata"]["deletionTimestamp"].is_null(), "{theirs:#}");
    assert_eq!(condition(&shop.jane.get(&other).unwrap(), "Ready")[0], "True");
    // Made anew, it is another binding, with a history of its own.
    let anew = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-1")))?;
    assert_eq!((records(&anew).len(), anew["status"]["outcomes"].as_array().map(Vec::len)), (1, Some(1)));
    Ok(())
}

fn what_is_made_anew_waits_for_the_end_of_what_was(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let (pin, live) = go_live(namespace, &shop)?;
    let first = shop.jane.get(&rendered()).unwrap();
    let held = |finalizers: Value| {
        shop.admin.merge(&live[1], &json!({ "metadata": { "finalizers": finalizers } })).unwrap();
    };
    let waits = |written: &Value| until_condition(&shop.jane, written, "ReleaseSynced", "ReleaseTerminating");
    let state = |state: &str| json!({ "spec": { "state": state } });
    held(json!(["tests/held"]));
    shop.jane.merge(&pin, &state("Undeploy")).unwrap();
    until_condition(&shop.jane, &pin, "ReleaseSynced", "ResourcesUndeploying")?;
    let up = shop.jane.merge(&pin, &state("Active")).unwrap();
    let told = waits(&up)?;
    assert_eq!(condition(&told, "ReleaseSynced")[2], "waits until the Release web-dev before it is gone");
    held(Value::Null);
    until_ready(&shop.jane, &up)?;

    // The same with another binding of that name.
    held(json!(["tests/held"]));
    shop.jane.delete(&pin).unwrap();
    until_condition(&shop.jane, &rendered(), "Finalizing", "CleanupInProgress")?;
    let anew = created(&shop.jane, &binding("web", "dev", "web-3"));
    waits(&anew)?;
    held(Value::Null);
    until_ready(&shop.jane, &anew)?;
    let last = shop.jane.get(&rendered()).unwrap();
    assert_eq!(last["metadata"]["ownerReferences"][0]["uid"], anew["metadata"]["uid"]);
    assert_ne!(last["metadata"]["uid"], first["metadata"]["uid"]);
    for object in &live {
        let labels = &shop.admin.get(object).unwrap()["metadata"]["labels"];
        assert_eq!(labels[names::RELEASE_UID_LABEL], last["metadata"]["uid"]);
    }
    Ok(())
}

fn a_deletion_in_the_foreground_waits_for_everything(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let (pin, live) = go_live(namespace, &shop)?;
    shop.admin.merge(&live[1], &json!({ "metadata": { "finalizers": ["tests/held"] } })).unwrap();
    let delete = ["delete", "releasebinding", "web-dev", "--cascade=foreground", "--wait=false"];
    shop.jane.kubectl(delete).run().expect_code(0);
    until_condition(&shop.jane, &rendered(), "Finalizing", "CleanupInProgress")?;
    until_gone(&shop.admin, &live[0])?;
    let going = shop.jane.get(&pin).unwrap();
    ensure!(going["metadata"]["deletionTimestamp"].is_string(), "{going:#}");
    shop.admin.merge(&live[1], &json!({ "metadata": { "finalizers": null } })).unwrap();
    until_gone(&shop.jane, &pin)?;
    assert!(is_absent(&shop.jane.get(&rendered())));
    all_gone(&shop, &live)
}

fn an_orphaned_release_stays_live(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let (_, live) = go_live(namespace, &shop)?;
    // The collector learns of new kinds every 30 seconds, and orphans what it has seen: what it collects it knows.
    created(&shop.jane, &binding("api", "dev", "api-1"));
    let collected = direct("api-dev", &[]);
    until_live(&shop.jane, &collected, |_| true)?;
    shop.jane
        .kubectl(["delete", "releasebinding", "api-dev", "--cascade=foreground", "--timeout=60s"])
        .run()
        .expect_code(0);

    let before = live.each_ref().map(|object| shop.admin.get(object).unwrap()["metadata"]["uid"].clone());
    let delete = ["delete", "releasebinding", "web-dev", "--cascade=orphan", "--timeout=60s"];
    shop.jane.kubectl(delete).run().expect_code(0);
    let free = until_live(&shop.jane, &rendered(), |release| release["metadata"]["ownerReferences"].is_null())?;
    // It is a Release like any other now: what is deleted comes back, and what is changed is done.
    shop.admin.delete(&live[1]).unwrap();
    until_live(&shop.admin, &live[1], |live| live["metadata"]["uid"] != before[1])?;
    let less = json!([{ "op": "remove", "path": "/spec/resources/1" }]);
    let less = shop.jane.json_patch(&free, &less).unwrap();
    until_ready(&shop.jane, &less)?;
    until_gone(&shop.admin, &live[1])?;
    assert_eq!(shop.admin.get(&live[0]).unwrap()["metadata"]["uid"], before[0]);
    shop.jane.delete(&free).unwrap();
    until_gone(&shop.jane, &free)?;
    all_gone(&shop, &live)
}

fn what_was_made_last_goes_first(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let (_, live) = go_live(namespace, &shop)?;
    shop.jane.delete(&binding("web", "dev", "")).unwrap();
    all_gone(&shop, &live)?;
    until_gone(&shop.jane, &rendered())?;
    let place = generated(namespace, "dev");
    let deletions = |all: &[String]| all.iter().filter(|line| line.starts_with("delete")).cloned().collect::<Vec<_>>();
    let written = audit::written(namespace, &[&place], "", |all| deletions(all).len() >= 2)?;
    assert_eq!(deletions(&written), ["delete deployments web", "delete configmaps web"]);
    Ok(())
}

fn a_deletion_ends_where_the_environment_is_gone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let (pin, live) = go_live(namespace, &shop)?;
    let by_hand = until_ready(&shop.jane, &created(&shop.jane, &by_hand()))?;
    shop.delete_unasked(&environment("dev", &[]));
    until_condition(&shop.jane, &pin, "Ready", "EnvironmentNotFound")?;
    for object in [&pin, &by_hand] {
        shop.jane.delete(object).unwrap();
        until_gone(&shop.jane, object)?;
    }
    until_gone(&shop.jane, &rendered())?;
    all_gone(&shop, &live)?;
    until_gone(&shop.admin, &within(&generated(namespace, "dev"), &config_map("by-hand", "")))
}

fn a_deletion_ends_where_the_namespace_is_gone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let (pin, live) = go_live(namespace, &shop)?;
    // It would be made again.
    installation.stop_controller();
    let place = named(&generated(namespace, "dev"));
    shop.admin.delete(&place).unwrap();
    until_gone(&shop.admin, &place)?;
    shop.jane.delete(&pin).unwrap();
    installation.start_controller()?;
    until_gone(&shop.jane, &rendered())?;
    all_gone(&shop, &live)?;
    ensure!(is_absent(&shop.admin.get(&place)), "the namespace was made again for nothing");
    Ok(())
}

fn the_whole_namespace_of_a_project_goes(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let (_, live) = go_live(namespace, &shop)?;
    until_ready(&shop.jane, &created(&shop.jane, &by_hand()))?;
    shop.admin.kubectl(["delete", "namespace", namespace.name(), "--wait=false"]).run().expect_code(0);
    all_gone(&shop, &live)?;
    until_gone(&shop.admin, &within(&generated(namespace, "dev"), &config_map("by-hand", "")))?;
    until_gone(&shop.admin, &named(namespace.name()))?;
    Ok(())
}
