//! `release-bench`: the programs beside what people would use instead, measured side by side in one run.
//!
//! `args → run → stage → reads, cut, webhook, size, controller → row → table`. Each measurement gives rows, and a missed goal is a
//! word in the table: only what could not be measured ends the run with an error. `release-bench webhook` is the webhook under load:
//! `load → reviews, servers → start, direct, through → goals`.

mod admission;
mod args;
mod audit;
mod contestant;
mod controller;
mod cut;
mod duel;
mod fleet;
mod hook;
mod load;
mod machine;
mod objects;
mod process;
mod reads;
mod route;
mod row;
mod run;
mod size;
mod stage;
mod table;
mod webhook;
mod write;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    args::Args::parse().run()
}
