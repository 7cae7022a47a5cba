//! What the API server holds against the metadata of an object, ours or one inside a Release. (`ValidateObjectMeta` in apimachinery's
//! `objectmeta.go`, `validateEmbeddedResource` in apiextensions-apiserver's `objectmeta/validation.go`)

use serde_json::Value;

use crate::schema::nearest;
use crate::types::dns_label_fault;
use crate::violation::{Findings, Violation};

use super::super::Node;

/// All annotations of an object together, in bytes (`TotalAnnotationSizeLimitB`).
const MAX_ANNOTATIONS: usize = 256 * 1024;
/// A name with dots, such as the prefix of a key.
const MAX_SUBDOMAIN: usize = 253;
/// The value of a label, and a key without its prefix.
const MAX_NAME: usize = 63;
/// `ObjectMeta` (k8s.io/apimachinery meta/v1).
const FIELDS: [&str; 15] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// The rules for `metadata`.
pub(super) fn check(metadata: &Node<'_>, findings: &mut Findings) {
    let Some(fields) = metadata.object(findings) else { return };
    for key in fields.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
        let cure =
            nearest(key, FIELDS).map_or_else(|| "remove it".to_owned(), |near| format!("did you mean `{near}`?"));
        let message = format!("Kubernetes knows no such field; {cure}");
        findings.violate(Violation::fault(metadata.field(key).path, "UnknownField", message).with_value(key));
    }
    check_labels(&metadata.field("labels"), findings);
    check_annotations(&metadata.field("annotations"), findings);
    check_finalizers(&metadata.field("finalizers"), findings);
    for owner in metadata.field("ownerReferences").items(findings) {
        for key in ["apiVersion", "kind", "name", "uid"] {
            owner.field(key).required_text("an owner is known by apiVersion, kind, name and uid", findings);
        }
    }
}

/// The rules for a whole object inside a Release, besides those that `object` has.
pub(super) fn check_embedded(object: &Node<'_>, findings: &mut Findings) {
    if !object.value.is_some_and(Value::is_object) {
        return;
    }
    let version = object.field("apiVersion");
    if let Some(text) = version.peek().filter(|text| text.matches('/').count() > 1) {
        refuse(&version, text, "is no API version: write <group>/<version>, such as apps/v1", findings);
    }
    let kind = object.field("kind");
    if let Some(text) = kind.peek().filter(|text| !text.is_empty() && !is_kind(text)) {
        refuse(&kind, text, "is no kind: use at most 63 letters, digits and '-', beginning with a letter", findings);
    }
    let metadata = object.field("metadata");
    check(&metadata, findings);
    let name = metadata.field("name");
    if let Some(text) = name.peek().filter(|text| [".", ".."].contains(text) || text.contains(['/', '%'])) {
        refuse(&name, text, "cannot be a name: it may be neither `.` nor `..`, and have neither '/' nor '%'", findings);
    }
    let namespace = metadata.field("namespace");
    if let Some((text, fault)) =
        namespace.text(findings).filter(|text| !text.is_empty()).and_then(|text| Some((text, dns_label_fault(text)?)))
    {
        findings.violate(Violation::fault(namespace.path, "InvalidName", fault).with_value(text));
    }
}

fn refuse(node: &Node<'_>, text: &str, fault: &str, findings: &mut Findings) {
    let violation = Violation::fault(node.path.clone(), "InvalidMetadata", format!("{text:?} {fault}"));
    findings.violate(violation.with_value(text));
}

fn check_labels(labels: &Node<'_>, findings: &mut Findings) {
    for key in labels.object(findings).into_iter().flat_map(|labels| labels.keys()) {
        check_key(labels, key, key, findings);
        let label = labels.field(key);
        let Some(text) = label.text(findings).filter(|text| !text.is_empty()) else { continue };
        if !is_name(text) {
            let fault = "is no value of a label: use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit";
            refuse(&label, text, fault, findings);
        }
    }
}

fn check_annotations(annotations: &Node<'_>, findings: &mut Findings) {
    let Some(entries) = annotations.object(findings) else { return };
    for key in entries.keys() {
        check_key(annotations, key, &key.to_lowercase(), findings);
        annotations.field(key).text(findings);
    }
    let size: usize = entries.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > MAX_ANNOTATIONS {
        let message = format!("have {size} bytes together and may have {MAX_ANNOTATIONS}: remove or shorten some");
        findings.violate(Violation::fault(annotations.path.clone(), "AnnotationsTooLarge", message));
    }
}

fn check_finalizers(finalizers: &Node<'_>, findings: &mut Findings) {
    for finalizer in finalizers.items(findings) {
        if let Some(text) = finalizer.text(findings).filter(|text| !is_qualified(text)) {
            refuse(&finalizer, text, "is no finalizer: write a qualified name, such as example.org/hold", findings);
        }
    }
}

fn check_key(map: &Node<'_>, key: &str, judged: &str, findings: &mut Findings) {
    if !is_qualified(judged) {
        let fault = "is no key: write a name of at most 63 letters, digits, '-', '_' and '.', with a domain and '/' before it or without";
        refuse(&Node { path: map.path.key(key), value: None }, key, fault, findings);
    }
}

/// `IsQualifiedName`.
fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name),
        None => is_name(text),
    }
}

fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= MAX_SUBDOMAIN && text.split('.').all(label)
}

fn is_name(text: &str) -> bool {
    let edge = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let inner = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    text.len() <= MAX_NAME && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

/// `IsDNS1035Label` of the kind in lower case.
fn is_kind(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with('-')
        && text.bytes().all(inner)
}
