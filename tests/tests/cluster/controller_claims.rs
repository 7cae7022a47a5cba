//! An object belongs to one Release: the first that has it.

use anyhow::ensure;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::json;

use super::live::{
    condition, config_map, direct, generated, inventory, said, service, until_condition, until_gone, until_live,
    until_ready, with_objects, within,
};
use super::objects::{Shop, binding, created, with};

trials! {
    two_releases_want_one_object_and_the_first_has_it,
    two_bindings_want_one_object_and_are_told_apart,
    an_object_that_says_it_is_anothers_is_left_alone,
    what_a_release_that_is_gone_has_left_is_taken_over,
}

fn two_releases_want_one_object_and_the_first_has_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let live = generated(namespace, "dev");
    let place = within(&live, &config_map("shared", ""));
    let first =
        created(&shop.jane, &direct("first", &[config_map("shared", "of the first"), config_map("a", "small")]));
    let first = until_ready(&shop.jane, &first)?;
    let second =
        created(&shop.jane, &direct("second", &[config_map("shared", "of the second"), config_map("b", "small")]));
    let told = until_condition(&shop.jane, &second, "Ready", "ResourceApplyFailed")?;
    let words = format!(
        "it belongs to Release {}/first: give it another name, or take it out of that release",
        namespace.name()
    );
    assert_eq!(said(&told, "configmap-shared")["cause"], format!("was not applied: {words}"));
    assert_eq!(inventory(&told), ["ConfigMap b"]);
    assert_eq!(shop.admin.get(&place).unwrap()["data"]["size"], "of the first");
    assert_eq!(condition(&shop.jane.get(&first).unwrap(), "Ready")[0], "True");

    // The second goes, and takes nothing of the first with it.
    shop.jane.delete(&second).unwrap();
    until_gone(&shop.jane, &second)?;
    until_gone(&shop.admin, &within(&live, &config_map("b", "")))?;
    assert_eq!(shop.admin.get(&place).unwrap()["data"]["size"], "of the first");

    // The first gives it up, and the next one has it at once: that one never looks by itself.
    let third = with(&direct("third", &[config_map("shared", "of the third")]), |release| {
        release["spec"]["interval"] = "0s".into();
        release["spec"]["progressingInterval"] = "0s".into();
    });
    let third = created(&shop.jane, &third);
    until_condition(&shop.jane, &third, "Ready", "ResourceApplyFailed")?;
    shop.jane.replace(&with_objects(&first, &[config_map("a", "small")])).unwrap();
    until_ready(&shop.jane, &third)?;
    until_live(&shop.admin, &place, |live| live["data"]["size"] == "of the third")?;
    Ok(())
}

/// Two components of one project share a namespace.
fn two_bindings_want_one_object_and_are_told_apart(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    for (component, name) in [("web", "web-3"), ("api", "api-3")] {
        created(&shop.jane, &super::live::snapshot(component, name, &[config_map("shared", component)]));
    }
    let web = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-3")))?;
    let api = created(&shop.jane, &binding("api", "dev", "api-3"));
    let told = until_condition(&shop.jane, &api, "Ready", "ResourceApplyFailed")?;
    let [_, _, message] = condition(&told, "Ready");
    ensure!(message.contains(&format!("it belongs to Release {}/web-dev", namespace.name())), "{message}");
    assert_eq!(told["status"]["health"], "Degraded");
    assert_eq!(super::live::outcome(&told)["firstHealthyAt"], json!(null));
    // Undeployed, the first has nothing any more.
    shop.jane.merge(&web, &json!({ "spec": { "state": "Undeploy" } })).unwrap();
    until_ready(&shop.jane, &api)?;
    let place = within(&generated(namespace, "dev"), &config_map("shared", ""));
    assert_eq!(shop.admin.get(&place).unwrap()["data"]["size"], "api");
    Ok(())
}

fn an_object_that_says_it_is_anothers_is_left_alone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let live = generated(namespace, "dev");
    let other = until_ready(&shop.jane, &created(&shop.jane, &direct("other", &[service("other")])))?;
    let marked = with(&within(&live, &config_map("web", "theirs")), |object| {
        object["metadata"]["labels"] = json!({
            names::MANAGED_BY_LABEL: names::CONTROLLER_MANAGER,
            names::RELEASE_UID_LABEL: other["metadata"]["uid"],
            names::RELEASE_NAME_LABEL: "other",
            names::RELEASE_NAMESPACE_LABEL: namespace.name(),
        });
    });
    created(&shop.admin, &marked);
    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "small")]));
    let told = until_condition(&shop.jane, &web, "Ready", "ResourceApplyFailed")?;
    let cause = said(&told, "configmap-web")["cause"].as_str().unwrap_or_default();
    ensure!(cause.contains(&format!("it belongs to Release {}/other", namespace.name())), "{cause}");
    assert_eq!(shop.admin.get(&marked).unwrap()["data"]["size"], "theirs");

    // That Release never made it, and does not remove it.
    shop.jane.delete(&other).unwrap();
    until_gone(&shop.jane, &other)?;
    assert_eq!(shop.admin.get(&marked).unwrap()["data"]["size"], "theirs");
    Ok(())
}

/// As `kubectl delete --cascade=orphan` and `orphan-on-delete` leave it.
fn what_a_release_that_is_gone_has_left_is_taken_over(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let live = generated(namespace, "dev");
    // There is a namespace with something in it.
    until_ready(&shop.jane, &created(&shop.jane, &direct("other", &[service("other")])))?;
    let mut left = config_map("web", "small");
    left["metadata"]["labels"] = json!({
        names::MANAGED_BY_LABEL: names::CONTROLLER_MANAGER,
        names::RELEASE_UID_LABEL: "00000000-0000-0000-0000-000000000000",
        names::RELEASE_NAME_LABEL: "gone",
        names::RELEASE_NAMESPACE_LABEL: namespace.name(),
    });
    shop.admin.managing_as(names::CONTROLLER_MANAGER).apply(&within(&live, &left)).unwrap();
    let web = created(&shop.jane, &direct("web-direct", &[config_map("web", "large")]));
    until_ready(&shop.jane, &web)?;
    let ours = shop.admin.get(&within(&live, &config_map("web", ""))).unwrap();
    assert_eq!(ours["data"]["size"], "large");
    assert_eq!(ours["metadata"]["labels"][names::RELEASE_UID_LABEL], web["metadata"]["uid"]);
    Ok(())
}
