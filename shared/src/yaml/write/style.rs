//! How a string is written: plain where that reads back as the same string, else in quotes or as a block.

use super::super::scalar::{self, Scalar};

/// A key longer than this is written behind `? `, as go-yaml v2 does.
pub(super) const LONGEST_SIMPLE_KEY: usize = 128;

/// How a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is.
    Plain,
    /// In `'…'`.
    Single,
    /// In `"…"`, with escapes.
    Double,
    /// A block after `|`.
    Literal,
}

/// The style of a string, after go-yaml v2's `stringv` and `yaml_emitter_analyze_scalar`.
pub(super) fn of(text: &str) -> Style {
    let has_breaks = text.contains('\n');
    match text {
        _ if !text.chars().all(is_printable) => Style::Double,
        _ if has_breaks && (text.contains(" \n") || text.ends_with(' ')) => Style::Double,
        _ if has_breaks => Style::Literal,
        "<<" => Style::Double,
        _ if scalar::resolve(text) != Scalar::Text || is_base_60(text) || is_timestamp(text) => Style::Double,
        _ if is_plain(text) => Style::Plain,
        _ => Style::Single,
    }
}

/// A string on one line.
pub(super) fn quoted(text: &str) -> String {
    match of(text) {
        Style::Plain => text.to_owned(),
        Style::Single => format!("'{}'", text.replace('\'', "''")),
        Style::Double | Style::Literal => double_quoted(text),
    }
}

/// A mapping's key.
pub(super) fn key(text: &str) -> String {
    quoted(text)
}

/// Characters that go-yaml v2 writes as they are. Line separators are left out: YAML 1.1 takes them for line breaks.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Whether a printable string on one line means itself without quotes.
fn is_plain(text: &str) -> bool {
    let first_ends_a_word = text.chars().nth(1).is_none_or(|c| c == ' ');
    let is_indicator = text
        .starts_with(['#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'])
        || text.starts_with(['?', ':', '-']) && first_ends_a_word
        || text.starts_with("---")
        || text.starts_with("...");
    let is_split = text.contains(": ") || text.ends_with(':') || text.contains(" #");
    !(is_indicator || is_split || text.starts_with(' ') || text.ends_with(' '))
}

/// Dates and times, such as `2001-01-01`: text for kubectl, a time for other readers.
fn is_timestamp(text: &str) -> bool {
    let date = text.split_once(['T', 't', ' ']).map_or(text, |(date, _)| date);
    let parts: Vec<&str> = date.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    matches!(lengths[..], [4, 1..=2, 1..=2]) && parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()))
}

/// YAML 1.1's numbers to the base 60, such as `1:30`: text for kubectl, a number for other readers.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let is_sixtieth = |text: &str| matches!(text.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    whole.split_once(':').is_some_and(|(first, rest)| {
        first.starts_with(|c: char| c.is_ascii_digit())
            && is_digits(first)
            && rest.split(':').all(is_sixtieth)
            && is_digits(fraction)
    })
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match escape(c) {
            Some(escape) => out.push_str(escape),
            None if c != '\n' && is_printable(c) => out.push(c),
            None => out.push_str(&match u32::from(c) {
                code @ ..=0xff => format!("\\x{code:02X}"),
                code @ ..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            }),
        }
    }
    out.push('"');
    out
}

fn escape(c: char) -> Option<&'static str> {
    Some(match c {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        _ => return None,
    })
}
