mod policy;

use crate::kinds::Kind;
use crate::violation::{Findings, Violation};
use crate::world::World;

use super::Node;

pub(super) fn check(root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    policy::check(root, findings);
    let node = root.at(&["spec", "dataPlaneRef"]);
    if node.value.is_none() {
        return;
    }
    let Some(plane) = node.reference("name the DataPlane, or leave the reference out for this cluster", findings)
    else {
        return;
    };
    let ours = node.field("kind").peek().is_none_or(|kind| kind == "DataPlane");
    if ours && world.is_some_and(|world| !world.data_planes.contains_key(plane)) {
        let message = format!("there is no DataPlane {plane:?} in this namespace: create it, or correct the name");
        findings.miss(Violation::fault(node.path, "DataPlaneNotFound", message), Kind::DataPlane, plane);
    }
}

pub(super) fn compare(new: &Node<'_>, old: &Node<'_>, findings: &mut Findings) {
    let at = ["spec", "dataPlaneRef"];
    let (new, old) = (new.at(&at), old.at(&at));
    if old.value.is_some() && new.value != old.value {
        let message = "cannot be changed once it is set: make another Environment for another data plane";
        findings.violate(Violation::fault(new.path, "Immutable", message));
    }
}
