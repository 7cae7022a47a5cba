//! Tables as kubectl prints them: columns three spaces apart, no lines.

use super::{one_line, raw};
use crate::error::Error;

/// Rows of cells below a line of headings.
#[derive(Debug, Default)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: impl Into<Vec<&'static str>>) -> Self {
        Self { headings: headings.into(), rows: Vec::new() }
    }

    /// Adds a row. An absent cell is `<none>`, or nothing where none follows it: most rows have no cause and no reason.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Option<String>>) {
        let last = self.headings.len().saturating_sub(1);
        let cell = |(at, cell): (usize, Option<String>)| match cell.filter(|text| !text.is_empty()) {
            Some(text) => one_line(&text),
            None if at == last => String::new(),
            None => "<none>".into(),
        };
        self.rows.push(cells.into_iter().enumerate().map(cell).collect());
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text.
    pub(crate) fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([self.headings[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.headings.len()).map(width).collect();
        let headings: Vec<_> = self.headings.iter().map(|heading| (*heading).to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let last = row.len().saturating_sub(1);
            for (at, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if at < last {
                    text.extend(std::iter::repeat_n(' ', widths[at] - cell.chars().count() + 3));
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }

    /// Prints it.
    pub(crate) fn print(&self) -> Result<(), Error> {
        raw(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_cells_stay_in_their_line() {
        let mut table = Table::new(["A", "BEE"]);
        table.row([Some("long cell".into()), None]);
        table.row([None, Some(String::new())]);
        table.row([Some("x\u{1b}[31m\n".into()), Some("y".into())]);
        assert_eq!(table.text(), "A           BEE\nlong cell\n<none>\nx\u{fffd}[31m\u{fffd}     y\n");
    }
}
