//! `release-load`: calls servers, or is the smallest one.

use std::process::ExitCode;

fn main() -> ExitCode {
    release_load::main()
}
