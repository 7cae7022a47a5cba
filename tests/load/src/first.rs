//! A server that starts is asked until its first good answer.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::Target;
use crate::connection::{Client, Review};

/// Between two tries.
const PAUSE: Duration = Duration::from_micros(500);

/// Until it must have answered.
const LIMIT: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Who is asked.
    pub target: Target,
    /// Such as `/validate`.
    pub path: String,
    /// A file with an `AdmissionReview`.
    pub review: PathBuf,
}

/// When the good answer was there, by [`now`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Report {
    /// In seconds.
    pub at: f64,
}

/// Does it.
///
/// # Errors
/// When there is no good answer in time; then with what is wrong with the last one.
pub fn run(job: &Job) -> anyhow::Result<Report> {
    let review = Review::read(fs::read(&job.review).with_context(|| format!("reading {}", job.review.display()))?)?;
    let mut client = Client::new(&job.target)?;
    let start = Instant::now();
    loop {
        match client.review(&job.path, &review) {
            Ok(()) => return Ok(Report { at: now()? }),
            Err(error) if start.elapsed() > LIMIT => bail!("no good answer in {LIMIT:?}: {error:#}"),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// The clock that all processes of a machine share, in seconds.
///
/// # Errors
/// When the system has none.
pub fn now() -> anyhow::Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).context("reading the clock")?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}
