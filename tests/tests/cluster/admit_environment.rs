//! Which policies of an Environment the API server takes, with the webhook in its path.

use std::time::Duration;

use release_shared::names;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::objects::{Shop, annotation, binding, created, environment, records};
use super::person::{accepts, refused, rejects};

trials! {
    admission:
    a_policy_is_judged_like_a_field,
    a_policy_is_recorded_and_can_be_mended,
    a_history_keeps_what_its_environment_says,
}

fn a_policy_is_judged_like_a_field(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let pat = Shop::people(namespace)?.pat;
    for policy in [
        &[("namespaces", "{project}-dev, shared"), ("service-account", "shared/deployer")][..],
        &[("namespaces", "shared"), ("service-account", "shared/deployer.v1")],
        &[("allowed-cluster-kinds", "Namespace,ClusterRole.rbac.authorization.k8s.io")],
        &[("drift", "enforce"), ("orphan-on-delete", "true"), ("allow-inline-secrets", "false")],
        &[("frozen", "2126-12-24T00:00:00+01:00; holidays"), ("require-reason", "^(OPS|INC)-[0-9]+")],
        &[("require-reason", "true"), ("history-records", "500"), ("history-bytes", "196608")],
    ] {
        accepts(&pat, &environment("dev", policy));
    }
    for (key, bad, faults) in [
        ("namespaces", "Shop", 1),
        ("namespaces", "{environment}-x", 1),
        ("namespaces", "kube-system,default,release-system", 3),
        ("namespaces", "a,a", 1),
        ("allowed-cluster-kinds", "clusterroles.rbac.authorization.k8s.io", 1),
        ("allowed-cluster-kinds", "ClusterRole", 1),
        ("service-account", "deployer", 1),
        ("service-account", "kube-system/deployer", 1),
        ("drift", "on", 1),
        ("frozen", "true", 1),
        ("frozen", "2126-12-24T00:00:00Z", 1),
        ("frozen", "24 December; holidays", 1),
        ("require-reason", "yes", 1),
        ("require-reason", "(OPS", 1),
        ("require-reason", "(a{1000}){1000}", 1),
        ("history-records", "all", 1),
        ("history-bytes", "1Mi", 1),
        ("orphan-on-delete", "yes", 1),
        ("allow-inline-secrets", "yes", 1),
    ] {
        let field = format!("metadata.annotations[release.openchoreo.dev/{key}]");
        rejects(&pat, &environment("dev", &[(key, bad)]), &vec![(field.as_str(), "UnknownPolicyValue"); faults]);
    }
    let elsewhere = [("namespaces", "shared"), ("service-account", "elsewhere/deployer")];
    let field = "metadata.annotations[release.openchoreo.dev/service-account]";
    rejects(&pat, &environment("dev", &elsewhere), &[(field, "UnknownPolicyValue")]);
    Ok(())
}

/// A restart is a record of its own; eight of them are more than that environment keeps.
fn a_history_keeps_what_its_environment_says(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    shop.furnish("warn", &[("history-records", "5")]);
    let pins = ["dev", "staging"].map(|environment| created(&shop.jane, &binding("web", environment, "web-1")));
    let restart = |pin: &Value, time: usize| {
        let patch = json!({ "metadata": { "annotations": { names::RESTARTED_AT: time.to_string() } } });
        shop.jane.merge(pin, &patch).unwrap()
    };
    let kept = pins.map(|pin| (0..8).map(|time| records(&restart(&pin, time)).len()).collect::<Vec<_>>());
    assert_eq!(kept, [[2, 3, 4, 5, 5, 5, 5, 5], [2, 3, 4, 5, 6, 7, 8, 9]]);
    // More is kept from then on, and what is gone stays gone.
    let more = json!({ "metadata": { "annotations": { names::HISTORY_RECORDS: "100" } } });
    shop.pat.merge(&environment("dev", &[]), &more).unwrap();
    let dev = binding("web", "dev", "web-1");
    let mut time = 8;
    let grown = || {
        let changed = restart(&dev, time);
        time += 1;
        Ok((records(&changed).len() > 6).then_some(()))
    };
    wait::until("the webhook has seen the bound", Duration::from_secs(30), grown)
}

fn a_policy_is_recorded_and_can_be_mended(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let pat = Shop::people(namespace)?.pat;
    let dev = created(&pat, &environment("dev", &[("namespaces", "{project}-dev")]));
    let set = |value: &str| pat.merge(&dev, &json!({ "metadata": { "annotations": { names::NAMESPACES: value } } }));
    let field = "metadata.annotations[release.openchoreo.dev/namespaces]";
    refused(&set("{project}-dev,kube-system"), 422, &[(field, "UnknownPolicyValue")]);
    let changed = set("{project}-dev,shared").expect("it is a list of namespaces");
    assert_eq!(annotation(&changed, names::REVISION), Some("2"));
    assert_eq!(records(&changed).len(), 2);
    Ok(())
}
