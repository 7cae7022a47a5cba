use std::collections::HashSet;

use crate::kinds::Kind;
use crate::names;
use crate::pipeline::{Enforcement, Graph};
use crate::violation::{Findings, Violation};
use crate::world::World;

use super::Node;

pub(super) fn check(root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    check_enforcement(root, findings);
    let paths = root.at(&["spec", "promotionPaths"]);
    let mut seen = HashSet::new();
    for path in paths.items(findings) {
        check_path(&path, world, &mut seen, findings);
    }
    let graph = root.value.map(Graph::read).unwrap_or_default();
    if let Some(cycle) = graph.cycle().filter(|cycle| cycle.len() > 1) {
        let message = format!(
            "go in a circle ({} → {}): a release could never be said to have come from before; remove one of these steps",
            cycle.join(" → "),
            cycle[0]
        );
        findings.violate(Violation::fault(paths.path, "PipelineCycle", message).with_value(cycle.join(" ")));
    }
}

fn check_enforcement(root: &Node<'_>, findings: &mut Findings) {
    let node = root.at(&["metadata", "annotations"]).field(names::ENFORCEMENT);
    let Some(text) = node.peek() else { return };
    if text.parse::<Enforcement>().is_err() {
        let message = format!("{text:?} is not known: write warn or enforce");
        findings.violate(Violation::fault(node.path, "UnknownPolicyValue", message).with_value(text));
    }
}

fn check_path<'a>(
    path: &Node<'a>,
    world: Option<&World>,
    seen: &mut HashSet<(&'a str, Option<&'a str>)>,
    findings: &mut Findings,
) {
    let node = path.field("sourceEnvironmentRef");
    let Some(source) = node.reference("name the environment that releases come from", findings) else { return };
    check_environment(&node, source, world, findings);
    let targets = path.field("targetEnvironmentRefs").items(findings);
    if targets.is_empty() && !seen.insert((source, None)) {
        findings.violate(duplicate(path, format!("{source} stands here a second time without targets")));
    }
    for node in targets {
        let Some(target) = node.reference("name the environment that releases go to", findings) else { continue };
        check_environment(&node, target, world, findings);
        if target == source {
            let message = format!("leads from {source} to itself: remove it");
            findings.violate(Violation::fault(node.path, "PipelineSelfLoop", message).with_value(source));
        } else if !seen.insert((source, Some(target))) {
            findings.violate(duplicate(&node, format!("the step from {source} to {target} stands here a second time")));
        }
    }
}

fn duplicate(node: &Node<'_>, what: String) -> Violation {
    let message = format!("{what}: remove one");
    Violation::fault(node.path.clone(), "PipelineDuplicate", message).with_value(what)
}

/// The rule that an environment exists.
pub(super) fn check_environment(node: &Node<'_>, environment: &str, world: Option<&World>, findings: &mut Findings) {
    if world.is_some_and(|world| !world.environments.contains_key(environment)) {
        let message =
            format!("there is no Environment {environment:?} in this namespace: create it, or correct the name");
        findings.miss(
            Violation::fault(node.path.clone(), "EnvironmentNotFound", message),
            Kind::Environment,
            environment,
        );
    }
}
