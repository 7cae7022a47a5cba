//! What a program does around its work: it reads its settings, logs, has a runtime, and ends with an exit code.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use release_shared::types::GoDuration;

use crate::log::{self, Filter};
use crate::panics;

/// Runs `work` to its end on so many `threads`, each of which costs memory of its own; the exit code is 0 then, and 1 where it could not
/// start or go on. `filter` is what is logged.
pub fn run(filter: Filter, threads: usize, work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    log::start(filter);
    panics::end_the_process();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let ended = runtime.context("failed to start the runtime").and_then(|runtime| {
        let ended = runtime.block_on(work);
        // What is still under way ends with the process; a name that is being looked up would hold it for long.
        runtime.shutdown_background();
        ended
    });
    if let Err(error) = &ended {
        tracing::error!(error = format!("{error:#}"), "stopped");
    }
    log::flush(log::LAST_LINES);
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads a duration as a flag has it: `10s`, `1h30m`.
///
/// # Errors
/// One sentence for whoever typed it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration: GoDuration = text.parse().map_err(|error| format!("{text:?} {error}"))?;
    Ok(Duration::from_nanos(duration.as_nanos().unsigned_abs()))
}
