//! `release-webhook`: validates, defaults and stamps releases before anything is persisted.

mod args;
mod cache;
mod confirm;
mod health;
mod review;
mod router;
mod run;
mod server;
mod tls;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    run::main(args::Args::parse())
}
