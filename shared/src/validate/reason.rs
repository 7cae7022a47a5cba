//! Which changes need a reason, and which reasons count.

use crate::kinds::Kind;
use crate::names;
use crate::object::annotation;
use crate::policy::ReasonPolicy;
use crate::record;
use crate::violation::{FieldPath, Findings, RestsOn, Violation};

use super::Change;
use super::environment::Site;

/// The rule for a change of recorded content.
pub(super) fn check(change: &Change<'_>, site: &Site<'_>, findings: &mut Findings) {
    let name = site.name;
    let said = said(change);
    let (code, what) = match (&site.view.reason, said) {
        (ReasonPolicy::Optional, _) | (ReasonPolicy::Any, Some(_)) => return,
        (ReasonPolicy::Matching(pattern), Some(reason)) if pattern.matches(reason) => return,
        (ReasonPolicy::Matching(pattern), Some(reason)) => (
            "ReasonPattern",
            format!("{reason:?} does not match {:?}, as every reason must in {name}", pattern.as_str()),
        ),
        (ReasonPolicy::Matching(pattern), None) => (
            "ReasonRequired",
            format!("every change in {name} needs a reason that matches {:?}{}", pattern.as_str(), stale(change)),
        ),
        (ReasonPolicy::Any, None) => {
            ("ReasonRequired", format!("every change in {name} needs a reason{}", stale(change)))
        }
    };
    let violation = Violation::policy(path(), code, format!("{what}: {}", cure())).with_value(said.unwrap_or_default());
    // It may have been asked for no more a moment ago.
    findings.violate(violation.resting_on(RestsOn::Object(Kind::Environment, name.to_owned())));
}

/// The reason of a change; one that stood there before is that of an earlier one.
pub(super) fn said<'a>(change: &Change<'a>) -> Option<&'a str> {
    record::said(names::REASON, change.new, change.old, change.manager)
}

/// Where a reason stands.
pub(super) fn path() -> FieldPath {
    FieldPath::root("metadata").field("annotations").field(names::REASON)
}

/// How to give one: it counts in the write that makes the change, and in no other.
pub(super) fn cure() -> String {
    let key = names::REASON;
    format!(
        "give it in the same write, with `kubectl release … --reason WHY`, as this annotation in the manifest that is applied, or with \
         `kubectl patch --type=merge -p '{{\"metadata\":{{\"annotations\":{{\"{key}\":\"WHY\"}}}},\"spec\":{{…}}}}'`"
    )
}

fn stale(change: &Change<'_>) -> &'static str {
    let stands = annotation(change.new, names::REASON).is_some_and(|text| !text.is_empty());
    if stands { " of its own, and the one that stands there is that of an earlier change" } else { "" }
}
