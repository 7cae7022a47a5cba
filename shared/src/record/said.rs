//! What a client may say of a change: a reason and a link.

use crate::violation::{FieldPath, Violation};

/// The longest reason or link, in bytes.
const MAX: usize = 512;

/// What is wrong with a reason or a link; `key` is its annotation.
pub fn said_faults(key: &str, text: &str) -> Vec<Violation> {
    let path = FieldPath::root("metadata").field("annotations").key(key);
    let mut faults = Vec::new();
    if text.len() > MAX {
        let message = format!("has {} bytes: use at most {MAX}", text.len());
        faults.push(Violation::fault(path.clone(), "TooLong", message));
    }
    if text.chars().any(char::is_control) {
        let message = "has a line break or another control character: write it in one line";
        faults.push(Violation::fault(path, "ControlCharacter", message));
    }
    faults
}
