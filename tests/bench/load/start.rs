//! From the start of a process to its first good answer and to its word that it is ready, and its memory: at rest, and at most under reviews
//! of 1 MB objects.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use release_load::{Target, calls, first};
use release_tests::process::Recorded;
use serde::Serialize;

use super::figures::{bytes, seconds};
use super::grid;
use super::reviews::{Operation, Reviews};
use super::scale::Scale;
use super::servers::{Servers, Who};
use crate::duel::median_of;
use crate::run::say;

/// Until whoever waits for a server asks for it, and until a started server has come to rest.
const REST: Duration = Duration::from_secs(2);

/// The size with which servers are asked for their first answer, and that with which peak memory is measured.
const SMALL: usize = 10_000;
const LARGE: usize = 1_000_000;
const CONNECTIONS: usize = 8;

/// What one server takes. Medians; seconds and bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Start {
    pub(crate) who: Who,
    pub(crate) first_answer: f64,
    /// Not a number for who does not say it.
    pub(crate) ready: f64,
    pub(crate) idle: f64,
    pub(crate) peak: f64,
    after: f64,
}

/// Ours has its certificates already, as after any restart.
pub(crate) fn measure(servers: &Servers<'_>, reviews: &Reviews<'_>, scale: &Scale) -> anyhow::Result<Vec<Start>> {
    if !scale.has("start") {
        return Ok(Vec::new());
    }
    say("measuring how they start and what memory they take")?;
    let mut starts: [Vec<Start>; 3] = Default::default();
    for _ in 0..scale.starts {
        for (who, starts) in Who::ALL.into_iter().zip(&mut starts) {
            starts.push(once(servers, reviews, scale, who)?);
        }
    }
    Ok(starts.into_iter().zip(Who::ALL).map(|(starts, who)| median(who, &starts)).collect())
}

fn once(servers: &Servers<'_>, reviews: &Reviews<'_>, scale: &Scale, who: Who) -> anyhow::Result<Start> {
    let control_plane = servers.place.control_plane;
    let (target, health, command) = servers.prepare_with_health(who)?;
    let job = first::Job {
        target: target.clone(),
        path: who.path("validate"),
        review: reviews.ask(SMALL, Operation::Create)?.of("validate"),
        health,
    };
    let (process, first_answer, ready) = thread::scope(|scope| {
        let answered = scope.spawn(|| servers.place.load::<first::Report>("first", &job));
        thread::sleep(REST);
        let process = control_plane.serve(&format!("start-{}", who.name()), &command)?;
        let started = first::now()?;
        let answered = answered.join().map_err(|_| anyhow!("a thread panicked"))?;
        let answered = answered.with_context(|| format!("waiting for the first answer of {}", who.name()))?;
        anyhow::Ok((process, answered.at - started, answered.ready.map_or(f64::NAN, |ready| ready - started)))
    })?;
    thread::sleep(REST);
    let idle = resident(&process)?;
    let peak = peak(servers, reviews, scale, (who, &target), &process)?;
    let after = resident(&process)?;
    control_plane.end(&process);
    Ok(Start { who, first_answer, ready, idle, peak, after })
}

fn peak(
    servers: &Servers<'_>,
    reviews: &Reviews<'_>,
    scale: &Scale,
    (who, target): (Who, &Target),
    process: &Recorded,
) -> anyhow::Result<f64> {
    let asked = reviews.ask(LARGE, Operation::Create)?;
    let mut peak: f64 = 0.0;
    for hook in who.hooks() {
        let job = calls::Job {
            target: target.clone(),
            pid: process.pid,
            path: who.path(hook),
            review: asked.of(hook),
            or_refused: false,
            connections: CONNECTIONS,
            anew: false,
            rate: None,
            seconds: scale.memory_seconds / scale.starts as f64,
        };
        peak = peak.max(servers.place.load::<calls::Report>("calls", &job)?.peak);
    }
    Ok(peak)
}

/// From `/proc/PID/status`, proc_pid_status(5), in bytes.
fn resident(process: &Recorded) -> anyhow::Result<f64> {
    let path = format!("/proc/{}/status", process.pid);
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kibibytes: f64 = line.with_context(|| format!("{path} has no VmRSS"))?.parse()?;
    Ok(kibibytes * 1024.0)
}

fn median(who: Who, starts: &[Start]) -> Start {
    let of = |field: fn(&Start) -> f64| median_of(starts.iter().map(field));
    Start {
        who,
        first_answer: of(|start| start.first_answer),
        ready: of(|start| start.ready),
        idle: of(|start| start.idle),
        peak: of(|start| start.peak),
        after: of(|start| start.after),
    }
}

pub(crate) fn text(starts: &[Start]) -> String {
    let lines = starts.iter().map(|start| {
        let Start { who, first_answer, ready, idle, peak, after } = *start;
        [who.name().to_owned(), seconds(first_answer), seconds(ready), bytes(idle), bytes(peak), bytes(after)]
    });
    let headings = ["START AND MEMORY", "FIRST ANSWER", "READY", "IDLE", "PEAK, 1 MB × 8", "AFTER"];
    grid::text(headings, 1, lines)
}
