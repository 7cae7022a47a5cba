//! One server is asked the same question again and again, over some connections.
//!
//! Closed loop: each connection asks again when it has its answer. Open loop: when to ask is settled beforehand, and latency counts from
//! then: a server that falls behind cannot hide it by being asked less (no coordinated omission).

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};

use crate::Target;
use crate::connection::{Client, Review};
use crate::usage::Process;

/// What each connection asks before anything counts.
const WARM_UP: usize = 1;

/// When an open loop gives up on a server that cannot keep up: after this many times the time that it should take.
const PATIENCE: u32 = 2;

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Who is asked.
    pub target: Target,
    /// The server's process id.
    pub pid: i32,
    /// Such as `/validate`.
    pub path: String,
    /// A file with an `AdmissionReview`.
    pub review: PathBuf,
    /// Whether a refusal is as good an answer as a permission.
    pub or_refused: bool,
    /// How many ask at the same time.
    pub connections: usize,
    /// Whether every call makes a connection of its own.
    pub anew: bool,
    /// Calls a second in an open loop; nothing for a closed one.
    pub rate: Option<f64>,
    /// How long, in seconds.
    pub seconds: f64,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Of each good answer, in nanoseconds.
    pub latencies: Vec<u64>,
    /// Calls without a good answer.
    pub failed: usize,
    /// Calls of an open loop that were never made, as the server fell too far behind.
    pub unsent: usize,
    /// What one of those that failed said.
    pub sample: Option<String>,
    /// From the first call to the last answer, in seconds.
    pub seconds: f64,
    /// User and system time of the server, in seconds.
    pub cpu: f64,
    /// The most memory of the server that was resident meanwhile, in bytes.
    pub peak: f64,
}

/// Does it.
///
/// # Errors
/// When the server cannot be asked at all, or its process not be looked at. A call that fails is counted.
pub fn run(job: &Job) -> anyhow::Result<Report> {
    let process = Process::of(job.pid)?;
    let review = fs::read(&job.review).with_context(|| format!("reading {}", job.review.display()))?;
    let review = Review::read(review, job.or_refused)?;
    // Else a sleep ends up to 50 µs late, prctl(2). Threads inherit it.
    nix::sys::prctl::set_timerslack(1).context("asking for exact timers")?;
    let schedule = Schedule::new(job);
    let (warm, begin) = (Barrier::new(job.connections + 1), Barrier::new(job.connections + 1));
    thread::scope(|scope| {
        let ask = || {
            let ready = warmed_up(job, &review);
            warm.wait();
            begin.wait();
            ready.map(|client| ask(job, client, &review, &schedule))
        };
        let askers: Vec<_> = (0..job.connections).map(|_| scope.spawn(ask)).collect();
        warm.wait();
        let forgotten = process.forget_peak();
        let before = process.cpu();
        let start = Instant::now();
        let _ = schedule.start.set(start);
        begin.wait();
        let mut report = Report::default();
        for asker in askers {
            report.add(asker.join().map_err(|_| anyhow!("a thread panicked"))??);
        }
        forgotten?;
        report.seconds = start.elapsed().as_secs_f64();
        report.cpu = process.cpu()? - before?;
        report.peak = process.peak()?;
        Ok(report)
    })
}

impl Report {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failed += other.failed;
        self.unsent += other.unsent;
        self.sample = self.sample.take().or(other.sample);
    }
}

/// When calls are due.
struct Schedule {
    start: OnceLock<Instant>,
    next: AtomicUsize,
    length: Duration,
    rate: Option<f64>,
}

enum Turn {
    /// Ask: latency counts from then.
    Due(Instant),
    /// It was due too long ago.
    Missed,
    Over,
}

impl Schedule {
    fn new(job: &Job) -> Self {
        let length = Duration::from_secs_f64(job.seconds);
        Self { start: OnceLock::new(), next: AtomicUsize::new(0), length, rate: job.rate }
    }

    /// Waits for the next call that nobody else makes.
    fn turn(&self) -> Turn {
        let start = *self.start.get_or_init(Instant::now);
        let now = Instant::now();
        let Some(rate) = self.rate else {
            return if now < start + self.length { Turn::Due(now) } else { Turn::Over };
        };
        let after = Duration::from_secs_f64(self.next.fetch_add(1, Ordering::Relaxed) as f64 / rate);
        if after >= self.length {
            return Turn::Over;
        }
        if now >= start + PATIENCE * self.length {
            return Turn::Missed;
        }
        thread::sleep((start + after).saturating_duration_since(now));
        Turn::Due(start + after)
    }
}

fn warmed_up(job: &Job, review: &Review) -> anyhow::Result<Client> {
    let mut client = Client::new(&job.target)?;
    for _ in 0..WARM_UP {
        // What is wrong is told by the calls that count.
        let _ = client.review(&job.path, review);
    }
    Ok(client)
}

fn ask(job: &Job, mut client: Client, review: &Review, schedule: &Schedule) -> Report {
    let mut report = Report::default();
    loop {
        match schedule.turn() {
            Turn::Over => return report,
            Turn::Missed => report.unsent += 1,
            Turn::Due(since) => {
                if job.anew {
                    client.hang_up();
                }
                match client.review(&job.path, review) {
                    Ok(()) => report.latencies.push(u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)),
                    Err(error) => {
                        report.failed += 1;
                        report.sample.get_or_insert_with(|| format!("{error:#}"));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: Option<f64>, milliseconds: u64) -> Schedule {
        let length = Duration::from_millis(milliseconds);
        Schedule { start: OnceLock::new(), next: AtomicUsize::new(0), length, rate }
    }

    #[test]
    fn an_open_loop_counts_from_when_a_call_was_due() {
        let schedule = schedule(Some(1000.0), 100);
        let start = Instant::now();
        schedule.start.set(start).unwrap();
        // Somebody who was held up makes up for it at once.
        thread::sleep(Duration::from_millis(50));
        for call in 0..50 {
            let Turn::Due(since) = schedule.turn() else { panic!("call {call} is due") };
            assert_eq!(since, start + Duration::from_millis(call));
        }
    }

    #[test]
    fn an_open_loop_gives_up_in_the_end_and_says_what_it_did_not_ask() {
        let schedule = schedule(Some(1000.0), 5);
        thread::sleep(Duration::from_millis(1));
        schedule.start.set(Instant::now()).unwrap();
        thread::sleep(Duration::from_millis(11));
        let mut missed = 0;
        while let Turn::Missed = schedule.turn() {
            missed += 1;
        }
        assert_eq!(missed, 5);
    }

    #[test]
    fn a_closed_loop_is_over_after_its_time() {
        let schedule = schedule(None, 20);
        assert!(matches!(schedule.turn(), Turn::Due(_)));
        thread::sleep(Duration::from_millis(21));
        assert!(matches!(schedule.turn(), Turn::Over));
    }
}
