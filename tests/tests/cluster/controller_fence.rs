//! What the controller does not apply, whoever let it through admission. (A Release that was there before its Environment was judged
//! by nobody.)

use anyhow::ensure;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::live::{
    condition, config_map, direct, generated, inventory, is_absent, said, until_condition, until_gone, until_live,
    until_ready, with_objects, within,
};
use super::objects::{Shop, binding, component, component_release, created, environment, pipeline, project, with};

trials! {
    nothing_is_applied_without_project_and_environment,
    what_is_outside_is_refused_and_the_rest_is_applied,
    a_kind_that_only_the_cluster_knows_is_let_in_by_name,
    an_environment_that_goes_takes_nothing_with_it,
    a_narrower_fence_holds_back_and_removes_nothing,
    what_belongs_into_another_cluster_is_not_applied_here,
}

fn nothing_is_applied_without_project_and_environment(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    for object in [component("web"), component("api"), component_release("api", "api-1", "1.0")] {
        created(&shop.jane, &object);
    }
    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "small")]));
    let api = created(&shop.jane, &binding("api", "dev", "api-1"));
    let missing = |kind: &str, name: &str| {
        let place = namespace.name();
        format!("there is no {kind} \"{name}\" in namespace {place}: nothing is applied until it is made")
    };
    let is_told = |reason: &str, message: &str| -> anyhow::Result<()> {
        for object in [&web, &api] {
            let told = until_condition(&shop.jane, object, "Ready", reason)?;
            assert_eq!(condition(&told, "Ready"), ["False", reason, message]);
            assert_eq!((&told["status"]["health"], &told["status"]["cause"]), (&json!("Unknown"), &json!(message)));
        }
        Ok(())
    };
    is_told("ProjectNotFound", &missing("Project", "shop"))?;
    created(&shop.pat, &pipeline("warn", &[("dev", &["staging"])]));
    created(&shop.pat, &project());
    is_told("EnvironmentNotFound", &missing("Environment", "dev"))?;
    assert_eq!(inventory(&shop.jane.get(&web).unwrap()), [""; 0]);
    let live = generated(namespace, "dev");
    assert!(is_absent(&shop.admin.get(&super::live::namespace(&live))));

    created(&shop.pat, &environment("dev", &[]));
    for (written, name) in [(&web, "web"), (&api, "api")] {
        until_ready(&shop.jane, written)?;
        shop.admin.get(&within(&live, &config_map(name, ""))).unwrap();
    }
    Ok(())
}

fn rbac(kind: &str, spec: &[(&str, Value)]) -> Value {
    let mut object =
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": "web" } });
    for (key, value) in spec {
        object[key] = value.clone();
    }
    object
}

fn what_is_outside_is_refused_and_the_rest_is_applied(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let live = generated(namespace, "dev");
    // Nobody else's test may meet it in a namespace that all share.
    let name = namespace.name();
    let admin = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" });
    let objects = [
        config_map("web", "small"),
        within("kube-system", &config_map(name, "small")),
        within("default", &config_map(name, "small")),
        within("release-system", &config_map(name, "small")),
        within(name, &config_map("web", "small")),
        rbac("ClusterRoleBinding", &[("roleRef", admin.clone())]),
        rbac("RoleBinding", &[("roleRef", admin)]),
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": format!("{name}-more") } }),
    ];
    let ids = |release: &mut Value| {
        for (at, resource) in release["spec"]["resources"].as_array_mut().into_iter().flatten().enumerate() {
            resource["id"] = format!("r{at}").into();
        }
    };
    let web = created(&shop.jane, &with(&direct("web-direct", &objects), ids));
    until_condition(&shop.jane, &web, "Ready", "ProjectNotFound")?;
    shop.furnish("warn", &[]);
    let told = until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    let cause = |id: &str| said(&told, id)["cause"].as_str().unwrap_or_default().to_owned();
    let expected = [
        ("r1", "nothing is released into namespace kube-system, which is the cluster's own".to_owned()),
        ("r2", "nothing is released into namespace default, which is the cluster's own".to_owned()),
        ("r3", "nothing is released into namespace release-system, which is the cluster's own".to_owned()),
        ("r4", format!("dev does not let objects into namespace {name}; its own are {live}")),
        ("r5", "dev does not take a ClusterRoleBinding, which concerns the whole cluster".to_owned()),
        ("r6", "dev does not take a RoleBinding, which gives rights".to_owned()),
        ("r7", "dev does not take a Namespace, which concerns the whole cluster".to_owned()),
    ];
    for (id, words) in expected {
        ensure!(cause(id).starts_with(&format!("was not applied: {words}")), "{id}: {}", cause(id));
    }
    let [_, _, message] = condition(&told, "ResourcesApplied");
    ensure!(message.starts_with("7 of 8 objects were not applied: "), "{message}");
    until_live(&shop.admin, &within(&live, &config_map("web", "")), |_| true)?;
    assert_eq!(inventory(&told), ["ConfigMap web"]);
    for outside in &objects[1..] {
        ensure!(is_absent(&shop.admin.get(&within_or_not(&live, outside))), "applied: {outside}");
    }
    Ok(())
}

/// Where an object would be.
fn within_or_not(live: &str, object: &Value) -> Value {
    if object["metadata"]["namespace"].is_null() { within(live, object) } else { object.clone() }
}

/// A kind of the cluster's own scope, defined for the length of a test.
struct Beacons<'a, 'b>(&'a Shop<'b>);

const BEACONS: &str = "beacons.fence.release-tests.example";

impl<'a, 'b> Beacons<'a, 'b> {
    fn define(shop: &'a Shop<'b>) -> anyhow::Result<Self> {
        let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": BEACONS },
            "spec": {
                "group": "fence.release-tests.example", "scope": "Cluster",
                "names": { "plural": "beacons", "singular": "beacon", "kind": "Beacon" },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
            },
        });
        created(&shop.admin, &definition);
        let beacons = Self(shop);
        shop.admin
            .kubectl(["wait", "--for=condition=Established", "--timeout=60s", "crd", BEACONS])
            .run()
            .expect_code(0);
        Ok(beacons)
    }

    /// What a platform does for kinds of its own: one more part of the controller's role.
    fn allow(&self) {
        let labels = json!({ "release.openchoreo.dev/aggregate-to-controller": "true" });
        let rule = json!({ "apiGroups": ["fence.release-tests.example"], "resources": ["beacons"], "verbs": ["*"] });
        let role = with(&rbac("ClusterRole", &[("rules", json!([rule]))]), |role| {
            role["metadata"] = json!({ "name": BEACONS, "labels": labels });
        });
        created(&self.0.admin, &role);
    }
}

impl Drop for Beacons<'_, '_> {
    fn drop(&mut self) {
        let what = ["delete", "crd,clusterrole", BEACONS, "--ignore-not-found", "--wait=false"];
        drop(self.0.admin.kubectl(what).output());
    }
}

fn a_kind_that_only_the_cluster_knows_is_let_in_by_name(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let beacons = Beacons::define(&shop)?;
    let name = namespace.name();
    let beacon =
        json!({ "apiVersion": "fence.release-tests.example/v1", "kind": "Beacon", "metadata": { "name": name } });
    let beacon = with(&beacon, |beacon| beacon["spec"] = json!({ "light": "on" }));
    let web = created(&shop.jane, &direct("web-direct", std::slice::from_ref(&beacon)));
    let id = web["spec"]["resources"][0]["id"].as_str().unwrap().to_owned();
    let told = until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    let cause = said(&told, &id)["cause"].as_str().unwrap_or_default();
    ensure!(
        cause.contains("dev does not take a Beacon, which concerns the whole cluster")
            && cause.contains("add Beacon.fence.release-tests.example to release.openchoreo.dev/allowed-cluster-kinds"),
        "{cause}"
    );
    assert!(is_absent(&shop.admin.get(&beacon)));

    // Let in, but the controller may not: the cluster's words, and nothing is said to be there.
    let allowed = json!({ "release.openchoreo.dev/allowed-cluster-kinds": "Beacon.fence.release-tests.example" });
    shop.admin.merge(&environment("dev", &[]), &json!({ "metadata": { "annotations": allowed } })).unwrap();
    let is_told = |release: &Value| {
        said(release, &id)["cause"].as_str().is_some_and(|cause| {
            cause.contains("cannot be watched") && cause.contains("cannot list resource \"beacons\" in API group")
        })
    };
    until_live(&shop.jane, &web, is_told)?;
    beacons.allow();
    let ready = until_ready(&shop.jane, &web)?;
    assert_eq!(inventory(&ready), [format!("Beacon {name}")]);
    assert_eq!(said(&ready, &id)["namespace"], Value::Null);
    assert_eq!(shop.admin.get(&beacon).unwrap()["spec"]["light"], "on");
    shop.jane.delete(&web).unwrap();
    until_gone(&shop.jane, &web)?;
    until_gone(&shop.admin, &beacon)
}

fn an_environment_that_goes_takes_nothing_with_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let live = generated(namespace, "dev");
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    let api = until_ready(&shop.jane, &created(&shop.jane, &binding("api", "dev", "api-1")))?;
    let before = ["web", "api"].map(|name| shop.admin.get(&within(&live, &config_map(name, ""))).unwrap());
    let first = shop.admin.get(&environment("dev", &[])).unwrap();
    shop.delete_unasked(&first);
    for object in [&web, &api] {
        let told = until_condition(&shop.jane, object, "Ready", "EnvironmentNotFound")?;
        assert_eq!(told["status"]["health"], "Unknown");
    }
    // A change waits.
    let next = shop.jane.replace(&with_objects(&shop.jane.get(&web).unwrap(), &[config_map("web", "large")])).unwrap();
    let is_seen = |release: &Value| release["status"]["observedGeneration"] == next["metadata"]["generation"];
    let told = until_live(&shop.jane, &web, is_seen)?;
    assert_eq!(condition(&told, "Ready")[1], "EnvironmentNotFound");
    for before in &before {
        assert_eq!(
            shop.admin.get(before).unwrap()["metadata"]["resourceVersion"],
            before["metadata"]["resourceVersion"]
        );
    }

    let second = created(&shop.pat, &environment("dev", &[]));
    until_ready(&shop.jane, &next)?;
    until_ready(&shop.jane, &api)?;
    let [web, api] = before.each_ref().map(|before| shop.admin.get(before).unwrap());
    assert_eq!((&web["metadata"]["uid"], &web["data"]["size"]), (&before[0]["metadata"]["uid"], &json!("large")));
    assert_eq!(api["metadata"]["resourceVersion"], before[1]["metadata"]["resourceVersion"]);
    let namespace = shop.admin.get(&super::live::namespace(&live)).unwrap();
    assert_eq!(namespace["metadata"]["labels"]["openchoreo.dev/environment-uid"], second["metadata"]["uid"]);
    Ok(())
}

fn a_narrower_fence_holds_back_and_removes_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let [first, second] = ["a", "b"].map(|suffix| format!("{}-{suffix}", namespace.name()));
    let list = |names: &str| json!({ "metadata": { "annotations": { "release.openchoreo.dev/namespaces": names } } });
    let both = format!("{first},{second}");
    shop.furnish("warn", &[("namespaces", &both)]);
    let objects = |size: &str| [config_map("web", size), within(&second, &config_map("web", size))];
    let named = |size: &str| {
        with(&direct("web-direct", &objects(size)), |release| release["spec"]["resources"][1]["id"] = "second".into())
    };
    let web = until_ready(&shop.jane, &created(&shop.jane, &named("small")))?;
    shop.admin.merge(&environment("dev", &[]), &list(&first)).unwrap();
    let told = until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    let cause = said(&told, "second")["cause"].as_str().unwrap_or_default();
    ensure!(cause.contains(&format!("dev does not let objects into namespace {second}")), "{cause}");
    assert_eq!(inventory(&told), ["ConfigMap web", "ConfigMap web"]);
    assert_eq!(shop.admin.get(&within(&second, &config_map("web", ""))).unwrap()["data"]["size"], "small");

    // What is inside goes on, also where what is outside should change with it. (The fault is an old one: admission lets it through.)
    let next = with(&shop.jane.get(&web).unwrap(), |web| {
        web["spec"]["resources"] = named("large")["spec"]["resources"].clone()
    });
    let next = shop.jane.replace(&next).unwrap();
    until_live(&shop.admin, &within(&first, &config_map("web", "")), |live| live["data"]["size"] == "large")?;
    assert_eq!(shop.admin.get(&within(&second, &config_map("web", ""))).unwrap()["data"]["size"], "small");
    shop.admin.merge(&environment("dev", &[]), &list(&both)).unwrap();
    until_ready(&shop.jane, &next)?;
    assert_eq!(shop.admin.get(&within(&second, &config_map("web", ""))).unwrap()["data"]["size"], "large");
    Ok(())
}

fn what_belongs_into_another_cluster_is_not_applied_here(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let remote = with(&environment("remote", &[]), |e| e["spec"] = json!({ "dataPlaneRef": { "name": "elsewhere" } }));
    created(&shop.pat, &remote);
    let there =
        with(&direct("remote", &[config_map("web", "small")]), |r| r["spec"]["environmentName"] = "remote".into());
    let observed = with(&direct("observed", &[config_map("web", "small")]), |r| {
        r["spec"]["targetPlane"] = "observabilityplane".into();
    });
    for (release, words) in [(there, "DataPlane elsewhere"), (observed, "observabilityplane")] {
        let release = created(&shop.jane, &release);
        let told = until_condition(&shop.jane, &release, "Ready", "DataPlaneNotSupported")?;
        ensure!(condition(&told, "Ready")[2].contains(words), "{told:#}");
        assert_eq!(inventory(&told), [""; 0]);
    }
    Ok(())
}
