//! What is said of a refusal.

use release_shared::names;
use release_shared::object::printable;
use release_shared::violation::{Class, Findings, Violation};
use serde_json::{Value, json};

use super::{Facts, MOST_TOLD, more};

/// A `metav1.Status` that says everything: kubectl prints the causes of an `Invalid`, and the message of anything else.
pub(super) fn of(facts: &Facts, findings: &Findings) -> Value {
    let (code, reason) = match findings.class() {
        Some(Class::Policy) => (403, "Forbidden"),
        Some(Class::Conflict) => (409, "Conflict"),
        Some(Class::Fault) | None => (422, "Invalid"),
    };
    let (told, rest) = findings.violations.split_at(findings.violations.len().min(MOST_TOLD));
    let more = (!rest.is_empty()).then(|| more(rest.len()));
    let mut causes: Vec<_> = told.iter().map(cause).collect();
    causes.extend(more.as_ref().map(|more| json!({ "reason": "MoreFaults", "field": "", "message": more })));
    let message = match more {
        Some(more) => format!("{}\n* {more}", Findings { violations: told.to_vec(), ..Findings::none() }),
        None => findings.to_string(),
    };
    json!({
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": printable(&message),
        "details": { "group": names::GROUP, "kind": facts.kind, "name": facts.name, "causes": causes }
    })
}

fn cause(violation: &Violation) -> Value {
    json!({ "reason": violation.code, "field": violation.path.as_str(), "message": printable(&violation.message) })
}
