//! stdout is for results, stderr for everything else. Text from the cluster never moves a cursor.

pub(crate) mod age;
pub(crate) mod table;

use std::io::Write as _;

use release_shared::fence::kind_name;
use release_shared::object::{printable, text};
use release_shared::yaml;
use serde_json::{Value, json};

use crate::args::Format;
use crate::error::Error;

/// Text for one cell or line.
pub(crate) fn one_line(text: &str) -> String {
    printable(&text.replace('\n', "\u{fffd}"))
}

/// A line of result.
pub(crate) fn line(text: &str) -> Result<(), Error> {
    Ok(writeln!(std::io::stdout(), "{}", printable(text))?)
}

/// A result as it stands.
pub(crate) fn raw(text: &str) -> Result<(), Error> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Something worth knowing that is no result.
pub(crate) fn note(text: &str) {
    // Whoever closed stderr does not want to know.
    let _ = writeln!(std::io::stderr(), "{}", printable(text));
}

/// `kind.group/name`, as kubectl writes an object of ours.
pub(crate) fn object_name(object: &Value) -> String {
    reference_name(release_shared::names::GROUP, text(object, "/kind"), text(object, "/metadata/name"))
}

/// `kind.group/name`, or `kind/name` for the core group, as kubectl writes any object.
pub(crate) fn reference_name(group: &str, kind: Option<&str>, name: Option<&str>) -> String {
    format!("{}/{}", kind_name(group, &kind.unwrap_or_default().to_ascii_lowercase()), name.unwrap_or_default())
}

/// A value in one of the formats that are not for people.
pub(crate) fn structured(value: &Value, format: Format) -> Result<(), Error> {
    match format {
        Format::Yaml => raw(&yaml::write(value)),
        Format::Json | Format::Wide | Format::Name => {
            let text = serde_json::to_string_pretty(value)
                .map_err(|error| Error::Failed(format!("the result cannot be written: {error}")))?;
            raw(&format!("{}\n", escaped(&text)))
        }
    }
}

/// JSON with the control characters escaped that JSON lets through and terminals act on; they stand in strings only.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A List of plain objects, as `-o json` and `-o yaml` print it.
pub(crate) fn list(items: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

/// The objects that a command wrote, in the format asked for.
pub(crate) fn objects(objects: &[Value], format: Format) -> Result<(), Error> {
    if format == Format::Name {
        return objects.iter().try_for_each(|object| line(&object_name(object)));
    }
    let clean: Vec<_> = objects.iter().cloned().map(without_managed_fields).collect();
    match <[Value; 1]>::try_from(clean) {
        Ok([only]) => structured(&only, format),
        Err(several) => structured(&list(&several), format),
    }
}

fn without_managed_fields(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// Who made a change, as people see it: the person behind an account comes before the account.
pub(crate) fn author(by: &str, on_behalf_of: Option<&Value>) -> String {
    match on_behalf_of.and_then(Value::as_str) {
        Some(person) => format!("{person} (via {by})"),
        None => by.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_moves_no_cursor_and_means_the_same() {
        let value = json!({ "a": "x\u{9b}2J\u{7f}\u{1b}é" });
        let text = escaped(&value.to_string());
        assert!(!text.chars().any(char::is_control), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
