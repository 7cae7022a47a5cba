//! The command line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use release_shared::types::GoDuration;

use crate::{load, run};

/// Measures the programs beside what people would use instead, and prints one table.
///
/// Takes release builds of the programs from RELEASE_BIN_DIR.
#[derive(Debug, Parser)]
#[command(name = "release-bench")]
pub(crate) struct Args {
    /// Measure only this, and all of it
    #[command(subcommand)]
    pub(crate) subject: Option<Subject>,

    /// Write the table as JSON, too
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) json: Option<PathBuf>,

    /// Measure one part only
    #[arg(long, value_name = "PART")]
    pub(crate) only: Option<Part>,

    /// How long the controller is watched while nothing happens
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) rest: Duration,
}

/// What is measured on demand.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Subject {
    /// The webhook under load, beside one on controller-runtime and one that only allows
    Webhook {
        /// A twentieth of the calls, to see that it works: such figures say little
        #[arg(long)]
        quick: bool,

        /// Measure only what has this in its name, such as "start", "10 KB × 8" or "create"
        #[arg(long, value_name = "TEXT", id = "part")]
        only: Option<String>,
    },
}

/// What can be measured by itself: each has a control plane of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Plugin and webhook
    Clients,
    /// The controller
    Controller,
}

impl Part {
    /// How many nodes its control plane has. Without any no pod ever starts: whatever an apply sets off would run beside the
    /// next measurement.
    pub(crate) fn nodes(self) -> usize {
        match self {
            Self::Clients => 0,
            Self::Controller => 2,
        }
    }
}

impl Args {
    /// Measures; says why when that fails.
    pub(crate) fn run(self) -> ExitCode {
        let done = match &self.subject {
            Some(Subject::Webhook { quick, only }) => load::run(*quick, only.as_deref(), self.json.as_deref()),
            None => run::run(&self),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let causes: String = error.chain().skip(1).map(|cause| format!("\n  because: {cause}")).collect();
                let _ = writeln!(io::stderr(), "error: {error}{causes}");
                ExitCode::FAILURE
            }
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: GoDuration = text.parse().map_err(|error| format!("{text:?} {error}"))?;
    Ok(Duration::from_nanos(duration.as_nanos().unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_measured_unless_a_part_is_named() {
        let args = |words: &[&str]| Args::try_parse_from([&["release-bench"], words].concat());
        let all = args(&[]).unwrap();
        assert_eq!((all.only, all.rest), (None, Duration::from_secs(300)));
        let part = args(&["--only", "controller", "--rest", "90s"]).unwrap();
        assert_eq!((part.only, part.rest), (Some(Part::Controller), Duration::from_secs(90)));
        assert!(args(&["--rest", "soon"]).is_err());
        let webhook = args(&["webhook", "--quick", "--json", "x"]).unwrap();
        assert_eq!(
            (webhook.subject, webhook.json),
            (Some(Subject::Webhook { quick: true, only: None }), Some("x".into()))
        );
    }
}
