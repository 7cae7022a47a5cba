//! Whether an object may be what it is: every rule of every kind, all faults at once, each with its field path.
//!
//! Rules read the object as JSON and not as our types, so that a wrong type is one fault among others. An update is compared with
//! its predecessor (the ratchet): a stricter new version of the rules locks nobody out of what exists.

mod bypass;
mod component;
mod component_release;
mod deletion;
mod deployment_pipeline;
mod environment;
mod fence;
mod freeze;
mod metadata;
mod node;
mod object;
mod project;
mod reason;
mod release;
mod release_binding;
mod structure;

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::Kind;
use crate::record::{Content, Contents};
use crate::violation::{Findings, Violation};
use crate::world::World;

pub use bypass::{Bypass, Verdict, Verdicts, bypass, bypass_deletion};
pub use deletion::{Deletion, is_unrecorded_deletion, validate_deletion};
pub use node::Node;
pub use object::{MAX_DEPTH, MAX_SIZE, is_large_float};
pub use structure::{schema_codes, structure};

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
    /// The field manager of the write: whose words are new in it.
    pub manager: Option<&'a str>,
    /// The clock. `None` where nothing is about to be written, as in `lint`.
    pub now: Option<Timestamp>,
}

/// What the rules say of a change. Without a world only the object and its predecessor are judged.
pub fn validate(change: &Change<'_>, world: Option<&World>) -> Findings {
    validate_in_outline(change, None, world)
}

/// The same of objects that are at hand in outline, where there are `contents`.
pub fn validate_in_outline(change: &Change<'_>, contents: Option<Contents<'_>>, world: Option<&World>) -> Findings {
    let [new_content, old_content] =
        [contents.map(|contents| contents.new), contents.and_then(|contents| contents.old)];
    let touches = Touches::of(change, contents);
    let mut findings = judge(change, change.new, new_content, world);
    if let Some(old) = change.old {
        let before = || judge(change, old, old_content, world);
        tolerate(touches, before, &mut findings);
        compare(change, old, &mut findings);
        deletion::check_new_owner(change, old, world, &mut findings);
    }
    if change.kind == Kind::Release {
        release::check_ownership(change, touches, world, &mut findings);
    }
    metadata::check_unknown(change, &mut findings);
    if change.kind == Kind::Environment {
        freeze::check_set(change, &mut findings);
    }
    let site = world.filter(|_| touches.content).and_then(|world| environment::Site::of_change(change, world));
    if let Some(site) = site {
        freeze::check(change, &site, &mut findings);
        reason::check(change, &site, &mut findings);
    }
    findings
}

/// What of an object a write changes.
#[derive(Debug, Clone, Copy)]
struct Touches {
    /// Anything that is recorded.
    content: bool,
    /// The spec.
    spec: bool,
}

impl Touches {
    fn of(change: &Change<'_>, contents: Option<Contents<'_>>) -> Self {
        let content = Contents::changed(contents, change.kind, change.new, change.old);
        let spec = content
            && contents.map_or_else(
                || change.new.get("spec") != change.old.and_then(|old| old.get("spec")),
                |contents| contents.spec_changed(),
            );
        Self { content, spec }
    }
}

/// The ratchet: what was wrong before is no reason to refuse a change now. `before` judges the object as it was.
fn tolerate(touches: Touches, before: impl FnOnce() -> Findings, findings: &mut Findings) {
    if !touches.content {
        findings.warnings.append(&mut findings.violations);
        // What is not there was told when somebody referred to it.
        findings.missing.clear();
        findings.open.clear();
    }
    if findings.violations.is_empty() {
        return;
    }
    let before = before();
    let known: HashSet<_> = before.violations.iter().map(Violation::sameness).collect();
    let is_known = |violation: &Violation| known.contains(&violation.sameness());
    let (tolerated, refused) = std::mem::take(&mut findings.violations).into_iter().partition(is_known);
    findings.violations = refused;
    findings.warnings.extend::<Vec<_>>(tolerated);
}

/// What the rules say of an object as it stands, apart from how it came to be so: what is wrong with it, and what it names that
/// does not exist.
pub fn standing(kind: Kind, name: &str, object: &Value, world: &World) -> Findings {
    let change = Change { kind, name, new: object, old: Some(object), user: None, manager: None, now: None };
    judge(&change, object, None, Some(world))
}

/// The rules that look at one object; `content` is there where it is in outline.
fn judge(change: &Change<'_>, object: &Value, content: Option<&Content>, world: Option<&World>) -> Findings {
    let mut findings = Findings::none();
    let root = Node::root(object);
    metadata::check(change.name, &root, &mut findings);
    object::check_size(&root, content, &mut findings);
    object::check_own_numbers(&root, &mut findings);
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
