//! A controller of a test's own, for flags or a way to the API server that the installed one does not have.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use release_shared::names;
use release_tests::process::Recorded;
use release_tests::{ControlPlane, http_status, kubeconfig, programs, wait};

/// Until it is ready, and until it has ended.
const LIMIT: Duration = Duration::from_secs(30);
/// How soon one that has ended is started again. (The kubelet's first pause is 10 s.)
const RESTART: Duration = Duration::from_secs(1);

/// How one is started.
#[derive(Clone)]
pub(crate) struct Settings<'a> {
    control_plane: &'a ControlPlane,
    kubeconfig: PathBuf,
    identity: String,
    flags: Vec<String>,
}

impl<'a> Settings<'a> {
    /// With its account's rights by a token of its own.
    pub(crate) fn new(control_plane: &'a ControlPlane, identity: &str) -> anyhow::Result<Self> {
        let kubeconfig = control_plane.service_account(names::SYSTEM_NAMESPACE, names::CONTROLLER_MANAGER)?;
        Ok(Self { control_plane, kubeconfig, identity: identity.to_owned(), flags: Vec::new() })
    }

    /// By way of another address: plain HTTP, as a proxy on loopback speaks it.
    pub(crate) fn by_way_of(mut self, url: &str) -> anyhow::Result<Self> {
        let mut content = kubeconfig::read(&self.kubeconfig)?;
        content["clusters"][0]["cluster"] = serde_json::json!({ "server": url });
        self.kubeconfig = self.kubeconfig.with_extension(format!("{}.kubeconfig", self.identity));
        fs::write(&self.kubeconfig, content.to_string()).context("writing a kubeconfig")?;
        Ok(self)
    }

    /// With these flags besides.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }

    /// Where the output of all that are started with these settings goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.control_plane.folder().join(format!("{}.log", self.identity))
    }

    /// What they have said so far: a JSON object a line.
    pub(crate) fn said(&self) -> anyhow::Result<Vec<String>> {
        let text = fs::read_to_string(self.log()).with_context(|| format!("reading {}", self.log().display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Starts one, and waits for nothing.
    pub(crate) fn launch(&self) -> anyhow::Result<Replica> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(programs::find(names::CONTROLLER_MANAGER)?);
        command.args([
            format!("--namespace={}", names::SYSTEM_NAMESPACE),
            format!("--health-listen=127.0.0.1:{port}"),
            format!("--identity={}", self.identity),
        ]);
        command.args(&self.flags).env("KUBECONFIG", &self.kubeconfig).env("HOME", self.control_plane.folder());
        let (process, mut child) = self.control_plane.spawn(&self.identity, &command)?;
        let mut said = child.stderr.take().context("a child without a log")?;
        let mut log = File::options().create(true).append(true).open(self.log()).context("opening a log")?;
        thread::spawn(move || io::copy(&mut said, &mut log));
        Ok(Replica { process, child, port })
    }

    /// Starts one, and waits until it is ready.
    pub(crate) fn start(&self) -> anyhow::Result<Replica> {
        let replica = self.launch()?;
        wait::until("a controller is ready", LIMIT, || {
            Ok((http_status::get(replica.port, "/readyz") == Some(200)).then_some(()))
        })
        .with_context(|| tail(&self.log()))?;
        Ok(replica)
    }

    /// Runs `test` beside one that is started again whenever it ends, as the kubelet does; the exit codes of those that ended.
    pub(crate) fn supervised<T>(
        &self,
        test: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Vec<Option<i32>>)> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let supervisor = scope.spawn(|| self.keep(&is_over));
            let result = test();
            is_over.store(true, Ordering::Relaxed);
            let ended = supervisor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok((result?, ended))
        })
    }

    fn keep(&self, is_over: &AtomicBool) -> anyhow::Result<Vec<Option<i32>>> {
        let mut ended = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            let mut replica = self.launch()?;
            while !is_over.load(Ordering::Relaxed) && replica.process.is_running() {
                thread::sleep(Duration::from_millis(50));
            }
            if !replica.process.is_running() {
                ended.push(replica.exit_code()?);
                let again = Instant::now() + RESTART;
                while !is_over.load(Ordering::Relaxed) && Instant::now() < again {
                    thread::sleep(Duration::from_millis(50));
                }
            }
        }
        Ok(ended)
    }
}

/// A process. When it goes out of scope it is asked to end, so that its lease keeps nobody waiting.
pub(crate) struct Replica {
    process: Recorded,
    child: Child,
    port: u16,
}

impl Replica {
    /// Whether it holds the Lease, by its own word.
    pub(crate) fn leads(&self) -> bool {
        let metrics = http_status::text(self.port, "/metrics").unwrap_or_default();
        metrics.lines().any(|line| line == "release_controller_lease_held 1")
    }

    /// Whether it is ready, by its own word.
    pub(crate) fn is_ready(&self) -> bool {
        http_status::get(self.port, "/readyz") == Some(200)
    }

    /// Ends it where it stands.
    pub(crate) fn kill(&self) {
        self.process.stop_within(Duration::ZERO);
    }

    /// Asks it to end, and does not wait for that.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.process.pid), Signal::SIGTERM).context("asking a controller to end")
    }

    /// Waits for its end; its exit code, none where a signal ended it.
    pub(crate) fn exit_code(&mut self) -> anyhow::Result<Option<i32>> {
        let ended = self.process.is_gone_within(LIMIT);
        anyhow::ensure!(ended, "a controller does not end");
        Ok(self.child.wait().context("waiting for a controller")?.code())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.process.stop_within(LIMIT);
        let _ = self.child.wait();
    }
}

/// The end of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    format!("{} ends with:\n{}", log.display(), lines[lines.len().saturating_sub(25)..].join("\n"))
}
