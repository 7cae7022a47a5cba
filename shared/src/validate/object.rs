//! What holds for every Kubernetes object inside one of ours: in a Release as it stands, in a ComponentRelease as a template.

use serde_json::{Number, Value};

use crate::canonical::json_size;
use crate::kinds::Kind;
use crate::names;
use crate::object::inline_secret_fields;
use crate::record::Content;
use crate::violation::{FieldPath, Findings, Violation};

use super::Node;

/// The deepest nesting of an object inside ours. (kubectl and the API server both go deeper; nothing real does.)
pub const MAX_DEPTH: usize = 64;
/// The largest object of ours, in bytes of JSON. etcd refuses a request of more than 1.5 MiB; managedFields, status and history need
/// some of that.
pub const MAX_SIZE: usize = 1_258_291;

/// The identity of an object inside one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    group: String,
    kind: String,
    namespace: String,
    name: String,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        write!(f, " {}", self.name)?;
        if self.namespace.is_empty() { Ok(()) } else { write!(f, " in namespace {}", self.namespace) }
    }
}

/// The rules for one object. `key` names the entry that it belongs to, for the comparison with an earlier version.
pub(super) fn check(node: &Node<'_>, key: &str, findings: &mut Findings) -> Option<Identity> {
    let mut found = Findings::none();
    let identity = check_parts(node, &mut found);
    let prefix = node.path.as_str();
    for violation in &mut found.violations {
        let rest = violation.path.as_str().strip_prefix(prefix).unwrap_or_default();
        violation.identity = Some(format!("{key}{rest}"));
    }
    findings.extend(found);
    identity
}

fn check_parts(node: &Node<'_>, findings: &mut Findings) -> Option<Identity> {
    let value = node.value.filter(|value| value.is_object());
    let Some(value) = value else {
        let message = "must be a Kubernetes object with apiVersion, kind and metadata.name";
        findings.violate(Violation::fault(node.path.clone(), "NotAnObject", message));
        return None;
    };
    if depth(value) > MAX_DEPTH {
        let message = format!("is nested more than {MAX_DEPTH} levels deep");
        findings.violate(Violation::fault(node.path.clone(), "TooDeep", message));
        return None;
    }
    check_numbers(node, findings);
    check_written_out(node, findings);
    let version = node.required_text_at(&["apiVersion"], "name the API version, such as apps/v1", findings);
    let kind = node.required_text_at(&["kind"], "name the kind, such as Deployment", findings);
    let name = check_name(node, findings);
    check_labels(node, findings);
    if let (Some(version), Some(kind)) = (version, kind) {
        check_kind(node, version, kind, findings);
    }
    let namespace = node.text_at(&["metadata", "namespace"], findings).unwrap_or_default();
    Some(Identity {
        group: version?.split_once('/').map_or("", |(group, _)| group).to_owned(),
        kind: kind?.to_owned(),
        namespace: namespace.to_owned(),
        name: name?.to_owned(),
    })
}

/// What an object is may not depend on values: the rules could be got round.
fn check_written_out(node: &Node<'_>, findings: &mut Findings) {
    let refuse = |path, at: usize, findings: &mut Findings| {
        let message =
            format!("column {}: must be written out: what an object is cannot differ per environment", at + 1);
        findings.violate(Violation::fault(path, "TemplateIdentity", message));
    };
    for field in ["apiVersion", "kind"] {
        let text = node.value_at(&[field]).and_then(Value::as_str);
        if let Some(at) = text.and_then(|text| text.find("${")) {
            refuse(node.field(field).path, at, findings);
        }
    }
    for place in [&[][..], &["metadata"]] {
        let keys = node.value_at(place).and_then(Value::as_object).into_iter().flat_map(serde_json::Map::keys);
        let found = keys.filter_map(|key| Some((key, key.find("${")?)));
        found.for_each(|(key, at)| refuse(node.at(place).path.key(key), at, findings));
    }
}

fn check_name<'a>(node: &Node<'a>, findings: &mut Findings) -> Option<&'a str> {
    let generate = ["metadata", "generateName"];
    if node.value_at(&generate).is_some() {
        let message = "is not supported in a release: every object needs a fixed metadata.name";
        findings.violate(Violation::fault(node.at(&generate).path, "GenerateName", message));
        return None;
    }
    node.required_text_at(&["metadata", "name"], "every object of a release needs a name", findings)
}

fn check_labels(node: &Node<'_>, findings: &mut Findings) {
    for key in names::RESERVED_LABELS {
        if node.value_at(&["metadata", "labels", key]).is_some() {
            let label = node.at(&["metadata", "labels", key]);
            let message = "is reserved: the controller marks the objects it applies with it; remove the label";
            findings.violate(Violation::fault(label.path, "ReservedLabel", message));
        }
    }
}

fn check_kind(node: &Node<'_>, version: &str, kind: &str, findings: &mut Findings) {
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let path = || node.field("kind").path;
    if kind == "List" || (kind.ends_with("List") && node.value_at(&["items"]).is_some_and(Value::is_array)) {
        let message = format!("a {kind} is not an object: add each of its items as a resource of its own");
        findings.violate(Violation::fault(path(), "ListObject", message).with_value(kind));
    } else if group == names::GROUP && Kind::parse(kind).is_some() {
        let message = format!(
            "{kind} is a kind of {}, which cannot be part of a release: apply it beside the release",
            names::GROUP
        );
        findings.violate(Violation::fault(path(), "OwnKind", message).with_value(kind));
    }
}

/// The rule that keeps the content of Secrets out, with its cure.
pub(super) fn check_secret(node: &Node<'_>, key: &str, findings: &mut Findings) {
    for field in node.value.map(inline_secret_fields).unwrap_or_default() {
        let name = node.at(&["metadata", "name"]).peek().unwrap_or("NAME");
        let message = format!(
            "a Secret's content would be readable by everybody who can read releases: use an ExternalSecret or a SealedSecret, or \
             apply the Secret beside the release and leave it out (create --skip Secret/{name})"
        );
        let path = node.field(field).path;
        findings.violate(Violation::fault(path, "SecretInline", message).with_identity(format!("{key}.{field}")));
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The same rule for all of a spec that is not an object inside ours: those are looked at one by one.
pub(super) fn check_own_numbers(root: &Node<'_>, findings: &mut Findings) {
    const INSIDE: [&str; 2] = ["spec.resources", "spec.componentType.spec.resources"];
    let mut found = Findings::none();
    check_numbers(&root.field("spec"), &mut found);
    found.violations.retain(|violation| {
        let path = violation.path.as_str();
        !INSIDE.iter().any(|list| path.strip_prefix(list).is_some_and(|rest| rest.starts_with('[')))
    });
    findings.extend(found);
}

/// An integer outside i64 has no canonical form that every client reads alike.
fn check_numbers(node: &Node<'_>, findings: &mut Findings) {
    // Paths cost more than looking: they are made only where there is something to say.
    if !node.value.is_some_and(has_large_number) {
        return;
    }
    let mut places = vec![(node.path.clone(), node.value)];
    while let Some((path, value)) = places.pop() {
        match value {
            Some(Value::Number(number)) if is_large(number) => {
                let message = format!("{number} does not fit 64 bits with a sign: write it as a string");
                findings.violate(Violation::fault(path, "NumberOutOfRange", message));
            }
            Some(Value::Array(items)) => {
                let large = items.iter().enumerate().filter(|(_, item)| has_large_number(item));
                places.extend(large.map(|(at, item)| (path.index(at), Some(item))));
            }
            Some(Value::Object(entries)) => {
                let large = entries.iter().filter(|(_, entry)| has_large_number(entry));
                places.extend(large.map(|(key, entry)| (path.field(key), Some(entry))));
            }
            _ => {}
        }
    }
}

fn is_large(number: &Number) -> bool {
    number.as_i64().is_none() && number.as_f64().is_some_and(is_large_float)
}

/// Whether a float may be an integer that was too large: what the API server cannot hold as one it hands on as a float, and it writes
/// floats below 1e21 without an exponent (`encoding/json` in Go).
pub fn is_large_float(number: f64) -> bool {
    const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;
    const WITH_AN_EXPONENT: f64 = 1e21;
    (TOO_LARGE..WITH_AN_EXPONENT).contains(&number.abs())
}

fn has_large_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => is_large(number),
        Value::Array(items) => items.iter().any(has_large_number),
        Value::Object(entries) => entries.values().any(has_large_number),
        _ => false,
    }
}

/// The rule that an object of ours fits into etcd, naming what is largest in it. `content` is there where the object is in outline.
pub(super) fn check_size(root: &Node<'_>, content: Option<&Content>, findings: &mut Findings) {
    let Some(spec) = root.field("spec").value else { return };
    let size = content.map_or_else(|| json_size(spec), Content::size);
    if size <= MAX_SIZE {
        return;
    }
    let sized = |(at, (name, value))| (content.map_or_else(|| json_size(value), |content| content.sizes()[at]), name);
    let mut largest: Vec<_> = entries(root).into_iter().enumerate().map(sized).collect();
    largest.sort_unstable_by(|a, b| b.cmp(a));
    let named: Vec<_> = largest.iter().take(3).map(|(size, name)| format!("{name} ({size} bytes)")).collect();
    let largest = if named.is_empty() { String::new() } else { format!("; the largest are {}", named.join(", ")) };
    let message = format!("has {size} bytes of JSON and at most {MAX_SIZE} fit into the cluster's store{largest}");
    findings.violate(Violation::fault(FieldPath::root("spec"), "TooLarge", message));
}

fn entries<'a>(root: &Node<'a>) -> Vec<(String, &'a Value)> {
    let lists = [root.at(&["spec", "resources"]), root.at(&["spec", "componentType", "spec", "resources"])];
    let lists = lists.iter().filter_map(|list| list.value.and_then(Value::as_array));
    let named = |entry: &'a Value| (entry.get("id").and_then(Value::as_str).unwrap_or("?").to_owned(), entry);
    lists.flatten().map(named).collect()
}
