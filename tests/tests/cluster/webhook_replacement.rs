//! Replicas are replaced while people write, and nobody notices: a short one of `make soak`.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, ensure};
use release_tests::{Namespace, fixture, trials};

use super::fleet::{DRAIN, Fleet};
use super::load::Load;

trials! { admission: replicas_are_replaced_under_load_and_no_call_fails }

/// How many write at the same time.
const PEOPLE: usize = 4;
/// How often one of the two is replaced: each once, and one that came later.
const REPLACEMENTS: usize = 3;
/// How many writes there must be at least, so that it is a load.
const WRITES: usize = 100;

/// The hooks fail what they cannot ask about (`failurePolicy: Fail`), so a call that nobody answers is a write that fails.
fn replicas_are_replaced_under_load_and_no_call_fails(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let mut fleet = Fleet::start(namespace, 2, &[DRAIN])?;
    let start = Instant::now();
    let load = Load::start(namespace, PEOPLE)?;
    for turn in 0..REPLACEMENTS {
        fleet.replace_one().with_context(|| format!("replacement {turn}"))?;
        ensure!(load.failures().is_empty(), "writes failed in replacement {turn}: {:?}", load.failures());
    }
    load.until_more(WRITES)?;
    let summary = load.stop()?;
    let _ = writeln!(io::stderr(), "{REPLACEMENTS} replacements: {}", summary.told());
    ensure!(summary.failures.is_empty(), "{}", summary.explained(start).join("\n"));
    Ok(())
}
