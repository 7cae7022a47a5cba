//! Where nothing happens, nothing is sent: no write after a restart, and nothing but watches and the lease in steady state.

use std::thread;
use std::time::Duration;

use anyhow::ensure;
use release_tests::{Namespace, fixture, trials, wait};

use super::fault_audit::{self, Asked};
use super::fault_truth::settle;
use super::fault_world::{ENVIRONMENTS, World, config_map, direct};

trials! {
    a_restart_writes_nothing,
    in_steady_state_only_watches_and_the_lease_are_renewed,
}

const LIMIT: Duration = Duration::from_secs(60);
/// Longer than a lease is left alone, and than a Release on its way is.
const A_WHILE: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_secs(4);

/// Releases that are settled, one of them by hand, and of which nobody wants anything.
fn settled<'a>(namespace: &'a Namespace<'a>) -> anyhow::Result<World<'a>> {
    let world = World::open(namespace, &["web", "api", "tool"]);
    for environment in ENVIRONMENTS {
        for (component, version) in [("web", 2), ("api", 4)] {
            world.pin(component, environment, version);
        }
    }
    world.create(&direct("tool", "dev", &[config_map("tool", "by hand")]));
    settle(&world, "all is as it should be")?;
    fault_audit::until_quiet(namespace.control_plane(), QUIET, LIMIT)?;
    Ok(world)
}

fn list(asked: &[Asked]) -> String {
    asked.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn a_restart_writes_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    let world = settled(namespace)?;
    for how in ["asked to end", "killed"] {
        let mark = fault_audit::mark(namespace.control_plane())?;
        if how == "killed" {
            installation.kill_controller()
        } else {
            installation.stop_controller()
        }
        installation.start_controller()?;
        // It has looked at everything once when it holds the lease, has listed what there is, and has nothing to do.
        wait::until(&format!("it comes to look after it was {how}"), LIMIT, || {
            let asked = fault_audit::since(namespace.control_plane(), mark)?;
            Ok(asked.iter().any(|asked| asked.resource == "deployments").then_some(()))
        })?;
        thread::sleep(QUIET);
        let asked = fault_audit::since(namespace.control_plane(), mark)?;
        let written: Vec<_> = asked.into_iter().filter(Asked::is_write).collect();
        ensure!(written.is_empty(), "it wrote after it was {how}:\n{}", list(&written));
    }
    // It sees all of it still: a change is carried out.
    world.promote("web", "dev", 3);
    settle(&world, "a change is carried out").map(drop)
}

fn in_steady_state_only_watches_and_the_lease_are_renewed(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation_alone()?;
    let world = settled(namespace)?;
    let mark = fault_audit::mark(namespace.control_plane())?;
    thread::sleep(A_WHILE);
    let asked = fault_audit::since(namespace.control_plane(), mark)?;
    let lease = asked.iter().filter(|asked| asked.is_of_the_lease()).count();
    ensure!((2..=6).contains(&lease), "the lease was renewed {lease} times in {A_WHILE:?}");
    let places: Vec<_> = ENVIRONMENTS.iter().map(|environment| world.place(environment)).collect();
    // Other tests may have left releases in other namespaces that are not settled.
    let concerns = |asked: &Asked| {
        let place = &asked.namespace;
        place.is_empty() || place == namespace.name() || places.contains(place)
    };
    let others: Vec<_> = asked
        .into_iter()
        .filter(|asked| asked.verb != "watch" && !asked.is_of_the_lease() && concerns(asked))
        .collect();
    ensure!(others.is_empty(), "it asked for more than watches and the lease:\n{}", list(&others));
    Ok(())
}
