//! What a process of somebody else takes.

use std::fs;

use anyhow::Context;
use nix::time::ClockId;
use nix::unistd::Pid;

/// A server's process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pid: i32,
    clock: ClockId,
}

impl Process {
    pub(crate) fn of(pid: i32) -> anyhow::Result<Self> {
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)).context("finding the CPU clock of a process")?;
        Ok(Self { pid, clock })
    }

    /// User and system time of all its threads since its start, in seconds.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let time = self.clock.now().context("reading the CPU clock of a process")?;
        Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
    }

    /// From now on [`Self::peak`] is the most from now on: `/proc/PID/clear_refs`, proc(5).
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        let path = format!("/proc/{}/clear_refs", self.pid);
        fs::write(&path, "5").with_context(|| format!("writing {path}"))
    }

    /// The most memory that was resident, in bytes.
    pub(crate) fn peak(&self) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kibibytes: f64 = line.with_context(|| format!("{path} has no VmHWM"))?.parse()?;
        Ok(kibibytes * 1024.0)
    }
}
