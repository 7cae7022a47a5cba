mod ownership;

use crate::kinds::{Kind, Owner};
use crate::names;
use crate::object::controlling_binding;
use crate::types::GoDuration;
use crate::violation::{Findings, Permission, RestsOn, Violation};
use crate::world::World;

use super::component_release::check_resources;
use super::deployment_pipeline::check_environment;
use super::{Node, component, fence, object};

pub(super) use ownership::check as check_ownership;

const SHORTEST: GoDuration = GoDuration::from_secs(1);
/// The longest text of a duration, in bytes; the schema says the same.
const MAX_DURATION: usize = 64;
const LONGEST: GoDuration = GoDuration::from_secs(24 * 3600);

pub(super) fn check(root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    let owner = check_owner(root, findings);
    let spec = root.field("spec");
    let environment = spec.field("environmentName").required_name("name the environment of this release", findings);
    let permitted = world.zip(environment).is_some_and(|(world, environment)| {
        world.environments.get(environment).is_some_and(|environment| environment.allow_inline_secrets)
    });
    let fence = world
        .zip(owner.as_ref().zip(environment))
        .and_then(|(world, (owner, environment))| world.fence(&owner.project_name, environment));
    check_resources(&spec.field("resources"), "object", findings, |node, key, findings| {
        if !permitted {
            object::check_secret(node, key, findings);
        }
        if let Some(fence) = &fence {
            fence::check_object(node, key, fence, findings);
        }
    });
    check_plane(&spec.field("targetPlane"), findings);
    check_orphaning(root, findings);
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

pub(super) fn compare(new: &Node<'_>, old: &Node<'_>, findings: &mut Findings) {
    for field in ["owner", "environmentName", "targetPlane"] {
        component::immutable(new, old, &["spec", field], findings);
    }
}

/// The rules for a Release that no binding owns: it may not go past an enforcing pipeline, nor beside a binding.
pub(super) fn check_direct(root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    let mut ignored = Findings::none();
    let Some(owner) = check_owner(root, &mut ignored) else { return };
    let node = root.at(&["spec", "environmentName"]);
    let owned = root.value.and_then(controlling_binding).is_some();
    let Some((world, environment)) = world.filter(|_| !owned).zip(node.peek()) else { return };
    if let Some((binding, _)) = world.binding(&owner, environment) {
        let message = format!(
            "{} is pinned in {environment} by ReleaseBinding {binding}: change that instead",
            owner.component_name
        );
        let exists = RestsOn::Object(Kind::ReleaseBinding, binding.to_owned());
        let violation = Violation::policy(node.path.clone(), "BindingExists", message).with_value(environment);
        findings.violate(violation.resting_on(exists));
    }
    for (pipeline, _) in world.enforcing(environment) {
        let message = format!(
            "pipeline {pipeline} keeps its paths, and a Release made by hand would go past them: use `kubectl release create` and `promote`"
        );
        let violation = Violation::policy(node.path.clone(), "DirectRelease", message).with_value(environment);
        findings.violate(violation.bypassable(Permission::on(Kind::DeploymentPipeline, pipeline)));
    }
}

fn check_plane(node: &Node<'_>, findings: &mut Findings) {
    if let Some(plane) = node.text(findings).filter(|plane| !["dataplane", "observabilityplane"].contains(plane)) {
        let message = format!("{plane:?} is not known: write dataplane or observabilityplane, or leave it out");
        findings.violate(Violation::fault(node.path.clone(), "UnknownPlane", message).with_value(plane));
    }
}

/// A Release may say for itself what an Environment may say for all in it.
fn check_orphaning(root: &Node<'_>, findings: &mut Findings) {
    let node = root.at(&["metadata", "annotations"]).field(names::ORPHAN_ON_DELETE);
    if let Some(text) = node.peek().filter(|text| !["true", "false"].contains(text)) {
        let message = format!("{text:?} is not known: write true or false");
        findings.violate(Violation::fault(node.path, "UnknownPolicyValue", message).with_value(text));
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
        // Both make the fault: with another interval it is another one, for the schema, too.
        let value = format!("{progressing} {interval}");
        findings.violate(Violation::fault(node.path, "IntervalOrder", message).with_value(value));
    }
}

fn check_interval(node: &Node<'_>, findings: &mut Findings) -> Option<GoDuration> {
    let text = node.text(findings)?;
    let violation = |code, message| Violation::fault(node.path.clone(), code, message).with_value(text);
    if text.len() > MAX_DURATION {
        let message = format!("has {} bytes: use at most {MAX_DURATION}", text.len());
        findings.violate(violation("TooLong", message));
        return None;
    }
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
