//! How much of everything there is, and the log of what came of it.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, ensure};

pub(crate) use crate::cluster::load::latencies;

/// What the pods of `deploy/` may have, in bytes: `limits.memory` in deploy/webhook/deployment.yaml.
pub(crate) const MEMORY: usize = 192 << 20;

/// What part of the whole is done: `RELEASE_SOAK`, all of it by default.
pub(crate) fn scale() -> anyhow::Result<f64> {
    let Ok(text) = env::var("RELEASE_SOAK") else { return Ok(1.0) };
    let scale: f64 = text.parse().context("RELEASE_SOAK is no number")?;
    ensure!(scale > 0.0 && scale <= 10.0, "RELEASE_SOAK is {scale}: write a part of the whole, such as 0.02");
    Ok(scale)
}

/// That part of a number; `least` at least.
pub(crate) fn scaled(whole: usize, least: usize) -> anyhow::Result<usize> {
    let part = (whole as f64 * scale()?).round() as usize;
    Ok(part.max(least))
}

/// A subject of the log.
pub(crate) struct Report {
    subject: &'static str,
    start: Instant,
}

impl Report {
    /// Ends the line with the test's name.
    pub(crate) fn begin(subject: &'static str) -> Self {
        let _ = writeln!(io::stdout().lock());
        Self { subject, start: Instant::now() }
    }

    /// A line, with how long it is since the beginning.
    pub(crate) fn say(&self, what: impl Display) {
        let seconds = self.start.elapsed().as_secs_f64();
        let _ = writeln!(io::stdout().lock(), "soak {:<13} {seconds:>7.1} s  {what}", self.subject);
    }
}

/// A size as somebody reads it.
pub(crate) fn mebibytes(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
