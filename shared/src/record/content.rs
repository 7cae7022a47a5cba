//! The recorded content of an object: a record is made when it changes, and only then.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::canonical;
use crate::kinds::Kind;
use crate::names;
use crate::object::annotation;

/// The canonical form of what of an object is recorded: its spec, and the annotations that are as good as fields. Written straight
/// out: a spec may be large.
fn content(kind: Kind, object: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    out.push(b'{');
    write_annotations(kind, object, &mut out);
    if let Some(spec) = object.get("spec").filter(|spec| !spec.is_null()) {
        write_spec_key(&mut out);
        canonical::write(spec, &mut out);
    }
    out.push(b'}');
    out
}

fn write_annotations(kind: Kind, object: &Value, out: &mut Vec<u8>) {
    let annotations = recorded_annotations(kind, object);
    if !annotations.is_empty() {
        out.extend_from_slice(b"\"annotations\":");
        canonical::write(&Value::Object(annotations), out);
    }
}

fn write_spec_key(out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.extend_from_slice(b"\"spec\":");
}

fn recorded_annotations(kind: Kind, object: &Value) -> Map<String, Value> {
    let keys = names::recorded_annotations(kind).iter();
    keys.filter_map(|key| Some(((*key).to_owned(), Value::from(annotation(object, key)?)))).collect()
}

/// The SHA-256 of the canonical recorded content, in hexadecimal.
pub fn content_hash(kind: Kind, object: &Value) -> String {
    names::sha256_hex(&content(kind, object))
}

/// Whether a write changes the recorded content.
pub fn content_changed(kind: Kind, new: &Value, old: Option<&Value>) -> bool {
    old.is_none_or(|old| {
        recorded_annotations(kind, new) != recorded_annotations(kind, old)
            || spec(new) != spec(old) && content(kind, new) != content(kind, old)
    })
}

fn spec(object: &Value) -> Option<&Value> {
    object.get("spec").filter(|spec| !spec.is_null())
}

/// The canonical form of a spec, of an object that is at hand in outline only.
#[derive(Debug, Clone)]
pub struct Content {
    spec: Vec<u8>,
    /// Where in `spec` the value of each field is, in the order of their keys.
    places: Vec<(String, Range<usize>)>,
    wider: isize,
    sizes: Vec<usize>,
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl Content {
    /// `spec` is canonical, and as JSON that is stored has `wider` bytes more; `sizes` are the bytes of JSON of each of its resources.
    pub(crate) fn new(spec: Vec<u8>, places: Vec<(String, Range<usize>)>, wider: isize, sizes: Vec<usize>) -> Self {
        Self { spec, places, wider, sizes }
    }

    /// The canonical form of the spec.
    #[cfg(test)]
    pub(crate) fn spec(&self) -> &[u8] {
        &self.spec
    }

    /// The bytes of the spec as JSON that is stored.
    pub(crate) fn size(&self) -> usize {
        self.spec.len().saturating_add_signed(self.wider)
    }

    /// The bytes of each resource as JSON that is stored.
    pub(crate) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// With these fields in the spec.
    #[must_use]
    pub fn with(&self, fields: &[(&str, Value)]) -> Cow<'_, Self> {
        let add = |content: Cow<'_, Self>, (key, value): &(&str, Value)| Cow::Owned(content.with_field(key, value));
        fields.iter().fold(Cow::Borrowed(self), add)
    }

    fn with_field(&self, key: &str, value: &Value) -> Self {
        let value = canonical::to_vec(value);
        let mut fields: Vec<(&str, &[u8])> =
            self.places.iter().map(|(key, place)| (key.as_str(), &self.spec[place.clone()])).collect();
        match fields.binary_search_by_key(&key, |(key, _)| key) {
            Ok(at) => fields[at].1 = &value,
            Err(at) => fields.insert(at, (key, &value)),
        }
        let (mut spec, mut places) = (Vec::with_capacity(self.spec.len() + key.len() + value.len() + 4), Vec::new());
        for (key, value) in fields {
            spec.push(if spec.is_empty() { b'{' } else { b',' });
            canonical::write_plain(key, &mut spec);
            spec.push(b':');
            places.push((key.to_owned(), spec.len()..spec.len() + value.len()));
            spec.extend_from_slice(value);
        }
        spec.push(b'}');
        Self { spec, places, wider: self.wider, sizes: self.sizes.clone() }
    }

    /// The SHA-256 of the canonical recorded content of the object that this is the spec of.
    fn hash(&self, kind: Kind, object: &Value) -> String {
        let mut start = vec![b'{'];
        write_annotations(kind, object, &mut start);
        write_spec_key(&mut start);
        names::sha256_hex_of(&[&start, &self.spec, b"}"])
    }
}

/// The content of both sides of a write whose objects are at hand in outline only. Without it they are whole.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// That of the object as it would be.
    pub new: &'a Content,
    /// That of the object as it is.
    pub old: Option<&'a Content>,
}

impl Contents<'_> {
    /// As [`content_changed`].
    pub(crate) fn changed(contents: Option<Self>, kind: Kind, new: &Value, old: Option<&Value>) -> bool {
        let Some(contents) = contents else { return content_changed(kind, new, old) };
        contents.spec_changed()
            || old.is_none_or(|old| recorded_annotations(kind, new) != recorded_annotations(kind, old))
    }

    /// Whether the write changes the spec.
    pub(crate) fn spec_changed(&self) -> bool {
        self.old != Some(self.new)
    }

    /// As [`content_hash`], of the object as it would be.
    pub(crate) fn hash(contents: Option<Self>, kind: Kind, new: &Value) -> String {
        contents.map_or_else(|| content_hash(kind, new), |contents| contents.new.hash(kind, new))
    }
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
