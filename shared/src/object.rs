//! Looking into objects that are not parsed into a type, and showing what they hold.

use serde_json::Value;

use crate::names;

/// The string at a path of fields and places in lists, `/spec/resources/0/id`: a JSON pointer without escapes, which costs no memory.
pub fn text<'a>(object: &'a Value, path: &str) -> Option<&'a str> {
    let step = |here: &'a Value, token: &str| match here {
        Value::Array(items) => items.get(token.parse::<usize>().ok()?),
        _ => here.get(token),
    };
    path.split('/').skip(1).try_fold(object, step)?.as_str()
}

/// An annotation.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// Whether somebody has deleted an object that something holds.
pub fn is_ending(object: &Value) -> bool {
    text(object, "/metadata/deletionTimestamp").is_some()
}

/// The ownerReferences of an object.
pub fn owners(object: &Value) -> &[Value] {
    let owners = object.get("metadata").and_then(|metadata| metadata.get("ownerReferences")).and_then(Value::as_array);
    owners.map(Vec::as_slice).unwrap_or_default()
}

/// The ownerReference that names an object's controller.
pub fn controlling_owner(object: &Value) -> Option<&Value> {
    owners(object).iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
}

/// The ReleaseBinding that an object's controller ownerReference names: the object is rendered from it.
pub fn controlling_binding(object: &Value) -> Option<&str> {
    let owner = controlling_owner(object).filter(|owner| text(owner, "/kind") == Some("ReleaseBinding"))?;
    let (group, _) = text(owner, "/apiVersion")?.split_once('/')?;
    if group == names::GROUP { text(owner, "/name") } else { None }
}

/// The fields in which an object is a Secret with its content; none for anything else.
pub fn inline_secret_fields(object: &Value) -> Vec<&'static str> {
    if text(object, "/kind") != Some("Secret") || text(object, "/apiVersion") != Some("v1") {
        return Vec::new();
    }
    let has_content = |field: &&str| match object.get(field) {
        None | Some(Value::Null) => false,
        Some(Value::Object(entries)) => !entries.is_empty(),
        Some(_) => true,
    };
    ["data", "stringData"].into_iter().filter(has_content).collect()
}

/// Text that moves no cursor, colours nothing and hides nothing: it may quote what somebody else sent. Line breaks stay.
pub fn printable(text: &str) -> String {
    let misleads = |c: char| (c.is_control() && c != '\n') || is_invisible(c);
    text.chars().map(|c| if misleads(c) { '\u{fffd}' } else { c }).collect()
}

/// Characters that turn the text around them about, or that nobody sees. (Unicode: `Bidi_Control`, and the `Default_Ignorable_Code_Point`s
/// that no script needs in a row of text: U+200C and U+200D join letters and emoji, and stay.)
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_turned_about_or_hidden() {
        assert_eq!(printable("a\u{202e}b\u{200b}c\x1b[31md\ne"), "a\u{fffd}b\u{fffd}c\u{fffd}[31md\ne");
        assert_eq!(printable("Grüße, 開発 👩\u{200d}💻"), "Grüße, 開発 👩\u{200d}💻");
    }

    #[test]
    fn a_text_is_found_at_its_path() {
        let object = serde_json::json!({"metadata": {"name": "a", "labels": {}}, "spec": {"list": [{"id": "b"}]}});
        assert_eq!(text(&object, "/metadata/name"), Some("a"));
        assert_eq!(text(&object, "/spec/list/0/id"), Some("b"));
        assert_eq!(text(&object, "/spec/list/1/id"), None);
        assert_eq!(text(&object, "/metadata/labels"), None);
        assert_eq!(text(&object, "/spec/name"), None);
    }
}
