//! Two replicas behind a Service are replaced again and again, as a Deployment does it, and one is killed.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use release_tests::{Namespace, fixture, trials};

use super::fleet::{DRAIN, Fleet};
use super::load::{HOOKS, Load};
use super::report::{MEMORY, Report, mebibytes, scaled};

trials! {
    admission:
    replicas_are_replaced_under_load_and_no_call_fails,
    a_killed_replica_costs_seconds,
}

/// How many write at the same time.
const PEOPLE: usize = 8;
const REPLACEMENTS: usize = 50;
/// Calls of hooks.
const CALLS: usize = 100_000;
/// After a replica was killed: until the Service knows (1 s), and what is under way by then.
const RECOVERY: Duration = Duration::from_secs(5);

fn replicas_are_replaced_under_load_and_no_call_fails(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let report = Report::begin("replacement");
    let (least, calls) = (scaled(REPLACEMENTS, 1)?, scaled(CALLS, 1000)?);
    let mut fleet = Fleet::start(namespace, 2, &[DRAIN])?;
    let start = Instant::now();
    let load = Load::start(namespace, PEOPLE)?;
    let mut replaced = 0;
    while replaced < least || load.writes() * HOOKS < calls {
        for _ in 0..2 {
            fleet.replace_one().with_context(|| format!("replacement {replaced}"))?;
        }
        replaced += 1;
        if replaced % 10 == 0 {
            report.say(format!("{replaced} times, {} writes, {} failures", load.writes(), load.failures().len()));
        }
    }
    let summary = load.stop()?;
    let peak = fleet.peak()?;
    report.say(format!("2 replicas replaced {replaced} times: {}; peak {}", summary.told(), mebibytes(peak)));
    summary.explained(start).iter().for_each(|line| report.say(line));
    ensure!(summary.failures.is_empty(), "{} of {} writes failed", summary.failures.len(), summary.writes);
    ensure!(peak < MEMORY, "a replica had {}", mebibytes(peak));
    Ok(())
}

/// What a `kill -9` costs is told, as nobody can answer what it had under way; the rest goes on by itself.
fn a_killed_replica_costs_seconds(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let report = Report::begin("kill -9");
    let mut fleet = Fleet::start(namespace, 2, &[DRAIN])?;
    for turn in 0..scaled(10, 1)? {
        let own = Namespace::create(namespace.control_plane(), "killed")?;
        let load = Load::start(&own, PEOPLE)?;
        load.until_more(200)?;
        let killed = fleet.replicas.remove(0);
        let start = Instant::now();
        killed.kill();
        let noticed = Instant::now() + RECOVERY;
        while Instant::now() < noticed {
            thread::sleep(Duration::from_millis(50));
        }
        ensure!(!fleet.service.has(killed.address), "the Service still has who is gone");
        fleet.service.remove(killed.address);
        // As its Deployment would.
        fleet.grow()?;
        load.until_more(200)?;
        let summary = load.stop()?;
        report.say(format!("one of 2 replicas killed, turn {turn}: {}", summary.told()));
        summary.explained(start).iter().for_each(|line| report.say(format!("  {line}")));
        let late = summary.failures.iter().filter(|failure| failure.at > noticed).count();
        ensure!(late == 0, "{late} writes failed more than {RECOVERY:?} after");
        let before = summary.failures.iter().filter(|failure| failure.at < start).count();
        ensure!(before == 0, "{before} writes failed before");
    }
    Ok(())
}
