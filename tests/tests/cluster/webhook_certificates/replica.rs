//! A webhook of a test's own, for flags that the installed one does not have.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use release_shared::names;
use release_tests::process::Recorded;
use release_tests::{ControlPlane, http_status, programs, wait};

use crate::cluster::fault_replica::tail;

const LIMIT: Duration = Duration::from_secs(30);

/// How one is started.
pub(crate) struct Settings<'a> {
    control_plane: &'a ControlPlane,
    pub(crate) kubeconfig: PathBuf,
    name: String,
    flags: Vec<String>,
    files: Option<(u64, u64)>,
    /// Whether anybody reads its log.
    pub(crate) is_read: bool,
}

impl<'a> Settings<'a> {
    /// With its account's rights by a token of its own. It is called by its address on loopback.
    pub(crate) fn new(control_plane: &'a ControlPlane, name: &str, flags: &[&str]) -> anyhow::Result<Self> {
        let kubeconfig = control_plane.service_account(names::SYSTEM_NAMESPACE, names::WEBHOOK)?;
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        Ok(Self { control_plane, kubeconfig, name: name.to_owned(), flags, files: None, is_read: true })
    }

    /// The same, with so many files that may be open, soft and hard.
    pub(crate) fn with_files(mut self, files: (u64, u64)) -> Self {
        self.files = Some(files);
        self
    }

    /// The program itself, or a shell that becomes it. (setrlimit(2) is not for a thread of the harness.)
    fn command(&self) -> anyhow::Result<Command> {
        let program = programs::find(names::WEBHOOK)?;
        let Some((soft, hard)) = self.files else { return Ok(Command::new(program)) };
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("ulimit -S -n {soft} && ulimit -H -n {hard} && exec \"$0\" \"$@\"")]).arg(program);
        Ok(shell)
    }

    fn log(&self) -> PathBuf {
        self.control_plane.folder().join(format!("{}.log", self.name))
    }

    /// Starts one.
    pub(crate) fn spawn(&self) -> anyhow::Result<Replica> {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let (address, health) = (free()?, free()?.port());
        let mut command = self.command()?;
        command.args(["--serving-name=127.0.0.1"]);
        if !self.flags.iter().any(|flag| flag.starts_with("--drain-delay")) {
            command.args(["--drain-delay=100ms"]);
        }
        command.args([format!("--listen={address}"), format!("--health-listen=127.0.0.1:{health}")]);
        command.args(&self.flags).env("KUBECONFIG", &self.kubeconfig).env("HOME", self.control_plane.folder());
        let (process, mut child) = self.control_plane.spawn(&self.name, &command)?;
        let log = self.log();
        let mut file = File::options().create(true).append(true).open(&log).context("opening a log")?;
        if self.is_read {
            let mut said = child.stderr.take().context("a child without a log")?;
            thread::spawn(move || io::copy(&mut said, &mut file));
        }
        Ok(Replica { process, child, address, health, log })
    }

    /// Starts one, and waits until it listens.
    pub(crate) fn launch(&self) -> anyhow::Result<Replica> {
        let replica = self.spawn()?;
        wait::until("a webhook listens", LIMIT, || Ok(http_status::get(replica.health, "/livez").map(drop)))
            .with_context(|| tail(&replica.log))?;
        Ok(replica)
    }

    /// Starts one, and waits until it is ready.
    pub(crate) fn start(&self) -> anyhow::Result<Replica> {
        let replica = self.launch()?;
        replica.until_ready(true)?;
        Ok(replica)
    }
}

/// A process; killed when it goes out of scope.
pub(crate) struct Replica {
    process: Recorded,
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) health: u16,
    log: PathBuf,
}

impl Replica {
    /// Whether it is ready, by its own word.
    pub(crate) fn is_ready(&self) -> bool {
        http_status::get(self.health, "/readyz") == Some(200)
    }

    pub(crate) fn until_ready(&self, expected: bool) -> anyhow::Result<()> {
        let what = format!("a webhook is {}ready", if expected { "" } else { "not " });
        wait::until(&what, LIMIT, || Ok((self.is_ready() == expected).then_some(()))).with_context(|| tail(&self.log))
    }

    /// Waits until its log has this in it.
    pub(crate) fn until_said(&self, part: &str) -> anyhow::Result<()> {
        wait::until(&format!("a webhook says {part:?}"), LIMIT, || Ok(self.said()?.contains(part).then_some(())))
            .with_context(|| tail(&self.log))
    }

    /// What it says on a path that the kubelet or Prometheus asks.
    pub(crate) fn health(&self, path: &str) -> anyhow::Result<String> {
        http_status::text(self.health, path)
    }

    /// One of its figures, by name and labels as Prometheus writes them; 0 where it was never counted.
    pub(crate) fn figure(&self, name: &str) -> anyhow::Result<f64> {
        let told = self.health("/metrics")?;
        let value = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(Ok(0.0), |value| value.parse().with_context(|| format!("{name} is {value:?}")))
    }

    /// How much memory of the machine it has, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<usize> {
        self.status("VmRSS:")
    }

    /// How much it had at most, in bytes.
    pub(crate) fn peak(&self) -> anyhow::Result<usize> {
        self.status("VmHWM:")
    }

    /// A size in `/proc/PID/status`. (proc_pid_status(5))
    fn status(&self, key: &str) -> anyhow::Result<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).context("reading its status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
        let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().with_context(|| line.to_owned())?;
        Ok(kilobytes * 1024)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal).context("sending a signal")
    }

    /// Waits for its end; whether it ended as it should.
    pub(crate) fn wait(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.wait()?.success())
    }

    /// Its log, and that of all before it with the same name.
    pub(crate) fn said(&self) -> anyhow::Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("reading {}", self.log.display()))
    }

    /// Ends it where it stands.
    pub(crate) fn kill(&self) {
        self.process.stop_within(Duration::ZERO);
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}
