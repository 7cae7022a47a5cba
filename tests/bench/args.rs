//! The command line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::run;

/// Measures the programs beside what people would use instead, and prints one table.
///
/// Takes release builds of the programs from RELEASE_BIN_DIR.
#[derive(Debug, Parser)]
#[command(name = "release-bench")]
pub(crate) struct Args {
    /// Write the table as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Args {
    /// Measures; says why when that fails.
    pub(crate) fn run(self) -> ExitCode {
        match run::run(self.json.as_deref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let causes: String = error.chain().skip(1).map(|cause| format!("\n  because: {cause}")).collect();
                let _ = writeln!(io::stderr(), "error: {error}{causes}");
                ExitCode::FAILURE
            }
        }
    }
}
