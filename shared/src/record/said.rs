//! What a client says of a change, and what of it counts.

use serde_json::Value;

use crate::names;
use crate::object::annotation;
use crate::violation::{FieldPath, Violation};

/// The longest reason or link, in bytes.
const MAX: usize = 512;

/// What a client says of this change under a key, where the change is one that is recorded. A value that stood there before speaks of an
/// earlier change, unless the plugin repeats it, which writes all that it says anew each time; who is behind a change, and that it is to go
/// past a rule, is never repeated.
pub fn said<'a>(key: &str, new: &'a Value, old: Option<&Value>, manager: Option<&str>) -> Option<&'a str> {
    let text = annotation(new, key).filter(|text| !text.is_empty())?;
    let is_new = old.and_then(|old| annotation(old, key)) != Some(text);
    let repeated = manager == Some(names::PLUGIN_MANAGER) && ![names::ON_BEHALF_OF, names::BYPASS].contains(&key);
    (is_new || repeated).then_some(text)
}

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
