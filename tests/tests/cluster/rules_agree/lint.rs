//! What `kubectl release lint` says of the written cases.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use release_tests::Namespace;
use release_tests::corpus::written;

/// The codes that it tells: of each refused object in its own file the very words of the rule, and nothing of what comes close.
pub(super) fn codes(namespace: &Namespace<'_>) -> anyhow::Result<BTreeSet<&'static str>> {
    let folder = tempfile::tempdir().context("a folder for manifests")?;
    let cases: Vec<_> = written::cases().into_iter().filter(|written| written.case.old.is_none()).collect();
    for (at, written) in cases.iter().enumerate() {
        std::fs::write(folder.path().join(file(at)), written.case.new.to_string()).context("writing a manifest")?;
    }
    let told = namespace.release(["lint", "-f"]).args([folder.path()]).run().expect_code(1);
    let mut codes = BTreeSet::new();
    for (at, written) in cases.iter().enumerate() {
        let named = |line: &&str| line.contains(&format!("/{}:", file(at)));
        let lines: Vec<_> = told.stdout().lines().filter(named).collect();
        if !written.is_refused {
            ensure!(lines.is_empty(), "{}: {lines:?}", written.case.name);
            continue;
        }
        let violations = written.case.violations(None, None);
        let is_told =
            violations.iter().all(|violation| lines.iter().any(|line| line.ends_with(&violation.to_string())));
        ensure!(is_told, "{}: {lines:?}, and not {violations:?}", written.case.name);
        codes.insert(written.code);
    }
    Ok(codes)
}

fn file(at: usize) -> String {
    format!("case-{at}.json")
}
