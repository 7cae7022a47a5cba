//! A kind that the cluster does not serve: not yet, or not any more.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use release_shared::kinds::Kind;
use release_shared::object::text;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::fault_audit;
use super::fault_world::{World, config_map, direct};
use super::person::Person;

trials! {
    a_kind_that_arrives_later_is_refused_in_words_and_applied_then,
    a_kind_that_goes_away_is_told_and_holds_up_nothing,
}

const LIMIT: Duration = Duration::from_secs(60);
/// Several times the progressing interval, and long before the interval at which what is well is looked at.
const SOON: Duration = Duration::from_secs(45);
const A_WHILE: Duration = Duration::from_secs(10);
const PLURAL: &str = "widgets";

/// A kind of the test's own, and the controller's right to it; taken away in the end.
struct Widgets<'a> {
    admin: Person<'a>,
    group: String,
}

impl<'a> Widgets<'a> {
    /// Not yet served.
    fn permit(world: &World<'a>) -> Self {
        let widgets = Self { admin: world.admin.clone(), group: format!("{}.example.org", world.namespace.name()) };
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {
                "name": widgets.group,
                "labels": { "release.openchoreo.dev/aggregate-to-controller": "true" },
            },
            "rules": [{ "apiGroups": [widgets.group], "resources": [PLURAL], "verbs": ["*"] }],
        });
        widgets.admin.kubectl_on(&["create", "-f", "-"], &role);
        widgets
    }

    fn serve(&self) {
        let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{PLURAL}.{}", self.group) },
            "spec": {
                "group": self.group, "scope": "Namespaced",
                "names": { "plural": PLURAL, "singular": "widget", "kind": "Widget" },
                "versions": [{
                    "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema },
                }],
            },
        });
        self.admin.kubectl_on(&["create", "-f", "-"], &definition);
    }

    fn withdraw(&self) {
        let name = format!("{PLURAL}.{}", self.group);
        self.admin.kubectl(["delete", "crd", "--ignore-not-found", "--timeout=60s", &name]).run().expect_code(0);
    }

    fn one(&self) -> Value {
        let api_version = format!("{}/v1", self.group);
        json!({ "apiVersion": api_version, "kind": "Widget", "metadata": { "name": "web" }, "spec": { "size": 1 } })
    }

    fn live(&self, world: &World<'_>) -> anyhow::Result<usize> {
        Ok(world.live(&format!("{}/v1", self.group), "Widget", PLURAL)?.len())
    }
}

impl Drop for Widgets<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.withdraw();
            self.admin.kubectl(["delete", "clusterrole", &self.group]).run().expect_code(0);
        }
    }
}

/// Waits until a condition of the Release has this status and says this.
fn until_told(world: &World<'_>, kind: &str, status: &str, part: &str) -> anyhow::Result<()> {
    let release = || Ok::<_, anyhow::Error>(world.get(Kind::Release, "web-dev")?.unwrap_or_default());
    let told = wait::until(&format!("{kind} is {status} and says {part:?}"), LIMIT, || {
        let release = release()?;
        let conditions = release["status"]["conditions"].as_array().into_iter().flatten();
        let mut found = conditions.filter(|condition| condition["type"] == kind && condition["status"] == status);
        Ok(found.any(|found| text(found, "/message").is_some_and(|said| said.contains(part))).then_some(()))
    });
    told.with_context(|| format!("{:#}", release().unwrap_or_default()["status"]))
}

fn a_kind_that_arrives_later_is_refused_in_words_and_applied_then(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let world = World::open(namespace, &["web"]);
    let widgets = Widgets::permit(&world);
    let release = world.create(&direct("web", "dev", &[config_map("web", "beside it"), widgets.one()]));
    let missing = format!("Widget {}/web: the cluster does not serve {}/v1 Widget", world.place("dev"), widgets.group);
    until_told(&world, "ResourcesApplied", "False", &missing)?;
    assert_eq!(world.live("v1", "ConfigMap", "configmaps")?.len(), 1, "what can be applied is");

    widgets.serve();
    let served = Instant::now();
    until_told(&world, "ResourcesApplied", "True", "2 objects")?;
    ensure!(served.elapsed() < SOON, "it was applied only {:?} after it was served", served.elapsed());
    assert_eq!(widgets.live(&world)?, 1);
    world.admin.delete(&release).unwrap();
    wait::until("all is gone", LIMIT, || Ok((widgets.live(&world)? == 0).then_some(())))?;
    wait::until("the Release is gone", LIMIT, || Ok(world.all(Kind::Release)?.is_empty().then_some(())))
}

fn a_kind_that_goes_away_is_told_and_holds_up_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation()?;
    let world = World::open(namespace, &["web"]);
    let widgets = Widgets::permit(&world);
    widgets.serve();
    let release = world.create(&direct("web", "dev", &[config_map("web", "beside it"), widgets.one()]));
    until_told(&world, "Ready", "True", "")?;

    widgets.withdraw();
    until_told(&world, "ResourcesApplied", "False", "the cluster does not serve")?;
    until_told(&world, "Ready", "False", "the cluster does not serve")?;
    // It looks now and then whether the kind is back, and goes on with the rest.
    let mark = fault_audit::mark(namespace.control_plane())?;
    let said = std::fs::read_to_string(installation.controller_log())?.len();
    thread::sleep(A_WHILE);
    let asked = fault_audit::since(namespace.control_plane(), mark)?;
    let about: Vec<_> = asked
        .iter()
        .filter(|asked| asked.resource.contains(&widgets.group) || asked.namespace == namespace.name())
        .collect();
    ensure!(about.len() <= 12, "it asked {} times: {about:#?}", about.len());
    let said = std::fs::read_to_string(installation.controller_log())?.split_off(said);
    let lines = said.lines().filter(|line| line.contains(&widgets.group) || line.contains(namespace.name())).count();
    ensure!(lines <= 12, "it said {lines} things:\n{said}");
    let change = direct("web", "dev", &[config_map("other", "beside it"), widgets.one()]);
    world.patch(&release, &json!({ "spec": { "resources": change["spec"]["resources"] } }));
    wait::until("another object is applied", LIMIT, || {
        let maps = world.live("v1", "ConfigMap", "configmaps")?;
        Ok(maps.iter().any(|map| map["metadata"]["name"] == "other").then_some(()))
    })?;

    widgets.serve();
    until_told(&world, "ResourcesApplied", "True", "2 objects")?;
    assert_eq!(widgets.live(&world)?, 1, "it is made again");
    widgets.withdraw();
    world.admin.delete(&release).unwrap();
    wait::until("the Release is gone", LIMIT, || Ok(world.all(Kind::Release)?.is_empty().then_some(())))?;
    assert_eq!(world.live("v1", "ConfigMap", "configmaps")?.len(), 0, "something is left");
    Ok(())
}
