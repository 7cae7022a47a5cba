//! Where in a text everything stands.

use std::collections::BTreeMap;

/// The line of a value, and those of everything inside it. A mapping's entry stands where its key does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    line: usize,
    children: Children,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Children {
    Unknown,
    Entries(BTreeMap<String, Lines>),
    Items(Vec<Lines>),
}

impl Lines {
    /// A value of which only the line is known: a scalar, an alias.
    pub(super) fn leaf(line: usize) -> Self {
        Self { line, children: Children::Unknown }
    }

    pub(super) fn mapping(line: usize, entries: BTreeMap<String, Lines>) -> Self {
        Self { line, children: Children::Entries(entries) }
    }

    pub(super) fn sequence(line: usize, items: Vec<Lines>) -> Self {
        Self { line, children: Children::Items(items) }
    }

    /// The same value, standing in another line than its content: a mapping's entry begins at its key.
    pub(super) fn starting(self, line: usize) -> Self {
        Self { line, ..self }
    }

    /// The line in which the value begins, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The entry of a mapping by its key, or of a sequence by its position.
    pub fn child(&self, token: &str) -> Option<&Self> {
        match &self.children {
            Children::Unknown => None,
            Children::Entries(entries) => entries.get(token),
            Children::Items(items) => items.get(token.parse::<usize>().ok()?),
        }
    }

    /// The line of what a path of keys and positions leads to; where the path leads out of what is known, that of the
    /// nearest ancestor.
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> usize {
        let mut here = self;
        for token in path {
            match here.child(token) {
                Some(child) => here = child,
                None => break,
            }
        }
        here.line
    }

    /// The same for a JSON pointer (RFC 6901), such as `/metadata/annotations/a~1b`.
    pub fn pointer(&self, pointer: &str) -> usize {
        let tokens: Vec<String> = pointer.split('/').skip(1).map(|t| t.replace("~1", "/").replace("~0", "~")).collect();
        self.at(tokens.iter().map(String::as_str))
    }
}
