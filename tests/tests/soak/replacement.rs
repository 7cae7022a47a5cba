//! Two replicas behind a Service are replaced again and again, as a Deployment does it, and one is killed.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use release_tests::service::Service;
use release_tests::{Namespace, fixture, trials};

use super::load::{HOOKS, Load, Summary};
use super::report::{MEMORY, Report, mebibytes, scaled};
use crate::cluster::objects::{Shop, release};
use crate::cluster::person::until_accepted;
use crate::cluster::webhook_certificates::replica::{Replica, Settings};
use crate::cluster::webhook_certificates::system::System;

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
/// Three times as long as the Service takes to see that a replica is not ready; the default is as much for a kubelet that asks every 3 s.
const DRAIN: &str = "--drain-delay=3s";
/// After a replica was killed: until the Service knows (1 s), and what is under way by then.
const RECOVERY: Duration = Duration::from_secs(5);

/// Replicas behind a Service that the API server calls.
pub(crate) struct Fleet<'a> {
    pub(crate) service: Service,
    pub(crate) replicas: Vec<Replica>,
    settings: Settings<'a>,
    peak: usize,
}

impl<'a> Fleet<'a> {
    pub(crate) fn start(namespace: &Namespace<'a>, replicas: usize, flags: &[&str]) -> anyhow::Result<Self> {
        Self::of(namespace, replicas, Settings::new(namespace.control_plane(), "fleet", flags)?)
    }

    /// One replica that may have so many files open, soft and hard.
    pub(crate) fn start_with_files(namespace: &Namespace<'a>, files: (u64, u64)) -> anyhow::Result<Self> {
        Self::of(namespace, 1, Settings::new(namespace.control_plane(), "fleet", &[])?.with_files(files))
    }

    fn of(namespace: &Namespace<'a>, replicas: usize, settings: Settings<'a>) -> anyhow::Result<Self> {
        let mut fleet = Self { service: Service::start()?, replicas: Vec::new(), settings, peak: 0 };
        for _ in 0..replicas {
            fleet.grow()?;
        }
        System(namespace).point_to(fleet.service.address)?;
        let jane = Shop::people(namespace)?.jane.in_dry_run();
        until_accepted("the API server reaches the replicas", || jane.create(&release("probe")))?;
        Ok(fleet)
    }

    /// One more replica, which is ready and gets its share.
    pub(crate) fn grow(&mut self) -> anyhow::Result<()> {
        let replica = self.settings.launch()?;
        self.service.add(replica.address, replica.health)?;
        self.replicas.push(replica);
        Ok(())
    }

    /// The oldest is asked to end when a newer one is ready, and ends by itself.
    fn replace_one(&mut self) -> anyhow::Result<()> {
        self.grow()?;
        let mut oldest = self.replicas.remove(0);
        self.peak = self.peak()?.max(oldest.peak()?);
        oldest.signal(Signal::SIGTERM)?;
        ensure!(oldest.wait()?, "it did not end with 0");
        ensure!(!self.service.has(oldest.address), "it was ready to the end");
        self.service.remove(oldest.address);
        Ok(())
    }

    /// How much memory any of them had at most.
    pub(crate) fn peak(&self) -> anyhow::Result<usize> {
        self.replicas.iter().try_fold(self.peak, |most, replica| Ok(most.max(replica.peak()?)))
    }
}

/// What is said of every load.
pub(crate) fn told(summary: &Summary) -> String {
    let Summary { writes, failures, latencies } = summary;
    format!("{writes} writes = {} calls, {} failures; {latencies}", writes * HOOKS, failures.len())
}

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
    report.say(format!("2 replicas replaced {replaced} times: {}; peak {}", told(&summary), mebibytes(peak)));
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
        report.say(format!("one of 2 replicas killed, turn {turn}: {}", told(&summary)));
        summary.explained(start).iter().for_each(|line| report.say(format!("  {line}")));
        let late = summary.failures.iter().filter(|failure| failure.at > noticed).count();
        ensure!(late == 0, "{late} writes failed more than {RECOVERY:?} after");
        let before = summary.failures.iter().filter(|failure| failure.at < start).count();
        ensure!(before == 0, "{before} writes failed before");
    }
    Ok(())
}
