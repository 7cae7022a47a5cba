//! What a Release no longer has goes, by name, and after what takes its place is there.

use anyhow::{Context, ensure};
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::live::{
    LIMIT, condition, config_map, direct, generated, inventory, is_absent, service, until_condition, until_gone,
    until_live, until_ready, with_objects, within, workload,
};
use super::objects::{Shop, created, with};
use super::person::Person;

trials! {
    a_renamed_object_takes_the_place_of_the_old_one,
    another_kind_under_the_same_id_takes_its_place,
    another_id_or_version_is_the_same_object,
    what_moves_to_another_namespace_is_removed_from_the_first,
    nothing_is_removed_while_something_is_refused,
    what_was_taken_over_or_made_anew_by_somebody_else_is_left_alone,
    what_a_finalizer_holds_stays_in_the_inventory_until_it_is_gone,
}

/// Goes on only when the write of the new object came before the deletion of the old one.
fn in_this_order(namespace: &Namespace<'_>, places: &[&str], new: &str, old: &str) -> anyhow::Result<()> {
    let written = audit::written(namespace, places, "", |all| all.iter().any(|line| line == old))?;
    let at = |wanted: &str| written.iter().position(|line| line == wanted).context(wanted.to_owned());
    ensure!(at(new)? < at(old)?, "{written:#?}");
    Ok(())
}

/// The inventory follows the end of the old object a moment behind.
fn until_inventory(person: &Person<'_>, release: &Value, expected: &[&str]) -> anyhow::Result<()> {
    until_live(person, release, |release| inventory(release) == expected).map(drop)
}

fn a_renamed_object_takes_the_place_of_the_old_one(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = created(&shop.jane, &direct("web-direct", &[config_map("old", "small"), service("web")]));
    let web = until_ready(&shop.jane, &web)?;
    assert_eq!(inventory(&web), ["ConfigMap old", "Service web"]);
    // The id stays, and so does the other object.
    let renamed = with(&web, |web| web["spec"]["resources"][0]["object"]["metadata"]["name"] = "new".into());
    until_ready(&shop.jane, &shop.jane.replace(&renamed).unwrap())?;
    let live = generated(namespace, "dev");
    until_gone(&shop.admin, &within(&live, &config_map("old", "")))?;
    until_inventory(&shop.jane, &web, &["ConfigMap new", "Service web"])?;
    in_this_order(namespace, &[&live], "patch configmaps new", "delete configmaps old")?;
    let services =
        audit::writes(namespace, &[&live], "")?.into_iter().filter(|write| write.to_string().contains("services"));
    assert_eq!(services.count(), 1);
    Ok(())
}

fn another_kind_under_the_same_id_takes_its_place(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let of = |kind: &str| {
        with(&direct("web-direct", &[workload(kind, "web")]), |release| {
            release["spec"]["resources"][0]["id"] = "workload".into();
        })
    };
    let web = until_ready(&shop.jane, &created(&shop.jane, &of("Deployment")))?;
    let changed = with(&web, |web| web["spec"]["resources"] = of("StatefulSet")["spec"]["resources"].clone());
    until_ready(&shop.jane, &shop.jane.replace(&changed).unwrap())?;
    let live = generated(namespace, "dev");
    until_gone(&shop.admin, &within(&live, &workload("Deployment", "web")))?;
    until_live(&shop.admin, &within(&live, &workload("StatefulSet", "web")), |set| {
        set["status"]["readyReplicas"] == 1
    })?;
    until_inventory(&shop.jane, &web, &["StatefulSet web"])?;
    in_this_order(namespace, &[&live], "patch statefulsets web", "delete deployments web")?;
    // What belonged to the Deployment goes with it.
    let pods =
        || shop.admin.kubectl(["get", "pods", "-n", &live, "-o", "name"]).run().expect_code(0).stdout().to_owned();
    wait::until("the Deployment's pod is gone", LIMIT, || Ok((pods() == "pod/web-0\n").then_some(())))
}

fn another_id_or_version_is_the_same_object(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let scaler = |version: &str| {
        let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
        json!({
            "apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
            "spec": { "scaleTargetRef": target, "maxReplicas": 3 },
        })
    };
    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "small"), scaler("v1")]));
    let web = until_ready(&shop.jane, &web)?;
    let live = generated(namespace, "dev");
    let places = [config_map("web", ""), scaler("v2")].map(|object| within(&live, &object));
    let before = places.each_ref().map(|place| shop.admin.get(place).unwrap()["metadata"]["uid"].clone());
    let next = with(&web, |web| {
        web["spec"]["resources"][0]["id"] = "settings".into();
        web["spec"]["resources"][1] = super::live::resource(&scaler("v2"));
    });
    let next = until_ready(&shop.jane, &shop.jane.replace(&next).unwrap())?;
    assert_eq!(inventory(&next), ["ConfigMap web", "HorizontalPodAutoscaler web"]);
    let after = places.each_ref().map(|place| shop.admin.get(place).unwrap());
    assert_eq!(after.each_ref().map(|object| object["metadata"]["uid"].clone()), before);
    assert_eq!(after[0]["metadata"]["labels"]["openchoreo.dev/release-resource-id"], "settings");
    shop.jane.delete(&next).unwrap();
    until_gone(&shop.jane, &next)?;
    places.iter().try_for_each(|place| until_gone(&shop.admin, place))
}

fn what_moves_to_another_namespace_is_removed_from_the_first(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let [first, second] = ["a", "b"].map(|suffix| format!("{}-{suffix}", namespace.name()));
    shop.furnish("warn", &[("namespaces", &format!("{first},{second}"))]);
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    shop.admin.get(&within(&first, &config_map("web", ""))).unwrap();
    let moved = with_objects(&web, &[within(&second, &config_map("web", "small"))]);
    until_ready(&shop.jane, &shop.jane.replace(&moved).unwrap())?;
    until_gone(&shop.admin, &within(&first, &config_map("web", "")))?;
    let there = shop.admin.get(&within(&second, &config_map("web", ""))).unwrap();
    assert_eq!(there["data"]["size"], "small");
    in_this_order(namespace, &[&first, &second], "patch configmaps web", "delete configmaps web")?;
    let only = |release: &Value| {
        let inventory = release["status"]["inventory"].as_array().map(Vec::as_slice).unwrap_or_default();
        matches!(inventory, [one] if one["namespace"] == second)
    };
    until_live(&shop.jane, &web, only)?;
    Ok(())
}

fn nothing_is_removed_while_something_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("old", "small")])))?;
    let broken = with(&service("web"), |service| service["spec"]["ports"][0]["port"] = 70_000.into());
    let changed = shop.jane.replace(&with_objects(&web, &[config_map("new", "small"), broken])).unwrap();
    let told = until_condition(&shop.jane, &changed, "ResourcesApplied", "ApplyFailed")?;
    let live = generated(namespace, "dev");
    until_live(&shop.admin, &within(&live, &config_map("new", "")), |_| true)?;
    // Refused twice: a look behind the first refusal has removed nothing either.
    audit::written(namespace, &[&live], "", |all| all.iter().filter(|line| line.contains("services")).count() >= 2)?;
    shop.admin.get(&within(&live, &config_map("old", ""))).unwrap();
    assert_eq!(inventory(&told), ["ConfigMap new", "ConfigMap old", "Service web"]);

    let mended = with_objects(&shop.jane.get(&web).unwrap(), &[config_map("new", "small"), service("web")]);
    until_ready(&shop.jane, &shop.jane.replace(&mended).unwrap())?;
    until_gone(&shop.admin, &within(&live, &config_map("old", "")))?;
    until_inventory(&shop.jane, &web, &["ConfigMap new", "Service web"])
}

/// Whoever takes our labels off makes an object their own; whoever deletes one and makes it anew, too.
fn what_was_taken_over_or_made_anew_by_somebody_else_is_left_alone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let objects = [config_map("kept", "small"), config_map("taken", "small"), config_map("anew", "small")];
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &objects)))?;
    let live = generated(namespace, "dev");
    // While nobody looks, so that nobody puts it back.
    installation.stop_controller();
    let [taken, anew] = ["taken", "anew"].map(|name| within(&live, &config_map(name, "small")));
    shop.admin.merge(&taken, &json!({ "metadata": { "labels": null } })).unwrap();
    shop.admin.delete(&anew).unwrap();
    created(&shop.admin, &anew);
    let less = shop.jane.replace(&with_objects(&web, &objects[..1])).unwrap();
    installation.start_controller()?;

    until_ready(&shop.jane, &less)?;
    until_inventory(&shop.jane, &web, &["ConfigMap kept"])?;
    for object in [&taken, &anew] {
        ensure!(!is_absent(&shop.admin.get(object)), "removed: {object}");
    }
    Ok(())
}

fn what_a_finalizer_holds_stays_in_the_inventory_until_it_is_gone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let objects = [config_map("kept", "small"), config_map("held", "small")];
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &objects)))?;
    let held = within(&generated(namespace, "dev"), &config_map("held", ""));
    shop.admin.merge(&held, &json!({ "metadata": { "finalizers": ["tests/held"] } })).unwrap();
    let less = until_ready(&shop.jane, &shop.jane.replace(&with_objects(&web, &objects[..1])).unwrap())?;
    until_live(&shop.admin, &held, |held| held["metadata"]["deletionTimestamp"].is_string())?;
    assert_eq!(inventory(&shop.jane.get(&less).unwrap()), ["ConfigMap held", "ConfigMap kept"]);
    assert_eq!(condition(&less, "Ready")[0], "True");
    shop.admin.merge(&held, &json!({ "metadata": { "finalizers": null } })).unwrap();
    until_inventory(&shop.jane, &web, &["ConfigMap kept"])
}
