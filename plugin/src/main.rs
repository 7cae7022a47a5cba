//! `kubectl release`: cut a release, promote it along the environments, see who changed what, when and why.
//!
//! `args → context → plan → (diff → confirm) → apply → watch → print → exit code`

mod apply;
mod args;
mod cluster;
mod commands;
mod confirm;
mod connect;
mod diff;
mod error;
mod gather;
mod manifests;
mod objects;
mod pinned;
mod plan;
mod print;
mod reported;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    error::exit(commands::main(std::env::args_os()))
}
