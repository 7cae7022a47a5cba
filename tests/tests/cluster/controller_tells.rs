//! What people and monitoring are told besides status: events on transitions, and metrics.

use std::time::Duration;

use anyhow::{Context, ensure};
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::live::{
    LIMIT, config_map, deployment, direct, generated, service, until_condition, until_gone, until_ready, within,
};
use super::objects::{Shop, binding, created, environment, name, with};

trials! {
    a_transition_is_an_event,
    metrics_count_what_is_done,
    what_is_blocked_is_left_in_peace,
}

/// Type, reason and words of the events about an object, once there are that many.
pub(crate) fn events(shop: &Shop<'_>, about: &Value, count: usize) -> anyhow::Result<Vec<(String, String, String)>> {
    let uid = about["metadata"]["uid"].as_str().unwrap_or_default();
    let read = || {
        let told = shop.admin.kubectl(["get", "events.events.k8s.io", "-o", "json"]).run().expect_code(0);
        let list: Value = told.json();
        let ours = list["items"].as_array().into_iter().flatten().filter(|event| event["regarding"]["uid"] == uid);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        ours.map(|event| (text(&event["type"]), text(&event["reason"]), text(&event["note"]))).collect::<Vec<_>>()
    };
    let found = wait::until("the events are there", LIMIT, || Ok(Some(read()).filter(|all| all.len() >= count)));
    found.with_context(|| format!("about {}: {:?}", name(about), read()))
}

/// `web` has a binding in `dev`, and no Release stands beside that.
fn of_api(release: &mut Value) {
    release["spec"]["owner"]["componentName"] = "api".into();
}

fn a_transition_is_an_event(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let pin = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-1")))?;
    let event = |kind: &str, reason: &str, note: &str| (kind.to_owned(), reason.to_owned(), note.to_owned());
    assert_eq!(events(&shop, &pin, 1)?, [event("Normal", "Healthy", "revision 1 (web-1) is healthy")]);
    let release = shop.jane.get(&direct("web-dev", &[])).unwrap();
    assert_eq!(events(&shop, &release, 1)?, [event("Normal", "Healthy", "all objects are as they should be")]);

    let by_hand = shop.admin.managing_as("kubectl-edit");
    by_hand
        .merge(&within(&generated(namespace, "dev"), &config_map("web", "")), &json!({ "data": { "size": "large" } }))
        .unwrap();
    let drifted = events(&shop, &release, 2)?;
    ensure!(
        drifted.iter().any(|(kind, reason, note)| (kind.as_str(), reason.as_str()) == ("Warning", "Drifted")
            && note.contains("kubectl-edit")),
        "{drifted:?}"
    );

    let broken = with(&service("api"), |service| service["spec"]["ports"][0]["port"] = 70_000.into());
    let refused = created(&shop.jane, &with(&direct("api-direct", &[broken]), of_api));
    until_condition(&shop.jane, &refused, "ResourcesApplied", "ApplyFailed")?;
    let told = events(&shop, &refused, 2)?;
    for reason in ["ApplyFailed", "Degraded"] {
        let is =
            |(kind, of, note): &(String, String, String)| kind == "Warning" && of == reason && note.contains("70000");
        ensure!(told.iter().any(is), "{reason}: {told:?}");
    }
    shop.jane.delete(&refused).unwrap();
    until_gone(&shop.jane, &refused)?;
    let missing = created(&shop.jane, &binding("api", "dev", "api-9"));
    let (kind, reason, note) = events(&shop, &missing, 1)?.remove(0);
    assert_eq!((kind.as_str(), reason.as_str()), ("Warning", "NotSynced"));
    ensure!(note.contains("there is no ComponentRelease \"api-9\""), "{note}");
    Ok(())
}

/// The value of a metric of the controller, by its whole name with labels.
fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("release_controller_{name} ")));
    line.and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn metrics_count_what_is_done(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let done = |kind: &str| format!("reconciles_total{{kind=\"{kind}\",result=\"done\"}}");
    let before = installation.controller_metrics()?;
    created(&shop.jane, &super::live::snapshot("web", "web-3", &[deployment("web"), config_map("web", "small")]));
    until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-3")))?;
    let after = installation.controller_metrics()?;
    let healthy = "outcomes_total{health=\"Healthy\"}";
    for name in [
        done("ReleaseBinding").as_str(),
        done("Release").as_str(),
        healthy,
        "api_requests_total{verb=\"patch\",code=\"201\"}",
        "api_requests_total{verb=\"patch_status\",code=\"200\"}",
    ] {
        ensure!(metric(&after, name) > metric(&before, name), "{name} does not count:\n{after}");
    }
    ensure!(metric(&after, "releases{health=\"Healthy\"}") >= 1.0, "{after}");
    assert_eq!(metric(&after, "lease_held"), 1.0);
    // What is gone is counted no more.
    let healthy = "releases{health=\"Healthy\"}";
    shop.jane.delete(&binding("web", "dev", "")).unwrap();
    until_gone(&shop.jane, &direct("web-dev", &[]))?;
    wait::until("one release less is healthy", LIMIT, || {
        let now = metric(&installation.controller_metrics()?, healthy);
        Ok((now < metric(&after, healthy)).then_some(()))
    })
}

/// A refused object is due to be tried again all the time, and is not tried as long as nothing is applied.
fn what_is_blocked_is_left_in_peace(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let broken = with(&service("web"), |service| service["spec"]["ports"][0]["port"] = 70_000.into());
    let web = created(&shop.jane, &direct("web-direct", &[broken]));
    until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    shop.delete_unasked(&environment("dev", &[]));
    until_condition(&shop.jane, &web, "Ready", "EnvironmentNotFound")?;
    let looks = || {
        let text = installation.controller_metrics().unwrap();
        ["done", "failed"].map(|how| metric(&text, &format!("reconciles_total{{kind=\"Release\",result=\"{how}\"}}")))
    };
    let before: f64 = looks().iter().sum();
    let many = || looks().iter().sum::<f64>() > before + 20.0;
    ensure!(!wait::holds(Duration::from_secs(4), many), "it is looked at again and again: {:?}", looks());
    Ok(())
}
