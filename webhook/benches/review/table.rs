//! Criterion's estimates beside the goals.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::path::PathBuf;

use serde_json::Value;

use super::cases::Case;
use super::{OURS, PEER};

/// The median of a case in microseconds, from the folder that criterion writes.
fn median(case: &Case, function: &str) -> Option<f64> {
    let root = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let file = root.join("criterion").join(case.group()).join(function).join("new/estimates.json");
    let estimates: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some(estimates["median"]["point_estimate"].as_f64()? / 1000.0)
}

/// Prints the table of all cases that were measured, now or before.
pub(crate) fn print(cases: &[Case]) {
    println!(
        "\n{:<40} {:>9} {:>9} {:>10} {:>10} {:>6} {:>8}  GOAL",
        "WHAT", "OBJECT B", "REVIEW B", "OURS µs", "KUBE µs", "RATIO", "ns/B"
    );
    cases.iter().filter_map(line).for_each(|line| println!("{line}"));
}

fn line(case: &Case) -> Option<String> {
    let ours = median(case, OURS)?;
    let peer = median(case, PEER);
    let figure = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let goal = case
        .goal
        .map_or("-".to_owned(), |goal| format!("≤ {goal} µs: {}", if ours <= goal { "reached" } else { "missed" }));
    #[expect(clippy::cast_precision_loss, reason = "a size")]
    let size = case.size as f64;
    Some(format!(
        "{:<40} {:>9} {:>9} {:>10} {:>10} {:>6} {:>8}  {goal}",
        format!("{} {}", case.part, case.name),
        case.size,
        case.body().map_or(0, <[u8]>::len),
        figure(Some(ours), 1),
        figure(peer, 1),
        figure(peer.map(|peer| ours / peer), 2),
        figure(Some(ours * 1000.0 / size), 2),
    ))
}
