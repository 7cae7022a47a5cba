//! Templates: text with references such as `${environmentConfigs.replicas}` in it.

use std::borrow::Cow;
use std::fmt;

/// What a reference may begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The values of one environment, over the defaults of the snapshot's schema.
    EnvironmentConfigs,
    /// The component's own values.
    Parameters,
    /// The names of what is rendered, and for where.
    Metadata,
    /// The snapshot's workload.
    Workload,
}

impl Root {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::EnvironmentConfigs, Self::Parameters, Self::Metadata, Self::Workload];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::EnvironmentConfigs => "environmentConfigs",
            Self::Parameters => "parameters",
            Self::Metadata => "metadata",
            Self::Workload => "workload",
        }
    }
}

/// One step of a reference behind its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// `.name` or `["key"]`.
    Key(String),
    /// `[0]`.
    Index(usize),
}

/// `root.path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it begins.
    pub root: Root,
    /// How it goes on.
    pub path: Vec<Segment>,
    /// Where in the template its `${` stands, in bytes, counted from 1.
    pub column: usize,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.name())?;
        self.path.iter().try_for_each(|segment| match segment {
            Segment::Key(key) if is_identifier(key) => write!(f, ".{key}"),
            Segment::Key(key) => write!(f, "[\"{key}\"]"),
            Segment::Index(index) => write!(f, "[{index}]"),
        })
    }
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stays as it is; `${"$"}` is the text `$`.
    Text(String),
    /// What is replaced.
    Reference(Reference),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Where in the text, in bytes, counted from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

const LITERAL: &str = "\"$\"";

/// Whether a name can follow a point in a reference.
pub fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A text whose rendering is that same text: `${` is written as `${"$"}{`, which OpenChoreo's own renderer gives back as
/// `${` too (a CEL string literal).
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.contains("${") { text.replace("${", "${\"$\"}{").into() } else { text.into() }
}

/// The pieces of a template, in order; none for the empty text.
///
/// # Errors
/// The first expression that is neither a reference nor the literal `${"$"}`.
pub fn parse(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = 0;
    while let Some(found) = text[rest..].find("${") {
        push_text(&mut parts, &text[rest..rest + found]);
        let mut expression = Expression { text, start: rest + found, at: rest + found + 2 };
        match expression.parse()? {
            Part::Text(literal) => push_text(&mut parts, &literal),
            reference => parts.push(reference),
        }
        rest = expression.at;
    }
    push_text(&mut parts, &text[rest..]);
    Ok(parts)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

/// An expression being read; `start` is its `${`, `at` the next byte.
struct Expression<'a> {
    text: &'a str,
    start: usize,
    at: usize,
}

impl<'a> Expression<'a> {
    fn parse(&mut self) -> Result<Part, TemplateError> {
        self.skip_spaces();
        if self.skip(LITERAL) {
            self.close()?;
            return Ok(Part::Text("$".to_owned()));
        }
        let root = self.root()?;
        let mut path = Vec::new();
        while let Some(segment) = self.segment()? {
            path.push(segment);
        }
        self.close()?;
        Ok(Part::Reference(Reference { root, path, column: self.start + 1 }))
    }

    fn root(&mut self) -> Result<Root, TemplateError> {
        let at = self.at;
        let name = self.identifier();
        if let Some(root) = Root::ALL.into_iter().find(|root| root.name() == name) {
            return Ok(root);
        }
        self.at = at;
        let is_call = self.text[at + name.len()..].trim_start().starts_with(['(', '{']);
        if name.is_empty() || is_call {
            return Err(self.unsupported());
        }
        let known = Root::ALL.map(Root::name).join("`, `");
        Err(self.error(at, format!("`{name}` is nothing that a template can refer to; known are `{known}`")))
    }

    fn segment(&mut self) -> Result<Option<Segment>, TemplateError> {
        if self.skip(".") {
            return match self.identifier() {
                "" => Err(self.unsupported()),
                name => Ok(Some(Segment::Key(name.to_owned()))),
            };
        }
        if !self.skip("[") {
            return Ok(None);
        }
        let Some((inside, _)) = self.text[self.at..].split_once(']') else { return Err(self.unterminated()) };
        let quoted = ['"', '\''].into_iter().find_map(|quote| inside.strip_prefix(quote)?.strip_suffix(quote));
        let segment = match (quoted, inside.parse::<usize>()) {
            (Some(key), _) if !key.contains(['"', '\'', '\\']) => Segment::Key(key.to_owned()),
            (None, Ok(index)) if inside.bytes().all(|b| b.is_ascii_digit()) => Segment::Index(index),
            _ => return Err(self.unsupported()),
        };
        self.at += inside.len() + 1;
        Ok(Some(segment))
    }

    fn identifier(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let name = if is_identifier(&rest[..end]) { &rest[..end] } else { "" };
        self.at += name.len();
        name
    }

    fn close(&mut self) -> Result<(), TemplateError> {
        self.skip_spaces();
        match self.text[self.at..].chars().next() {
            Some('}') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.unsupported()),
            None => Err(self.unterminated()),
        }
    }

    fn skip(&mut self, what: &str) -> bool {
        let found = self.text[self.at..].starts_with(what);
        self.at += if found { what.len() } else { 0 };
        found
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches(' ').len();
    }

    fn unsupported(&self) -> TemplateError {
        if !self.text[self.at..].contains('}') {
            return self.unterminated();
        }
        let message = "only references such as `${environmentConfigs.replicas}` are supported, no other expressions; \
                       write a literal `${` as `${\"$\"}{`";
        self.error(self.at, message)
    }

    fn unterminated(&self) -> TemplateError {
        let message = "this `${` is never closed by `}`; close it, or write a literal `${` as `${\"$\"}{`";
        self.error(self.start, message)
    }

    fn error(&self, at: usize, message: impl Into<String>) -> TemplateError {
        TemplateError { column: at + 1, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parts as text: references in angle brackets.
    fn parsed(text: &str) -> String {
        match parse(text) {
            Err(error) => format!("{}: {}", error.column, error.message),
            Ok(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Reference(reference) => format!("<{reference}@{}>", reference.column),
                })
                .collect(),
        }
    }

    #[test]
    fn references_and_the_one_literal_are_read() {
        let table = [
            ("", ""),
            ("plain $ {} $$ }", "plain $ {} $$ }"),
            ("${environmentConfigs.replicas}", "<environmentConfigs.replicas@1>"),
            ("a${ metadata.name }b${workload}", "a<metadata.name@2>b<workload@21>"),
            ("${parameters.a[0][\"b.c/d\"]['e'].f}", "<parameters.a[0][\"b.c/d\"].e.f@1>"),
            ("${\"$\"}{HOME}", "${HOME}"),
            ("$${\"$\"}${ \"$\" }", "$$$"),
            ("é${metadata.name}", "é<metadata.name@3>"),
        ];
        for (text, expected) in table {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_an_error_with_its_position() {
        let table = [
            ("${", "1: this `${` is never c"),
            ("ab${metadata.name", "3: this `${` is never c"),
            ("${metadata[0}", "1: this `${` is never c"),
            ("${}", "3: only references such"),
            ("${HOME}", "3: `HOME` is nothing th"),
            ("a ${has(metadata.name)}", "5: only references such"),
            ("${metadata.name + 'x'}", "17: only references such"),
            ("${metadata.}", "12: only references such"),
            ("${metadata.0}", "12: only references such"),
            ("${metadata[x]}", "12: only references such"),
            ("${metadata[\"a\\\"\"]}", "12: only references such"),
            ("${metadata[-1]}", "12: only references such"),
            ("${metadata[+1]}", "12: only references such"),
            ("${\"x\"}", "3: only references such"),
        ];
        for (text, expected) in table {
            let error = parse(text).unwrap_err();
            let found = format!("{}: {}", error.column, error.message);
            assert!(found.starts_with(expected), "{text}: {found}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(text in r#"([${}"$ a-z.é]|\$\{|\$\{"\$"\}){0,12}"#) {
            let parts = parse(&escape(&text)).map_err(|e| TestCaseError::fail(e.message))?;
            let expected: Vec<Part> = if text.is_empty() { vec![] } else { vec![Part::Text(text)] };
            prop_assert_eq!(parts, expected);
        }
    }
}
