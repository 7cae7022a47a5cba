//! YAML and JSON, read as kubectl reads them and written as kubectl prints them.
//!
//! kubectl reads manifests with sigs.k8s.io/yaml, which is go-yaml v2: YAML 1.1 scalars (`yes` is true, `0644` is octal),
//! merge keys, keys turned into strings. The syntax comes from [`granit_parser`]'s events; what a scalar means is decided
//! here, after `resolve.go` of go.yaml.in/yaml/v2 v2.4 and the JSON step behind it (`1.0` becomes the integer 1). Three
//! things differ on purpose: a key that stands twice in a mapping is an error (kubectl keeps the last one in silence),
//! `!!binary` that is no text is an error (kubectl replaces bytes), and what follows `...` is read (kubectl drops it).

mod build;
mod explain;
mod lines;
mod number;
mod scalar;
mod write;

use std::fmt;

use serde::de::IgnoredAny;
use serde_json::Value;

pub use self::lines::Lines;
pub use self::write::write;

/// One document of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What the document says, as JSON. Integers keep 64 bits; a float whose value is an integer within `i64` is one.
    pub value: Value,
    /// Where in the text everything stands.
    pub lines: Lines,
}

impl Document {
    /// The document's own first line, counted from 1.
    pub fn line(&self) -> usize {
        self.lines.line()
    }
}

/// Why a text cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong and what to do, without the place.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for YamlError {}

/// All documents of a text, YAML or JSON; several JSON values may follow each other without a separator, as kubectl
/// allows. Documents that are empty or hold only comments are left out.
///
/// # Errors
/// The first place that cannot be read.
pub fn read(text: &str) -> Result<Vec<Document>, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    for (part, line) in json_values(text).unwrap_or_else(|| vec![(text, 1)]) {
        documents.extend(build::documents(part, line)?);
    }
    Ok(documents)
}

/// The values of a stream of two or more JSON objects, each with its first line; `None` for any other text.
fn json_values(text: &str) -> Option<Vec<(&str, usize)>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let mut values = Vec::new();
    let (mut start, mut line) = (0, 1);
    while let Some(value) = stream.next() {
        value.ok()?;
        let part = &text[start..stream.byte_offset()];
        values.push((part, line));
        line += part.matches('\n').count();
        start = stream.byte_offset();
    }
    (values.len() > 1).then_some(values)
}

#[cfg(test)]
pub(crate) mod tests;
