//! Processes by number *and* start time, so that a number the kernel gave to somebody else is never signalled.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::wait;

/// How long a process may take to end by itself before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that was started, recorded well enough to be stopped by somebody else later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// What it is, for messages.
    pub name: String,
    /// Its process id.
    pub pid: i32,
    /// When it was started, in clock ticks since boot (field 22 of `/proc/PID/stat`, proc_pid_stat(5)).
    pub started: u64,
}

impl Recorded {
    /// Records the process with this id.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(name: &str, pid: u32) -> anyhow::Result<Self> {
        let pid = i32::try_from(pid).context("process id out of range")?;
        let (_, started) = stat(pid).with_context(|| format!("{name} (process {pid}) is gone already"))?;
        Ok(Self { name: name.to_owned(), pid, started })
    }

    /// Whether this very process still runs. A zombie does not: it holds no resources and waits for its parent only.
    #[must_use]
    pub fn is_running(&self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && !matches!(state, 'Z' | 'X'))
    }

    /// Stops it: asks, waits a little, kills. Fine when it is gone already.
    pub fn stop(&self) {
        self.stop_within(PATIENCE);
    }

    /// Stops it as [`Self::stop`] does, with another patience: none at all kills it right away.
    pub fn stop_within(&self, patience: Duration) {
        if !patience.is_zero() {
            self.signal(Signal::SIGTERM);
        }
        if !self.is_gone_within(patience) {
            self.signal(Signal::SIGKILL);
            let _ = self.is_gone_within(PATIENCE);
        }
    }

    /// Waits for its end and says whether that came.
    #[must_use]
    pub fn is_gone_within(&self, limit: Duration) -> bool {
        wait::holds(limit, || !self.is_running())
    }

    fn signal(&self, signal: Signal) {
        if self.is_running() {
            // An error means that it went away in between, which is what we want.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }
}

/// Stops processes, the last started first.
pub fn stop_all<'a>(processes: impl DoubleEndedIterator<Item = &'a Recorded>) {
    processes.rev().for_each(Recorded::stop);
}

/// State and start time. The name before them is in parentheses and may itself contain any character.
fn stat(pid: i32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_known_by_number_and_start_time() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let recorded = Recorded::of("sleep", child.id()).unwrap();
        let reused = Recorded { started: recorded.started + 1, ..recorded.clone() };
        assert!(recorded.is_running());
        assert!(!reused.is_running());
        reused.stop();
        assert!(recorded.is_running(), "a process with the same number but another start time is somebody else's");
        recorded.stop();
        assert!(!recorded.is_running());
        child.wait().unwrap();
    }
}
