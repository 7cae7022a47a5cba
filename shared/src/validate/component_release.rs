use std::collections::HashMap;

use crate::kinds::Owner;
use crate::names;
use crate::render;
use crate::schema;
use crate::snapshot;
use crate::types::label_value_fault;
use crate::violation::{Findings, Violation};
use crate::world::{MAX_JUDGED, ReleaseDetails, ReleaseView, World};

use super::{Node, component, object};

pub(super) fn check(name: &str, root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    let owner = super::release::check_owner(root, findings);
    let kind = root.at(&["spec", "componentType", "spec"]);
    let node = kind.at(&["environmentConfigs", "openAPIV3Schema"]);
    let schema = node.value;
    findings.violations.extend(schema.into_iter().flat_map(|schema| schema::soundness(schema, &node.path)));
    let permitted =
        world.zip(owner.as_ref()).is_some_and(|(world, owner)| some_environment_takes_secrets(world, owner));
    check_resources(&kind.field("resources"), "template", findings, |node, key, findings| {
        if let Some(template) = node.value {
            findings.violations.extend(render::check_templates(&node.path, template, schema));
        }
        if !permitted {
            object::check_secret(node, key, findings);
        }
    });
    check_judged(&kind, root, findings);
    let Some(owner) = owner else { return };
    check_name(name, &owner, root, findings);
    if let Some(world) = world {
        check_references(root, &owner, world, findings);
        check_version(name, root, &owner, world, findings);
    }
}

pub(super) fn compare(new: &Node<'_>, old: &Node<'_>, findings: &mut Findings) {
    if new.field("spec").value != old.field("spec").value {
        let message =
            "is immutable: a changed component is another ComponentRelease; cut one with `kubectl release create`";
        findings.violate(Violation::fault(new.field("spec").path, "Immutable", message));
    }
    let [new, old] = [new, old].map(|node| node.at(&["metadata", "annotations"]).field(names::VERSION_ANNOTATION));
    if new.value != old.value {
        let was = old.peek().map_or_else(|| "none".to_owned(), |was| format!("{was:?}"));
        let message = format!("cannot be changed (it was {was}): a release gets its version when it is cut");
        findings.violate(Violation::fault(new.path, "VersionImmutable", message));
    }
}

/// The rules for a list of `{id, <field>: object}`: ids, objects, and no object twice.
pub(super) fn check_resources(
    list: &Node<'_>,
    field: &str,
    findings: &mut Findings,
    mut each: impl FnMut(&Node<'_>, &str, &mut Findings),
) {
    let mut ids = HashMap::new();
    let mut objects = HashMap::new();
    for (at, entry) in list.items(findings).iter().enumerate() {
        let id = check_id(entry, at, &mut ids, findings);
        let key = format!("{}[id={}]", list.path, id.unwrap_or("?"));
        let node = entry.field(field);
        if let Some(identity) = object::check(&node, &key, findings) {
            if let Some(&first) = objects.get(&identity) {
                let message = format!(
                    "{identity} stands already at {}: two resources cannot be the same object",
                    list.path.index(first)
                );
                let violation = Violation::fault(node.path.clone(), "DuplicateObject", message);
                findings.violate(violation.with_identity(key.clone()).with_value(identity.to_string()));
            } else {
                objects.insert(identity, at);
            }
        }
        each(&node, &key, findings);
    }
}

fn check_id<'a>(
    entry: &Node<'a>,
    at: usize,
    ids: &mut HashMap<&'a str, usize>,
    findings: &mut Findings,
) -> Option<&'a str> {
    let node = entry.field("id");
    let id =
        node.required_text("give each resource an id that is unique in the list, such as deployment-web", findings)?;
    if let Some(fault) = label_value_fault(id) {
        findings.violate(Violation::fault(node.path.clone(), "InvalidResourceId", fault).with_value(id));
    }
    match ids.get(id) {
        Some(first) => {
            let message = format!("{id:?} is also the id of entry {first}: ids must be unique in the list");
            findings.violate(Violation::fault(node.path, "DuplicateResourceId", message).with_value(id));
        }
        None => drop(ids.insert(id, at)),
    }
    Some(id)
}

/// No environment could take a release whose pins nobody can judge.
fn check_judged(kind: &Node<'_>, root: &Node<'_>, findings: &mut Findings) {
    let size = root.value.map_or(0, |release| ReleaseDetails::of(release).size());
    if size <= MAX_JUDGED {
        return;
    }
    let message = format!(
        "has {size} bytes of schema, and of objects in other namespaces or of the whole cluster, and a pin can be judged by {MAX_JUDGED} at \
         most: let fewer values differ between environments, or make two components of it"
    );
    findings.violate(Violation::fault(kind.path.clone(), "TooLarge", message));
}

/// A name that has the form of a content name must fit the content.
fn check_name(name: &str, owner: &Owner, root: &Node<'_>, findings: &mut Findings) {
    let Some(spec) = root.field("spec").value else { return };
    if !snapshot::is_content_name(&owner.component_name, name) {
        return;
    }
    let right = snapshot::release_name(&owner.component_name, spec);
    if name != right {
        let message =
            format!("the content of this release has the name {right:?}: use that, or a name of another form");
        let path = root.at(&["metadata", "name"]).path;
        findings.violate(Violation::fault(path, "ContentName", message).with_value(name));
    }
}

fn check_references(root: &Node<'_>, owner: &Owner, world: &World, findings: &mut Findings) {
    let node = root.at(&["spec", "owner"]);
    component::check_project(&node.field("projectName"), &owner.project_name, Some(world), findings);
    super::release_binding::check_component(&node.field("componentName"), owner, world, findings);
}

/// A release does not know its environment; it may bring a Secret where one environment on its way takes it.
fn some_environment_takes_secrets(world: &World, owner: &Owner) -> bool {
    let takes =
        |name: &String| world.environments.get(name).is_some_and(|environment| environment.allow_inline_secrets);
    world.pipeline_of(&owner.project_name).is_some_and(|(_, pipeline)| pipeline.graph.environments().iter().any(takes))
}

/// One version of a component is one release, and one release has one version.
fn check_version(name: &str, root: &Node<'_>, owner: &Owner, world: &World, findings: &mut Findings) {
    let node = root.at(&["metadata", "annotations"]).field(names::VERSION_ANNOTATION);
    let Some(version) = node.peek() else { return };
    let same = |release: &ReleaseView| release.version.as_deref() == Some(version);
    if let Some((other, _)) = world.releases_of(owner).find(|(other, release)| *other != name && same(release)) {
        let message =
            format!("version {version:?} of {} is release {other}: choose another version", owner.component_name);
        findings.violate(Violation::fault(node.path.clone(), "VersionTaken", message).with_value(version));
    }
    let another = |release: &ReleaseView| release.version.as_deref().is_some_and(|other| other != version);
    let others: Vec<_> =
        world.releases_of(owner).filter(|(other, release)| *other != name && another(release)).collect();
    let Some(spec) = root.field("spec").value.filter(|_| !others.is_empty()) else { return };
    let content = snapshot::release_name(&owner.component_name, spec);
    let known = others.iter().find(|(other, release)| release.content.as_deref().unwrap_or(other) == content);
    if let Some((other, release)) = known {
        let message = format!(
            "release {other} is of the same content, as version {:?}: use that release, or give this one its version",
            release.version.as_deref().unwrap_or_default()
        );
        findings.violate(Violation::fault(node.path, "KnownContent", message).with_value(version));
    }
}
