mod policy;

use serde_json::Value;

use crate::kinds::Kind;
use crate::object::controlling_binding;
use crate::policy::ReasonPolicy;
use crate::violation::{FieldPath, Findings, Violation};
use crate::world::{EnvironmentView, World};

use super::{Change, Node};

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

/// The environment that something is changed in.
pub(super) struct Site<'a> {
    /// Where the object names it.
    pub(super) path: FieldPath,
    /// Its name.
    pub(super) name: &'a str,
    /// Its policies.
    pub(super) view: &'a EnvironmentView,
}

impl<'a> Site<'a> {
    /// That of a pin, or of a Release.
    pub(super) fn at(kind: Kind, object: &'a Value, world: &'a World) -> Option<Self> {
        let field = match kind {
            Kind::ReleaseBinding => "environment",
            Kind::Release => "environmentName",
            _ => return None,
        };
        let node = Node::root(object).at(&["spec", field]);
        let name = node.peek()?;
        Some(Self { path: node.path, name, view: world.environments.get(name)? })
    }

    /// That of a change, where the environment has rules for changes of recorded content.
    /// What is rendered from a pin follows the pin.
    pub(super) fn of_change(change: &Change<'a>, world: &'a World) -> Option<Self> {
        let site = Self::at(change.kind, change.new, world)?;
        let is_rendered = |object| controlling_binding(object).is_some();
        let rendered = change.kind == Kind::Release && (is_rendered(change.new) || change.old.is_some_and(is_rendered));
        (site.has_rules() && !rendered).then_some(site)
    }

    fn has_rules(&self) -> bool {
        self.view.frozen.is_some() || self.view.reason != ReasonPolicy::Optional
    }
}
