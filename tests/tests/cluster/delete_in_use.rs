//! What others are in need of is not deleted: environments, pipelines, projects and data planes; and never is anything held up in a
//! namespace that is on its way out.

use std::time::Duration;

use anyhow::ensure;
use release_shared::kinds::Kind;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::json;

use super::objects::{Shop, binding, created, environment, object, owned_release, pipeline, project, release, with};
use super::person::{Person, refused, until_refused};
use super::project::Project;

trials! {
    admission:
    what_is_in_use_is_not_deleted,
    an_environment_stays_for_a_release_by_hand,
    what_is_no_longer_in_use_goes_at_once,
    a_whole_set_goes_when_it_is_repeated,
    in_a_namespace_that_ends_nothing_is_refused,
    what_init_and_create_make_is_taken_down_in_order,
}

const LIMIT: Duration = Duration::from_secs(60);
const NAME: &str = "metadata.name";

fn what_is_in_use_is_not_deleted(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    created(&shop.pat, &object(Kind::DataPlane, "east", json!({})));
    let placed = json!({ "dataPlaneRef": { "kind": "DataPlane", "name": "east" } });
    created(&shop.pat, &object(Kind::Environment, "placed", placed));
    // An undeployed pin is a history of what ran there.
    let undeployed = with(&binding("web", "dev", "web-1"), |b| b["spec"]["state"] = "Undeploy".into());
    created(&shop.jane, &undeployed);
    for (object, causes) in [
        (environment("dev", &[]), &[(NAME, "EnvironmentInUse"); 2][..]),
        (environment("production", &[]), &[(NAME, "EnvironmentInUse")]),
        (pipeline("warn", &[]), &[(NAME, "PipelineInUse")]),
        (project(), &[(NAME, "ProjectInUse"); 3]),
        (self::object(Kind::DataPlane, "east", json!({})), &[(NAME, "DataPlaneInUse")]),
    ] {
        // In a dry run it is judged just so.
        let ask = || shop.pat.in_dry_run().delete(&object);
        until_refused("the webhook has seen who needs it", ask, 403, causes)?;
        refused(&shop.pat.delete(&object), 403, causes);
    }
    let told = shop.pat.kubectl(["delete", "environment", "dev"]).run().expect_code(1);
    assert_eq!(
        told.stderr(),
        "Error from server (Forbidden): admission webhook \"delete.release.openchoreo.dev\" denied the request: \n\
         * metadata.name: ReleaseBinding web-dev says what runs in dev and ran there before: delete it first\n\
         * metadata.name: DeploymentPipeline main leads through dev: take it out of the paths there, or delete it first; to delete a \
         whole set, repeat the command until nothing is left\n"
    );
    // A collection is deleted one by one, and what can go goes.
    let told = shop.pat.delete_all(Kind::Environment);
    ensure!(told.is_err_and(|status| status.code == 403), "not refused");
    Ok(())
}

/// The webhook keeps no Releases in mind and asks for them.
fn an_environment_stays_for_a_release_by_hand(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    for name in ["dev", "other"] {
        created(&shop.pat, &environment(name, &[]));
    }
    let held = |name: &str| with(&release(name), |r| r["metadata"]["finalizers"] = json!(["tests/held"]));
    let by_hand = created(&shop.jane, &held("by-hand"));
    let status = shop.pat.delete(&environment("dev", &[]));
    let status = refused(&status, 403, &[(NAME, "EnvironmentInUse")]);
    ensure!(
        status.message.contains("Release by-hand, which was written by hand, runs in dev: delete it first"),
        "{status:?}"
    );
    shop.pat.delete(&environment("other", &[])).expect("nothing is there");

    // What is being deleted runs nowhere, and neither does what a binding takes with it.
    shop.jane.delete(&by_hand).unwrap();
    let controller = shop.controller(namespace)?;
    let pin = created(&shop.jane, &binding("web", "dev", "web-1"));
    wait::until("the webhook has seen the binding", LIMIT, || Ok(controller.create(&owned_release(&pin)).ok()))?;
    shop.admin.kubectl(["delete", "releasebinding", "web-dev", "--cascade=background"]).run().expect_code(0);
    shop.pat.delete(&environment("dev", &[])).expect("nothing else is there");
    shop.jane.merge(&by_hand, &json!({ "metadata": { "finalizers": null } })).unwrap();
    Ok(())
}

/// The cache is behind for a moment, and a refusal would rest on what is there no more.
fn what_is_no_longer_in_use_goes_at_once(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let causes = [(NAME, "EnvironmentInUse")];
    for round in 0..10 {
        let place = environment(&format!("dev{round}"), &[]);
        created(&shop.pat, &place);
        let pins: Vec<_> =
            (0..8).map(|at| created(&shop.jane, &binding(&format!("c{at}"), &format!("dev{round}"), "c-1"))).collect();
        until_refused("the webhook has seen a binding", || shop.pat.in_dry_run().delete(&place), 403, &causes)?;
        for pin in &pins {
            shop.jane.delete(pin).unwrap();
        }
        shop.pat.delete(&place).expect("nothing is there any more");
    }
    Ok(())
}

/// As `kubectl delete -f` meets it: the file has the objects in the order in which they were made.
fn a_whole_set_goes_when_it_is_repeated(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let set = [
        environment("dev", &[]),
        environment("staging", &[]),
        pipeline("warn", &[("dev", &["staging"])]),
        project(),
        super::objects::component("web"),
        super::objects::component_release("web", "web-1", "1.0"),
        binding("web", "dev", "web-1"),
    ];
    let file = json!({ "apiVersion": "v1", "kind": "List", "items": set }).to_string();
    shop.admin.kubectl(["create", "-f", "-"]).stdin(file.clone()).run().expect_code(0);
    let ask = || shop.pat.in_dry_run().delete(&project());
    until_refused("the webhook has seen all", ask, 403, &[(NAME, "ProjectInUse"); 3])?;
    let mut rounds = Vec::new();
    while rounds.last() != Some(&Some(0)) {
        ensure!(rounds.len() < 6, "it does not come to an end: {rounds:?}");
        let delete = ["delete", "-f", "-", "--ignore-not-found", "--timeout=30s"];
        let told = shop.admin.kubectl(delete).stdin(file.clone()).run();
        ensure!(told.is_success() || told.stderr().contains("repeat the command until nothing is left"), "{told}");
        rounds.push(told.code());
    }
    ensure!(rounds.len() > 1, "nothing was in use");
    for object in &set {
        assert_eq!(shop.admin.get(object).map_err(|status| status.code), Err(404), "{object}");
    }
    Ok(())
}

/// A finalizer holds the namespace. Whoever deletes something in it by hand is not refused.
fn in_a_namespace_that_ends_nothing_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let place = created(&shop.pat, &environment("dev", &[]));
    let held = with(&release("by-hand"), |r| r["metadata"]["finalizers"] = json!(["tests/held"]));
    let by_hand = created(&shop.jane, &held);
    refused(&shop.pat.delete(&place), 403, &[(NAME, "EnvironmentInUse")]);
    shop.admin.kubectl(["delete", "namespace", "--wait=false", namespace.name()]).run().expect_code(0);
    let told = shop.pat.delete(&place);
    // The namespace controller begins after five seconds; until then the Release runs there as before.
    let still = shop.admin.get(&by_hand).unwrap();
    ensure!(still["metadata"]["deletionTimestamp"].is_null(), "it came too late to be in the way: {still:#}");
    told.expect("the namespace ends");

    wait::until("the Release is being deleted", LIMIT, || {
        Ok(shop.admin.get(&by_hand).unwrap()["metadata"]["deletionTimestamp"].as_str().map(str::to_owned))
    })?;
    shop.admin.merge(&by_hand, &json!({ "metadata": { "finalizers": null } })).unwrap();
    wait::until("the namespace is gone", LIMIT, || {
        let told = shop.admin.kubectl(["get", "namespace", namespace.name(), "--ignore-not-found", "-o", "name"]).run();
        Ok(told.expect_code(0).stdout().is_empty().then_some(()))
    })
}

/// The order that the documentation gives: each kind before what it names.
fn what_init_and_create_make_is_taken_down_in_order(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let admin = Person::admin(namespace);
    let platform = ["delete", "projects,deploymentpipelines,environments", "--all", "--timeout=30s"];
    wait::until("the webhook has seen the pin", LIMIT, || {
        let told = admin.kubectl(platform.into_iter().chain(["--dry-run=server"])).run();
        Ok((told.stderr().matches("(Forbidden)").count() == 5).then_some(()))
    })?;
    project.dana("delete web --yes --reason over").run().expect_code(0);
    admin.kubectl(platform).run().expect_code(0);
    let left = "projects,deploymentpipelines,environments,components,componentreleases,releasebindings";
    assert_eq!(admin.kubectl(["get", left, "-o", "name"]).run().expect_code(0).stdout(), "");
    Ok(())
}
