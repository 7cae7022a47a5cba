//! Which policies of an Environment the API server takes, with the webhook in its path.

use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::json;

use super::objects::{Shop, annotation, created, environment, records};
use super::person::{accepts, refused, rejects};

trials! {
    admission:
    a_policy_is_judged_like_a_field,
    a_policy_is_recorded_and_can_be_mended,
}

fn a_policy_is_judged_like_a_field(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let pat = Shop::people(namespace)?.pat;
    for policy in [
        &[("namespaces", "{project}-dev, shared"), ("service-account", "shared/deployer")][..],
        &[("namespaces", "shared"), ("service-account", "shared/deployer.v1")],
        &[("allowed-cluster-kinds", "Namespace,ClusterRole.rbac.authorization.k8s.io")],
        &[("drift", "enforce"), ("orphan-on-delete", "true"), ("allow-inline-secrets", "false")],
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
