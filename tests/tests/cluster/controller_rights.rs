//! What `deploy/rbac/controller.yaml` lets the controller do, and what it does not.

use std::time::Duration;

use anyhow::{Context, ensure};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use release_shared::names;
use release_tests::controlplane::client;
use release_tests::{Namespace, block_on, fixture, trials, wait};

trials! {
    it_may_do_what_it_is_for_and_no_more,
    it_acts_as_an_account_only_where_it_was_let,
}

const ACCOUNT: &str = "release-controller";
/// Until the API server knows a role that was just given.
const LIMIT: Duration = Duration::from_secs(30);
const OURS: &str = names::GROUP;

/// In all namespaces, unless one is named.
fn may(client: &Client, verb: &str, group: &str, resource: &str, namespace: &str) -> anyhow::Result<bool> {
    let (resource, name) = resource.split_once(' ').unwrap_or((resource, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let attributes = ResourceAttributes {
        verb: Some(verb.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: Some(subresource.to_owned()),
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..Default::default() };
    let answer = block_on(Api::all(client.clone()).create(&PostParams::default(), &review));
    let answer: SelfSubjectAccessReview = answer.context("asking for a right")?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn it_may_do_what_it_is_for_and_no_more(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let controller = client(&namespace.control_plane().service_account(names::SYSTEM_NAMESPACE, ACCOUNT)?)?;
    let (everywhere, system) = ("", names::SYSTEM_NAMESPACE);
    let allowed: [(&[&str], &str, &[&str], &str); 9] = [
        (&["get", "list", "watch"], OURS, &["projects", "environments", "releasebindings", "releases"], everywhere),
        (&["patch", "update"], OURS, &["releases/status", "releasebindings/status"], everywhere),
        (&["create", "patch", "delete"], OURS, &["releases"], everywhere),
        (&["delete"], OURS, &["componentreleases"], everywhere),
        (&["create", "patch", "delete", "watch"], "apps", &["deployments", "statefulsets", "daemonsets"], everywhere),
        (&["create", "patch", "delete", "watch"], "", &["configmaps", "services", "pods", "secrets"], everywhere),
        (&["create", "patch", "watch"], "", &["namespaces", "events"], everywhere),
        (&["get", "update"], "coordination.k8s.io", &["leases release-controller"], system),
        (&["create"], "coordination.k8s.io", &["leases"], system),
    ];
    for (verbs, group, resources, place) in allowed {
        for (verb, resource) in verbs.iter().flat_map(|verb| resources.iter().map(move |resource| (verb, resource))) {
            assert!(may(&controller, verb, group, resource, place)?, "may not {verb} {resource} {place}");
        }
    }
    let rbac = "rbac.authorization.k8s.io";
    let refused: [(&[&str], &str, &[&str], &str); 10] = [
        (&["create", "patch", "update", "delete"], OURS, &["releasebindings", "environments", "projects"], everywhere),
        (&["create", "patch", "update"], OURS, &["componentreleases", "deploymentpipelines"], everywhere),
        (&["patch", "update"], OURS, &["environments/status", "componentreleases/status"], everywhere),
        (&["delete", "update"], "", &["namespaces"], everywhere),
        (&["impersonate"], "", &["users", "groups", "serviceaccounts"], everywhere),
        (&["get", "create", "patch", "bind", "escalate"], rbac, &["roles", "clusterroles", "rolebindings"], everywhere),
        (&["create", "get"], "", &["serviceaccounts/token", "pods/exec", "pods/log", "nodes/proxy"], everywhere),
        (&["list", "patch"], "admissionregistration.k8s.io", &["validatingwebhookconfigurations"], everywhere),
        (&["get", "update"], "coordination.k8s.io", &["leases somebody-elses"], system),
        (&["get", "create"], "coordination.k8s.io", &["leases"], "kube-system"),
    ];
    for (verbs, group, resources, place) in refused {
        for (verb, resource) in verbs.iter().flat_map(|verb| resources.iter().map(move |resource| (verb, resource))) {
            assert!(!may(&controller, verb, group, resource, place)?, "may {verb} {resource} {place}");
        }
    }
    Ok(())
}

fn it_acts_as_an_account_only_where_it_was_let(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let controller = namespace.control_plane().service_account(names::SYSTEM_NAMESPACE, ACCOUNT)?;
    let account = format!("system:serviceaccount:{}:default", namespace.name());
    // Nobody's own account may list anything, so every answer is a refusal, and says who is refused.
    let told = |account: &str| {
        let list = namespace.kubectl(["get", "configmaps", "--as", account]).user(&controller).run().expect_code(1);
        list.stderr().to_owned()
    };
    let withheld = format!("User \"{}\" cannot impersonate", names::CONTROLLER_USER);
    let said = told(&account);
    ensure!(said.contains(&withheld), "{said}");

    let subject = format!("--user={}", names::CONTROLLER_USER);
    let role = "--clusterrole=release-controller-impersonator";
    namespace.kubectl(["create", "rolebinding", "release-controller", role, &subject]).run().expect_code(0);
    let acts = format!("User \"{account}\" cannot list resource \"configmaps\"");
    wait::until("the role is known", LIMIT, || Ok(told(&account).contains(&acts).then_some(())))?;
    // There, and nowhere else; an account, and nobody else.
    for other in ["system:serviceaccount:kube-system:default", "admin"] {
        let said = told(other);
        ensure!(said.contains(&withheld), "as {other}: {said}");
    }
    Ok(())
}
