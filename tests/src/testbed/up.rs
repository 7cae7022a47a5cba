//! `up` and `down`: one testbed for each target folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::State;
use crate::process::{self, Recorded};
use crate::{binaries, programs, wait};

/// For the control plane and the project in it together.
const UP_LIMIT: Duration = Duration::from_secs(300);

/// For the watchdog to stop all servers, each with a few seconds of patience.
const DOWN_LIMIT: Duration = Duration::from_secs(60);

pub(super) fn up(bare: bool) -> anyhow::Result<()> {
    let folder = folder()?;
    let _lock = lock(&folder)?;
    let path = folder.join("state.json");
    if let Some(state) = State::read(&path)?.filter(State::is_up) {
        return say(&format!("already up; `make down` stops it\n{}", exports(&state)?));
    }
    let _ = fs::remove_file(&path);
    binaries::find_or_build()?;
    let log = folder.join("testbed.log");
    let (owner, mut child) = start_owner(&path, &log, bare)?;
    let state = wait::until("the testbed is ready", UP_LIMIT, || {
        if !owner.is_running() {
            bail!("the testbed did not start:\n{}", fs::read_to_string(&log).unwrap_or_default());
        }
        State::read(&path)
    });
    match state {
        Ok(state) => say(&format!("up; `make down` stops it\n{}", exports(&state)?)),
        Err(error) => {
            owner.stop();
            let _ = child.wait();
            Err(error)
        }
    }
}

pub(super) fn down() -> anyhow::Result<()> {
    let folder = folder()?;
    let _lock = lock(&folder)?;
    let path = folder.join("state.json");
    let Some(state) = State::read(&path)? else { return say("nothing is up") };
    if let [owner, watchdog, ..] = &state.processes[..] {
        owner.stop();
        // The watchdog stops the servers in the right order; what it did not get to is stopped here.
        if !watchdog.is_gone_within(DOWN_LIMIT) {
            process::stop_all(state.servers().iter());
            watchdog.stop();
        }
    }
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    say("down")
}

/// Away from this terminal: its own process group, no input, output to a file.
fn start_owner(state: &Path, log: &Path, bare: bool) -> anyhow::Result<(Recorded, std::process::Child)> {
    let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    let errors = output.try_clone().context("sharing a log between two streams")?;
    let mut command = Command::new(programs::testbed()?);
    command.arg("hold").arg("--state").arg(state).args(bare.then_some("--bare"));
    command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
    let child = command.spawn().context("starting the testbed")?;
    Ok((Recorded::of("release-testbed", child.id())?, child))
}

/// What runs, and the lines to paste into a shell.
fn exports(state: &State) -> anyhow::Result<String> {
    let servers: Vec<&str> = state.servers().iter().map(|server| server.name.as_str()).collect();
    let kubectl = state.kubectl.parent().unwrap_or(Path::new("."));
    let (kubeconfig, programs) = (state.kubeconfig.display(), programs::folder()?);
    Ok(format!(
        "# {}: logs in {}\nexport KUBECONFIG=\"{kubeconfig}\"\nexport PATH=\"{}:{}:$PATH\"",
        servers.join(", "),
        state.folder.display(),
        programs.display(),
        kubectl.display()
    ))
}

fn folder() -> anyhow::Result<PathBuf> {
    let folder = programs::target_folder()?.join("testbed");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

/// One `up` or `down` at a time.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let lock = File::create(folder.join("lock")).context("creating the testbed's lock")?;
    lock.lock().context("waiting for another release-testbed")?;
    Ok(lock)
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("writing to stdout")
}
