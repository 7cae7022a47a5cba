//! The parser's errors in words that say what to do.

use granit_parser::{ErrorKind, ScanError};

use super::YamlError;

/// The error of a text whose first line has the number `first`.
pub(super) fn explain(error: &ScanError, text: &str, first: usize) -> YamlError {
    let at = error.marker();
    YamlError { line: at.line() + first - 1, column: at.col() + 1, message: message(error, text) }
}

fn message(error: &ScanError, text: &str) -> String {
    if is_indented_by_tab(text, error.marker().line()) {
        return "a tab is used for indentation; use spaces".to_owned();
    }
    let fixed = match error.kind() {
        ErrorKind::UnknownAnchor => "this alias refers to an anchor that is not defined above it",
        ErrorKind::RecursionLimitExceeded => "values are nested too deeply here; at most 100 levels are read",
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            "this quoted text is not closed, or its lines are not indented; close or indent it"
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidSimpleKey => {
            "a `:` stands where no value can begin; check the indentation, and put text that contains `: ` in quotes"
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::ExpectedBlockMappingKey => {
            "this line is neither `key: value` nor indented as the lines around it; check both"
        }
        ErrorKind::ExpectedBlockSequenceEntry => {
            "an entry of this list does not begin with `- `; check the indentation"
        }
        ErrorKind::InvalidIndentation => "this line's indentation fits none of the lines above it",
        ErrorKind::UnclosedFlowCollection { open } => return format!("this `{open}` is never closed"),
        ErrorKind::UnexpectedCharacter { character } => {
            return format!("a value cannot begin with `{character}`; put it in quotes");
        }
        kind => return format!("this is not valid YAML: {kind}"),
    };
    fixed.to_owned()
}

/// Whether a line, counted from 1, has a tab in its indentation.
fn is_indented_by_tab(text: &str, line: usize) -> bool {
    let blanks = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    text.lines().nth(line.saturating_sub(1)).is_some_and(|line| line[..blanks(line)].contains('\t'))
}
