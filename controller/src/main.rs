//! `release-controller`: turns a pinned release into live objects, watches their health, cleans up.

mod args;
mod binding;
mod collect;
mod control;
mod events;
mod lease;
mod live;
mod metrics;
mod namespace;
mod own;
mod plane;
mod queue;
mod release;
mod request;
mod run;
mod serve;
mod store;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    run::main(args::Args::parse())
}
