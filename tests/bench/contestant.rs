//! A command line, and what a run of it takes.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use release_tests::Namespace;
use serde::Deserialize;

use crate::stage::User;

/// A command line that is measured.
pub(crate) struct Contestant<'a> {
    /// How the table calls it.
    pub(crate) name: String,
    /// Where it works.
    pub(crate) namespace: &'a Namespace<'a>,
    /// Who calls it.
    pub(crate) user: User,
    /// The program's path.
    pub(crate) program: PathBuf,
    /// The arguments of a round.
    pub(crate) args: Box<dyn Fn(usize) -> Vec<OsString> + 'a>,
}

/// What `release-meter` says of one run.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Run {
    /// User and system time, in seconds.
    pub(crate) cpu: f64,
    /// From start to end, in seconds.
    pub(crate) wall: f64,
    /// The most memory that was resident, in bytes.
    pub(crate) peak: f64,
}

impl Contestant<'_> {
    /// Runs it once.
    pub(crate) fn run(&self, round: usize) -> anyhow::Result<Run> {
        let meter = self.namespace.cli(meter()?).user(&self.user.kubeconfig).args([&self.program]);
        let outcome = meter.args((self.args)(round)).output()?.success()?;
        serde_json::from_str(outcome.stdout()).with_context(|| format!("reading what {} took", self.name))
    }
}

fn meter() -> anyhow::Result<PathBuf> {
    let own = env::current_exe().context("finding this program's own path")?;
    let path = own.with_file_name("release-meter");
    ensure!(path.is_file(), "there is no {}: run `cargo build -p release-tests` first", path.display());
    Ok(path)
}
