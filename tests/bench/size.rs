//! How large the programs are, as they are given to people.

use std::path::Path;

use anyhow::Context;
use release_tests::programs;

use crate::row::{Goal, Row, Unit};
use crate::stage::Stage;

/// The most that each may have, in bytes.
const PLUGIN: f64 = 8e6;
const WEBHOOK: f64 = 12e6;

pub(crate) fn rows(stage: &Stage<'_>) -> anyhow::Result<Vec<Row>> {
    let row = |name: &str, goal: Option<f64>| -> anyhow::Result<Row> {
        let row =
            Row::new(&format!("{name}, as it is given away"), "file size", Unit::Bytes, size(&programs::find(name)?)?);
        Ok(row.with_goal(goal.map(Goal::Most)))
    };
    let kubectl = size(stage.control_plane.kubectl())?;
    Ok(vec![
        row("kubectl-release", Some(PLUGIN))?.beside("kubectl", kubectl),
        row("release-webhook", Some(WEBHOOK))?,
        row("release-controller", None)?,
    ])
}

fn size(path: &Path) -> anyhow::Result<f64> {
    let metadata = path.metadata().with_context(|| format!("looking at {}", path.display()))?;
    Ok(metadata.len() as f64)
}
