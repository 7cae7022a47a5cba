//! What an environment lets in: for the objects of a Release, and for those of the release that a binding pins. What only the
//! cluster knows, such as where a kind of somebody else's lives, is judged by the controller.

use crate::fence::{self, Fence};
use crate::kinds::Kind;
use crate::violation::{Findings, RestsOn, Violation};
use crate::world::ReleaseDetails;

use super::Node;

/// The rule for one object of a Release. `key` names the entry that it belongs to.
pub(super) fn check_object(node: &Node<'_>, key: &str, fence: &Fence, findings: &mut Findings) {
    let Some(object) = node.value.and_then(fence::guarded) else { return };
    let Some(outside) = fence.refuses(&object) else { return };
    let path = node.at(outside.field).path;
    // Another object in its place is another fault.
    let value = format!("{} {object}", object.group);
    let violation = Violation::policy(path, outside.code, outside.message).with_value(value);
    let identity = format!("{key}.{}", outside.field.join("."));
    findings.violate(violation.with_identity(identity).resting_on(environment(fence)));
}

/// The rule for a pinned release: each of its objects that the environment does not let in, told where it is pinned.
pub(super) fn check_pinned(
    node: &Node<'_>,
    name: &str,
    release: &ReleaseDetails,
    fence: &Fence,
    findings: &mut Findings,
) {
    for (id, object) in &release.guarded {
        let Some(outside) = fence.refuses(object) else { continue };
        let message = format!("resource {id} of {name} ({} {}): {}", object.kind, object.name, outside.message);
        let value = format!("{name} {id}");
        let violation = Violation::policy(node.path.clone(), outside.code, message).with_value(value);
        findings.violate(violation.resting_on(environment(fence)));
    }
}

/// Who may do what there may have changed a moment ago.
fn environment(fence: &Fence) -> RestsOn {
    RestsOn::Object(Kind::Environment, fence.environment().to_owned())
}
