//! The namespaces of an environment: made, used, or somebody else's.

use anyhow::ensure;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::json;

use super::live::{
    condition, config_map, direct, generated, inventory, is_absent, namespace as named, until_condition, until_gone,
    until_live, until_ready, within,
};
use super::objects::{Shop, binding, created, environment, with};

trials! {
    an_environment_without_a_list_has_a_namespace_of_its_own,
    two_environments_of_one_project_do_not_meet,
    a_listed_namespace_is_made_where_it_is_missing,
    a_listed_namespace_is_used_as_it_is,
    an_environment_that_moves_takes_its_objects_along,
    somebody_elses_namespace_of_the_generated_name_is_not_used,
    a_namespace_that_was_deleted_is_made_again_with_all_that_was_in_it,
}

fn an_environment_without_a_list_has_a_namespace_of_its_own(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let dev = shop.pat.get(&environment("dev", &[])).unwrap();
    until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    let live = generated(namespace, "dev");
    ensure!(live.starts_with("shop-dev-") && live.len() == "shop-dev-".len() + 8, "{live}");
    assert_eq!(
        shop.admin.get(&named(&live)).unwrap()["metadata"]["labels"],
        json!({
            "kubernetes.io/metadata.name": live,
            "pod-security.kubernetes.io/enforce": "baseline",
            names::CREATED_BY_LABEL: "release-controller",
            names::NAMESPACE_LABEL: namespace.name(),
            names::PROJECT_LABEL: "shop",
            names::ENVIRONMENT_LABEL: "dev",
            names::ENVIRONMENT_UID_LABEL: dev["metadata"]["uid"],
        })
    );
    Ok(())
}

fn two_environments_of_one_project_do_not_meet(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    for environment in ["dev", "staging"] {
        let release = with(&direct(&format!("web-{environment}"), &[config_map("web", environment)]), |release| {
            release["spec"]["environmentName"] = environment.into();
        });
        until_ready(&shop.jane, &created(&shop.jane, &release))?;
    }
    for environment in ["dev", "staging"] {
        let live = shop.admin.get(&within(&generated(namespace, environment), &config_map("web", ""))).unwrap();
        assert_eq!(live["data"]["size"], environment);
    }
    Ok(())
}

fn a_listed_namespace_is_made_where_it_is_missing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    // An entry is for every project, each with its own; the second is there for those who name it.
    let tail = namespace.name();
    shop.furnish("warn", &[("namespaces", &format!("{{project}}-{tail}, {tail}-more"))]);
    let more = format!("{tail}-more");
    let objects = [config_map("web", "small"), within(&more, &config_map("more", "small"))];
    until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &objects)))?;
    shop.admin.get(&within(&format!("shop-{tail}"), &config_map("web", ""))).unwrap();
    shop.admin.get(&within(&more, &config_map("more", ""))).unwrap();
    for name in [&format!("shop-{tail}"), &more] {
        let labels = &shop.admin.get(&named(name)).unwrap()["metadata"]["labels"];
        assert_eq!(labels[names::CREATED_BY_LABEL], "release-controller", "{name}");
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], "baseline", "{name}");
    }
    Ok(())
}

fn a_listed_namespace_is_used_as_it_is(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let live = format!("{}-live", namespace.name());
    let before = created(&shop.admin, &with(&named(&live), |live| live["metadata"]["labels"] = json!({ "team": "a" })));
    shop.furnish("warn", &[("namespaces", &live)]);
    until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    shop.admin.get(&within(&live, &config_map("web", ""))).unwrap();
    assert_eq!(shop.admin.get(&before).unwrap()["metadata"]["labels"], before["metadata"]["labels"]);
    Ok(())
}

fn an_environment_that_moves_takes_its_objects_along(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let [first, second] = ["a", "b"].map(|suffix| format!("{}-{suffix}", namespace.name()));
    shop.furnish("warn", &[("namespaces", &first)]);
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    let api = until_ready(&shop.jane, &created(&shop.jane, &binding("api", "dev", "api-1")))?;
    let list = json!({ "metadata": { "annotations": { names::NAMESPACES: second } } });
    shop.admin.merge(&environment("dev", &[]), &list).unwrap();
    for name in ["web", "api"] {
        until_live(&shop.admin, &within(&second, &config_map(name, "")), |_| true)?;
        until_gone(&shop.admin, &within(&first, &config_map(name, "")))?;
    }
    until_ready(&shop.jane, &web)?;
    until_ready(&shop.jane, &api)?;
    Ok(())
}

fn somebody_elses_namespace_of_the_generated_name_is_not_used(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let live = generated(namespace, "dev");
    created(&shop.admin, &named(&live));
    shop.furnish("warn", &[]);
    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "small")]));
    let told = until_condition(&shop.jane, &web, "Ready", "NamespaceNotOurs")?;
    assert_eq!(
        condition(&told, "Ready")[2],
        format!(
            "namespace {live} was not made for Environment dev: list it in release.openchoreo.dev/namespaces there if it may be used"
        )
    );
    assert_eq!(inventory(&told), [""; 0]);
    assert!(is_absent(&shop.admin.get(&within(&live, &config_map("web", "")))));
    // Nobody becomes its owner by labels of half the truth.
    let labels = json!({ "metadata": { "labels": { names::CREATED_BY_LABEL: "release-controller", names::PROJECT_LABEL: "shop" } } });
    shop.admin.merge(&named(&live), &labels).unwrap();

    let listed = json!({ "metadata": { "annotations": { names::NAMESPACES: live } } });
    shop.admin.merge(&environment("dev", &[]), &listed).unwrap();
    until_ready(&shop.jane, &web)?;
    Ok(())
}

fn a_namespace_that_was_deleted_is_made_again_with_all_that_was_in_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let live = generated(namespace, "dev");
    // While it waits for this one, everything else in it is gone already.
    let objects = [config_map("web", "small"), config_map("held", "small")];
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &objects)))?;
    let held = within(&live, &config_map("held", ""));
    shop.admin.merge(&held, &json!({ "metadata": { "finalizers": ["tests/held"] } })).unwrap();
    let first = shop.admin.get(&named(&live)).unwrap();
    shop.admin.delete(&first).unwrap();
    until_gone(&shop.admin, &within(&live, &config_map("web", "")))?;
    let told = until_condition(&shop.jane, &web, "Ready", "NamespaceTerminating")?;
    ensure!(condition(&told, "Ready")[2].contains("it is made again when it is gone"), "{told:#}");
    shop.admin.merge(&held, &json!({ "metadata": { "finalizers": null } })).unwrap();
    let is_another = |live: &serde_json::Value| live["metadata"]["uid"] != first["metadata"]["uid"];
    until_live(&shop.admin, &named(&live), is_another)?;
    until_ready(&shop.jane, &web)?;
    for name in ["web", "held"] {
        shop.admin.get(&within(&live, &config_map(name, ""))).unwrap();
    }
    Ok(())
}
