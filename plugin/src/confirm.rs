//! The question before a change.

use std::io::{BufRead, IsTerminal, Write as _};

use release_shared::object::printable;

use crate::args::{DryRun, Write};
use crate::error::Error;

/// Asks after a diff was shown, unless told not to.
pub(crate) fn confirm(write: &Write, question: &str) -> Result<(), Error> {
    let why = "--diff asks before it goes on, and there is no terminal to ask on: add --yes, or --dry-run=server";
    if write.diff { ask(write, question, why) } else { Ok(()) }
}

/// Asks, unless told not to; `otherwise` is the error where there is no terminal.
pub(crate) fn ask(write: &Write, question: &str, otherwise: &str) -> Result<(), Error> {
    if write.yes || write.dry_run != DryRun::None {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage(otherwise.to_owned()));
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "{} [y/N] ", printable(question))?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) { Ok(()) } else { Err(Error::Declined) }
}
