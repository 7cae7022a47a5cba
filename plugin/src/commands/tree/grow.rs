//! A Release and what was read below its objects → one tree.

use std::collections::{BTreeMap, BTreeSet};

use release_shared::kinds::{Health, ObjectRef};
use release_shared::object::text;
use serde_json::Value;

use super::Node;
use super::below::{Below, Owner};
use crate::objects::reference;

/// The Release and its objects, as the controller has observed them. What it has not observed yet is unknown.
pub(super) fn release(release: &Value) -> Node {
    let list = |pointer| release.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let mut children: Vec<_> = list("/status/resources").map(observed).collect();
    let known: BTreeSet<_> = children.iter().filter_map(|node| node.id.clone()).collect();
    let unknown = list("/spec/resources").filter(|resource| text(resource, "/id").is_none_or(|id| !known.contains(id)));
    children.extend(unknown.map(|resource| Node {
        object: resource.get("object").map(reference).unwrap_or_else(|| reference(&Value::Null)),
        id: text(resource, "/id").map(str::to_owned),
        health: Some(Health::Unknown),
        cause: Some("not observed yet".to_owned()),
        children: Vec::new(),
    }));
    Node {
        // Everything about a pin is in one namespace, which goes without saying.
        object: ObjectRef { namespace: None, ..reference(release) },
        id: None,
        health: Some(health(release, "/status/health").unwrap_or(Health::Unknown)),
        cause: text(release, "/status/cause").map(str::to_owned),
        children,
    }
}

fn observed(resource: &Value) -> Node {
    let named = |pointer| text(resource, pointer).map(str::to_owned);
    Node {
        object: ObjectRef {
            group: named("/group").unwrap_or_default(),
            version: named("/version").unwrap_or_default(),
            kind: named("/kind").unwrap_or_default(),
            namespace: named("/namespace"),
            name: named("/name").unwrap_or_default(),
        },
        id: named("/id"),
        health: Some(health(resource, "/healthStatus").unwrap_or(Health::Unknown)),
        cause: named("/cause"),
        children: Vec::new(),
    }
}

fn health(object: &Value, pointer: &str) -> Option<Health> {
    serde_json::from_value(object.pointer(pointer)?.clone()).ok()
}

/// What belongs to each object.
type Index = BTreeMap<(Option<String>, Owner), Vec<Below>>;

/// Puts what was read below the objects that it belongs to. What belongs to nothing of the release is left out.
pub(super) fn attach(root: &mut Node, found: Vec<Below>) {
    let mut index = Index::new();
    for below in found {
        if let Some(owner) = below.owner.clone() {
            index.entry((below.object.namespace.clone(), owner)).or_default().push(below);
        }
    }
    for node in &mut root.children {
        node.children = children(node, &mut index);
    }
}

/// Takes the children of a node out of the index, so that not even owners in a circle come up twice.
fn children(node: &Node, index: &mut Index) -> Vec<Node> {
    let ObjectRef { group, kind, name, namespace, .. } = node.object.clone();
    let mut found = index.remove(&(namespace, Owner { group, kind, name })).unwrap_or_default();
    // The newest first: after a rollout the old pods are of less interest.
    found.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.object.cmp(&b.object)));
    let nodes = found.into_iter().filter_map(|below| {
        let retired = below.retired;
        let mut child =
            Node { object: below.object, id: node.id.clone(), health: None, cause: None, children: Vec::new() };
        child.children = children(&child, index);
        (child.health, child.cause) = match below.health {
            Some((health, cause)) => (Some(health), cause),
            None => (child.children.iter().filter_map(|pod| pod.health).max(), None),
        };
        (!retired || !child.children.is_empty()).then_some(child)
    });
    nodes.collect()
}
