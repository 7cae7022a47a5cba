//! A pipeline that is kept, from end to end: what has run healthily may go on.

use anyhow::ensure;
use release_tests::{Namespace, fixture, trials};
use serde_json::json;

use super::live::{config_map, generated, outcome, service, snapshot, until_live, until_ready, within};
use super::objects::{Shop, binding, created, records, with};
use super::person::{refused, until_refused};

trials! {
    a_release_goes_on_after_it_has_run_healthily,
    a_release_that_does_not_get_healthy_goes_nowhere,
}

const NOT_PROMOTED: [(&str, &str); 1] = [("spec.releaseName", "NotPromoted")];

fn a_release_goes_on_after_it_has_run_healthily(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "enforce")?;
    let [staging, production] = ["staging", "production"].map(|environment| binding("web", environment, "web-1"));
    let ask = || shop.jane.in_dry_run().create(&staging);
    until_refused("the webhook has seen the pipeline", ask, 403, &NOT_PROMOTED)?;
    until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-1")))?;

    // By kubectl, and at once: what the webhook's cache lacks is looked up.
    refused(&shop.jane.create(&production), 403, &NOT_PROMOTED);
    shop.jane.kubectl_on(&["apply", "-f", "-"], &staging);
    let staged = until_ready(&shop.jane, &staging)?;
    assert_eq!(records(&staged)[0].from.as_deref(), Some("dev"));
    // By the plugin.
    shop.jane.release(["promote", "web", "--to", "production", "--reason", "it runs"]).run().expect_code(0);
    let live = until_ready(&shop.jane, &production)?;
    assert_eq!(
        (records(&live)[0].from.as_deref(), &outcome(&live)["lastHealth"]),
        (Some("staging"), &json!("Healthy"))
    );
    for environment in ["dev", "staging", "production"] {
        let live = shop.admin.get(&within(&generated(namespace, environment), &config_map("web", ""))).unwrap();
        assert_eq!(live["data"]["release"], "web-1");
    }
    // What ran there once may come back.
    let next = json!({ "spec": { "releaseName": "web-2" } });
    until_ready(&shop.jane, &shop.jane.merge(&binding("web", "dev", ""), &next).unwrap())?;
    until_ready(&shop.jane, &shop.jane.merge(&staging, &next).unwrap())?;
    let back = shop.jane.merge(&staging, &json!({ "spec": { "releaseName": "web-1" } })).unwrap();
    until_ready(&shop.jane, &back)?;
    Ok(())
}

fn a_release_that_does_not_get_healthy_goes_nowhere(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "enforce")?;
    let broken = with(&service("web"), |service| service["spec"]["ports"][0]["port"] = 70_000.into());
    created(&shop.jane, &snapshot("web", "web-3", &[broken]));
    let staging = binding("web", "staging", "web-3");
    let ask = || shop.jane.in_dry_run().create(&staging);
    until_refused("the webhook has seen the pipeline", ask, 403, &NOT_PROMOTED)?;
    let dev = created(&shop.jane, &binding("web", "dev", "web-3"));
    until_live(&shop.jane, &dev, |dev| outcome(dev)["lastHealth"] == "Degraded")?;
    let is_told = |status: &kube::core::Status| status.message.contains("it is pinned in dev and Degraded");
    let told = release_tests::wait::until("the webhook has seen its health", super::live::LIMIT, || {
        Ok(ask().err().filter(|status| is_told(status)))
    })?;
    ensure!(told.code == 403, "{told:?}");
    Ok(())
}
