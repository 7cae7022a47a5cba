//! The Release that the controller renders from a binding, and what keeps it from that.

use anyhow::ensure;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::audit;
use super::live::{
    condition, config_map, deployment, direct, generated, is_absent, job, snapshot, until_condition, until_gone,
    until_live, until_ready, within, workload,
};
use super::objects::{Shop, annotation, binding, component, component_release, created, with};
use super::person::{refused, until_accepted};

trials! {
    a_rendered_release_says_whose_it_is,
    a_restart_reaches_every_pod_template_and_nothing_else,
    a_rendered_release_cannot_be_changed_by_hand_and_comes_back,
    what_is_missing_is_told_until_it_is_there,
    a_fault_in_a_template_is_told_with_its_position,
    a_release_by_hand_of_that_name_is_left_alone,
}

/// Refers to the Release of a binding.
fn rendered(name: &str) -> Value {
    direct(name, &[])
}

fn a_rendered_release_says_whose_it_is(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let named = with(&binding("web", "dev", "web-1"), |pin| {
        pin["metadata"]["annotations"] =
            json!({ names::DISPLAY_NAME: "The shop", names::DESCRIPTION: "Sells", "other": "no" });
        pin["spec"]["componentTypeEnvironmentConfigs"] = json!({ "size": "large" });
    });
    let pin = created(&shop.jane, &named);
    until_ready(&shop.jane, &pin)?;
    let release = shop.jane.get(&rendered("web-dev")).unwrap();
    let metadata = &release["metadata"];
    assert_eq!(
        metadata["ownerReferences"],
        json!([{
            "apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding", "name": "web-dev", "uid": pin["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        }])
    );
    assert_eq!(
        metadata["labels"],
        json!({ names::PROJECT_LABEL: "shop", names::COMPONENT_LABEL: "web", names::ENVIRONMENT_LABEL: "dev" })
    );
    assert_eq!(metadata["finalizers"], json!([names::FINALIZER]));
    let uid = pin["metadata"]["uid"].as_str().unwrap();
    let said = |key: &str| annotation(&release, key);
    assert_eq!(said(names::RENDERED_FROM), Some(format!("{uid}/1").as_str()));
    assert_eq!([names::DISPLAY_NAME, names::DESCRIPTION, "other"].map(said), [Some("The shop"), Some("Sells"), None]);
    assert_eq!(said(names::CHANGED_BY), Some(names::CONTROLLER_USER));
    assert_eq!(
        release["spec"],
        json!({
            "owner": { "projectName": "shop", "componentName": "web" }, "environmentName": "dev",
            "interval": "5m", "progressingInterval": "10s",
            "resources": [{ "id": "configmap-web", "object": {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" },
                "data": { "release": "web-1", "size": "large" },
            }}],
        })
    );
    assert_eq!(release["status"]["renderedFrom"], format!("{uid}/1"));
    Ok(())
}

fn a_restart_reaches_every_pod_template_and_nothing_else(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let workloads = ["Deployment", "StatefulSet", "DaemonSet"].map(|kind| workload(kind, "web"));
    let others = [config_map("web", "small"), job("web", "shop:1")];
    created(&shop.jane, &snapshot("web", "web-3", &[&workloads[..], &others[..]].concat()));
    let pin = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-3")))?;
    let live = generated(namespace, "dev");
    let template = |object: &Value| object["spec"]["template"]["metadata"]["annotations"][names::RESTARTED_AT].clone();
    for object in &workloads {
        assert_eq!(template(&shop.admin.get(&within(&live, object)).unwrap()), Value::Null);
    }
    let mark = audit::now();
    let at = "2026-01-02T03:04:05Z";
    let restart = json!({ "metadata": { "annotations": { names::RESTARTED_AT: at } } });
    let restarted = until_ready(&shop.jane, &shop.jane.merge(&pin, &restart).unwrap())?;
    assert_eq!(super::live::outcome(&restarted)["revision"], 2);
    let release = shop.jane.get(&rendered("web-dev")).unwrap();
    assert_eq!(annotation(&release, names::RESTARTED_AT), Some(at));
    for object in &workloads {
        assert_eq!(template(&shop.admin.get(&within(&live, object)).unwrap()), at, "{object}");
    }
    let mut sent = audit::written(namespace, &[&live], &mark, |all| all.len() >= 3)?;
    sent.sort_unstable();
    assert_eq!(sent, ["patch daemonsets web", "patch deployments web", "patch statefulsets web"]);
    Ok(())
}

fn a_rendered_release_cannot_be_changed_by_hand_and_comes_back(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let pin = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-1")))?;
    let first = shop.jane.get(&rendered("web-dev")).unwrap();
    let told = shop.jane.merge(&first, &json!({ "spec": { "resources": [] } }));
    let status = refused(&told, 403, &[("spec", "OwnedRelease")]);
    ensure!(status.message.contains("rendered from ReleaseBinding web-dev: change that"), "{status:?}");
    let live = within(&generated(namespace, "dev"), &config_map("web", ""));
    let before = shop.admin.get(&live).unwrap();

    shop.jane.delete(&first).unwrap();
    let is_another = |release: &Value| release["metadata"]["uid"] != first["metadata"]["uid"];
    let second = until_live(&shop.jane, &rendered("web-dev"), is_another)?;
    assert_eq!(second["spec"], first["spec"]);
    let after = until_live(&shop.admin, &live, |live| live["metadata"]["uid"] != before["metadata"]["uid"])?;
    assert_eq!(after["metadata"]["labels"][names::RELEASE_UID_LABEL], second["metadata"]["uid"]);
    let pin = until_ready(&shop.jane, &pin)?;
    assert_eq!(pin["status"]["outcomes"].as_array().map(Vec::len), Some(1));
    Ok(())
}

fn what_is_missing_is_told_until_it_is_there(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let none = with(&binding("api", "dev", ""), |pin| drop(pin["spec"].as_object_mut().unwrap().remove("releaseName")));
    let none = created(&shop.jane, &none);
    let told = until_condition(&shop.jane, &none, "ReleaseSynced", "NothingPinned")?;
    assert_eq!(condition(&told, "ReleaseSynced")[..2], ["False", "NothingPinned"]);
    let pinned = shop.jane.merge(&none, &json!({ "spec": { "releaseName": "api-1" } })).unwrap();
    until_ready(&shop.jane, &pinned)?;

    let pin = created(&shop.jane, &with(&binding("shop", "dev", "shop-1"), |_| {}));
    let told = until_condition(&shop.jane, &pin, "ReleaseSynced", "ComponentNotFound")?;
    ensure!(condition(&told, "ReleaseSynced")[2].contains("there is no Component \"shop\""), "{told:#}");
    created(&shop.jane, &component("shop"));
    let told = until_condition(&shop.jane, &pin, "ReleaseSynced", "ComponentReleaseNotFound")?;
    ensure!(condition(&told, "ReleaseSynced")[2].contains("there is no ComponentRelease \"shop-1\""), "{told:#}");
    assert_eq!(
        (&told["status"]["health"], condition(&told, "Ready")[1]),
        (&json!("Unknown"), "ComponentReleaseNotFound")
    );
    assert!(is_absent(&shop.jane.get(&rendered("shop-dev"))));
    created(&shop.jane, &component_release("shop", "shop-1", "1.0"));
    let ready = until_ready(&shop.jane, &pin)?;
    assert_eq!(condition(&ready, "ReleaseSynced")[..2], ["True", "ReleaseSynced"]);
    Ok(())
}

fn a_fault_in_a_template_is_told_with_its_position(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let snapshot =
        with(&snapshot("web", "web-3", &[config_map("web", "it is ${environmentConfigs.size}")]), |release| {
            let schema = &mut release["spec"]["componentType"]["spec"]["environmentConfigs"]["openAPIV3Schema"];
            *schema = json!({ "type": "object", "properties": { "size": { "type": "string" } } });
        });
    created(&shop.jane, &snapshot);
    let good = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-1")))?;
    let pin = shop.jane.merge(&good, &json!({ "spec": { "releaseName": "web-3" } })).unwrap();
    let told = until_condition(&shop.jane, &pin, "ReleaseSynced", "RenderingFailed")?;
    let [_, _, message] = condition(&told, "ReleaseSynced");
    ensure!(
        message.starts_with("web-3 cannot be rendered: spec.componentType.spec.resources[0].template.data.size")
            && message.contains("environmentConfigs.size")
            && message.contains("column 7"),
        "{message}"
    );
    // What was live before still is, and the revision is never credited with it.
    let live = shop.admin.get(&within(&generated(namespace, "dev"), &config_map("web", ""))).unwrap();
    assert_eq!(live["data"]["release"], "web-1");
    assert_eq!(super::live::outcome(&told)["revision"], 2);
    assert_eq!(super::live::outcome(&told)["lastHealth"], Value::Null);
    let configured = json!({ "spec": { "componentTypeEnvironmentConfigs": { "size": "large" } } });
    until_ready(&shop.jane, &shop.jane.merge(&pin, &configured).unwrap())?;
    let live = shop.admin.get(&within(&generated(namespace, "dev"), &config_map("web", ""))).unwrap();
    assert_eq!(live["data"]["size"], "it is large");
    Ok(())
}

fn a_release_by_hand_of_that_name_is_left_alone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let by_hand = created(&shop.jane, &direct("web-dev", &[deployment("web")]));
    until_ready(&shop.jane, &by_hand)?;
    let pin = until_accepted("the binding", || shop.jane.create(&binding("web", "dev", "web-1")))?;
    let told = until_condition(&shop.jane, &pin, "ReleaseSynced", "ReleaseOwnershipConflict")?;
    assert_eq!(condition(&told, "ReleaseSynced")[2], "the Release web-dev was made by hand: delete it, or rename it");
    assert_eq!(shop.jane.get(&by_hand).unwrap()["spec"], by_hand["spec"]);
    shop.jane.delete(&by_hand).unwrap();
    until_gone(&shop.admin, &within(&generated(namespace, "dev"), &deployment("web")))?;
    until_ready(&shop.jane, &pin)?;
    Ok(())
}
