//! The recorded content of an object: a record is made when it changes, and only then.

use serde_json::{Map, Value};

use crate::canonical;
use crate::kinds::Kind;
use crate::names;
use crate::object::annotation;

/// The canonical form of what of an object is recorded: its spec, and the annotations that are as good as fields. Written straight
/// out: a spec may be large.
fn content(kind: Kind, object: &Value) -> Vec<u8> {
    let keys = names::recorded_annotations(kind).iter();
    let annotations: Map<_, _> =
        keys.filter_map(|key| Some(((*key).to_owned(), Value::from(annotation(object, key)?)))).collect();
    let annotations = (!annotations.is_empty()).then_some(Value::Object(annotations));
    let spec = object.get("spec").filter(|spec| !spec.is_null());
    canonical::object_to_vec([("annotations", annotations.as_ref()), ("spec", spec)])
}

/// The SHA-256 of the canonical recorded content, in hexadecimal.
pub fn content_hash(kind: Kind, object: &Value) -> String {
    names::sha256_hex(&content(kind, object))
}

/// Whether a write changes the recorded content.
pub fn content_changed(kind: Kind, new: &Value, old: Option<&Value>) -> bool {
    old.is_none_or(|old| content(kind, new) != content(kind, old))
}

/// What of a binding's spec is its configuration: everything but whose it is, where, and what it pins. `None` where there is none.
pub fn config(binding: &Value) -> Option<Value> {
    let spec = binding.get("spec")?.as_object()?;
    let pin = ["owner", "environment", "releaseName", "state"];
    let config: Map<_, _> =
        spec.iter().filter(|(key, _)| !pin.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    (!config.is_empty()).then_some(Value::Object(config))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_and_status_are_not_content() {
        let one = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"interval": "5m", "n": 1}, "status": {}});
        let two = json!({"metadata": {"annotations": {"x": "y"}}, "spec": {"n": 1.0, "interval": "5m"}});
        assert!(!content_changed(Kind::Release, &one, Some(&two)));
        assert_eq!(content_hash(Kind::Release, &one), content_hash(Kind::Release, &two));
        assert!(content_changed(Kind::Release, &one, None));
    }

    #[test]
    fn the_form_is_that_of_one_canonical_object() {
        let object = json!({"metadata": {"annotations": {names::RESTARTED_AT: "now"}}, "spec": {"b": 1, "a": [true]}});
        let whole = json!({"annotations": {names::RESTARTED_AT: "now"}, "spec": {"b": 1, "a": [true]}});
        assert_eq!(content(Kind::ReleaseBinding, &object), canonical::to_vec(&whole));
        assert_eq!(content(Kind::Release, &json!({})), b"{}");
    }

    #[test]
    fn each_kind_has_annotations_that_are_as_good_as_fields() {
        for (kind, key, counts) in [
            (Kind::ReleaseBinding, names::RESTARTED_AT, true),
            (Kind::ComponentRelease, names::VERSION_ANNOTATION, true),
            (Kind::DeploymentPipeline, names::ENFORCEMENT, true),
            (Kind::Environment, names::FROZEN, true),
            (Kind::Environment, names::ENFORCEMENT, false),
            (Kind::ComponentRelease, names::DRIFT, false),
            (Kind::ReleaseBinding, names::VERSION_ANNOTATION, false),
        ] {
            let new = json!({"metadata": {"annotations": {key: "x"}}, "spec": {}});
            assert_eq!(content_changed(kind, &new, Some(&json!({"spec": {}}))), counts, "{kind} {key}");
        }
    }

    #[test]
    fn config_is_what_is_left_of_a_binding() {
        let pin = json!({"spec": {"owner": {}, "environment": "dev", "releaseName": "r", "state": "Active"}});
        assert_eq!(config(&pin), None);
        let values = json!({"spec": {"environment": "dev", "componentTypeEnvironmentConfigs": {"replicas": 2}}});
        assert_eq!(config(&values), Some(json!({"componentTypeEnvironmentConfigs": {"replicas": 2}})));
    }
}
