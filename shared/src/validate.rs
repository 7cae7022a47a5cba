//! Whether an object may be what it is: every rule of every kind, all faults at once, each with its field path.
//!
//! Rules read the object as JSON and not as our types, so that a wrong type is one fault among others. An update is compared with
//! its predecessor (the ratchet): a stricter new version of the rules locks nobody out of what exists.

mod component;
mod component_release;
mod deletion;
mod deployment_pipeline;
mod environment;
mod fence;
mod metadata;
mod node;
mod object;
mod project;
mod release;
mod release_binding;

use serde_json::Value;

use crate::kinds::Kind;
use crate::record;
use crate::violation::{Findings, Violation};
use crate::world::World;

pub use deletion::validate_deletion;
pub use node::Node;
pub use object::{MAX_DEPTH, MAX_SIZE};

/// A write that is about to happen.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The kind of the object.
    pub kind: Kind,
    /// Its name; empty where the client left it to the server.
    pub name: &'a str,
    /// The object as it would be.
    pub new: &'a Value,
    /// The object as it is; `None` on creation.
    pub old: Option<&'a Value>,
    /// Who asks. `None` where nobody can know, as in `lint`.
    pub user: Option<&'a str>,
}

/// What the rules say of a change. Without a world only the object and its predecessor are judged.
pub fn validate(change: &Change<'_>, world: Option<&World>) -> Findings {
    let mut findings = judge(change, change.new, world);
    if let Some(old) = change.old {
        tolerate(change, old, world, &mut findings);
        compare(change, old, &mut findings);
    }
    if change.kind == Kind::Release {
        release::check_ownership(change, world, &mut findings);
    }
    findings
}

/// The ratchet: what was wrong before is no reason to refuse a change now.
fn tolerate(change: &Change<'_>, old: &Value, world: Option<&World>, findings: &mut Findings) {
    let same_content = !record::content_changed(change.kind, change.new, Some(old));
    let before = judge(change, old, world);
    let known =
        |violation: &Violation| same_content || before.violations.iter().any(|known| known.is_same_as(violation));
    let (tolerated, refused) = std::mem::take(&mut findings.violations).into_iter().partition(known);
    findings.violations = refused;
    findings.warnings.extend::<Vec<_>>(tolerated);
    if same_content {
        // What is not there was told when somebody referred to it.
        findings.missing.clear();
    }
}

/// What the rules say of an object as it stands, apart from how it came to be so: what is wrong with it, and what it names that
/// does not exist.
pub fn standing(kind: Kind, name: &str, object: &Value, world: &World) -> Findings {
    judge(&Change { kind, name, new: object, old: Some(object), user: None }, object, Some(world))
}

/// The rules that look at one object.
fn judge(change: &Change<'_>, object: &Value, world: Option<&World>) -> Findings {
    let mut findings = Findings::none();
    let root = Node::root(object);
    metadata::check(change.name, &root, &mut findings);
    object::check_size(&root, &mut findings);
    match change.kind {
        Kind::Project => project::check(&root, world, &mut findings),
        Kind::Environment => environment::check(&root, world, &mut findings),
        Kind::DeploymentPipeline => deployment_pipeline::check(&root, world, &mut findings),
        Kind::DataPlane => {}
        Kind::Component => component::check(&root, world, &mut findings),
        Kind::ComponentRelease => component_release::check(change.name, &root, world, &mut findings),
        Kind::ReleaseBinding => release_binding::check(change, &root, world, &mut findings),
        Kind::Release => release::check(&root, world, &mut findings),
    }
    if change.old.is_none_or(|old| !std::ptr::eq(old, object)) {
        match change.kind {
            Kind::ReleaseBinding => release_binding::check_promotion(change, &root, world, &mut findings),
            Kind::Release => release::check_direct(&root, world, &mut findings),
            _ => {}
        }
    }
    findings
}

/// The rules that look at what changes.
fn compare(change: &Change<'_>, old: &Value, findings: &mut Findings) {
    let (new, old) = (Node::root(change.new), Node::root(old));
    match change.kind {
        Kind::Component => component::compare(&new, &old, findings),
        Kind::ComponentRelease => component_release::compare(&new, &old, findings),
        Kind::Environment => environment::compare(&new, &old, findings),
        Kind::ReleaseBinding => release_binding::compare(&new, &old, findings),
        Kind::Release => release::compare(&new, &old, findings),
        Kind::Project | Kind::DeploymentPipeline | Kind::DataPlane => {}
    }
}

#[cfg(test)]
mod tests;
