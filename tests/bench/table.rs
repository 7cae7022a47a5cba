//! All rows, for people and for programs.

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::row::{HEADINGS, Row};

/// Columns that hold figures, which stand at the right of theirs.
const FIGURES: std::ops::RangeInclusive<usize> = 2..=4;

/// Columns that say what is measured, and beside what.
const NAMES: [usize; 2] = [0, HEADINGS.len() - 1];

/// Aligned columns. A name stands in the first of its lines only.
pub(crate) fn text(rows: &[Row]) -> String {
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let mut lines = cells.clone();
    for (pair, line) in cells.windows(2).zip(lines.iter_mut().skip(1)) {
        if NAMES.iter().all(|&column| pair[0][column] == pair[1][column]) {
            NAMES.iter().for_each(|&column| line[column].clear());
        }
    }
    lines.insert(0, HEADINGS.map(str::to_owned));
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    lines.iter().map(|cells| line(cells, &widths)).collect()
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
        if FIGURES.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    });
    let line = padded.collect::<Vec<_>>().join("  ");
    format!("{}\n", line.trim_end())
}

/// The machine and the rows. Figures are in seconds, bytes or pieces.
pub(crate) fn json(machine: &Machine, rows: &[Row]) -> Value {
    json!({ "machine": machine.json(), "rows": rows.iter().map(Row::json).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Goal, Unit};

    #[test]
    fn columns_are_aligned_and_a_name_stands_once() {
        let row = |measure, ours| Row::new("list", measure, Unit::Seconds, ours).beside("kubectl get", 0.05);
        let rows = [row("CPU time", 0.004).with_goal(Some(Goal::Part(0.1))), row("wall time", 0.011)];
        assert_eq!(
            text(&rows),
            "WHAT  MEASURE       OURS     PEER  RATIO  GOAL    VERDICT  THE PEER\n\
             list  CPU time    4.0 ms  50.0 ms  0.08×  ≤ 0.1×  reached  kubectl get\n\
             \u{20}     wall time  11.0 ms  50.0 ms  0.22×  -       -\n"
        );
    }
}
