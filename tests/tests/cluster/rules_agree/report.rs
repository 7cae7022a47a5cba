//! What does not agree, written down whole: a failing test shows only some of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::Context;
use release_tests::programs;

/// The file, in cargo's target folder.
const FILE: &str = "rules-agree.txt";

/// The most differences that a failure shows.
const SHOWN: usize = 20;

/// Between which two the difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Between {
    /// The newest version and the oldest.
    Versions,
    /// The API server by itself and the rules.
    ApiServer,
    /// The webhook and the rules.
    Webhook,
    /// What a world should make refused, and what is said.
    World,
    /// `lint` and the rules.
    Lint,
    /// What is seen and the table.
    Table,
}

/// One difference.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) between: Between,
    /// The codes that the rules give, or words for what is said instead.
    pub(super) codes: String,
    /// A whole sentence.
    pub(super) text: String,
}

impl Difference {
    pub(super) fn new(between: Between, codes: impl Into<String>, text: impl Into<String>) -> Self {
        Self { between, codes: codes.into(), text: text.into() }
    }
}

/// Writes all down, most frequent first, and gives back an error that shows some; nothing where there is no difference.
///
/// # Errors
/// When there are differences, or the file cannot be written.
pub(super) fn conclude(differences: &[Difference]) -> anyhow::Result<()> {
    let mut groups: BTreeMap<(Between, &str), Vec<&str>> = BTreeMap::new();
    for difference in differences {
        groups.entry((difference.between, &difference.codes)).or_default().push(&difference.text);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, texts)| std::cmp::Reverse(texts.len()));
    let mut report = String::new();
    for ((between, codes), texts) in &groups {
        writeln!(report, "{:6} {between:?} {codes}", texts.len())?;
    }
    let overview = report.clone();
    for ((between, codes), texts) in &groups {
        writeln!(report, "\n== {between:?} {codes}")?;
        texts.iter().try_for_each(|text| writeln!(report, "- {text}"))?;
    }
    let path = programs::target_folder()?.join(FILE);
    fs::write(&path, report).with_context(|| format!("writing {}", path.display()))?;
    let some: Vec<_> = differences.iter().take(SHOWN).map(|difference| difference.text.as_str()).collect();
    anyhow::ensure!(
        differences.is_empty(),
        "{} differences, all in {}\n{overview}\n{}",
        differences.len(),
        path.display(),
        some.join("\n")
    );
    Ok(())
}
