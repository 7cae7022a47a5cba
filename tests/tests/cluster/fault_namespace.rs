//! The namespace of an environment is deleted by hand while releases are live in it.

use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::text;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::fault_audit::{self, Asked};
use super::fault_truth::settle;
use super::fault_world::World;

trials! { a_namespace_that_is_deleted_is_made_again_with_all_in_it }

/// For the namespace controller, which looks again only after a while where finalizers hold something.
const LIMIT: Duration = Duration::from_secs(90);
const A_WHILE: Duration = Duration::from_secs(5);

fn a_namespace_that_is_deleted_is_made_again_with_all_in_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let world = World::open(namespace, &["web", "api"]);
    world.pin("web", "dev", 2);
    world.pin("api", "dev", 4);
    world.pin("web", "staging", 1);
    settle(&world, "all is as it should be")?;

    // Something in it keeps it from ending at once.
    let place = world.place("dev");
    let held = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "held", "namespace": place, "finalizers": ["tests/held"] },
    });
    world.admin.kubectl_on(&["create", "-f", "-"], &held);
    let uid = uid(&world, &place);
    world.admin.kubectl(["delete", "namespace", "--wait=false", &place]).run().expect_code(0);
    for release in ["web-dev", "api-dev"] {
        until_told(&world, release, &place)?;
    }
    ensure!(health(&world, "web-staging")? == "Healthy", "another environment is concerned");
    let mark = fault_audit::mark(namespace.control_plane())?;
    thread::sleep(A_WHILE);
    let asked = fault_audit::since(namespace.control_plane(), mark)?;
    let tried: Vec<_> = asked.iter().filter(|asked| asked.is_write() && asked.namespace == place).collect();
    ensure!(tried.is_empty(), "it writes into a namespace that is being deleted: {tried:#?}");
    let written = asked.iter().filter(|asked| Asked::is_write(asked) && asked.namespace == namespace.name()).count();
    ensure!(written <= 4, "it writes {written} statuses while nothing happens: {asked:#?}");

    let free = r#"{"metadata":{"finalizers":null}}"#;
    let args = ["patch", "configmap", "held", "--namespace", &place, "--type=merge", "-p", free];
    world.admin.kubectl(args).run().expect_code(0);
    settle(&world, "the namespace is there again, with all in it")?;
    let label = format!("jsonpath={{.metadata.labels.{}}}", names::PROJECT_LABEL.replace('.', "\\."));
    let made = world.admin.kubectl(["get", "namespace", &place, "-o", &label]).run().expect_code(0);
    assert_eq!(made.stdout(), "shop");
    ensure!(self::uid(&world, &place) != uid, "it is the same namespace");
    Ok(())
}

fn uid(world: &World<'_>, place: &str) -> String {
    let get = ["get", "namespace", place, "-o", "jsonpath={.metadata.uid}"];
    world.admin.kubectl(get).run().expect_code(0).stdout().to_owned()
}

fn health(world: &World<'_>, release: &str) -> anyhow::Result<String> {
    let release = world.get(Kind::Release, release)?.unwrap_or_default();
    Ok(text(&release, "/status/health").unwrap_or_default().to_owned())
}

/// Waits until both the Release and its binding say that the namespace is being deleted.
fn until_told(world: &World<'_>, name: &str, place: &str) -> anyhow::Result<()> {
    let says = |object: &Value| {
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let mut ready = conditions.filter(|condition| condition["type"] == "Ready" && condition["status"] == "False");
        ready.any(|ready| {
            let message = text(ready, "/message").unwrap_or_default();
            ready["reason"] == "NamespaceTerminating" && message.contains(place)
        })
    };
    for kind in [Kind::Release, Kind::ReleaseBinding] {
        let object = || Ok::<_, anyhow::Error>(world.get(kind, name)?.unwrap_or_default());
        let told =
            wait::until("it says that its namespace is being deleted", LIMIT, || Ok(says(&object()?).then_some(())));
        told.with_context(|| format!("{kind} {name}: {:#}", object().unwrap_or_default()["status"]))?;
    }
    Ok(())
}
