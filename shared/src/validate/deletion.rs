//! What may not be deleted.

use serde_json::Value;

use crate::kinds::Kind;
use crate::object::text;
use crate::violation::{FieldPath, Findings, RestsOn, Violation};
use crate::world::{BindingView, World};

/// What the rules say of a deletion: a ComponentRelease stays as long as a binding needs it. All else may go.
pub fn validate_deletion(kind: Kind, name: &str, object: &Value, world: &World) -> Findings {
    let mut findings = Findings::none();
    if kind != Kind::ComponentRelease {
        return findings;
    }
    for (binding, view) in &world.bindings {
        if let Some(why) = needs(binding, view, name, object) {
            let violation = Violation::policy(FieldPath::root("metadata").field("name"), "ReleaseInUse", why);
            let there = RestsOn::Object(Kind::ReleaseBinding, binding.clone());
            findings.violate(violation.with_value(binding).resting_on(there));
        }
    }
    findings
}

/// Why a binding needs a release, and what to do. What it pins it needs whosever it is; it goes back to releases of its own component.
fn needs(binding: &str, view: &BindingView, name: &str, release: &Value) -> Option<String> {
    let environment = &view.environment;
    if !view.needed.contains(name) {
        return None;
    }
    if view.release.as_deref() == Some(name) {
        return Some(format!(
            "ReleaseBinding {binding} pins {name} in {environment}: pin another release there, or delete that binding first"
        ));
    }
    let is_owner = text(release, "/spec/owner/projectName") == Some(&view.owner.project_name)
        && text(release, "/spec/owner/componentName") == Some(&view.owner.component_name);
    is_owner.then(|| {
        format!(
            "ReleaseBinding {binding} may go back to {name}, which was pinned in {environment} before: it can be deleted when that \
             binding's history names it no more, or after the binding"
        )
    })
}
