//! Where in the manifests everything comes from.

use std::fmt;

use crate::yaml::Lines;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file's name, as it was given.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Where an object stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Origin {
    pub(super) file: String,
    pub(super) lines: Lines,
}

impl Origin {
    /// The line of what a path inside the object leads to.
    pub(super) fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Location {
        Location { file: self.file.clone(), line: self.lines.at(path) }
    }
}

/// Which resource of a release a path leads into, and the keys and positions inside its template.
pub(super) fn place(path: &str) -> Option<(usize, Vec<&str>)> {
    let (index, rest) = path.strip_prefix("spec.componentType.spec.resources[")?.split_once(']')?;
    Some((index.parse().ok()?, rest.strip_prefix(".template").map_or_else(Vec::new, tokens)))
}

/// The keys and positions of a written path, such as `.metadata.annotations[a.b/c]`.
fn tokens(mut path: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    while let Some(rest) = path.strip_prefix(['.', '[']) {
        let end = if path.starts_with('[') { rest.find(']') } else { rest.find(['.', '[']) }.unwrap_or(rest.len());
        tokens.push(&rest[..end]);
        path = rest[end..].strip_prefix(']').unwrap_or(&rest[end..]);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_as_it_was_written() {
        let table = [
            ("spec.componentType.spec.resources[3]", Some((3, vec![]))),
            ("spec.componentType.spec.resources[3].id", Some((3, vec![]))),
            (
                "spec.componentType.spec.resources[0].template.metadata.annotations[a.b/c]",
                Some((0, vec!["metadata", "annotations", "a.b/c"])),
            ),
            (
                "spec.componentType.spec.resources[0].template.spec.containers[1].image",
                Some((0, vec!["spec", "containers", "1", "image"])),
            ),
            ("spec.owner.projectName", None),
        ];
        for (path, expected) in table {
            assert_eq!(place(path), expected, "{path}");
        }
    }
}
