//! Validates, defaults and stamps releases before anything is persisted; the program `release-webhook` is [`main`].

mod args;
mod body;
mod cache;
mod confirm;
mod events;
pub mod fuzzing;
mod health;
mod judge;
mod keys;
mod limits;
mod load;
mod lookups;
mod metrics;
mod permission;
mod probe;
pub mod review;
mod router;
mod run;
mod server;
mod tls;

use std::process::ExitCode;

/// The program: reads its settings and runs until it is told to stop. The exit code is 0 then, and 1 where it could not start or go on.
pub fn main() -> ExitCode {
    run::main(args::Args::read())
}
