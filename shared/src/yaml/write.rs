//! YAML as kubectl prints it: sorted keys, block style, lists not indented under their key, `|` for several lines.
//!
//! Written here and not by a library because of one guarantee: what [`super::read`] and kubectl would take for something
//! else is in quotes, decided by the very table that they read with. Lines are never folded (kubectl folds at 80).

mod order;
mod style;

use serde_json::{Map, Number, Value};

use self::style::Style;
use super::number;

/// A value as YAML, ending in a line break. [`super::read`] gives the same value back, except that a float whose value is
/// an integer is read as one.
pub fn write(value: &Value) -> String {
    let mut writer = Writer { out: String::new() };
    match value {
        Value::Object(_) | Value::Array(_) => writer.inline(value, 0),
        scalar => writer.scalar(scalar, INDENT),
    }
    writer.out
}

/// How far a mapping is indented under its key.
const INDENT: usize = 2;

struct Writer {
    out: String,
}

impl Writer {
    /// A value that begins where the writer stands, such as behind `- `; its further lines are indented by `indent`.
    fn inline(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(entries) if !entries.is_empty() => self.entries(entries, indent, false),
            Value::Array(items) if !items.is_empty() => self.items(items, indent, false),
            scalar => self.scalar(scalar, indent),
        }
    }

    fn entries(&mut self, entries: &Map<String, Value>, indent: usize, mut on_new_line: bool) {
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_by(|a, b| order::compare(a.0, b.0));
        for (key, value) in sorted {
            self.start_line(indent, on_new_line);
            on_new_line = true;
            let key = style::key(key);
            if key.len() > style::LONGEST_SIMPLE_KEY {
                self.out.push_str(&format!("? {key}\n"));
                self.start_line(indent, true);
                self.out.push_str(": ");
                self.inline(value, indent + INDENT);
            } else {
                self.out.push_str(&format!("{key}:"));
                self.below(value, indent);
            }
        }
    }

    /// The value of a key: on the same line where it is a scalar.
    fn below(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                self.out.push('\n');
                self.entries(entries, indent + INDENT, true);
            }
            Value::Array(items) if !items.is_empty() => {
                self.out.push('\n');
                self.items(items, indent, true);
            }
            scalar => {
                self.out.push(' ');
                self.scalar(scalar, indent + INDENT);
            }
        }
    }

    fn items(&mut self, items: &[Value], indent: usize, mut on_new_line: bool) {
        for item in items {
            self.start_line(indent, on_new_line);
            on_new_line = true;
            self.out.push_str("- ");
            self.inline(item, indent + INDENT);
        }
    }

    fn start_line(&mut self, indent: usize, on_new_line: bool) {
        if on_new_line {
            self.out.extend(std::iter::repeat_n(' ', indent));
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::String(text) if style::of(text) == Style::Literal => self.literal(text, indent),
            Value::String(text) => self.out.push_str(&style::quoted(text)),
            Value::Number(value) => self.out.push_str(&number_text(value)),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Array(_) => self.out.push_str("[]"),
            Value::Object(_) => self.out.push_str("{}"),
            Value::Null => self.out.push_str("null"),
        }
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push('2');
        }
        match text.strip_suffix('\n') {
            None => self.out.push('-'),
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => self.out.push('+'),
            Some(_) => {}
        }
        self.out.push('\n');
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.start_line(indent, !line.is_empty());
            self.out.push_str(line);
            self.out.push('\n');
        }
    }
}

fn number_text(value: &Number) -> String {
    match value.as_f64() {
        Some(float) if value.is_f64() => number::general(&format!("{float:e}"), float.to_string()),
        _ => value.to_string(),
    }
}
