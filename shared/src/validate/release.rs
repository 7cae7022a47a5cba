use crate::kinds::Owner;
use crate::object::controlling_binding;
use crate::record;
use crate::types::GoDuration;
use crate::violation::{Findings, Violation};
use crate::world::World;

use super::component_release::check_resources;
use super::deployment_pipeline::check_environment;
use super::{Change, Node, component, object};

/// The account that writes Releases rendered from a binding.
const CONTROLLER: &str = "system:serviceaccount:release-system:release-controller";
/// The account that removes an ownerReference whose owner is gone.
const GARBAGE_COLLECTOR: &str = "system:serviceaccount:kube-system:generic-garbage-collector";

const SHORTEST: GoDuration = GoDuration::from_secs(1);
const LONGEST: GoDuration = GoDuration::from_secs(24 * 3600);

pub(super) fn check(root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    let owner = check_owner(root, findings);
    let spec = root.field("spec");
    let environment = spec.field("environmentName").required_name("name the environment of this release", findings);
    let permitted = world.zip(environment).is_some_and(|(world, environment)| {
        world.environments.get(environment).is_some_and(|environment| environment.allow_inline_secrets)
    });
    check_resources(&spec.field("resources"), "object", findings, |node, key, findings| {
        if !permitted {
            object::check_secret(node, key, findings);
        }
    });
    check_intervals(&spec, findings);
    let (Some(world), Some(owner)) = (world, owner) else { return };
    let node = spec.field("owner");
    component::check_project(&node.field("projectName"), &owner.project_name, Some(world), findings);
    super::release_binding::check_component(&node.field("componentName"), &owner, world, findings);
    if let Some(environment) = environment {
        check_environment(&spec.field("environmentName"), environment, Some(world), findings);
    }
}

/// `spec.owner` of any kind that has a project and a component.
pub(super) fn check_owner(root: &Node<'_>, findings: &mut Findings) -> Option<Owner> {
    let owner = root.at(&["spec", "owner"]);
    let project = owner.field("projectName").required_name("name the project", findings);
    let component = owner.field("componentName").required_name("name the component", findings);
    Some(Owner { project_name: project?.to_owned(), component_name: component?.to_owned() })
}

pub(super) fn compare(change: &Change<'_>, new: &Node<'_>, old: &Node<'_>, findings: &mut Findings) {
    for field in ["owner", "environmentName", "targetPlane"] {
        component::immutable(new, old, &["spec", field], findings);
    }
    check_hands_off(change, new, old, findings);
}

/// A Release that was rendered from a binding is written by the controller only.
fn check_hands_off(change: &Change<'_>, new: &Node<'_>, old: &Node<'_>, findings: &mut Findings) {
    let owners = |node: &Node<'_>| node.at(&["metadata", "ownerReferences"]).value.cloned();
    let owners_changed = owners(new) != owners(old);
    let changed = record::content_changed(change.kind, change.new, change.old);
    let allowed = match change.user {
        None | Some(CONTROLLER) => true,
        Some(GARBAGE_COLLECTOR) => !changed,
        Some(_) => false,
    };
    let Some(binding) = old
        .value
        .and_then(controlling_binding)
        .or_else(|| new.value.and_then(controlling_binding))
        .filter(|_| !allowed && (changed || owners_changed))
    else {
        return;
    };
    let message =
        format!("this Release is rendered from ReleaseBinding {binding}: change that, and the controller follows");
    let path = if changed { new.field("spec").path } else { new.at(&["metadata", "ownerReferences"]).path };
    findings.violate(Violation::policy(path, "OwnedRelease", message));
}

/// The rules for a Release that no binding owns: it may not go past an enforcing pipeline, nor beside a binding.
pub(super) fn check_direct(change: &Change<'_>, root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    let owned = root.value.and_then(controlling_binding);
    if let Some(binding) = owned.filter(|_| change.old.is_none() && change.user.is_some_and(|user| user != CONTROLLER))
    {
        let message =
            format!("only the controller renders Releases from ReleaseBinding {binding}: leave ownerReferences out");
        findings.violate(Violation::policy(root.at(&["metadata", "ownerReferences"]).path, "OwnedRelease", message));
        return;
    }
    let mut ignored = Findings::none();
    let Some(owner) = check_owner(root, &mut ignored) else { return };
    let node = root.at(&["spec", "environmentName"]);
    let Some((world, environment)) = world.filter(|_| owned.is_none()).zip(node.peek()) else { return };
    if let Some((binding, _)) = world.binding(&owner, environment) {
        let message = format!(
            "{} is pinned in {environment} by ReleaseBinding {binding}: change that instead",
            owner.component_name
        );
        findings.violate(Violation::policy(node.path.clone(), "BindingExists", message).with_value(environment));
    }
    for (pipeline, _) in world.enforcing(environment) {
        let message = format!(
            "pipeline {pipeline} keeps its paths, and a Release made by hand would go past them: use `kubectl release create` and `promote`"
        );
        findings.violate(Violation::policy(node.path.clone(), "DirectRelease", message).with_value(environment));
    }
}

fn check_intervals(spec: &Node<'_>, findings: &mut Findings) {
    let interval = check_interval(&spec.field("interval"), findings);
    let node = spec.field("progressingInterval");
    let progressing = check_interval(&node, findings);
    let (Some(interval), Some(progressing)) = (interval, progressing) else { return };
    if !interval.is_zero() && !progressing.is_zero() && progressing > interval {
        let message = format!(
            "{progressing} is longer than interval {interval}: a release on its way is looked at more often, not less"
        );
        findings.violate(Violation::fault(node.path, "IntervalOrder", message).with_value(progressing.to_string()));
    }
}

fn check_interval(node: &Node<'_>, findings: &mut Findings) -> Option<GoDuration> {
    let text = node.text(findings)?;
    let violation = |code, message| Violation::fault(node.path.clone(), code, message).with_value(text);
    match text.parse::<GoDuration>() {
        Err(error) => {
            findings.violate(violation("InvalidDuration", format!("{text:?} {error}; 0s switches it off")));
            None
        }
        Ok(duration) if !duration.is_zero() && !(SHORTEST..=LONGEST).contains(&duration) => {
            let message = format!("{text:?} is out of bounds: write 0s, or between {SHORTEST} and {LONGEST}");
            findings.violate(violation("IntervalBounds", message));
            None
        }
        Ok(duration) => Some(duration),
    }
}
