//! `release-meter PROGRAM ARGS…`: what one run of a program takes, according to the operating system, as JSON.
//!
//! A process of its own for each run, as getrusage(2) adds up all children of a process. And a small program: Linux counts
//! the memory of the process that starts a program as a peak of that program's (`exec_mmap` in fs/exec.c carries it over),
//! so a peak below this one's own two megabytes could not be seen.

use std::env;
use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> anyhow::Result<()> {
    let mut words = env::args_os().skip(1);
    let program = words.next().context("no program was named")?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null());
    let start = Instant::now();
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    let wall = start.elapsed().as_secs_f64();
    ensure!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("asking what the program took")?;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    let peak = usage.max_rss() * 1024;
    writeln!(io::stdout(), r#"{{"cpu":{cpu},"wall":{wall},"peak":{peak}}}"#).context("writing to stdout")
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}
