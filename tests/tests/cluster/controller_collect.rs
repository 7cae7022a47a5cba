//! ComponentReleases that nobody needs are collected, behind the newest ten.

use std::collections::BTreeSet;

use anyhow::ensure;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::live::{LIMIT, until_ready};
use super::objects::{Shop, binding, component_release, created};

trials! { what_nobody_pins_or_goes_back_to_is_collected_beyond_the_newest_ten }

fn what_nobody_pins_or_goes_back_to_is_collected_beyond_the_newest_ten(
    namespace: &Namespace<'_>,
) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    // The oldest: web-1 runs in staging, web-2 ran in dev before, web-a was never pinned. api-1 is another component's.
    created(&shop.jane, &component_release("web", "web-a", "a"));
    let dev = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-2")))?;
    created(&shop.jane, &binding("web", "staging", "web-1"));
    // Two releases of one second are as old as each other.
    let second = |object: &Value| object["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
    let last = second(&dev);
    wait::until("the next second", LIMIT, || {
        let asked = shop.jane.in_dry_run().create(&component_release("web", "web-x", "x"));
        Ok(asked.ok().filter(|asked| second(asked) > last).map(drop))
    })?;
    for at in 0..10 {
        created(&shop.jane, &component_release("web", &format!("web-b{at}"), &format!("b{at}")));
    }
    until_ready(&shop.jane, &shop.jane.merge(&dev, &json!({ "spec": { "releaseName": "web-b0" } })).unwrap())?;
    let there = || -> BTreeSet<String> {
        let told = shop.jane.kubectl(["get", "componentreleases", "-o", "jsonpath={.items[*].metadata.name}"]).run();
        told.expect_code(0).stdout().split(' ').map(str::to_owned).collect()
    };
    wait::until("the one that nobody needs is gone", LIMIT, || Ok((!there().contains("web-a")).then_some(())))?;
    let mut needed: BTreeSet<_> = (0..10).map(|at| format!("web-b{at}")).collect();
    needed.extend(["web-1", "web-2", "api-1"].map(str::to_owned));
    assert_eq!(there(), needed);
    // The next one makes the oldest of the ten superfluous, unless it is pinned, as web-b0 is.
    created(&shop.jane, &component_release("web", "web-c", "c"));
    created(&shop.jane, &component_release("web", "web-d", "d"));
    let rest = || there().difference(&needed).count();
    wait::until("one of the ten is gone", LIMIT, || Ok((there().len() < needed.len() + 2).then_some(())))?;
    ensure!(there().contains("web-b0") && rest() == 2, "{:?}", there());
    Ok(())
}
