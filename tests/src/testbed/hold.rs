//! The process behind `up`: it owns a control plane, and all goes when it does.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::controlplane::{ControlPlane, Options};
use crate::install::Installation;
use crate::process::Recorded;

/// What runs, for whoever uses it or stops it.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// Every process in the order of their start: the owner, its watchdog, the servers.
    pub processes: Vec<Recorded>,
    /// The instance's folder, removed by the watchdog in the end.
    pub folder: PathBuf,
    /// The admin's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The control plane's own kubectl.
    pub kubectl: PathBuf,
}

impl State {
    /// Reads the state file; nothing when there is none.
    ///
    /// # Errors
    /// When the file is something else.
    pub fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let Ok(text) = fs::read_to_string(path) else { return Ok(None) };
        serde_json::from_str(&text).map(Some).with_context(|| format!("reading {}", path.display()))
    }

    /// Whether the owner still runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.processes.first().is_some_and(Recorded::is_running)
    }

    /// The processes behind owner and watchdog: the control plane's servers, then the project's.
    #[must_use]
    pub fn servers(&self) -> &[Recorded] {
        self.processes.get(2..).unwrap_or_default()
    }

    fn of(control_plane: &ControlPlane) -> anyhow::Result<Self> {
        let mut processes = vec![Recorded::of("release-testbed", process::id())?];
        processes.extend(control_plane.processes());
        Ok(Self {
            processes,
            folder: control_plane.folder().to_owned(),
            kubeconfig: control_plane.admin_kubeconfig().to_owned(),
            kubectl: control_plane.kubectl().to_owned(),
        })
    }

    /// Appears whole: somebody waits for the file.
    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let context = || format!("writing {}", path.display());
        let mut file = NamedTempFile::new_in(path.parent().with_context(context)?).with_context(context)?;
        serde_json::to_writer_pretty(&mut file, self).with_context(context)?;
        writeln!(file).with_context(context)?;
        file.persist(path).with_context(context)?;
        Ok(())
    }
}

/// Starts all, says so in the state file, and stays.
pub(super) fn run(state: &Path, bare: bool) -> anyhow::Result<()> {
    let control_plane = ControlPlane::start(&Options::default())?;
    let _installation = if bare { None } else { Some(Installation::install(&control_plane)?) };
    State::of(&control_plane)?.write(state)?;
    loop {
        thread::park();
    }
}
