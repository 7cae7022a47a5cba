use crate::kinds::Kind;
use crate::violation::{Findings, Violation};
use crate::world::World;

use super::Node;

pub(super) fn check(root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    let node = root.at(&["spec", "owner", "projectName"]);
    let Some(project) = node.required_name("name the project that owns the component", findings) else { return };
    check_project(&node, project, world, findings);
}

pub(super) fn compare(new: &Node<'_>, old: &Node<'_>, findings: &mut Findings) {
    for field in ["owner", "componentType"] {
        immutable(new, old, &["spec", field], findings);
    }
}

/// The rule that a project exists.
pub(super) fn check_project(node: &Node<'_>, project: &str, world: Option<&World>, findings: &mut Findings) {
    if world.is_some_and(|world| !world.projects.contains_key(project)) {
        let message = format!("there is no Project {project:?} in this namespace: create it, or correct the name");
        findings.miss(Violation::fault(node.path.clone(), "ProjectNotFound", message), Kind::Project, project);
    }
}

/// The rule that a field stays what it was.
pub(super) fn immutable(new: &Node<'_>, old: &Node<'_>, at: &[&str], findings: &mut Findings) {
    let (new, old) = (new.at(at), old.at(at));
    if new.value != old.value {
        let was = old.value.map_or_else(|| "absent".to_owned(), ToString::to_string);
        let message = format!("cannot be changed after creation (it was {was}): create another object instead");
        findings.violate(Violation::fault(new.path, "Immutable", message));
    }
}
