//! What holds for every kind: its name, and what a client may say of a change.

use crate::names;
use crate::record;
use crate::types::dns_label_fault;
use crate::violation::{Findings, Violation};

use super::Node;

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

fn check_said(root: &Node<'_>, findings: &mut Findings) {
    let annotations = root.at(&["metadata", "annotations"]);
    for key in [names::REASON, names::LINK] {
        let node = annotations.field(key);
        findings.violations.extend(node.peek().into_iter().flat_map(|text| record::said_faults(key, text)));
    }
}
