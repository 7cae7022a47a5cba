//! A control plane with the project in it, to play with: `release-testbed up`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    release_tests::testbed::Args::parse().run()
}
