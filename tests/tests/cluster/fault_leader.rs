//! Two controllers: one works, the other waits, and takes over when the first is gone.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use release_tests::{Namespace, fixture, trials, wait};

use super::fault_audit::{self, Asked};
use super::fault_replica::{Replica, Settings};
use super::fault_truth::settle;
use super::fault_world::World;

trials! {
    the_other_takes_over_when_the_lease_of_a_killed_one_has_run_out,
    one_that_is_asked_to_end_hands_over_at_once,
}

/// Shorter than the defaults, so that nobody waits long.
const SHORT: [&str; 3] = ["--lease-duration=12s", "--renew-deadline=8s", "--retry-period=1s"];
/// How long the shorter one certainly has to run when its holder dies: a holder whose last renewal is older than the deadline is none.
const CERTAIN: Duration = Duration::from_secs(12 - 8);
/// A lease that outlives [`LIMIT`], however long ago it was renewed: whoever gets it within that time was given it.
const LONG: [&str; 3] = ["--lease-duration=60s", "--renew-deadline=20s", "--retry-period=1s"];
const LIMIT: Duration = Duration::from_secs(30);

/// The two, the first one at work.
struct Pair<'a> {
    first: Replica,
    second: Replica,
    world: World<'a>,
    mark: u64,
}

impl<'a> Pair<'a> {
    fn start(namespace: &'a Namespace<'a>, times: &[&str]) -> anyhow::Result<Self> {
        let world = World::open(namespace, &["web", "api"]);
        let control_plane = namespace.control_plane();
        let mark = fault_audit::mark(control_plane)?;
        let first = Settings::new(control_plane, "first")?.flags(times).start()?;
        wait::until("the first one works", LIMIT, || Ok(first.leads().then_some(())))?;
        let second = Settings::new(control_plane, "second")?.flags(times).start()?;
        Ok(Self { first, second, world, mark })
    }

    /// Waits until the second one works.
    fn handed_over(&self) -> anyhow::Result<()> {
        wait::until("the other one works", LIMIT, || Ok(self.second.leads().then_some(())))
    }

    /// What each of the two has written, in the order of its arrival; the second nothing before the first was done.
    fn one_after_the_other(&self) -> anyhow::Result<(Vec<Asked>, Vec<Asked>)> {
        let mut asked = fault_audit::since(self.world.namespace.control_plane(), self.mark)?;
        asked.retain(Asked::is_write);
        asked.sort_by_key(|asked| asked.at);
        let token = asked.first().context("nothing was written")?.token.clone();
        ensure!(!token.is_empty(), "nobody can tell the two apart");
        let (first, second): (Vec<_>, Vec<_>) = asked.into_iter().partition(|asked| asked.token == token);
        let ends = first.last().context("the first one wrote nothing")?;
        let begins = second.first().context("the second one wrote nothing")?;
        ensure!(ends.at < begins.at, "both wrote at the same time: {ends} at {}, {begins} at {}", ends.at, begins.at);
        Ok((first, second))
    }
}

/// How often an object was applied with success.
fn count(asked: &[Asked], resource: &str, name: &str) -> usize {
    let is_it = |asked: &&Asked| asked.resource == resource && asked.name == name && asked.verb == "patch";
    asked.iter().filter(is_it).filter(|asked| asked.code < 300).count()
}

fn the_other_takes_over_when_the_lease_of_a_killed_one_has_run_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    installation.stop_controller();
    let pair = Pair::start(namespace, &SHORT)?;
    pair.world.pin("web", "dev", 1);
    settle(&pair.world, "the first one has done it")?;
    ensure!(pair.second.is_ready() && !pair.second.leads(), "the second one does not wait");

    // It dies in the middle of the work.
    pair.world.pin("api", "dev", 2);
    pair.world.promote("web", "dev", 2);
    let killed = Instant::now();
    pair.first.kill();
    pair.handed_over()?;
    let took = killed.elapsed();
    ensure!(took >= CERTAIN, "it did not wait until the lease had run out: {took:?}");
    settle(&pair.world, "the second one has done the rest")?;
    let (_, second) = pair.one_after_the_other()?;

    // What the first one had done is not done again: each content of an object is sent once, whoever does it. (A write that was cut
    // off may have been done, so there may be one less.)
    pair.world.promote("api", "dev", 3);
    settle(&pair.world, "the second one goes on")?;
    let written = fault_audit::since(namespace.control_plane(), pair.mark)?;
    for (map, least, most) in [("web-settings", 1, 2), ("api-settings", 0, 1), ("api-flags", 1, 1)] {
        let times = count(&written, "configmaps", map);
        ensure!((least..=most).contains(&times), "{map} was written {times} times: {second:#?}");
    }
    Ok(())
}

fn one_that_is_asked_to_end_hands_over_at_once(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    installation.stop_controller();
    let mut pair = Pair::start(namespace, &LONG)?;
    pair.world.pin("web", "dev", 1);
    settle(&pair.world, "the first one has done it")?;
    pair.world.pin("api", "dev", 2);
    pair.first.terminate()?;
    pair.handed_over().context("it was not given the lease")?;
    let code = pair.first.exit_code()?;
    ensure!(code == Some(0), "the first one ended with {code:?}");
    settle(&pair.world, "the second one has done the rest")?;
    pair.world.promote("web", "dev", 2);
    settle(&pair.world, "the second one goes on")?;
    pair.one_after_the_other()?;
    Ok(())
}
