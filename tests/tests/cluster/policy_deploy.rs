//! Changing what runs in an environment takes the verb `deploy` on it.

use std::time::Duration;

use release_shared::names;
use release_tests::{Namespace, trials, wait};
use serde_json::{Value, json};

use super::objects::{annotated, binding, created, kind, owned_release, release, with};
use super::person::{Person, refused_by_the_server, until_accepted};

trials! {
    policies and oldest:
    nothing_changes_in_an_environment_without_the_verb,
    deleting_all_at_once_takes_the_verb_for_each,
    the_verb_is_given_for_some_environments,
    what_changes_nothing_recorded_is_free,
    an_admin_of_the_namespace_needs_the_verb,
    who_acts_as_somebody_may_what_that_one_may,
    what_the_controller_renders_is_free,
    a_namespace_goes_with_all_that_is_in_it,
    the_policies_compile,
}

/// Until the cluster has cleaned up.
const LIMIT: Duration = Duration::from_secs(60);

/// Gives somebody the verb for these environments, as docs/policies.md says.
fn let_deploy(namespace: &Namespace<'_>, who: &str, environments: &[&str]) -> anyhow::Result<()> {
    let names: Vec<String> = environments.iter().map(|name| format!("--resource-name={name}")).collect();
    let role = ["create", "role", "deployer", "--verb=deploy", "--resource=environments.openchoreo.dev"];
    namespace.kubectl(role).args(names).run().expect_code(0);
    let bind = ["create", "rolebinding", "deployers", "--role=deployer"];
    namespace.kubectl(bind).args([format!("--user={who}")]).run().expect_code(0);
    let person = Person::of(namespace, namespace.user(who, &[])?)?;
    let probe = with(&release("probe"), |probe| probe["spec"]["environmentName"] = environments[0].into());
    until_accepted("the right to deploy is known", || person.in_dry_run().create(&probe)).map(drop)
}

#[track_caller]
fn denied(told: &super::person::Told, who: &str, environment: &str) {
    let said = format!(
        "{who} may not change what runs in environment {environment}: that takes the verb deploy on environments/{environment}"
    );
    let status = refused_by_the_server(told, 403, &said);
    assert_eq!(status.reason, "Forbidden", "{status:?}");
    assert!(status.message.contains("ValidatingAdmissionPolicy 'release-deploy'"), "{status:?}");
}

fn nothing_changes_in_an_environment_without_the_verb(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let jane = Person::with_role(namespace, "jane", "release-developer")?;
    for (object, field, value) in
        [(binding("web", "dev", "web-1"), "releaseName", "web-2"), (release("direct"), "interval", "7m")]
    {
        denied(&jane.create(&object), "jane", "dev");
        denied(&jane.in_dry_run().create(&object), "jane", "dev");
        denied(&jane.managing_as("jane").apply(&object), "jane", "dev");
        let object = created(&admin, &object);
        denied(&jane.merge(&object, &json!({ "spec": { field: value } })), "jane", "dev");
        denied(&jane.replace(&with(&object, |object| object["spec"][field] = value.into())), "jane", "dev");
        let restart = json!({ "metadata": { "annotations": { names::RESTARTED_AT: "2026-01-01T00:00:00Z" } } });
        denied(&jane.merge(&object, &restart), "jane", "dev");
        let restarted = admin.merge(&object, &restart).unwrap();
        denied(&jane.replace(&with(&restarted, |object| object["metadata"]["annotations"] = json!({}))), "jane", "dev");
        denied(&jane.delete(&object), "jane", "dev");
        // The garbage collector would delete it.
        let nobody = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none" }]);
        denied(&jane.merge(&object, &json!({ "metadata": { "ownerReferences": nobody } })), "jane", "dev");
    }
    Ok(())
}

fn deleting_all_at_once_takes_the_verb_for_each(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let role = ["create", "role", "cleaner", "--verb=deletecollection"];
    namespace.kubectl(role).args(["--resource=releasebindings.openchoreo.dev"]).run().expect_code(0);
    let bind = ["create", "rolebinding", "cleaners", "--role=cleaner", "--user=jane"];
    namespace.kubectl(bind).run().expect_code(0);
    let jane = Person::with_role(namespace, "jane", "release-developer")?;
    let_deploy(namespace, "jane", &["dev"])?;
    let [dev, staging] = ["dev", "staging"].map(|environment| created(&admin, &binding("web", environment, "web-1")));
    denied(&jane.delete_all(kind(&dev)), "jane", "staging");
    admin.get(&staging).unwrap();
    let rest = ["create", "rolebinding", "releasers", "--clusterrole=release-releaser", "--user=jane"];
    namespace.kubectl(rest).run().expect_code(0);
    until_accepted("the role is known", || jane.in_dry_run().delete(&staging))?;
    jane.delete_all(kind(&dev)).unwrap();
    refused_by_the_server(&admin.get(&staging), 404, "");
    Ok(())
}

fn the_verb_is_given_for_some_environments(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let jane = Person::with_role(namespace, "jane", "release-developer")?;
    let_deploy(namespace, "jane", &["dev", "staging"])?;
    for environment in ["dev", "staging"] {
        let pin = created(&jane, &binding("web", environment, "web-1"));
        jane.merge(&pin, &json!({ "spec": { "releaseName": "web-2" } })).unwrap();
        jane.delete(&pin).unwrap();
    }
    denied(&jane.create(&binding("web", "production", "web-1")), "jane", "production");

    let rita = Person::with_role(namespace, "rita", "release-developer")?;
    namespace.user("rita", &["release-releaser"])?;
    let pin = binding("web", "production", "web-1");
    until_accepted("the role is known", || rita.create(&pin))?;
    rita.merge(&pin, &json!({ "spec": { "state": "Undeploy" } })).unwrap();
    denied(&jane.merge(&pin, &json!({ "spec": { "state": "Active" } })), "jane", "production");
    rita.delete(&pin).unwrap();
    refused_by_the_server(&rita.get(&pin), 404, "");
    Ok(())
}

fn what_changes_nothing_recorded_is_free(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let jane = Person::with_role(namespace, "jane", "release-developer")?;
    let held = with(&binding("web", "dev", "web-1"), |pin| pin["metadata"]["finalizers"] = json!(["tests/held"]));
    let pin = created(&admin, &held);
    jane.merge(&pin, &json!({ "metadata": { "labels": { "team": "web" } } })).unwrap();
    jane.merge(&pin, &json!({ "metadata": { "annotations": { "a": "b" } } })).unwrap();
    jane.merge(&pin, &json!({ "spec": { "releaseName": "web-1" } })).unwrap();
    jane.replace(&jane.get(&pin).unwrap()).unwrap();
    admin.delete(&pin).unwrap();
    jane.merge(&pin, &json!({ "metadata": { "finalizers": null } })).unwrap();
    refused_by_the_server(&jane.get(&pin), 404, "");
    Ok(())
}

/// What the cluster's own roles gather from ours has the verb nowhere in it.
fn an_admin_of_the_namespace_needs_the_verb(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    for role in ["edit", "admin", "release-platform-engineer"] {
        let somebody = Person::with_role(namespace, role, role)?;
        if role == "release-platform-engineer" {
            namespace.user(role, &["release-developer"])?;
            let component = super::objects::component("web");
            until_accepted("the role is known", || somebody.in_dry_run().create(&component))?;
        }
        denied(&somebody.create(&binding("web", "dev", "web-1")), role, "dev");
    }
    Ok(())
}

fn who_acts_as_somebody_may_what_that_one_may(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _jane = Person::with_role(namespace, "jane", "release-developer")?;
    let pin = binding("web", "dev", "web-1");
    let admin = Person::admin(namespace);
    let told = admin.kubectl(["create", "--as=jane", "-f", "-"]).stdin(pin.to_string()).run().expect_code(1);
    assert!(told.stderr().contains("jane may not change what runs in environment dev"), "{told}");
    namespace.kubectl(["create", "serviceaccount", "robot"]).run().expect_code(0);
    let robot = format!("system:serviceaccount:{}:robot", namespace.name());
    let robot_person = Person::of(namespace, namespace.service_account("robot")?)?;
    namespace.user(&robot, &["release-developer"])?;
    until_accepted("the role is known", || robot_person.in_dry_run().create(&super::objects::component("web")))?;
    denied(&robot_person.create(&pin), &robot, "dev");
    let_deploy(namespace, &robot, &["dev"])?;
    robot_person.create(&pin).unwrap();
    Ok(())
}

fn what_the_controller_renders_is_free(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let account = namespace.control_plane().service_account("release-system", "release-controller")?;
    let controller = Person::of(namespace, account)?;
    let jane = Person::with_role(namespace, "jane", "release-developer")?;
    let pin = created(&admin, &binding("web", "dev", "web-1"));
    let rendered = owned_release(&pin);
    denied(&jane.create(&rendered), "jane", "dev");
    created(&controller, &rendered);
    controller.merge(&rendered, &json!({ "spec": { "interval": "7m" } })).unwrap();
    denied(&jane.merge(&rendered, &json!({ "spec": { "interval": "8m" } })), "jane", "dev");
    denied(&jane.delete(&rendered), "jane", "dev");
    controller.delete(&rendered).unwrap();
    denied(&controller.create(&release("direct")), names::CONTROLLER_USER, "dev");

    // With the binding goes what is rendered from it, by the garbage collector.
    created(&controller, &rendered);
    admin.delete(&pin).unwrap();
    wait::until("the garbage collector removes the Release", LIMIT, || {
        Ok(admin.get(&rendered).is_err_and(|status| status.code == 404).then_some(()))
    })
}

fn a_namespace_goes_with_all_that_is_in_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let going = Namespace::create(namespace.control_plane(), "going")?;
    let admin = Person::admin(&going);
    created(&admin, &binding("web", "dev", "web-1"));
    created(&admin, &annotated(&release("direct"), &[]));
    going.kubectl(["delete", "namespace", going.name(), "--timeout=60s"]).run().expect_code(0);
    Ok(())
}

/// Kubernetes checks each expression against the types of the kinds that it meets, and tells what it finds in the status.
fn the_policies_compile(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let get = ["get", "validatingadmissionpolicies", "-o", "json"];
    let policies = wait::until("the policies are checked", LIMIT, || {
        let list: Value = namespace.kubectl(get).run().expect_code(0).json();
        let ours =
            |policy: &&Value| policy["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("release-"));
        let not_a_mark = |policy: &&Value| !policy["metadata"]["name"].as_str().unwrap().starts_with("release-tests");
        let policies: Vec<Value> =
            list["items"].as_array().unwrap().iter().filter(ours).filter(not_a_mark).cloned().collect();
        Ok(policies.iter().all(|policy| policy["status"]["observedGeneration"].is_number()).then_some(policies))
    })?;
    assert!(policies.len() >= 3, "{policies:#?}");
    for policy in policies {
        assert_eq!(policy["status"]["typeChecking"], json!({}), "{policy:#}");
    }
    Ok(())
}
