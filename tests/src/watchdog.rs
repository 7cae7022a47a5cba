//! Nothing outlives the process that started it, however that process ends: a panic, Ctrl-C, `kill -9`.
//!
//! A [`Group`] starts processes for its owner and tells each one to a watchdog, a child in a process group of its own that
//! reads from a pipe. The pipe closes when the owner is gone for whatever reason, and then the watchdog stops what was
//! told to it, last first, and removes the group's folder.
//!
//! A process is started behind a gate, a shell that waits for one line before it becomes the program: if the owner dies
//! before it has told the watchdog, the gate reads the end of its input instead and ends by itself.

use std::fs::{self, File};
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, ensure};

use crate::process::{self, Recorded};
use crate::programs;

/// `exec` keeps process id and start time, so what was recorded of the gate holds for the program.
const GATE: &str = r#"read -r go && exec "$@""#;

/// Processes that end with their owner, and a folder that goes with them.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
    watchdog: Recorded,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    watchdog: Option<Child>,
    servers: Vec<(Recorded, Child)>,
}

impl Group {
    /// Starts a watchdog over an existing folder, which the group owns from now on.
    ///
    /// # Errors
    /// When the watchdog cannot be started.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let child = Command::new(programs::testbed()?)
            .arg("watchdog")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting the watchdog")?;
        let watchdog = Recorded::of("watchdog", child.id())?;
        let state = State { watchdog: Some(child), servers: Vec::new() };
        Ok(Self { folder: folder.to_owned(), watchdog, state: Mutex::new(state) })
    }

    /// Starts a program with this group's protection and hands it over, its three streams piped. Its environment is
    /// what `command` sets, and nothing else.
    ///
    /// # Errors
    /// When it cannot be started, or the group was stopped already.
    pub fn spawn(&self, name: &str, command: &Command) -> anyhow::Result<(Recorded, Child)> {
        self.spawn_with(name, command, |_| {})
    }

    /// Starts a server that the group keeps: its input is empty, its output is added to [`Self::log`].
    ///
    /// # Errors
    /// When it cannot be started, or the group was stopped already.
    pub fn serve(&self, name: &str, command: &Command) -> anyhow::Result<Recorded> {
        let path = self.log(name);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("opening {}", path.display()))?;
        let errors = log.try_clone().context("sharing a log between two streams")?;
        let (recorded, mut child) = self.spawn_with(name, command, |gated| {
            gated.stdout(log).stderr(errors);
        })?;
        drop(child.stdin.take());
        self.state().servers.push((recorded.clone(), child));
        Ok(recorded)
    }

    /// Where the output of a server goes.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// Stops one of the servers and waits for its end.
    pub fn stop_server(&self, server: &Recorded) {
        server.stop();
        let mut state = self.state();
        if let Some(at) = state.servers.iter().position(|(recorded, _)| recorded == server) {
            let (_, mut child) = state.servers.remove(at);
            let _ = child.wait();
        }
    }

    /// The watchdog, then the servers in the order of their start.
    #[must_use]
    pub fn processes(&self) -> Vec<Recorded> {
        let state = self.state();
        std::iter::once(&self.watchdog).chain(state.servers.iter().map(|(recorded, _)| recorded)).cloned().collect()
    }

    /// Stops all servers, the last started first, and removes the folder; all is gone on return. Safe to call twice.
    pub fn stop(&self) {
        let mut state = self.state();
        process::stop_all(state.servers.iter().map(|(recorded, _)| recorded));
        for (_, mut child) in state.servers.drain(..) {
            let _ = child.wait();
        }
        if let Some(mut watchdog) = state.watchdog.take() {
            drop(watchdog.stdin.take());
            let _ = watchdog.wait();
        }
    }

    fn spawn_with(
        &self,
        name: &str,
        command: &Command,
        streams: impl FnOnce(&mut Command),
    ) -> anyhow::Result<(Recorded, Child)> {
        let mut gated = gated(command);
        streams(&mut gated);
        let mut child = gated.spawn().with_context(|| format!("starting {name}"))?;
        let recorded = Recorded::of(name, child.id())?;
        self.tell_watchdog(&recorded)?;
        let gate = child.stdin.as_mut().context("a gate without an input")?;
        gate.write_all(b"go\n").with_context(|| format!("letting {name} start"))?;
        Ok((recorded, child))
    }

    fn tell_watchdog(&self, process: &Recorded) -> anyhow::Result<()> {
        let mut state = self.state();
        let watchdog = state.watchdog.as_mut().context("these processes were stopped already")?;
        let pipe = watchdog.stdin.as_mut().context("a watchdog without a pipe")?;
        // One write: what fits into the pipe's buffer arrives whole or not at all, pipe(7).
        let line = format!("{}\n", serde_json::to_string(process)?);
        pipe.write_all(line.as_bytes()).context("telling the watchdog about a process")
    }

    /// A test that panicked with the lock held must not keep us from stopping the servers.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The same program, arguments, folder and explicit environment, behind the gate and out of reach of Ctrl-C.
fn gated(command: &Command) -> Command {
    let mut gated = Command::new("/bin/sh");
    gated.args(["-c", GATE, "sh"]).arg(command.get_program()).args(command.get_args());
    gated.env_clear();
    gated.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    if let Some(folder) = command.get_current_dir() {
        gated.current_dir(folder);
    }
    gated.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    gated
}

/// The watchdog itself: listens until its owner is gone, then tidies up. `RELEASE_TEST_KEEP=1` keeps the folder.
///
/// # Errors
/// When the folder is not one of ours or cannot be removed.
pub fn watch(folder: &Path) -> anyhow::Result<()> {
    ensure!(folder.is_absolute() && folder.is_dir(), "{} is no folder of a control plane", folder.display());
    let lines = io::stdin().lock().lines().map_while(Result::ok);
    let processes: Vec<Recorded> = lines.filter_map(|line| serde_json::from_str(&line).ok()).collect();
    process::stop_all(processes.iter());
    if crate::namespace::keep() {
        return Ok(());
    }
    fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
}
