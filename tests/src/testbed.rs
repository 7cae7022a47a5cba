//! The commands of `release-testbed`.

mod hold;
mod up;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::container::Container;
use crate::{binaries, demo, watchdog};

/// A real Kubernetes control plane on this machine, with the project installed.
#[derive(Debug, Parser)]
#[command(name = "release-testbed")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build and cache the servers, where that has not been done
    Build,
    /// Start a control plane, install the project, and leave both running
    Up {
        /// Install nothing: the control plane alone
        #[arg(long)]
        bare: bool,
    },
    /// Stop what `up` started
    Down,
    /// Tell the main job end to end in a control plane of its own
    Demo,
    /// Keep a control plane up until this process ends
    #[command(hide = true)]
    Hold {
        /// Where to write what was started, once it is ready
        #[arg(long)]
        state: PathBuf,
        #[arg(long)]
        bare: bool,
    },
    /// Run a program as in a container
    #[command(hide = true)]
    Container(Container),
    /// Stop the processes named on standard input, once that ends
    #[command(hide = true)]
    Watchdog {
        /// Removed at the end
        folder: PathBuf,
    },
}

impl Args {
    /// Does what was asked for; says why when that fails.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.command.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let causes: String = error.chain().skip(1).map(|cause| format!("\n  because: {cause}")).collect();
                let _ = writeln!(io::stderr(), "error: {error}{causes}");
                ExitCode::FAILURE
            }
        }
    }
}

impl Command {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Build => binaries::find_or_build().map(drop),
            Self::Up { bare } => up::up(bare),
            Self::Down => up::down(),
            Self::Demo => demo::run(),
            Self::Hold { state, bare } => hold::run(&state, bare),
            Self::Container(container) => container.run(),
            Self::Watchdog { folder } => watchdog::watch(&folder),
        }
    }
}

pub use hold::State;
