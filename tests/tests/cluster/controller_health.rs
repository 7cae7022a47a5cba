//! Why something does not get well, in words, up to the binding.

use anyhow::ensure;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::live::{
    condition, deployment, direct, generated, job, namespace as named, outcome, said, snapshot, until_condition,
    until_live, until_ready, with_objects, within, workload,
};
use super::objects::{Shop, binding, created, with};

trials! {
    a_failing_pod_says_why,
    a_pod_that_nobody_may_make_says_why,
    a_bad_revision_is_degraded_while_the_good_one_still_runs,
    what_starts_to_fail_later_is_told,
    what_is_switched_off_is_suspended,
    a_claim_and_an_autoscaler_say_what_they_wait_for,
}

/// The object with another image.
fn of_image(object: &Value, image: &str) -> Value {
    with(object, |object| object["spec"]["template"]["spec"]["containers"][0]["image"] = image.into())
}

/// Waits until that is said of an object, in these parts. What is tolerated for a while is first `Progressing`, with its cause.
fn until_said(shop: &Shop<'_>, release: &Value, id: &str, health: &str, parts: &[&str]) -> anyhow::Result<Value> {
    let is_said = |release: &Value| {
        let said = said(release, id);
        let cause = said["cause"].as_str().unwrap_or_default();
        said["healthStatus"] == health && parts.iter().all(|part| cause.contains(part))
    };
    let has_status = |release: &Value| release["status"]["resources"].is_array();
    until_live(&shop.jane, release, |release| has_status(release) && is_said(release))
}

fn a_failing_pod_says_why(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let once = with(&job("once", "shop:1-crashes"), |job| job["spec"]["backoffLimit"] = 0.into());
    let nowhere = with(&deployment("nowhere"), |nowhere| {
        nowhere["spec"]["template"]["spec"]["nodeSelector"] = json!({ "there": "is-none" });
    });
    // One that waits for each pod in turn would wait for the broken one for ever. (kubernetes#67250)
    let crash = with(&of_image(&workload("StatefulSet", "crash"), "shop:1-crashes"), |crash| {
        crash["spec"]["podManagementPolicy"] = "Parallel".into();
    });
    let objects = [
        of_image(&deployment("image"), "does-not-exist/shop:1"),
        crash,
        of_image(&workload("DaemonSet", "probe"), "shop:1-never-ready"),
        once,
        nowhere,
    ];
    let web = created(&shop.jane, &direct("web-direct", &objects));
    for (id, health, parts) in [
        ("deployment-image", "Degraded", &["image", "does-not-exist/shop:1"][..]),
        ("statefulset-crash", "Degraded", &["code 3"]),
        ("daemonset-probe", "Progressing", &["readiness probe fails"]),
        ("job-once", "Degraded", &["code 3"]),
        ("deployment-nowhere", "Progressing", &["didn't match Pod's node affinity/selector"]),
    ] {
        until_said(&shop, &web, id, health, parts)?;
    }
    let told = until_condition(&shop.jane, &web, "Ready", "ResourcesDegraded")?;
    assert_eq!((&told["status"]["health"], condition(&told, "ResourcesApplied")[0]), (&json!("Degraded"), "True"));

    // Another image, and all is well.
    let good = objects.map(|object| {
        with(&of_image(&object, "shop:2"), |good| {
            good["spec"]["template"]["spec"].as_object_mut().map(|pod| pod.remove("nodeSelector"));
        })
    });
    let next = shop.jane.replace(&with_objects(&shop.jane.get(&web).unwrap(), &good)).unwrap();
    let healed = until_ready(&shop.jane, &next)?;
    assert_eq!((&healed["status"]["health"], &healed["status"]["cause"]), (&json!("Healthy"), &Value::Null));
    Ok(())
}

fn a_pod_that_nobody_may_make_says_why(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let [full, strict] = ["full", "strict"].map(|suffix| format!("{}-{suffix}", namespace.name()));
    created(&shop.admin, &named(&full));
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" }, "spec": { "hard": { "pods": "0" } },
    });
    created(&shop.admin, &within(&full, &quota));
    shop.furnish("warn", &[("namespaces", &format!("{full},{strict}"))]);
    // A namespace that the controller makes takes no pod that is as good as its node.
    let privileged = with(&within(&strict, &deployment("privileged")), |privileged| {
        privileged["spec"]["template"]["spec"]["hostNetwork"] = true.into();
    });
    let web = created(&shop.jane, &direct("web-direct", &[deployment("many"), privileged]));
    until_said(&shop, &web, "deployment-many", "Degraded", &["exceeded quota: none"])?;
    until_said(
        &shop,
        &web,
        "deployment-privileged",
        "Degraded",
        &["violates PodSecurity \"baseline:latest\"", "host namespaces"],
    )?;
    Ok(())
}

fn a_bad_revision_is_degraded_while_the_good_one_still_runs(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    for (name, image) in [("web-3", "shop:1"), ("web-4", "shop:1-cannot-be-pulled")] {
        created(&shop.jane, &snapshot("web", name, &[of_image(&deployment("web"), image)]));
    }
    let good = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-3")))?;
    let pin = |release: &str| json!({ "spec": { "releaseName": release } });
    let bad = shop.jane.merge(&good, &pin("web-4")).unwrap();
    let told = until_live(&shop.jane, &bad, |binding| outcome(binding)["lastHealth"] == "Degraded")?;
    let cause = told["status"]["cause"].as_str().unwrap_or_default();
    let live = generated(namespace, "dev");
    ensure!(
        cause.starts_with(&format!("Deployment {live}/web: ")) && cause.contains("shop:1-cannot-be-pulled"),
        "{cause}"
    );
    assert_eq!((&outcome(&told)["revision"], &outcome(&told)["cause"]), (&json!(2), &json!(cause)));
    assert_eq!(outcome(&told)["firstHealthyAt"], Value::Null);
    let [first, _] = told["status"]["outcomes"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        panic!("not two outcomes: {told:#}")
    };
    assert_eq!((&first["lastHealth"], &first["endedBy"]), (&json!("Healthy"), &json!(2)));
    // The pod of the first still serves.
    assert_eq!(shop.admin.get(&within(&live, &deployment("web"))).unwrap()["status"]["readyReplicas"], 1);

    let back = until_ready(&shop.jane, &shop.jane.merge(&told, &pin("web-3")).unwrap())?;
    assert_eq!((&back["status"]["health"], &back["status"]["cause"]), (&json!("Healthy"), &Value::Null));
    assert_eq!(
        back["status"]["outcomes"][1],
        with(outcome(&told), |ended| {
            ended["endedAt"] = back["metadata"]["annotations"]["release.openchoreo.dev/changed-at"].clone();
            ended["endedBy"] = 3.into();
        })
    );
    Ok(())
}

/// Nothing of ours changes; the cluster does.
fn what_starts_to_fail_later_is_told(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    created(&shop.jane, &snapshot("web", "web-3", &[deployment("web")]));
    let pin = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-3")))?;
    let healthy = outcome(&pin)["firstHealthyAt"].clone();
    // The same Deployment with more pods than there is room for.
    let live = within(&generated(namespace, "dev"), &deployment("web"));
    let taint = |effect: Value| {
        let patch = json!({ "spec": { "template": { "spec": { "nodeSelector": effect } } } });
        shop.admin.managing_as("kubectl-edit").merge(&live, &patch).unwrap();
    };
    taint(json!({ "there": "is-none" }));
    let is_told = |binding: &Value| {
        binding["status"]["cause"].as_str().is_some_and(|cause| cause.contains("node affinity/selector"))
    };
    let told = until_live(&shop.jane, &pin, is_told)?;
    ensure!(told["status"]["health"] != "Healthy" && condition(&told, "Ready")[0] == "False", "{told:#}");
    assert_eq!((outcome(&told)["revision"].as_i64(), &outcome(&told)["firstHealthyAt"]), (Some(1), &healthy));
    taint(Value::Null);
    let well = until_ready(&shop.jane, &pin)?;
    assert_eq!((&outcome(&well)["lastHealth"], &outcome(&well)["firstHealthyAt"]), (&json!("Healthy"), &healthy));
    Ok(())
}

fn what_is_switched_off_is_suspended(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let none = with(&deployment("none"), |none| none["spec"]["replicas"] = 0.into());
    let paused = with(&job("paused", "shop:1"), |paused| paused["spec"]["suspend"] = true.into());
    let web = created(&shop.jane, &direct("web-direct", &[deployment("web"), none, paused]));
    let told = until_condition(&shop.jane, &web, "Ready", "ReadyWithSuspendedResources")?;
    assert_eq!((&told["status"]["health"], condition(&told, "Ready")[0]), (&json!("Suspended"), "True"));
    let health = |id: &str| said(&told, id)["healthStatus"].clone();
    assert_eq!(["deployment-web", "deployment-none", "job-paused"].map(health), ["Healthy", "Suspended", "Suspended"]);
    Ok(())
}

fn a_claim_and_an_autoscaler_say_what_they_wait_for(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "web" },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "no-such-class", "resources": { "requests": { "storage": "1Gi" } } },
    });
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    let scaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
        "spec": { "scaleTargetRef": target, "maxReplicas": 3 },
    });
    let web = created(&shop.jane, &direct("web-direct", &[claim, deployment("web"), scaler]));
    until_said(&shop, &web, "persistentvolumeclaim-web", "Progressing", &["no-such-class"])?;
    // There are no metrics here, and nothing is wrong with it for that.
    until_said(&shop, &web, "horizontalpodautoscaler-web", "Healthy", &["metrics"])?;
    Ok(())
}
