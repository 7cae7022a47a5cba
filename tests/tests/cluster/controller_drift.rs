//! Fields that somebody else has, and what people change by hand.

use std::time::Duration;

use anyhow::ensure;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::controller_tells::events;
use super::live::{
    condition, config_map, deployment, direct, generated, said, service, until_condition, until_live, until_ready,
    with_objects, within,
};
use super::objects::{Shop, created, object, with};
use super::person::until_shown;

trials! {
    a_field_of_another_applier_is_not_taken_and_both_are_named,
    what_is_changed_by_hand_is_told_and_left,
    a_release_does_not_go_over_what_was_changed_by_hand,
    what_is_changed_by_hand_is_taken_back_where_the_environment_says_so,
    what_is_removed_by_hand_comes_back,
    the_number_of_replicas_is_the_autoscalers,
    what_admission_changes_is_not_fought_over,
}

fn a_field_of_another_applier_is_not_taken_and_both_are_named(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let live = format!("{}-live", namespace.name());
    created(&shop.admin, &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": live } }));
    shop.furnish("warn", &[("namespaces", &live)]);
    let other = shop.admin.managing_as("other-tool");
    other.apply(&within(&live, &config_map("web", "large"))).unwrap();

    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "small"), service("web")]));
    let told = until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    let [_, _, message] = condition(&told, "ResourcesApplied");
    assert_eq!(
        message,
        format!(
            "1 of 2 objects were not applied: ConfigMap {live}/web: Apply failed with 1 conflict: conflict with \"other-tool\": .data.size; \
             let the other manager give these fields up, or leave them out"
        )
    );
    let theirs = shop.admin.get(&within(&live, &config_map("web", ""))).unwrap();
    assert_eq!((&theirs["data"]["size"], &theirs["metadata"]["labels"]), (&json!("large"), &Value::Null));

    // It gives the field up, and keeps the object.
    let less = with(&config_map("web", ""), |object| object["data"] = json!({ "other": "theirs" }));
    other.apply(&within(&live, &less)).unwrap();
    until_ready(&shop.jane, &web)?;
    let shared = shop.admin.get(&within(&live, &config_map("web", ""))).unwrap();
    assert_eq!(shared["data"], json!({ "size": "small", "other": "theirs" }));
    Ok(())
}

fn what_is_changed_by_hand_is_told_and_left(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = created(&shop.jane, &direct("web-direct", &[deployment("web"), config_map("web", "small")]));
    let web = until_ready(&shop.jane, &web)?;
    assert_eq!(condition(&web, "Drifted"), [""; 3]);
    let live = generated(namespace, "dev");
    let by_hand = shop.admin.managing_as("kubectl-edit");
    let image =
        |image: &str| json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image }]);
    by_hand.json_patch(&within(&live, &deployment("web")), &image("shop:2")).unwrap();
    let told = until_condition(&shop.jane, &web, "Drifted", "FieldsTaken")?;
    let [_, _, message] = condition(&told, "Drifted");
    assert_eq!(
        message,
        format!(
            "Deployment {live}/web is not as it was applied and is left so: Apply failed with 1 conflict: conflict with \"kubectl-edit\" \
             using apps/v1: .spec.template.spec.containers[name=\"main\"].image"
        )
    );
    assert_eq!(condition(&told, "ResourcesApplied")[0], "True");
    until_live(&shop.admin, &within(&live, &deployment("web")), |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] == "shop:2" && live["status"]["updatedReplicas"] == 1
    })?;

    // It does no harm by itself.
    until_ready(&shop.jane, &web)?;

    let data = |size: &str| json!({ "data": { "size": size } });
    by_hand.merge(&within(&live, &config_map("web", "")), &data("large")).unwrap();
    let both = |release: &Value| {
        let [_, _, message] = condition(release, "Drifted");
        message.contains(".image") && message.contains("conflict with \"kubectl-edit\" using v1: .data.size")
    };
    until_live(&shop.jane, &web, both)?;
    // Tried once: what was left alone is not asked for again and again.
    let tries = audit::written(namespace, &[&live], "", |all| {
        all.iter().filter(|line| line.contains("configmaps")).count() >= 2
    })?;
    ensure!(tries.len() < 10, "{tries:#?}");

    // Put back by hand: it is again as it was applied.
    by_hand.merge(&within(&live, &config_map("web", "")), &data("small")).unwrap();
    by_hand.json_patch(&within(&live, &deployment("web")), &image("shop:1")).unwrap();
    let back = until_condition(&shop.jane, &web, "Drifted", "AsApplied")?;
    assert_eq!(condition(&back, "Drifted"), ["False", "AsApplied", ""]);
    Ok(())
}

fn a_release_does_not_go_over_what_was_changed_by_hand(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    let live = within(&generated(namespace, "dev"), &config_map("web", ""));
    let by_hand = shop.admin.managing_as("kubectl-edit");
    by_hand.merge(&live, &json!({ "data": { "size": "large" } })).unwrap();
    let told = until_condition(&shop.jane, &web, "Drifted", "FieldsTaken")?;

    let next = shop.jane.replace(&with_objects(&told, &[config_map("web", "medium")])).unwrap();
    let told = until_condition(&shop.jane, &next, "Ready", "ResourceApplyFailed")?;
    let cause = said(&told, "configmap-web")["cause"].as_str().unwrap_or_default();
    ensure!(cause.contains("conflict with \"kubectl-edit\" using v1: .data.size"), "{cause}");
    assert_eq!(shop.admin.get(&live).unwrap()["data"]["size"], "large");
    // Who puts the release's own value in its place gives way to it.
    by_hand.merge(&live, &json!({ "data": { "size": "medium" } })).unwrap();
    let healed = until_ready(&shop.jane, &next)?;
    assert_ne!(condition(&healed, "Drifted")[0], "True");
    Ok(())
}

fn what_is_changed_by_hand_is_taken_back_where_the_environment_says_so(
    namespace: &Namespace<'_>,
) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    let live = within(&generated(namespace, "dev"), &config_map("web", ""));
    let by_hand = shop.admin.managing_as("kubectl-edit");
    by_hand.merge(&live, &json!({ "data": { "size": "large" } })).unwrap();
    until_condition(&shop.jane, &web, "Drifted", "FieldsTaken")?;

    // What was left so until now is taken back as soon as the Environment says so.
    let enforce = json!({ "metadata": { "annotations": { names::DRIFT: "enforce" } } });
    shop.pat.merge(&object(Kind::Environment, "dev", json!({})), &enforce).unwrap();
    until_live(&shop.admin, &live, |live| live["data"]["size"] == "small")?;
    until_condition(&shop.jane, &web, "Drifted", "AsApplied")?;
    let words = "is again: Apply failed with 1 conflict: conflict with \"kubectl-edit\" using v1: .data.size";
    let told = events(&shop, &web, 3)?;
    ensure!(told.iter().any(|(_, reason, note)| reason == "TakenBack" && note.contains(words)), "{told:?}");

    // A new revision takes what it needs as well.
    by_hand.merge(&live, &json!({ "data": { "size": "large" } })).unwrap();
    let now = shop.jane.get(&web).unwrap();
    shop.jane.replace(&with_objects(&now, &[config_map("web", "medium")])).unwrap();
    until_live(&shop.admin, &live, |live| live["data"]["size"] == "medium")?;
    let ready = until_ready(&shop.jane, &web)?;

    // What is another's and was never ours is not taken.
    let other = within(&generated(namespace, "dev"), &config_map("other", "theirs"));
    shop.admin.managing_as("other-tool").apply(&other).unwrap();
    shop.jane.replace(&with_objects(&ready, &[config_map("web", "medium"), config_map("other", "ours")])).unwrap();
    until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    assert_eq!(shop.admin.get(&other).unwrap()["data"]["size"], "theirs");
    Ok(())
}

fn what_is_removed_by_hand_comes_back(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = created(&shop.jane, &direct("web-direct", &[deployment("web"), config_map("web", "small")]));
    let web = until_ready(&shop.jane, &web)?;
    let live = generated(namespace, "dev");
    let [deployed, configured] = [deployment("web"), config_map("web", "")].map(|object| within(&live, &object));
    let first = shop.admin.get(&deployed).unwrap();
    shop.admin.delete(&deployed).unwrap();
    let second = until_live(&shop.admin, &deployed, |live| live["status"]["readyReplicas"] == 1)?;
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);

    // A field, and the labels by which it is known as ours.
    shop.admin.merge(&configured, &json!({ "data": null })).unwrap();
    until_live(&shop.admin, &configured, |live| live["data"]["size"] == "small")?;
    let labels = shop.admin.get(&configured).unwrap()["metadata"]["labels"].clone();
    for (key, _) in labels.as_object().unwrap() {
        shop.admin.merge(&configured, &json!({ "metadata": { "labels": { key: null } } })).unwrap();
        until_live(&shop.admin, &configured, |live| live["metadata"]["labels"] == labels)?;
    }
    let told = until_ready(&shop.jane, &web)?;
    assert_ne!(condition(&told, "Drifted")[0], "True");
    Ok(())
}

fn the_number_of_replicas_is_the_autoscalers(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    let scaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
        "spec": { "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 9 },
    });
    let web = created(&shop.jane, &direct("web-direct", &[deployment("web"), scaler.clone()]));
    let web = until_ready(&shop.jane, &web)?;
    let live = within(&generated(namespace, "dev"), &deployment("web"));
    // There are no metrics here: the autoscaler's part is played.
    let autoscaler = shop.admin.managing_as("kube-controller-manager");
    autoscaler.merge_part(&live, "scale", &json!({ "spec": { "replicas": 3 } })).unwrap();
    until_live(&shop.admin, &live, |live| live["status"]["readyReplicas"] == 3)?;
    let is_told = |release: &Value| said(release, "deployment-web")["status"]["readyReplicas"] == 3;
    let told = until_live(&shop.jane, &web, is_told)?;
    assert_ne!(condition(&told, "Drifted")[0], "True");

    let changed =
        with(&deployment("web"), |d| d["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:2".into());
    let next = shop.jane.replace(&with_objects(&told, &[changed, scaler])).unwrap();
    let told = until_ready(&shop.jane, &next)?;
    let now =
        until_live(&shop.admin, &live, |live| live["spec"]["template"]["spec"]["containers"][0]["image"] == "shop:2")?;
    assert_eq!(now["spec"]["replicas"], 3);
    assert_ne!(condition(&told, "Drifted")[0], "True");

    // Anybody else who scales is told of.
    shop.admin.managing_as("kubectl").merge_part(&live, "scale", &json!({ "spec": { "replicas": 2 } })).unwrap();
    let told = until_condition(&shop.jane, &next, "Drifted", "FieldsTaken")?;
    ensure!(
        condition(&told, "Drifted")[2].contains("conflict with \"kubectl\" with subresource \"scale\""),
        "{told:#}"
    );
    assert_eq!(shop.admin.get(&live).unwrap()["spec"]["replicas"], 2);
    Ok(())
}

/// A policy that writes a value of its own into every ConfigMap of a namespace, for the length of a test.
struct Policy<'a, 'b>(&'a Shop<'b>, &'a str);

impl<'a, 'b> Policy<'a, 'b> {
    fn make(shop: &'a Shop<'b>, place: &'a str) -> anyhow::Result<Self> {
        let api = "admissionregistration.k8s.io/v1";
        let rule = json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"] });
        let select = json!({ "matchLabels": { "kubernetes.io/metadata.name": place } });
        let expression = r#"Object{data: {"size": "of the policy"}}"#;
        let mutation = json!({ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": expression } });
        let policy = json!({
            "apiVersion": api, "kind": "MutatingAdmissionPolicy", "metadata": { "name": place },
            "spec": {
                "matchConstraints": { "resourceRules": [rule], "namespaceSelector": select },
                "failurePolicy": "Fail", "reinvocationPolicy": "Never", "mutations": [mutation],
            },
        });
        let bound = json!({
            "apiVersion": api, "kind": "MutatingAdmissionPolicyBinding", "metadata": { "name": place },
            "spec": { "policyName": place },
        });
        created(&shop.admin, &policy);
        let made = Self(shop, place);
        created(&shop.admin, &bound);
        let trial = within(place, &config_map("trial", "small"));
        let ask = || shop.admin.in_dry_run().create(&trial);
        until_shown("the policy is known", ask, |object| object["data"]["size"] == "of the policy")?;
        Ok(made)
    }
}

impl Drop for Policy<'_, '_> {
    fn drop(&mut self) {
        let what = "mutatingadmissionpolicybinding,mutatingadmissionpolicy";
        drop(self.0.admin.kubectl(["delete", what, self.1, "--wait=false"]).output());
    }
}

/// It would come out like that again, however often it is sent.
fn what_admission_changes_is_not_fought_over(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let live = generated(namespace, "dev");
    until_ready(&shop.jane, &created(&shop.jane, &direct("other", &[service("other")])))?;
    let _policy = Policy::make(&shop, &live)?;
    let often = with(&direct("web-direct", &[config_map("web", "small")]), |release| {
        release["spec"]["interval"] = "1s".into();
        release["spec"]["progressingInterval"] = "1s".into();
    });
    let web = until_ready(&shop.jane, &created(&shop.jane, &often))?;
    let place = within(&live, &config_map("web", ""));
    assert_eq!(shop.admin.get(&place).unwrap()["data"]["size"], "of the policy");
    let sent = || {
        let writes = audit::writes(namespace, &[&live], "").unwrap_or_default();
        writes.iter().filter(|write| write.to_string() == "patch configmaps web").count()
    };
    ensure!(!wait::holds(Duration::from_secs(4), || sent() > 1), "it was sent {} times", sent());
    // A change of it is sent, and what is removed comes back.
    let next =
        until_ready(&shop.jane, &shop.jane.replace(&with_objects(&web, &[config_map("web", "large")])).unwrap())?;
    assert_ne!(condition(&next, "Drifted")[0], "True");
    shop.admin.delete(&place).unwrap();
    until_live(&shop.admin, &place, |live| live["data"]["size"] == "of the policy")?;
    Ok(())
}
