//! The codes that stand in the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::programs;

/// Where violations are made.
const FOLDERS: [&str; 2] = ["shared/src", "webhook/src"];

/// What stands in a statement before the code of a violation. (`Err((` and `(`: where a module gives code and message as a pair.)
const BEFORE: [&str; 11] = [
    "fault(",
    "policy(",
    "conflict(",
    "violation(",
    "problem(",
    "argument(",
    "refuse(",
    "refused(",
    "refusal(",
    "code:",
    "Err((",
];

/// Codes and the first file that each is found in, from the repository on. Tests are left out.
///
/// # Errors
/// When the sources cannot be read.
pub fn codes() -> anyhow::Result<BTreeMap<String, String>> {
    let repository = programs::repository();
    let mut found = BTreeMap::new();
    for folder in FOLDERS {
        let mut files = Vec::new();
        collect(&repository.join(folder), &mut files)?;
        // The reasons of Events about certificates look like codes.
        files.retain(|file| !file.ends_with("tls/tell.rs"));
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let name = file.strip_prefix(repository).unwrap_or(&file).display().to_string();
            for code in in_source(&text, name.ends_with("snapshot/lift.rs")) {
                found.entry(code).or_insert_with(|| name.clone());
            }
        }
    }
    Ok(found)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("tests") {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The codes in one file. `pairs` is for a module that returns code and message where nothing else is a pair of words.
fn in_source(text: &str, pairs: bool) -> Vec<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut codes = Vec::new();
    let mut rest = 0;
    while let Some((start, end)) = literal(text, rest) {
        let (before, literal) = (statement(&text[..start]), &text[start + 1..end]);
        let is_pair = text[..start].trim_end().ends_with('(') && followed_by_message(&text[end + 1..], pairs);
        if is_code(literal) && (is_pair || BEFORE.iter().any(|word| before.contains(word))) {
            codes.push(literal.to_owned());
        }
        rest = end + 1;
    }
    codes
}

/// Code and message as a pair: a message that is no more than a literal counts only where `plain` says so.
fn followed_by_message(after: &str, plain: bool) -> bool {
    let Some(next) = after.strip_prefix(',').map(str::trim_start) else { return false };
    next.starts_with("format!(") || (plain && (next.starts_with('"') || next.starts_with("message")))
}

/// Where the next string literal opens and closes; comments hold none.
fn literal(text: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => at += text[at..].find('\n').unwrap_or(text.len() - at),
            // A quotation mark as a character.
            b'\'' if bytes.get(at + 1) == Some(&b'"') => at += 2,
            b'"' => {
                let start = at;
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                return (at < bytes.len()).then_some((start, at));
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// What stands in the same statement before.
fn statement(before: &str) -> &str {
    let start = before.rfind([';', '}']).map_or(0, |at| at + 1);
    // One call holds a code: what was called before it on other lines is another matter.
    let near = before.char_indices().rev().nth(120).map_or(0, |(at, _)| at);
    &before[start.max(near)..]
}

/// One word in CamelCase.
fn is_code(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_uppercase())
        && text.len() > 3
        && letters.all(|letter| letter.is_ascii_alphabetic())
        && text.chars().any(|letter| letter.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_where_violations_are_made() {
        let text = r#"
            // Violation::fault(path, "InComment", message)
            let quote = '"';
            findings.violate(Violation::fault(node.path.clone(), "TooDeep", format!("is \"Deep\"")));
            return refuse("Other");
            Outside { code: "ClusterKind", field: &["kind"] };
            let kind = "Secret";
            #[cfg(test)]
            Violation::fault(path, "InTest", "text")
        "#;
        assert_eq!(in_source(text, false), ["TooDeep", "Other", "ClusterKind"]);
        let pairs = "(\"Deployment\", 1), (\"LiftNull\", \"text\"), (\n\"Reason\",\nformat!(\"why\"))";
        assert_eq!(in_source(pairs, true), ["LiftNull", "Reason"]);
        assert_eq!(in_source(pairs, false), ["Reason"]);
    }
}
