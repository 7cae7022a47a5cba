//! Whose change it is: whoever the API server says that asks, be it a person, an account or somebody impersonated.

use release_shared::kinds::Kind;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{annotation, created, object};
use super::person::{Person, until_accepted};
use super::recorded::recorded;
use super::subject::People;

trials! {
    admission:
    whoever_is_impersonated_is_the_author,
    whoever_is_impersonated_by_group_is_the_author,
    a_service_account_is_the_author_under_its_own_name,
    an_account_that_may_write_is_no_other_one,
}

/// As everywhere in Kubernetes. Who did the impersonating stands in the audit log, which has both.
fn whoever_is_impersonated_is_the_author(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let admin = &people.shop.admin;
    for subject in people.subjects() {
        let [first, second] = subject.by;
        let as_first = format!("--as={first}");
        let made = admin.kubectl_on(&[&as_first, "create", "-o", "json", "-f", "-"], &subject.whole(1)).json();
        recorded(admin, &made, &[(first, "kubectl-create")])?;
        let write = subject.write(&subject.second, &made, 2).forged();
        let (as_second, target, patch) = (format!("--as={second}"), write.target(), write.patch.to_string());
        admin.kubectl_on(&[&as_second, "patch", &target, "--type=merge", "-p", &patch], &Value::Null);
        recorded(admin, &made, &[(first, "kubectl-create"), (second, "kubectl-patch")])?;
    }
    Ok(())
}

/// Whose rights are those of a group, and whose name is nobody's.
fn whoever_is_impersonated_by_group_is_the_author(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let admin = &people.shop.admin;
    let [group, developers] = ["team-a", "release-developer"];
    admin.kubectl_on(
        &["create", "rolebinding", group, &format!("--group={group}"), &format!("--clusterrole={developers}")],
        &Value::Null,
    );
    let group = format!("--as-group={group}");
    let subject = people.subject(Kind::ReleaseBinding);
    let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
    let write = subject.write(&subject.second, &made, 2).forged();
    let (target, patch) = (write.target(), write.patch.to_string());
    let args = ["--as=nobody", &group, "patch", &target, "--type=merge", "-p", &patch];
    let told = admin.kubectl(["--as=nobody", "patch", &target, "--type=merge", "-p", &patch]).run().expect_code(1);
    assert!(told.stderr().contains("User \"nobody\" cannot"), "{told}");
    admin.kubectl_on(&args, &Value::Null);
    recorded(admin, &made, &[("jane", "tests"), ("nobody", "kubectl-patch")])?;
    Ok(())
}

/// By a token that is bound to the account and ends by itself.
fn a_service_account_is_the_author_under_its_own_name(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    let name = format!("system:serviceaccount:{}:default", namespace.name());
    Person::with_role(namespace, &name, "release-developer")?;
    Person::with_role(namespace, &name, "release-platform-engineer")?;
    let robot = Person::of(namespace, namespace.service_account("default")?)?;
    for subject in people.subjects() {
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let write = subject.write(&robot, &made, 2).forged();
        let ask = || write.api("flux").in_dry_run().with_parameter("force=true").apply(&write.whole);
        until_accepted("the API server knows the account's second role", ask)?;
        write.api("flux").with_parameter("force=true").apply(&write.whole).unwrap();
        recorded(&people.shop.admin, &made, &[(subject.by[0], "tests"), (&name, "flux")])?;
    }
    Ok(())
}

/// The field manager is what a request says of itself: it is recorded as that, and gives nobody another name.
fn an_account_that_may_write_is_no_other_one(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let people = People::open(namespace)?;
    for subject in people.subjects() {
        let [first, second] = subject.by;
        let made = created(&subject.first.managing_as("release-webhook"), &subject.whole(1));
        let write = subject.write(&subject.second, &made, 2).forged();
        write.api("release-webhook").merge(&made, &write.patch).unwrap();
        recorded(&people.shop.admin, &made, &[(first, "release-webhook"), (second, "release-webhook")])?;
    }
    // A kind without a history carries the stamp alone.
    let project = object(Kind::Project, "shop", json!({ "deploymentPipelineRef": { "name": "main" } }));
    let made = created(&people.shop.pat.managing_as("release-webhook"), &project);
    assert_eq!(annotation(&made, release_shared::names::CHANGED_BY), Some("pat"));
    Ok(())
}
