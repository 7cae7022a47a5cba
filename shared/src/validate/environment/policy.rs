//! What the policy annotations of an Environment may say. They are as good as fields: a word that reads like a rule and is none would
//! be worse than no word.

use std::collections::HashSet;

use crate::fence::{self, is_forbidden_namespace};
use crate::names;
use crate::policy::{self, Freeze, ReasonPolicy};
use crate::types::dns_label_fault;
use crate::violation::{Findings, Violation};

use super::super::Node;

/// The annotations that take one of a few words.
const WORDS: [(&str, [&str; 2]); 3] = [
    (names::ALLOW_INLINE_SECRETS, ["true", "false"]),
    (names::ORPHAN_ON_DELETE, ["true", "false"]),
    (names::DRIFT, ["warn", "enforce"]),
];

/// What is wrong with a text; `None` where it can be read.
type Fault = fn(&str) -> Option<String>;

/// The annotations that have a parser of their own, which says what is wrong with a value.
const PARSED: [(&str, Fault); 4] = [
    (names::FROZEN, |text| text.parse::<Freeze>().err()),
    (names::REQUIRE_REASON, |text| text.parse::<ReasonPolicy>().err()),
    (names::HISTORY_RECORDS, |text| policy::history_records(text).err()),
    (names::HISTORY_BYTES, |text| policy::history_bytes(text).err()),
];

/// The longest name of a ServiceAccount (`IsDNS1123Subdomain` in apimachinery's `validation.go`).
const MAX_SUBDOMAIN: usize = 253;

pub(super) fn check(root: &Node<'_>, findings: &mut Findings) {
    let annotations = root.at(&["metadata", "annotations"]);
    for (key, words) in WORDS {
        let node = annotations.field(key);
        if let Some(text) = node.peek().filter(|text| !words.contains(text)) {
            refuse(&node, text, format!("{text:?} is not known: write {}", words.join(" or ")), findings);
        }
    }
    for (key, fault) in PARSED {
        let node = annotations.field(key);
        if let Some((text, fault)) = node.peek().and_then(|text| Some((text, fault(text)?))) {
            refuse(&node, text, fault, findings);
        }
    }
    let namespaces = annotations.field(names::NAMESPACES);
    check_namespaces(&namespaces, findings);
    check_kinds(&annotations.field(names::ALLOWED_CLUSTER_KINDS), findings);
    check_account(&annotations.field(names::SERVICE_ACCOUNT), &entries(&namespaces), findings);
}

fn refuse(node: &Node<'_>, value: &str, message: String, findings: &mut Findings) {
    findings.violate(Violation::fault(node.path.clone(), "UnknownPolicyValue", message).with_value(value));
}

/// The entries of a list; none where there is no annotation.
fn entries<'a>(node: &Node<'a>) -> Vec<&'a str> {
    node.peek().into_iter().flat_map(|text| text.split(',')).map(str::trim).collect()
}

fn check_namespaces(node: &Node<'_>, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for entry in entries(node) {
        let twice = (!seen.insert(entry)).then(|| format!("{entry:?} stands here twice: remove one"));
        if let Some(fault) = namespace_fault(entry).or(twice) {
            refuse(node, entry, fault, findings);
        }
    }
}

fn namespace_fault(entry: &str) -> Option<String> {
    if entry.is_empty() {
        return Some("an entry is empty: separate namespaces by one comma, or remove the annotation".to_owned());
    }
    // With the shortest project there is; a longer one is cut to fit.
    let example = fence::expanded(entry, "p");
    if dns_label_fault(&example).is_some() {
        return Some(format!(
            "{entry:?} is not the name of a namespace: use at most 63 lower-case letters, digits and '-', and {} for the name of the \
             project",
            fence::PROJECT
        ));
    }
    is_forbidden_namespace(&example)
        .then(|| format!("{entry:?} is the cluster's own, and nothing is released into it: list another"))
}

fn check_kinds(node: &Node<'_>, findings: &mut Findings) {
    for entry in entries(node) {
        if let Some(fault) = kind_fault(entry) {
            refuse(node, entry, fault, findings);
        }
    }
}

fn kind_fault(entry: &str) -> Option<String> {
    if entry.is_empty() {
        return Some("an entry is empty: separate kinds by one comma, or remove the annotation".to_owned());
    }
    let (kind, group) = entry.split_once('.').map_or((entry, None), |(kind, group)| (kind, Some(group)));
    let camel = kind.starts_with(|c: char| c.is_ascii_uppercase()) && kind.bytes().all(|c| c.is_ascii_alphanumeric());
    if !camel || !group.is_none_or(is_subdomain) {
        return Some(format!(
            "{entry:?} is not a kind: write Kind.group, such as ClusterRole.rbac.authorization.k8s.io, or Kind alone for the core group"
        ));
    }
    let meant = fence::with_its_group(kind).filter(|_| group.is_none())?;
    Some(format!("{entry:?} is no kind of the core group: write {meant}"))
}

fn check_account(node: &Node<'_>, namespaces: &[&str], findings: &mut Findings) {
    let Some(text) = node.peek() else { return };
    let account =
        text.split_once('/').filter(|(namespace, name)| dns_label_fault(namespace).is_none() && is_subdomain(name));
    let Some((namespace, _)) = account else {
        let message = format!("{text:?} is not an account: write <namespace>/<name> of a ServiceAccount");
        return refuse(node, text, message, findings);
    };
    // What `{project}` stands for is known when something is released.
    let fixed = !namespaces.is_empty() && !namespaces.iter().any(|entry| entry.contains(fence::PROJECT));
    if is_forbidden_namespace(namespace) {
        let message =
            format!("{text:?} is an account of the cluster's own: name one in a namespace of this environment");
        refuse(node, text, message, findings);
    } else if fixed && !namespaces.contains(&namespace) {
        let message = format!(
            "{text:?} is in no namespace of this environment ({}): name an account in one of them",
            namespaces.join(", ")
        );
        refuse(node, text, message, findings);
    }
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= MAX_SUBDOMAIN && name.split('.').all(|label| dns_label_fault(label).is_none())
}
