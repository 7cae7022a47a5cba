//! Going past a rule with a permission: who asks for it, and what becomes of the rule then.

use std::collections::BTreeMap;

use crate::names;
use crate::record;
use crate::violation::{FieldPath, Findings, Permission, Violation};

use super::{Change, reason};

/// What is known of somebody's permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They have it.
    Permitted,
    /// They do not.
    Refused,
    /// Nobody could be asked.
    Unknown,
}

/// What is known of the permissions of who asks.
pub type Verdicts = BTreeMap<Permission, Verdict>;

/// What became of the rules that may be gone past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bypass {
    /// The codes of those that were gone past.
    pub past: Vec<&'static str>,
    /// The permissions that it takes, and that nothing is known of yet.
    pub unasked: Vec<Permission>,
}

/// Goes past rules where a change asks for it: the annotation [`names::BYPASS`] is the number of the revision that it makes, and is new in
/// this write. It takes a reason, too. What is gone past becomes a warning.
pub fn bypass(change: &Change<'_>, findings: &mut Findings, verdicts: &Verdicts) -> Bypass {
    if !findings.violations.iter().any(|violation| violation.permission.is_some()) || !is_asked_for(change) {
        return Bypass::default();
    }
    if reason::said(change).is_none() {
        let message = format!("going past a rule needs a reason: {}", reason::cure());
        findings.violate(Violation::policy(annotation_path(), "BypassReason", message));
        return Bypass::default();
    }
    go_past(findings, verdicts, |permission| {
        format!(" (you ask to go past this, and lack the right to {permission} in this namespace)")
    })
}

/// The same for a deletion, which has no words of its own: the permission alone decides. Who lacks it did not ask for anything.
pub fn bypass_deletion(findings: &mut Findings, verdicts: &Verdicts) -> Bypass {
    go_past(findings, verdicts, |_| String::new())
}

/// Another's number, or one that stood there before, says nothing. It is asked for changes of recorded content only: no other meets a
/// rule that may be gone past.
pub(super) fn is_asked_for(change: &Change<'_>) -> bool {
    let asked = record::said(names::BYPASS, change.new, change.old, change.manager);
    asked.is_some_and(|text| text == record::next_revision(change.old).to_string())
}

fn annotation_path() -> FieldPath {
    FieldPath::root("metadata").field("annotations").field(names::BYPASS)
}

fn go_past(findings: &mut Findings, verdicts: &Verdicts, refused: impl Fn(&Permission) -> String) -> Bypass {
    let mut bypass = Bypass::default();
    for mut violation in std::mem::take(&mut findings.violations) {
        let Some(permission) = &violation.permission else {
            findings.violations.push(violation);
            continue;
        };
        match verdicts.get(permission) {
            Some(Verdict::Permitted) => {
                violation.message = format!("gone past, with the permission to {permission}: {}", violation.message);
                bypass.past.push(violation.code);
                findings.warn(violation);
                continue;
            }
            Some(Verdict::Refused) => violation.message.push_str(&refused(permission)),
            Some(Verdict::Unknown) => {
                violation.message.push_str(" (whether you may could not be found out: try again)")
            }
            None if bypass.unasked.contains(permission) => {}
            None => bypass.unasked.push(permission.clone()),
        }
        findings.violations.push(violation);
    }
    bypass
}
