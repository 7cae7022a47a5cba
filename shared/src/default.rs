//! Every default that the webhook sets, on one screen. (What the schema sets: the kind of a reference, and a binding's state.)

use std::borrow::Cow;

use serde_json::Value;

use crate::kinds::Kind;
use crate::types::GoDuration;

/// `spec.interval` of a Release that has none.
pub const INTERVAL: GoDuration = GoDuration::from_secs(300);
/// `spec.progressingInterval` of a Release that has none, unless its interval is shorter.
pub const PROGRESSING_INTERVAL: GoDuration = GoDuration::from_secs(10);

/// The fields of an object's spec that are absent and have a default. An object whose spec is no object has none, and a value that is
/// there is never looked at again, also when it is wrong.
pub fn defaults(kind: Kind, object: &Value) -> Vec<(&'static str, Value)> {
    let Some(spec) = object.get("spec").and_then(Value::as_object).filter(|_| kind == Kind::Release) else {
        return Vec::new();
    };
    let given = spec.get("interval").map(|given| given.as_str().unwrap_or_default());
    let mut defaults = Vec::new();
    if given.is_none() {
        defaults.push(("interval", INTERVAL.to_string().into()));
    }
    if !spec.contains_key("progressingInterval") {
        let interval = given.and_then(|given| given.parse().ok()).filter(|interval: &GoDuration| !interval.is_zero());
        let text = match given.zip(interval) {
            // A shorter interval is repeated as it was written, so that no precision is lost.
            Some((given, interval)) if interval < PROGRESSING_INTERVAL => given.to_owned(),
            _ => PROGRESSING_INTERVAL.to_string(),
        };
        defaults.push(("progressingInterval", text.into()));
    }
    defaults
}

/// The object with these fields in its spec; it is copied only where there are any.
pub fn with<'a>(object: &'a Value, defaults: &[(&'static str, Value)]) -> Cow<'a, Value> {
    let mut object = Cow::Borrowed(object);
    for (key, value) in defaults {
        object.to_mut()["spec"][*key] = value.clone();
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn defaulted(spec: &Value) -> Value {
        let object = json!({ "spec": spec });
        let once = with(&object, &defaults(Kind::Release, &object)).into_owned();
        assert_eq!(defaults(Kind::Release, &once), [], "defaults are idempotent");
        once["spec"].clone()
    }

    #[test]
    fn intervals_get_their_defaults() {
        for (given, interval, progressing) in [
            (json!({}), "5m", "10s"),
            (json!({"interval": "1h"}), "1h", "10s"),
            (json!({"interval": "4s"}), "4s", "4s"),
            (json!({"interval": "4.25s"}), "4.25s", "4.25s"),
            (json!({"interval": "0s"}), "0s", "10s"),
            (json!({"progressingInterval": "0s"}), "5m", "0s"),
            (json!({"interval": "20s", "progressingInterval": "15s"}), "20s", "15s"),
        ] {
            assert_eq!(defaulted(&given), json!({"interval": interval, "progressingInterval": progressing}), "{given}");
        }
    }

    #[test]
    fn what_is_wrong_is_left_for_the_rules() {
        assert_eq!(defaulted(&json!({"interval": 5})), json!({"interval": 5, "progressingInterval": "10s"}));
        assert_eq!(defaults(Kind::Release, &json!({"spec": "nonsense"})), []);
    }
}
