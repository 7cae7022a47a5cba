//! The API server refuses for now, answers late or not at all, and is changed by others at the same time: it is waited out as told,
//! and everything comes out right.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;
use release_shared::kinds::Kind;
use release_tests::{Namespace, block_on, fixture, trials, wait};
use serde_json::json;

use super::fault_audit;
use super::fault_proxy::{Fate, Proxy};
use super::fault_replica::{Replica, Settings};
use super::fault_storm::Random;
use super::fault_truth::settle;
use super::fault_world::{ENVIRONMENTS, World, config_map, direct};
use super::objects::binding;

trials! {
    a_busy_server_is_waited_for_as_long_as_it_says,
    others_who_write_at_the_same_time_cost_another_try_and_nothing_else,
    what_is_deleted_while_an_answer_is_on_its_way_is_gone,
    what_cannot_be_seen_is_not_taken_for_gone,
}

const LIMIT: Duration = Duration::from_secs(90);
/// `Retry-After` in seconds, and as good as that on a clock that is read twice.
const TOLD: (u32, Duration) = (1, Duration::from_millis(980));

/// The controller at the end of a way that can be disturbed; the installed one is stopped by the test.
fn start(namespace: &Namespace<'_>, identity: &str) -> anyhow::Result<(Proxy, Replica)> {
    let proxy = Proxy::start(namespace.control_plane())?;
    let replica = Settings::new(namespace.control_plane(), identity)?.by_way_of(&proxy.url)?.start()?;
    wait::until("it works", LIMIT, || Ok(replica.leads().then_some(())))?;
    Ok((proxy, replica))
}

/// Each release pinned everywhere, one after the other, without waiting for any; then one is undeployed and one deleted.
fn promote_all(world: &World<'_>, pause: Duration) {
    for version in 1..=4 {
        for (component, environment) in ["web", "api"].into_iter().flat_map(|name| ENVIRONMENTS.map(|at| (name, at))) {
            if version == 1 {
                world.pin(component, environment, version);
            } else {
                world.promote(component, environment, version);
            }
            thread::sleep(pause);
        }
    }
    world.patch(&binding("web", "staging", ""), &json!({ "spec": { "state": "Undeploy" } }));
    world.admin.delete(&binding("api", "staging", "")).unwrap();
}

fn a_busy_server_is_waited_for_as_long_as_it_says(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    installation.stop_controller();
    let world = World::open(namespace, &["web", "api"]);
    let (proxy, _replica) = start(namespace, "throttled")?;
    let random = Mutex::new(Random(7));
    proxy.rule(move |call| {
        let chance = random.lock().unwrap().below(100);
        match chance {
            _ if !call.is_write() => Fate::Arrives,
            0..15 => Fate::Refused(429, TOLD.0),
            15..20 => Fate::Refused(503, TOLD.0),
            20..25 => Fate::Lost,
            25..35 => Fate::AnswerLost,
            _ => Fate::Arrives,
        }
    });
    thread::scope(|scope| {
        let promotions = scope.spawn(|| promote_all(&world, Duration::from_millis(200)));
        while !promotions.is_finished() {
            thread::sleep(Duration::from_secs(2));
            proxy.hang_up();
        }
        promotions.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    settle(&world, "all is as it should be")?;

    let (mut told, mut fates) = (BTreeMap::new(), BTreeMap::<_, usize>::new());
    for (at, call, fate) in proxy.calls() {
        *fates.entry(format!("{fate:?}")).or_default() += 1;
        if call.method == Method::POST {
            continue; // It names no object: another one's may come at once, and two Releases may want the same namespace.
        }
        let name = call.to_string();
        if let Some(refused) = told.remove(&name) {
            let waited = at.duration_since(refused);
            ensure!(waited >= TOLD.1, "{name} was told to wait a second, and came back after {waited:?}");
        }
        if let Fate::Refused(..) = fate {
            told.insert(name, at);
        }
    }
    let all = ["Refused(429, 1)", "Refused(503, 1)", "Lost", "AnswerLost"];
    ensure!(all.iter().all(|fate| fates.get(*fate).is_some_and(|count| *count > 2)), "hardly disturbed: {fates:?}");
    Ok(())
}

fn others_who_write_at_the_same_time_cost_another_try_and_nothing_else(
    namespace: &Namespace<'_>,
) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    installation.stop_controller();
    let world = World::open(namespace, &["web", "api"]);
    let mark = fault_audit::mark(namespace.control_plane())?;
    let (proxy, _replica) = start(namespace, "overtaken")?;
    let random = Mutex::new(Random(11));
    proxy.rule(move |call| {
        let is_status = call.method == Method::PATCH && call.path.ends_with("/status");
        if is_status && random.lock().unwrap().below(2) == 0 { Fate::Overtaken } else { Fate::Arrives }
    });
    promote_all(&world, Duration::from_millis(200));
    settle(&world, "all is as it should be")?;
    let asked = fault_audit::since(namespace.control_plane(), mark)?;
    let lost = |resource: &str| asked.iter().filter(|asked| asked.code == 409 && asked.resource == resource).count();
    let lost = [lost("releases/status"), lost("releasebindings/status")];
    ensure!(lost.iter().all(|count| *count > 5), "hardly any write met another: {lost:?} of {}", asked.len());
    Ok(())
}

/// Whatever an answer says, what became known of the object since it was written counts.
fn what_is_deleted_while_an_answer_is_on_its_way_is_gone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    const LATE: Duration = Duration::from_secs(2);
    let installation = fixture::installation_alone()?;
    installation.stop_controller();
    let world = World::open(namespace, &["web", "tool"]);
    let (proxy, _replica) = start(namespace, "late")?;

    // A live object: it was applied, and is deleted by hand before the controller knows that it was.
    proxy.rule(|call| match call.method == Method::PATCH && call.path.ends_with("/configmaps/tool") {
        true => Fate::AnswerLate(LATE),
        false => Fate::Arrives,
    });
    world.create(&direct("tool", "dev", &[config_map("tool", "by hand")]));
    let maps: Api<ConfigMap> = Api::namespaced(world.namespace.client(), &world.place("dev"));
    wait::until("it is made", LIMIT, || Ok(block_on(maps.get_opt("tool"))?.map(drop)))?;
    block_on(maps.delete("tool", &DeleteParams::default())).context("deleting by hand")?;
    proxy.rule(|_| Fate::Arrives);
    settle(&world, "it is made again")?;

    // A binding: its status was written, and it is deleted before the controller knows that.
    let status = |call: &super::fault_proxy::Call| call.path.ends_with("/releasebindings/web-dev/status");
    proxy.rule(move |call| if status(call) { Fate::AnswerLate(LATE) } else { Fate::Arrives });
    let pin = world.pin("web", "dev", 1);
    wait::until("its status is written", LIMIT, || {
        let binding = world.get(Kind::ReleaseBinding, "web-dev")?.unwrap_or_default();
        Ok((!binding["status"].is_null()).then_some(()))
    })?;
    world.admin.delete(&pin).unwrap();
    thread::sleep(2 * LATE);
    proxy.rule(|_| Fate::Arrives);
    settle(&world, "nothing is left of it")?;
    fault_audit::until_quiet(namespace.control_plane(), Duration::from_secs(4), LIMIT)?;
    settle(&world, "nothing has come back").map(drop)
}

fn what_cannot_be_seen_is_not_taken_for_gone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    installation.stop_controller();
    let world = World::open(namespace, &["web", "api"]);
    let (proxy, replica) = start(namespace, "blind")?;
    world.pin("web", "dev", 2);
    world.pin("api", "dev", 2);
    settle(&world, "all is as it should be")?;
    drop(replica);

    // Where it starts anew and cannot see Services, it must not forget those that it made: one is wanted no longer, one Release goes.
    proxy.rule(|call| match call.method == Method::GET && call.path.contains("/services") {
        true => Fate::Refused(500, 0),
        false => Fate::Arrives,
    });
    let replica = Settings::new(namespace.control_plane(), "blind-again")?.by_way_of(&proxy.url)?;
    let _replica = replica.start()?;
    world.promote("web", "dev", 3);
    world.admin.delete(&binding("api", "dev", "")).unwrap();
    wait::until("the new release is applied", LIMIT, || {
        let maps = world.live("v1", "ConfigMap", "configmaps")?;
        Ok(maps.iter().any(|map| map["metadata"]["name"] == "web-flags").then_some(()))
    })?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        ensure!(world.live("v1", "Service", "services")?.len() == 2, "it removed what it could not see");
        ensure!(world.get(Kind::Release, "api-dev")?.is_some(), "it let a Release go without its objects");
        thread::sleep(Duration::from_millis(500));
    }
    proxy.rule(|_| Fate::Arrives);
    settle(&world, "all is as it should be").map(drop)
}
