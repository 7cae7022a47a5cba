//! Every committed input, once. What a longer run finds becomes one of them, and a test beside what was mended.

use std::path::Path;

use super::*;

/// The inputs of a target, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

fn run(name: &str, target: fn(&[u8])) {
    let inputs = corpus(name);
    assert!(inputs.len() >= 10, "{name} has only {} inputs", inputs.len());
    for (input, bytes) in inputs {
        let ran = std::panic::catch_unwind(|| target(&bytes));
        assert!(ran.is_ok(), "corpus/{name}/{input} shows what is told above");
    }
}

#[test]
fn every_review_is_answered() {
    run("review", review);
}

#[test]
fn every_duration_has_its_length() {
    run("duration", duration);
}

#[test]
fn no_history_is_sound_that_nobody_signed() {
    run("history", history);
}

#[test]
fn what_is_accepted_of_manifests_is_a_release() {
    run("snapshot", snapshot);
}

#[test]
fn every_template_renders_within_bounds() {
    run("template", template);
}

#[test]
fn every_connection_is_answered_or_closed() {
    run("server", server);
}
