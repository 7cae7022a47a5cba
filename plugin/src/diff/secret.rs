//! The values of Secrets, which are never shown: only whether they differ.

use data_encoding::BASE64;
use release_shared::object::text;
use serde_json::{Map, Value};

/// Stands for a value that is the same on both sides, or that only one side has.
const MASK: &str = "***";
/// Stands for a value that differs, as kubectl writes it.
const BEFORE: &str = "*** (before)";
/// Its other side.
const AFTER: &str = "*** (after)";
/// kubectl keeps a copy of everything in here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn is_secret(object: &Value) -> bool {
    text(object, "/kind") == Some("Secret") && text(object, "/apiVersion") == Some("v1")
}

/// A Secret with its `stringData` in `data`, as the API server stores it; anything else as it is.
pub(crate) fn fold(object: &mut Value) {
    if !is_secret(object) {
        return;
    }
    let Some(object) = object.as_object_mut() else { return };
    let Some(Value::Object(plain)) = object.get("stringData").filter(|data| data.is_object()).cloned() else { return };
    object.remove("stringData");
    let data = object.entry("data").or_insert_with(|| Map::new().into());
    if data.is_null() {
        *data = Map::new().into();
    }
    if let Some(data) = data.as_object_mut() {
        data.extend(plain.into_iter().map(|(key, value)| {
            let encoded = value.as_str().map(|value| BASE64.encode(value.as_bytes()).into());
            (key, encoded.unwrap_or(value))
        }));
    }
}

/// Puts masks in place of the values of Secrets, which tell nothing but whether they differ.
pub(super) fn mask(mut before: Option<&mut Value>, mut after: Option<&mut Value>) {
    for side in [before.as_deref_mut(), after.as_deref_mut()].into_iter().flatten() {
        fold(side);
    }
    let values = |side: Option<&Value>| side.filter(|side| is_secret(side)).map(contents).unwrap_or_default();
    let (old, new) = (values(before.as_deref()), values(after.as_deref()));
    for (side, other, differs) in [(before, &new, BEFORE), (after, &old, AFTER)] {
        if let Some(side) = side.filter(|side| is_secret(side)) {
            hide(side, |place, value| match other.get(place) {
                Some(other) if other != value => differs,
                _ => MASK,
            });
        }
    }
}

/// Every value that is hidden, by its place.
fn contents(secret: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    hide(&mut secret.clone(), |place, value| {
        found.insert(place.to_owned(), value.clone());
        MASK
    });
    found
}

fn hide(secret: &mut Value, mut mask: impl FnMut(&str, &Value) -> &'static str) {
    for field in ["data", "stringData"] {
        match secret.get_mut(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (key, value) in entries {
                    *value = mask(&format!("{field}/{key}"), value).into();
                }
            }
            // Not as it should be, and a secret all the same.
            Some(other) => *other = mask(field, other).into(),
        }
    }
    if let Some(copy) = secret.pointer_mut("/metadata/annotations").and_then(|all| all.get_mut(LAST_APPLIED)) {
        *copy = mask(LAST_APPLIED, copy).into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(field: &str, data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, field: data})
    }

    #[test]
    fn only_what_differs_is_told() {
        let mut before = secret("stringData", &json!({"same": "hello", "other": "one", "gone": "x"}));
        before["metadata"]["annotations"] = json!({LAST_APPLIED: "{\"stringData\":{\"same\":\"hello\"}}"});
        let mut after = secret("data", &json!({"same": "aGVsbG8=", "other": "dHdv", "new": "eQ=="}));
        mask(Some(&mut before), Some(&mut after));
        assert_eq!(before["data"], json!({"same": MASK, "other": BEFORE, "gone": MASK}));
        assert_eq!(after["data"], json!({"same": MASK, "other": AFTER, "new": MASK}));
        assert_eq!((&before["metadata"]["annotations"][LAST_APPLIED], before.get("stringData")), (&json!(MASK), None));
    }

    #[test]
    fn nothing_of_a_broken_secret_is_shown_either() {
        let mut odd = secret("data", &json!("all of it"));
        odd["stringData"] = json!(["more"]);
        mask(None, Some(&mut odd));
        assert_eq!((&odd["data"], &odd["stringData"]), (&json!(MASK), &json!(MASK)));
        let mut nested = secret("data", &json!({"a": {"b": "c"}}));
        mask(Some(&mut nested), None);
        assert_eq!(nested["data"], json!({"a": MASK}));
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}, "stringData": {"c": "d"}});
        let mut shown = object.clone();
        mask(Some(&mut shown), None);
        assert_eq!(shown, object);
    }
}
