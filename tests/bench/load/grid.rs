//! Tables with aligned columns.

/// Headings and lines. The first `names` columns are names and stand at the left of theirs; a name that stands in the line before as
/// well, with all before it, is left out.
pub(crate) fn text<const N: usize>(
    headings: [&str; N],
    names: usize,
    lines: impl IntoIterator<Item = [String; N]>,
) -> String {
    let lines: Vec<_> = lines.into_iter().collect();
    let mut shown = lines.clone();
    for (pair, shown) in lines.windows(2).zip(shown.iter_mut().skip(1)) {
        let same = (0..names).take_while(|&column| pair[0][column] == pair[1][column]);
        same.for_each(|column| shown[column].clear());
    }
    shown.insert(0, headings.map(str::to_owned));
    let width = |column: usize| shown.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: &[String; N]| {
        let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < names { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    shown.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_once_and_figures_at_the_right() {
        let line = |cells: [&str; 3]| cells.map(str::to_owned);
        let lines = [line(["1 KB", "ours", "2 ms"]), line(["1 KB", "peer", "12 ms"]), line(["2 KB", "peer", "-"])];
        assert_eq!(
            text(["SIZE", "WHO", "P50"], 2, lines),
            "SIZE  WHO     P50\n1 KB  ours   2 ms\n      peer  12 ms\n2 KB  peer      -\n"
        );
    }
}
