//! Until when nothing changes in an environment. Thawing is a change of the Environment itself, which no freeze holds back.

use crate::kinds::Kind;
use crate::names;
use crate::object::controlling_binding;
use crate::policy::Freeze;
use crate::record;
use crate::violation::{Findings, Permission, RestsOn, Violation};
use crate::world::World;

use super::environment::Site;
use super::{Change, Deletion, Node, bypass};

/// The rule for a change of recorded content.
pub(super) fn check(change: &Change<'_>, site: &Site<'_>, findings: &mut Findings) {
    let Some(freeze) = site.view.frozen.as_ref().filter(|freeze| change.now.is_some_and(|now| freeze.holds(now)))
    else {
        return;
    };
    let mut message = until(site.name, freeze);
    if !bypass::is_asked_for(change) {
        let how = format!(
            "; who may {} goes past it with `--bypass --reason WHY`, or with the annotations {}: \"{}\" and {} in the same write",
            permission(site.name),
            names::BYPASS,
            record::next_revision(change.old),
            names::REASON
        );
        message.push_str(&how);
    }
    findings.violate(frozen(site, message));
}

/// The rule for a deletion. What is rendered from a pin is the controller's to delete: for anybody else it is what runs.
pub(super) fn check_deletion(deletion: &Deletion<'_>, world: &World, findings: &mut Findings) {
    let Deletion { kind, object, user, now, .. } = *deletion;
    let is_rendered = kind == Kind::Release && controlling_binding(object).is_some();
    if is_rendered && user == Some(names::CONTROLLER_USER) {
        return;
    }
    let Some(site) = Site::at(kind, object, world) else { return };
    let Some(freeze) = site.view.frozen.as_ref().filter(|freeze| freeze.holds(now)) else { return };
    let message = format!("{}; who may {} deletes it all the same", until(site.name, freeze), permission(site.name));
    findings.violate(frozen(&site, message));
}

fn frozen(site: &Site<'_>, message: String) -> Violation {
    let violation = Violation::policy(site.path.clone(), "Frozen", message).with_value(site.name);
    // It may have been thawed a moment ago.
    violation.resting_on(RestsOn::Object(Kind::Environment, site.name.to_owned())).bypassable(permission(site.name))
}

fn until(environment: &str, freeze: &Freeze) -> String {
    format!(
        "{environment} is frozen until {} ({}): wait until then, or have the platform team thaw it",
        freeze.until, freeze.why
    )
}

fn permission(environment: &str) -> Permission {
    Permission::on(Kind::Environment, environment)
}

/// Warns who sets a freeze that is over already.
pub(super) fn check_set(change: &Change<'_>, findings: &mut Findings) {
    let [new, old] = [Some(change.new), change.old].map(|object| {
        let node = Node::root(object?).at(&["metadata", "annotations"]).field(names::FROZEN);
        Some((node.peek()?, node.path))
    });
    let (Some((text, path)), Some(now)) = (new, change.now) else { return };
    let is_new = old.is_none_or(|(old, _)| old != text);
    if let Some(freeze) = text.parse::<Freeze>().ok().filter(|freeze| is_new && !freeze.holds(now)) {
        let message =
            format!("{} is in the past: nothing is frozen by it; write a time to come, or remove it", freeze.until);
        findings.warn(Violation::policy(path, "FreezePast", message).with_value(text));
    }
}
