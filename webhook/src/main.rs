//! `release-webhook`: validates, defaults and stamps releases before anything is persisted.

use std::process::ExitCode;

fn main() -> ExitCode {
    release_webhook::main()
}
