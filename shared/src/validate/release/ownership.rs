//! A Release that is rendered from a binding is the controller's: what it holds, whose it says it is, and what it is rendered from.

use serde_json::Value;

use crate::kinds::Kind;
use crate::names;
use crate::object::{annotation, controlling_binding, owners, text};
use crate::violation::{FieldPath, Findings, RestsOn, Violation};
use crate::world::World;

use super::super::{Change, Touches};

/// The accounts under which the garbage collector runs: its own, or that of all controllers together.
const GARBAGE_COLLECTOR: [&str; 2] =
    ["system:serviceaccount:kube-system:generic-garbage-collector", "system:kube-controller-manager"];

pub(in super::super) fn check(change: &Change<'_>, touches: Touches, world: Option<&World>, findings: &mut Findings) {
    let after = controlling_binding(change.new);
    let Some(binding) = change.old.and_then(controlling_binding).or(after) else { return };
    let touched = touched(change, touches);
    let (Some(place), Some(user)) = (touched.first(), change.user) else { return };
    if user == names::CONTROLLER_USER {
        return check_binding(change, after, world, findings);
    }
    if GARBAGE_COLLECTOR.contains(&user) && touched == [references()] && only_lets_go(change) {
        return;
    }
    let message = if change.old.is_none() {
        format!("only the controller renders Releases from ReleaseBinding {binding}: leave ownerReferences out")
    } else {
        format!("this Release is rendered from ReleaseBinding {binding}: change that, and the controller follows")
    };
    findings.violate(Violation::policy(place.clone(), "OwnedRelease", message));
}

fn references() -> FieldPath {
    FieldPath::root("metadata").field("ownerReferences")
}

/// The places that are the controller's and that this write changes. Creation makes the reference.
fn touched(change: &Change<'_>, touches: Touches) -> Vec<FieldPath> {
    let (new, Some(old)) = (change.new, change.old) else { return vec![references()] };
    let annotation_changed = |key: &str| annotation(new, key) != annotation(old, key);
    let annotations = FieldPath::root("metadata").field("annotations");
    let mut touched = Vec::new();
    if touches.content {
        if touches.spec {
            touched.push(FieldPath::root("spec"));
        }
        let recorded = names::recorded_annotations(change.kind).iter().filter(|key| annotation_changed(key));
        touched.extend(recorded.map(|key| annotations.field(key)));
    }
    if owners(new) != owners(old) {
        touched.push(references());
    }
    // Health is credited to the revision that it names.
    if annotation_changed(names::RENDERED_FROM) {
        touched.push(annotations.field(names::RENDERED_FROM));
    }
    touched
}

/// The garbage collector takes references away whose owner is gone or is to leave this behind, and says of others that they block
/// nothing. It claims nothing.
fn only_lets_go(change: &Change<'_>) -> bool {
    let who =
        |owner: &Value| [text(owner, "/uid"), text(owner, "/name"), text(owner, "/kind")].map(|t| t.map(str::to_owned));
    let before: Vec<_> = change.old.map(owners).unwrap_or_default().iter().collect();
    let known =
        |new: &Value| before.iter().any(|old| who(old) == who(new) && old.get("controller") == new.get("controller"));
    owners(change.new).iter().all(known)
}

/// Also the controller renders a Release for its binding's component and environment only.
fn check_binding(change: &Change<'_>, binding: Option<&str>, world: Option<&World>, findings: &mut Findings) {
    let (Some(binding), Some(world)) = (binding, world) else { return };
    let said = |pointer: &str| text(change.new, pointer).unwrap_or_default();
    let (project, component, environment) =
        (said("/spec/owner/projectName"), said("/spec/owner/componentName"), said("/spec/environmentName"));
    let what = match world.bindings.get(binding) {
        None => format!("there is no ReleaseBinding {binding}"),
        Some(view) => {
            let (owner, there) = (&view.owner, view.environment.as_str());
            if (owner.project_name.as_str(), owner.component_name.as_str(), there) == (project, component, environment)
            {
                return;
            }
            format!(
                "ReleaseBinding {binding} is of {}/{} in {there}, and this Release is of {project}/{component} in {environment}",
                owner.project_name, owner.component_name
            )
        }
    };
    let message = format!("{what}: a Release is rendered for the binding of its own component and environment");
    let there = RestsOn::Object(Kind::ReleaseBinding, binding.to_owned());
    findings.violate(Violation::policy(references(), "OwnedRelease", message).resting_on(there));
}
