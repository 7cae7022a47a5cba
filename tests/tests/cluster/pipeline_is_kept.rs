//! Promise 3: a release reaches an environment only along the promotion path.

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::Action;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{
    Shop, annotated, authors, binding, component, component_release, created, object, pipeline, records, with,
};
use super::person::{refused, until_refused, until_shown};

trials! {
    admission:
    in_mode_warn_a_release_goes_anywhere_with_a_warning,
    in_mode_enforce_a_release_goes_where_it_has_run_before,
    a_healthy_run_counts_at_once,
    who_changes_the_mode_is_recorded,
    what_is_pinned_stays_pinned,
}

const NOT_PROMOTED: [(&str, &str); 1] = [("spec.releaseName", "NotPromoted")];

fn in_mode_warn_a_release_goes_anywhere_with_a_warning(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    until_shown(
        "the webhook has seen the pipeline",
        || shop.jane.in_dry_run().create(&binding("web", "staging", "web-1")),
        |object| records(object)[0].action == Action::Promote,
    )?;
    let create = |object: &Value| shop.jane.kubectl_on(&["create", "-f", "-"], object);
    assert_eq!(create(&binding("web", "dev", "web-1")).stderr(), "");
    assert_eq!(
        create(&binding("web", "production", "web-1")).stderr(),
        "Warning: spec.releaseName: pipeline main only warns, and would refuse this once it enforces: web-1 cannot go to production yet: \
         pipeline main wants it to have run healthily in staging first (nothing is pinned in staging); on its \
         way, it is pinned in dev, and no controller has reported its health\n"
    );
    Ok(())
}

fn in_mode_enforce_a_release_goes_where_it_has_run_before(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "enforce")?;
    let production = binding("web", "production", "web-1");
    let ask = || shop.jane.in_dry_run().create(&production);
    until_refused("the webhook has seen the pipeline", ask, 403, &NOT_PROMOTED)?;
    created(&shop.jane, &binding("web", "dev", "web-1"));
    let told = shop.jane.kubectl(["create", "-f", "-"]).stdin(production.to_string()).run().expect_code(1);
    assert_eq!(
        told.stderr(),
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \
         \"mutate.release.openchoreo.dev\" denied the request: spec.releaseName: web-1 cannot go to production yet: \
         pipeline main wants it to have run healthily in staging first (nothing is pinned in staging); on its \
         way, it is pinned in dev, and no controller has reported its health\n"
    );
    let told = shop.jane.create(&binding("web", "staging", "web-1"));
    let status = refused(&told, 403, &NOT_PROMOTED);
    assert!(status.message.contains("it is pinned in dev, and no controller has reported its health"), "{status:?}");
    // Without a release nothing is pinned, and a fault in the object comes before any policy.
    let nothing = binding("web", "staging", "web-1");
    let wrong = with(&nothing, |b| b["spec"]["state"] = "Gone".into());
    refused(&shop.jane.create(&wrong), 422, &[("spec.state", "UnknownState"), ("spec.releaseName", "NotPromoted")]);

    let outside = object(Kind::Environment, "elsewhere", json!({}));
    created(&shop.pat, &outside);
    let told = shop.jane.create(&binding("web", "elsewhere", "web-1"));
    let status = refused(&told, 403, &[("spec.environment", "NotPromoted")]);
    assert!(
        status.message.contains("does not lead to elsewhere; its environments are dev, staging, production"),
        "{status:?}"
    );
    Ok(())
}

/// The status write and the promotion follow each other at once, twenty times: what the webhook's cache does not have
/// yet, it asks the API server for.
fn a_healthy_run_counts_at_once(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "enforce")?;
    let production = binding("web", "production", "web-1");
    let ask = || shop.jane.in_dry_run().create(&production);
    until_refused("the webhook has seen the pipeline", ask, 403, &NOT_PROMOTED)?;
    for at in 0..20 {
        let (name, release) = (format!("web{at}"), format!("web{at}-1"));
        created(&shop.jane, &component(&name));
        created(&shop.jane, &component_release(&name, &release, "1.0"));
        let dev = created(&shop.jane, &binding(&name, "dev", &release));
        let staging = binding(&name, "staging", &release);
        refused(&shop.jane.create(&staging), 403, &NOT_PROMOTED);
        let outcome = json!({ "revision": 1, "release": release, "firstHealthyAt": "2026-01-01T00:00:00Z" });
        shop.admin.merge_status(&dev, &json!({ "outcomes": [outcome] })).unwrap();
        let promoted = created(&shop.jane, &staging);
        assert_eq!(records(&promoted)[0].from.as_deref(), Some("dev"));
    }
    Ok(())
}

fn who_changes_the_mode_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let mode = |mode: &str| json!({ "metadata": { "annotations": { names::ENFORCEMENT: mode } } });
    let main = shop.admin.managing_as("tests").merge(&pipeline("warn", &[]), &mode("enforce")).unwrap();
    let authors = authors(&main);
    assert_eq!(authors.iter().map(|(by, _)| by.as_str()).collect::<Vec<_>>(), ["pat", "admin"]);
    let contents: Vec<_> = records(&main).into_iter().map(|record| record.content).collect();
    assert_ne!(contents[0], contents[1]);
    refused(
        &shop.pat.merge(&main, &mode("sometimes")),
        422,
        &[("metadata.annotations[release.openchoreo.dev/enforcement]", "UnknownPolicyValue")],
    );
    Ok(())
}

/// The rule looks at a pin when it is set, not each time that something else of the binding changes.
fn what_is_pinned_stays_pinned(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let production = created(&shop.jane, &binding("web", "production", "web-1"));
    let main = shop.pat.get(&pipeline("warn", &[])).unwrap();
    shop.pat.replace(&annotated(&main, &[(names::ENFORCEMENT, "enforce")])).unwrap();
    let another = json!({ "spec": { "releaseName": "web-2" } });
    let ask = || shop.jane.in_dry_run().merge(&production, &another);
    until_refused("the webhook has seen the mode", ask, 403, &NOT_PROMOTED)?;
    refused(&shop.jane.merge(&production, &another), 403, &NOT_PROMOTED);
    let configs = json!({ "spec": { "componentTypeEnvironmentConfigs": { "size": "large" } } });
    shop.jane.merge(&production, &configs).unwrap();
    shop.jane.merge(&production, &json!({ "spec": { "state": "Undeploy" } })).unwrap();
    shop.jane.merge(&production, &json!({ "spec": { "state": "Active" } })).unwrap();
    Ok(())
}
