//! The webhook over minutes, and in crowds: nothing fails that an API server asks. `make soak`, or a part of it:
//! `RELEASE_SOAK=0.02 cargo test -p release-tests --test soak -- FILTER`

#![expect(clippy::unwrap_used, reason = "clippy takes tests with a harness of their own for a program")]

// The paths are those that the compiler would take; rustfmt would take others.

/// What the cluster tests have for this.
#[expect(dead_code, reason = "the cluster tests use the rest of it")]
#[path = "cluster"]
mod cluster {
    pub(crate) mod fault_proxy;
    pub(crate) mod fault_replica;
    pub(crate) mod fleet;
    pub(crate) mod load;
    pub(crate) mod objects;
    pub(crate) mod person;
    pub(crate) mod replica;
    pub(crate) mod webhook_certificates;
    pub(crate) mod webhook_connections;
    pub(crate) mod wire;
}

/// One module a subject.
#[path = "soak"]
mod soak {
    pub(crate) use crate::cluster::{fleet, load};

    pub(crate) mod caller;
    pub(crate) mod certificates;
    pub(crate) mod crowds;
    pub(crate) mod idle;
    pub(crate) mod memory;
    pub(crate) mod outages;
    pub(crate) mod replacement;
    pub(crate) mod report;
    pub(crate) mod sizes;
}

use std::process::ExitCode;

use libtest_mimic::Arguments;
use release_tests::fixture;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each has the machine to itself.
    arguments.test_threads.get_or_insert(1);
    let trials = [
        soak::replacement::trials(),
        soak::certificates::trials(),
        soak::memory::trials(),
        soak::idle::trials(),
        soak::crowds::trials(),
        soak::outages::trials(),
        soak::sizes::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    fixture::stop();
    conclusion.exit_code()
}
