//! `tree`: the objects of a pin down to their pods, with their health. What the release is made of and how it is doing is the
//! controller's word, in the Release; what is below that is read with the user's own rights.

mod below;
mod grow;

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use release_shared::kinds::{Health, ObjectRef};
use release_shared::names;
use release_shared::object::{annotation, text};
use serde_json::{Map, Value, json};

use self::below::{Below, Listed};
use crate::args::{PlainFormat, Tree};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::objects::list as list_objects;
use crate::pinned::{self, Subject};
use crate::print::{line, list, note, reference_name, structured, table::Table};

/// How many lists are read at once.
const AT_ONCE: usize = 4;

/// An object with what is below it.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    object: ObjectRef,
    /// The id of the resource that it is, or that it comes from.
    id: Option<String>,
    health: Option<Health>,
    cause: Option<String>,
    children: Vec<Node>,
}

pub(super) async fn run(cluster: &Cluster, args: &Tree, now: Timestamp) -> Result<(), Error> {
    let release = match Subject::parse(&args.component, args.environment.as_deref())? {
        Subject::Release(name) => Some(pinned::release(cluster, name).await?),
        Subject::Pin { component, environment } => {
            let binding = pinned::binding(cluster, component, environment).await?;
            let name = text(&binding, "/metadata/name").unwrap_or_default();
            let release = cluster.get(release_shared::kinds::Kind::Release, name).await?;
            note_state(&binding, release.as_ref());
            release
        }
    };
    let root = match &release {
        Some(release) => Some(with_pods(cluster, grow::release(release), now).await?),
        None => None,
    };
    print(root.as_ref(), args.output)
}

/// Says what the tree does not: that there is none, or that it is not that of the current revision.
fn note_state(binding: &Value, release: Option<&Value>) {
    let name = |pointer| text(binding, pointer).unwrap_or_default();
    let (component, environment) = (name("/spec/owner/componentName"), name("/spec/environment"));
    let undeployed = name("/spec/state") == "Undeploy";
    let Some(release) = release else {
        return note(&if undeployed {
            format!("{component} is undeployed in {environment}: it has no objects.")
        } else {
            format!(
                "Nothing has been made of {component} in {environment} yet: there is no Release {}. Is the controller running?",
                name("/metadata/name")
            )
        });
    };
    if let Some(told) = behind(binding, release) {
        note(&told);
    }
    if undeployed {
        note(&format!("{component} is undeployed in {environment}: what is left of it is being removed."));
    }
}

/// Whether the status speaks of another revision than the current one.
fn behind(binding: &Value, release: &Value) -> Option<String> {
    let revision = annotation(binding, names::REVISION)?;
    let current = format!("{}/{revision}", text(binding, "/metadata/uid")?);
    match text(release, "/status/renderedFrom") {
        Some(observed) if observed == current => None,
        Some(observed) => {
            let observed = observed.rsplit('/').next().unwrap_or_default();
            Some(format!("Note: this is revision {observed}; revision {revision} has not been observed yet"))
        }
        None => Some(format!("Note: revision {revision} has not been observed yet")),
    }
}

/// Reads what may be below the release's objects, namespace by namespace, and puts it where it belongs.
async fn with_pods(cluster: &Cluster, mut root: Node, now: Timestamp) -> Result<Node, Error> {
    let wanted: BTreeSet<(String, &'static Listed)> = root
        .children
        .iter()
        .filter_map(|node| Some((node.object.namespace.clone()?, below::kinds(&node.object))))
        .flat_map(|(namespace, kinds)| kinds.iter().map(move |kind| (namespace.clone(), kind)))
        .collect();
    let lists = stream::iter(wanted).map(async |(namespace, kind)| {
        let objects = list_objects(cluster, kind.api_version, kind.resource, &namespace).await;
        objects.map(|objects| objects.iter().map(|object| Below::read(kind, object, now)).collect::<Vec<_>>())
    });
    let (mut found, mut missing) = (Vec::new(), BTreeSet::new());
    for result in lists.buffered(AT_ONCE).collect::<Vec<_>>().await {
        match result {
            Ok(objects) => found.extend(objects),
            Err(Error::MissingRights(rights)) => missing.extend(rights.iter().map(ToString::to_string)),
            Err(error) => return Err(error),
        }
    }
    if !missing.is_empty() {
        let missing: Vec<_> = missing.into_iter().collect();
        note(&format!("Note: not everything down to the pods is shown: {}", missing.join("; ")));
    }
    grow::attach(&mut root, found);
    Ok(root)
}

fn print(root: Option<&Node>, output: Option<PlainFormat>) -> Result<(), Error> {
    let mut nodes = Vec::new();
    if let Some(root) = root {
        flatten(root, None, &mut nodes);
    }
    match output {
        Some(PlainFormat::Name) => nodes.iter().try_for_each(|(node, _)| line(&name(&node.object))),
        Some(format) => {
            let items: Vec<_> = nodes.iter().map(|(node, parent)| item(node, *parent)).collect();
            structured(&list(&items), format.into())
        }
        None => root.map_or(Ok(()), |root| table(root).print()),
    }
}

fn name(object: &ObjectRef) -> String {
    reference_name(&object.group, Some(&object.kind), Some(&object.name))
}

/// Every object, each before what is below it.
fn flatten<'a>(node: &'a Node, parent: Option<&'a Node>, nodes: &mut Vec<(&'a Node, Option<&'a Node>)>) {
    nodes.push((node, parent));
    node.children.iter().for_each(|child| flatten(child, Some(node), nodes));
}

/// One object, with the keys that this command's JSON has.
fn item(node: &Node, parent: Option<&Node>) -> Value {
    let mut item = identity(&node.object);
    let mut put = |key: &str, value: Option<Value>| item.extend(value.map(|value| (key.to_owned(), value)));
    put("version", Some(node.object.version.clone().into()));
    put("namespace", node.object.namespace.clone().map(Value::from));
    put("id", node.id.clone().map(Value::from));
    put("health", node.health.map(|health| json!(health)));
    put("cause", node.cause.clone().map(Value::from));
    put("parent", parent.map(|parent| Value::Object(identity(&parent.object))));
    Value::Object(item)
}

fn identity(object: &ObjectRef) -> Map<String, Value> {
    let group = Some(object.group.as_str()).filter(|group| !group.is_empty());
    let entries = [("group", group), ("kind", Some(object.kind.as_str())), ("name", Some(object.name.as_str()))];
    entries.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))).collect()
}

fn table(root: &Node) -> Table {
    let mut table = Table::new(["OBJECT", "HEALTH", "CAUSE"]);
    row(&mut table, root.object.to_string(), root);
    rows(&mut table, root, "");
    table
}

fn rows(table: &mut Table, node: &Node, indent: &str) {
    let last = node.children.len().saturating_sub(1);
    for (index, child) in node.children.iter().enumerate() {
        let (branch, below) = if index == last { ("└── ", "    ") } else { ("├── ", "│   ") };
        // What is below an object is in its namespace.
        let namespace = child.object.namespace.clone().filter(|_| child.object.namespace != node.object.namespace);
        let shown = ObjectRef { namespace, ..child.object.clone() };
        row(table, format!("{indent}{branch}{shown}"), child);
        rows(table, child, &format!("{indent}{below}"));
    }
}

fn row(table: &mut Table, object: String, node: &Node) {
    table.row([Some(object), node.health.map(|health| health.to_string()), node.cause.clone()]);
}

#[cfg(test)]
mod tests;
