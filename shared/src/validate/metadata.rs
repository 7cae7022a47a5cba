//! What holds for every kind: its name, and what a client may say of a change.

use serde_json::{Map, Value};

use crate::names;
use crate::object::annotation;
use crate::record;
use crate::schema::nearest;
use crate::types::dns_label_fault;
use crate::violation::{FieldPath, Findings, Violation};

use super::{Change, Node};

pub(super) fn check(name: &str, root: &Node<'_>, findings: &mut Findings) {
    check_name(name, root, findings);
    check_said(root, findings);
}

fn check_name(name: &str, root: &Node<'_>, findings: &mut Findings) {
    let metadata = root.field("metadata");
    if let Some(prefix) = metadata.field("generateName").peek().filter(|prefix| !prefix.is_empty() && name.is_empty()) {
        let message = "is not supported: a release is known by its name; set metadata.name instead";
        findings
            .violate(Violation::fault(metadata.field("generateName").path, "GenerateName", message).with_value(prefix));
        return;
    }
    if name.is_empty() {
        let message = "is required: name the object";
        findings.violate(Violation::fault(metadata.field("name").path, "Required", message));
    } else if let Some(fault) = dns_label_fault(name) {
        findings.violate(Violation::fault(metadata.field("name").path, "InvalidName", fault).with_value(name));
    }
}

/// Warns who writes an annotation that reads like one of ours and says nothing, such as `freeze` for `frozen`.
pub(super) fn check_unknown(change: &Change<'_>, findings: &mut Findings) {
    let place = FieldPath::root("metadata").field("annotations");
    let annotations = change.new.pointer("/metadata/annotations").and_then(Value::as_object);
    for key in annotations.into_iter().flat_map(Map::keys).filter(|key| key.starts_with(names::PREFIX)) {
        let was_there = change.old.is_some_and(|old| annotation(old, key).is_some());
        if was_there || names::known_annotations(change.kind).any(|known| known == key) {
            continue;
        }
        let cure = match nearest(key, names::known_annotations(change.kind)) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "remove it".to_owned(),
        };
        let message = format!("says nothing on kind {}: {cure}", change.kind);
        findings.warn(Violation::fault(place.field(key), "UnknownAnnotation", message));
    }
}

fn check_said(root: &Node<'_>, findings: &mut Findings) {
    let annotations = root.at(&["metadata", "annotations"]);
    for key in [names::REASON, names::LINK] {
        let node = annotations.field(key);
        findings.violations.extend(node.peek().into_iter().flat_map(|text| record::said_faults(key, text)));
    }
}
