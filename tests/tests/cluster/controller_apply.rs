//! What the controller sends, in which order, and what it goes on past.

use std::time::Duration;

use anyhow::ensure;
use release_shared::names;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::live::{
    condition, config_map, deployment, direct, generated, inventory, is_absent, outcome, said, service, snapshot,
    until_condition, until_live, until_ready, with_objects, within,
};
use super::objects::{Shop, binding, created, with};

trials! {
    what_others_need_comes_first_and_what_may_be_live_is_told_before,
    nine_good_objects_are_live_beside_one_that_is_refused,
    a_mended_object_is_sent_at_once,
    a_name_or_a_field_that_no_object_has_is_told_beside_the_good_ones,
    an_object_is_as_it_was_written_and_marked,
    nothing_is_sent_while_nothing_changes,
    a_change_of_one_object_sends_that_one,
}

/// How long nothing must happen to be sure that nothing does.
const QUIET: Duration = Duration::from_secs(4);

fn what_others_need_comes_first_and_what_may_be_live_is_told_before(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let other = |version: &str, kind: &str, spec: Value| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "web" }, "spec": spec });
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let backwards = [
        other("autoscaling/v2", "HorizontalPodAutoscaler", json!({ "scaleTargetRef": target, "maxReplicas": 3 })),
        other(
            "networking.k8s.io/v1",
            "Ingress",
            json!({ "defaultBackend": { "service": { "name": "web", "port": { "number": 80 } } } }),
        ),
        deployment("web"),
        service("web"),
        other("v1", "PersistentVolumeClaim", claim),
        config_map("web", "small"),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "web" } }),
    ];
    let web = created(&shop.jane, &direct("web-direct", &backwards));
    until_ready(&shop.jane, &web)?;
    let live = generated(namespace, "dev");
    let order = [
        "patch releases web-direct",
        "patch releases/status web-direct",
        "patch serviceaccounts web",
        "patch configmaps web",
        "patch persistentvolumeclaims web",
        "patch services web",
        "patch deployments web",
        "patch ingresses web",
        "patch horizontalpodautoscalers web",
        "patch releases/status web-direct",
    ];
    let written = audit::written(namespace, &[namespace.name(), &live], "", |all| all.len() >= order.len())?;
    // How often the status is written behind that is up to what the cluster does.
    ensure!(written.starts_with(&order.map(str::to_owned)), "{written:#?}");
    let objects: Vec<_> = written.iter().filter(|line| !line.contains(" releases")).collect();
    assert_eq!(objects.len(), backwards.len(), "an object was sent twice: {written:#?}");
    Ok(())
}

/// A quota that lets no Service in.
fn quota(place: &str) -> Value {
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" }, "spec": { "hard": { "services": "0" } },
    });
    within(place, &quota)
}

fn nine_good_objects_are_live_beside_one_that_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let live = format!("{}-live", namespace.name());
    created(&shop.admin, &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": live } }));
    created(&shop.admin, &quota(&live));
    until_live(&shop.admin, &quota(&live), |quota| quota["status"]["hard"].is_object())?;
    shop.furnish("warn", &[("namespaces", &live)]);

    let mut objects: Vec<_> = (0..9).map(|at| config_map(&format!("web-{at}"), "small")).collect();
    objects.insert(4, service("web"));
    let web = created(&shop.jane, &direct("web-direct", &objects));
    let told = until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    for at in 0..9 {
        until_live(&shop.admin, &within(&live, &config_map(&format!("web-{at}"), "")), |_| true)?;
    }
    assert!(is_absent(&shop.admin.get(&within(&live, &service("web")))));
    let words = "services \"web\" is forbidden: exceeded quota: none, requested: services=1, used: services=0, limited: services=0";
    let told = until_condition(&shop.jane, &told, "Ready", "ResourceApplyFailed")?;
    let [_, _, message] = condition(&told, "ResourcesApplied");
    assert_eq!(message, format!("1 of 10 objects were not applied: Service {live}/web: {words}"));
    assert_eq!(said(&told, "service-web")["cause"], format!("was not applied: {words}"));
    assert_eq!(said(&told, "service-web")["healthStatus"], "Degraded");
    assert_eq!(said(&told, "configmap-web-3")["healthStatus"], "Healthy");
    assert_eq!(told["status"]["health"], "Degraded");
    assert_eq!(told["status"]["cause"], format!("Service {live}/web: was not applied: {words}"));

    shop.admin.delete(&quota(&live)).unwrap();
    let healed = until_ready(&shop.jane, &web)?;
    assert_eq!(condition(&healed, "ResourcesApplied")[2], "10 objects are applied");
    until_live(&shop.admin, &within(&live, &service("web")), |_| true)?;
    let sent = audit::written(namespace, &[&live], "", |all| all.len() >= 11)?;
    assert_eq!(
        sent.iter().filter(|line| line.contains("configmaps")).count(),
        9,
        "a good one was sent again: {sent:#?}"
    );
    Ok(())
}

/// A refusal is tried again ever more seldom. A change of what was refused does not wait for that.
fn a_mended_object_is_sent_at_once(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let broken = with(&service("web"), |service| service["spec"]["ports"][0]["port"] = 70_000.into());
    let web = created(&shop.jane, &direct("web-direct", &[broken]));
    let told = until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    let [_, _, message] = condition(&told, "ResourcesApplied");
    ensure!(message.contains("spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535"), "{message}");
    // Four times in vain: the next try would be eight seconds away.
    let live = generated(namespace, "dev");
    audit::written(namespace, &[&live], "", |all| all.iter().filter(|line| line.contains("services")).count() >= 4)?;
    let mended = with_objects(&shop.jane.get(&web).unwrap(), &[service("web")]);
    let mark = audit::now();
    let mended = shop.jane.replace(&mended).unwrap();
    until_ready(&shop.jane, &mended)?;
    let writes = audit::writes(namespace, &[&live], &mark)?;
    let took = writes[0].at.parse::<jiff::Timestamp>()?.duration_since(mark.parse()?);
    ensure!(took.as_secs() < 3, "it took {took:?}: {writes:?}");
    Ok(())
}

/// Of what admission cannot know each kind's rules of.
fn a_name_or_a_field_that_no_object_has_is_told_beside_the_good_ones(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let typed = with(&deployment("typed"), |deployment| deployment["spec"]["replicas"] = "three".into());
    let good = [config_map("web", "small"), service("web")];
    let release =
        with(&direct("web-direct", &[&[config_map("Web", "small"), typed][..], &good[..]].concat()), |release| {
            release["spec"]["resources"][0]["id"] = "named".into();
        });
    let web = created(&shop.jane, &release);
    let told = until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    let [_, _, message] = condition(&told, "ResourcesApplied");
    ensure!(message.starts_with("2 of 4 objects were not applied: "), "{message}");
    for (id, words) in [("named", "metadata.name: Invalid value: \"Web\""), ("deployment-typed", ".spec.replicas")] {
        let cause = said(&told, id)["cause"].as_str().unwrap_or_default();
        ensure!(cause.starts_with("was not applied: ") && cause.contains(words), "{id}: {cause}");
    }
    let live = generated(namespace, "dev");
    for object in &good {
        until_live(&shop.admin, &within(&live, object), |_| true)?;
    }
    Ok(())
}

fn an_object_is_as_it_was_written_and_marked(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let script = with(&config_map("web", "small"), |object| {
        object["metadata"]["labels"] = json!({ "app": "web" });
        object["metadata"]["annotations"] = json!({ "note": "kept" });
        object["data"]["run.sh"] = "#!/bin/sh\necho ${HOME} \"$@\" äöü\n".into();
        object["immutable"] = false.into();
    });
    let web = created(&shop.jane, &direct("web-direct", std::slice::from_ref(&script)));
    until_ready(&shop.jane, &web)?;
    let live = shop.admin.get(&within(&generated(namespace, "dev"), &script)).unwrap();
    assert_eq!((&live["data"], &live["immutable"]), (&script["data"], &script["immutable"]));
    let uid = &web["metadata"]["uid"];
    assert_eq!(
        live["metadata"]["labels"],
        json!({
            "app": "web",
            names::MANAGED_BY_LABEL: "release-controller",
            names::RESOURCE_ID_LABEL: "configmap-web",
            names::RELEASE_UID_LABEL: uid,
            names::RELEASE_NAME_LABEL: "web-direct",
            names::RELEASE_NAMESPACE_LABEL: namespace.name(),
        })
    );
    let annotations = live["metadata"]["annotations"].as_object().unwrap();
    assert_eq!((annotations.len(), &annotations["note"]), (2, &json!("kept")));
    assert!(annotations[names::APPLIED_HASH].is_string());
    let managers = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(managers.len(), 1, "{managers:?}");
    assert_eq!((&managers[0]["manager"], &managers[0]["operation"]), (&json!("release-controller"), &json!("Apply")));
    Ok(())
}

/// Also where it is looked at every second.
fn nothing_is_sent_while_nothing_changes(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let objects = [config_map("web", "small"), service("web"), deployment("web")];
    let often = with(&direct("web-direct", &objects), |release| {
        release["spec"]["interval"] = "1s".into();
        release["spec"]["progressingInterval"] = "1s".into();
    });
    let web = created(&shop.jane, &often);
    let live = generated(namespace, "dev");
    let is_up = |object: &Value| object["status"]["readyReplicas"] == 1;
    until_ready(&shop.jane, &web)?;
    until_live(&shop.admin, &within(&live, &deployment("web")), is_up)?;
    let is_told = |release: &Value| is_up(said(release, "deployment-web"));
    until_live(&shop.jane, &web, is_told)?;
    // The last of the Deployment's own changes has been told by now, or is about to be.
    let places = [namespace.name(), live.as_str()];
    let mut count = 0;
    wait::until("nothing is written any more", 4 * QUIET, || {
        let before = std::mem::replace(&mut count, audit::writes(namespace, &places, "")?.len());
        Ok((before == count && !wait::holds(QUIET, || count_of(namespace, &places) != count)).then_some(()))
    })?;
    let sent: Vec<_> = audit::writes(namespace, &[&live], "")?.iter().map(ToString::to_string).collect();
    assert_eq!(sent, ["patch configmaps web", "patch services web", "patch deployments web"]);
    Ok(())
}

fn count_of(namespace: &Namespace<'_>, places: &[&str]) -> usize {
    audit::writes(namespace, places, "").map_or(0, |writes| writes.len())
}

fn a_change_of_one_object_sends_that_one(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let release = snapshot(
        "web",
        "web-3",
        &[
            config_map("web-a", "small"),
            config_map("web-b", "${environmentConfigs.size}"),
            config_map("web-c", "small"),
        ],
    );
    created(&shop.jane, &release);
    let pin = created(&shop.jane, &binding("web", "dev", "web-3"));
    until_ready(&shop.jane, &pin)?;

    // Words about the pin go as far as its Release, and no further.
    let mark = audit::now();
    let named =
        json!({ "metadata": { "labels": { "team": "a" }, "annotations": { names::DISPLAY_NAME: "The shop" } } });
    shop.jane.merge(&pin, &named).unwrap();
    let is_named = |release: &Value| release["metadata"]["annotations"][names::DISPLAY_NAME] == "The shop";
    until_live(&shop.jane, &direct("web-dev", &[]), is_named)?;

    let configured = json!({ "spec": { "componentTypeEnvironmentConfigs": { "size": "large" } } });
    let configured = shop.jane.merge(&pin, &configured).unwrap();
    let ready = until_ready(&shop.jane, &configured)?;
    assert_eq!(outcome(&ready)["revision"], 2);
    let live = generated(namespace, "dev");
    until_live(&shop.admin, &within(&live, &config_map("web-b", "")), |object| object["data"]["size"] == "large")?;
    let sent = audit::written(namespace, &[&live], &mark, |all| !all.is_empty())?;
    assert_eq!(sent, ["patch configmaps web-b"]);
    assert_eq!(inventory(&shop.jane.get(&direct("web-dev", &[])).unwrap()).len(), 3);
    Ok(())
}
