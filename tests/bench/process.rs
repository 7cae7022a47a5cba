//! What a running process takes.

use std::fs;

use anyhow::Context;
use nix::time::ClockId;
use nix::unistd::Pid;
use release_tests::ControlPlane;

/// A process of somebody else.
pub(crate) struct Process {
    pid: i32,
    clock: ClockId,
}

/// The memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// What is resident.
    pub(crate) resident: f64,
    /// The most that ever was.
    pub(crate) peak: f64,
}

impl Process {
    /// A server of a control plane, as it runs now.
    pub(crate) fn of(control_plane: &ControlPlane, name: &str) -> anyhow::Result<Self> {
        let processes = control_plane.processes();
        let server = processes.iter().rfind(|process| process.name == name);
        let pid = server.with_context(|| format!("{name} does not run"))?.pid;
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid));
        let clock = clock.with_context(|| format!("finding the CPU clock of {name}"))?;
        Ok(Self { pid, clock })
    }

    /// User and system time since its start, in seconds. All its threads count.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let time = self.clock.now().context("reading the CPU clock of a process")?;
        Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
    }

    /// From `/proc/PID/status`, proc_pid_status(5).
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let field = |name: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
            let kibibytes: f64 = kibibytes.with_context(|| format!("{path} has no {name}"))?.parse()?;
            Ok(kibibytes * 1024.0)
        };
        Ok(Memory { resident: field("VmRSS")?, peak: field("VmHWM")? })
    }
}
