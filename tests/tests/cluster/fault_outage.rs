//! The API server is away for a while, or only the controller's way to it: what was asked for just before and after is carried out,
//! what was changed meanwhile is put right, and there is no storm when it is over.

use std::env;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::text;
use release_tests::{ControlPlane, Installation, Namespace, Options, block_on, fixture, trials, wait};
use serde_json::{Value, json};

use super::fault_audit;
use super::fault_proxy::{Fate, Proxy};
use super::fault_replica::Settings;
use super::fault_truth::settle;
use super::fault_world::{ENVIRONMENTS, World};

trials! {
    the_api_server_is_away_for_a_while,
    what_is_changed_behind_its_back_is_put_right,
    a_list_that_stops_half_way_is_begun_again,
}

/// How long the API server is away; longer than a lease is held without it. `RELEASE_TEST_OUTAGE` sets another time, in seconds.
const AWAY: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(90);
/// A lease that outlives a cut, and one that does not.
const CALM: [&str; 3] = ["--lease-duration=60s", "--renew-deadline=50s", "--retry-period=1s"];
const NERVOUS: [&str; 3] = ["--lease-duration=6s", "--renew-deadline=4s", "--retry-period=1s"];
/// How many lines each controller may say about it, and each second of it.
const LINES: (usize, usize) = (150, 2);

fn pin_everything(world: &World<'_>, version: usize) {
    for component in ["web", "api"] {
        for environment in ENVIRONMENTS {
            world.pin(component, environment, version);
        }
    }
}

/// In a control plane of its own: no other test can do without the API server.
fn the_api_server_is_away_for_a_while(_: &Namespace<'_>) -> anyhow::Result<()> {
    let away = env::var("RELEASE_TEST_OUTAGE").ok().map(|seconds| seconds.parse().map(Duration::from_secs));
    let away = away.transpose().context("RELEASE_TEST_OUTAGE is no number of seconds")?.unwrap_or(AWAY);
    let own = ControlPlane::start(&Options::default())?;
    let installation = Installation::install(&own)?;
    // Instead of the installed one: somebody has to start it again when it has lost its lease, as the kubelet does.
    installation.stop_controller();
    let namespace = Namespace::create(&own, "outage")?;
    let world = World::open(&namespace, &["web", "api"]);
    let settings = Settings::new(&own, "supervised")?;
    let (said, ended) = settings.supervised(|| {
        pin_everything(&world, 1);
        settle(&world, "all is as it should be")?;
        world.promote("web", "dev", 2);
        world.promote("api", "staging", 3);
        world.patch(&super::objects::binding("web", "staging", ""), &json!({ "spec": { "state": "Undeploy" } }));
        own.stop_api_server();
        let before = settings.said()?.len();
        thread::sleep(away);
        let said = settings.said()?.split_off(before);
        own.start_api_server()?;
        world.promote("web", "production", 4);
        world.admin.delete(&super::objects::binding("api", "dev", "")).unwrap();
        settle(&world, "all is as it should be again")?;
        // And it goes on.
        world.promote("web", "dev", 3);
        settle(&world, "it goes on")?;
        Ok(said)
    })?;
    let most = LINES.0 + LINES.1 * usize::try_from(away.as_secs())?;
    ensure!(said.len() <= most, "{} lines in {away:?}:\n{}", said.len(), said.join("\n"));
    // It ends when it may no longer work, with the code of a failure, and waits after that.
    ends_where(away > Duration::from_secs(15), &ended).with_context(|| format!("away for {away:?}"))?;
    let log = fs::read_to_string(settings.log())?;
    ensure!(!log.contains("panicked"), "it panicked:\n{log}");
    Ok(())
}

/// It ended where its lease was lost, with the code of a failure each time, and nowhere else.
fn ends_where(is_lost: bool, ended: &[Option<i32>]) -> anyhow::Result<()> {
    ensure!(ended.is_empty() != is_lost, "it ended with {ended:?}");
    ensure!(ended.iter().all(|code| *code == Some(1)), "it ended with {ended:?}");
    Ok(())
}

/// The API server is there for everybody else.
fn what_is_changed_behind_its_back_is_put_right(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    installation.stop_controller();
    let world = World::open(namespace, &["web", "api"]);
    let proxy = Proxy::start(namespace.control_plane())?;
    // Shorter than it works without its lease, however busy the machine is, and longer.
    let cuts = [(Duration::from_secs(1), CALM, false), (Duration::from_secs(8), NERVOUS, true)];
    for (at, (away, times, ends)) in cuts.into_iter().enumerate() {
        let settings = Settings::new(namespace.control_plane(), &format!("cut-off-{at}"))?;
        let settings = settings.by_way_of(&proxy.url)?.flags(&times);
        let (_, ended) = settings.supervised(|| {
            if at == 0 {
                pin_everything(&world, 1);
            }
            // Something to do, so that this one has shown that it works: one that only waits for the lease has none to lose.
            world.promote("api", "production", 2 + at);
            settle(&world, "all is as it should be")?;
            world.promote("api", "staging", 2 + at);
            proxy.cut();
            change_by_hand(&world)?;
            world.promote("web", "staging", 2 + at);
            thread::sleep(away);
            proxy.mend();
            until_drift_is_told(&world)?;
            world.promote("web", "production", 2 + at);
            // Whoever changed it gives it up.
            let given = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "api-settings" } });
            let maps = maps(&world);
            block_on(maps.patch("api-settings", &PatchParams::apply("somebody").force(), &Patch::Apply(&given)))?;
            settle(&world, "all is as it should be again")
        })?;
        ends_where(ends, &ended).with_context(|| format!("cut off for {away:?}"))?;
    }
    fault_audit::until_quiet(namespace.control_plane(), Duration::from_secs(3), LIMIT)?;
    Ok(())
}

/// It would otherwise wait for ever for what it has to know before it works.
fn a_list_that_stops_half_way_is_begun_again(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    installation.stop_controller();
    let world = World::open(namespace, &["web"]);
    let proxy = Proxy::start(namespace.control_plane())?;
    proxy.stop_first(format!("/apis/{}/{}", names::API_VERSION, Kind::Environment.plural()));
    let settings = Settings::new(namespace.control_plane(), "stopped")?.by_way_of(&proxy.url)?;
    let (_, ended) = settings.supervised(|| {
        world.pin("web", "dev", 1);
        settle(&world, "all is as it should be")
    })?;
    ensure!(ended.is_empty(), "it ended with {ended:?}");
    let stopped = proxy.calls().into_iter().filter(|(.., fate)| *fate == Fate::AnswerStops).count();
    assert_eq!(stopped, 1);
    Ok(())
}

fn maps(world: &World<'_>) -> Api<ConfigMap> {
    Api::namespaced(world.namespace.client(), &world.place("dev"))
}

/// An object is deleted, a field of another removed, and a third one's taken over.
fn change_by_hand(world: &World<'_>) -> anyhow::Result<()> {
    let maps = maps(world);
    world.admin.kubectl(["delete", "deployment", "web", "--namespace", &world.place("dev")]).run().expect_code(0);
    block_on(maps.delete("web-settings", &DeleteParams::default())).context("deleting by hand")?;
    let hand = PatchParams { field_manager: Some("hand".to_owned()), ..PatchParams::default() };
    let labels = json!({ "metadata": { "labels": { "openchoreo.dev/release-resource-id": null } } });
    block_on(maps.patch("api-settings", &hand, &Patch::Merge(&labels))).context("removing a label by hand")?;
    let taken = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "api-settings" }, "data": { "size": "huge" },
    });
    let by_force = PatchParams::apply("somebody").force();
    block_on(maps.patch("api-settings", &by_force, &Patch::Apply(&taken))).context("taking a field over")?;
    Ok(())
}

fn until_drift_is_told(world: &World<'_>) -> anyhow::Result<()> {
    let release = || Ok::<_, anyhow::Error>(world.get(Kind::Release, "api-dev")?.unwrap_or_default());
    let told = wait::until("the change by hand is told", LIMIT, || {
        let release: Value = release()?;
        let conditions = release["status"]["conditions"].as_array().into_iter().flatten();
        let mut drifted =
            conditions.filter(|condition| condition["type"] == "Drifted" && condition["status"] == "True");
        Ok(drifted.any(|found| text(found, "/message").unwrap_or_default().contains("somebody")).then_some(()))
    });
    told.with_context(|| format!("{:#}", release().unwrap_or_default()["status"]))
}
