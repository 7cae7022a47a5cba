//! Ids: the primary workload's is the workload's type, every other's is its kind and name.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Problem;
use super::object::Object;
use crate::names;

/// The workloads that a component can be about, most telling first, with their API group.
const WORKLOADS: [(&str, &str); 4] =
    [("Deployment", "apps"), ("StatefulSet", "apps"), ("CronJob", "batch"), ("Job", "batch")];

/// Objects with their ids, sorted by them.
pub(super) struct Identified {
    pub(super) resources: BTreeMap<String, Object>,
    /// The primary workload's id, which is also the workload type; `proxy` without one.
    pub(super) workload: String,
}

/// Gives every object its id. The order of the objects does not matter.
pub(super) fn identify(objects: Vec<Object>, component: &str, problems: &mut Vec<Problem>) -> Identified {
    let mut objects = without_duplicates(objects, problems);
    let workload = primary(&objects, component).map(|at| objects.swap_remove(at));
    let mut by_id: BTreeMap<String, Vec<Object>> = BTreeMap::new();
    for object in objects {
        by_id.entry(plain_id(&object)).or_default().push(object);
    }
    let mut resources: BTreeMap<String, Object> = by_id.into_iter().flat_map(distinct).collect();
    let workload = workload.map_or_else(
        || "proxy".to_owned(),
        |workload| {
            let id = workload.kind().to_ascii_lowercase();
            resources.insert(id.clone(), workload);
            id
        },
    );
    Identified { resources, workload }
}

fn without_duplicates(objects: Vec<Object>, problems: &mut Vec<Problem>) -> Vec<Object> {
    let mut seen: BTreeMap<[String; 4], Object> = BTreeMap::new();
    for object in objects {
        let key = [object.group(), object.kind(), object.namespace(), object.name()].map(str::to_owned);
        if let Some(first) = seen.get(&key) {
            let first = first.origin.at([]);
            let message = format!(
                "{} stands in {first} too; remove one (objects that differ only in their namespace need --keep-namespace)",
                object.label()
            );
            problems.push(object.problem(&[], "DuplicateObject", message));
        } else {
            seen.insert(key, object);
        }
    }
    seen.into_values().collect()
}

/// The workload that is named like the component, else the first by name, of the most telling kind.
fn primary(objects: &[Object], component: &str) -> Option<usize> {
    let candidates = objects.iter().enumerate().filter_map(|(at, object)| {
        let rank = WORKLOADS.iter().position(|&(kind, group)| kind == object.kind() && group == object.group())?;
        Some(((object.name() != component, rank, object.name(), object.namespace()), at))
    });
    candidates.min().map(|(_, at)| at)
}

/// `<lowercase kind>-<name>`. An id becomes a label value, so that a name with other characters (`system:node` of a
/// ClusterRole) is told apart by its hash.
fn plain_id(object: &Object) -> String {
    let id = names::resource_id(object.kind(), object.name());
    let is_label = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if id.chars().all(is_label) && id.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return id;
    }
    let cleaned = id.replace(|c| !is_label(c), "-");
    names::with_suffix(&cleaned, &names::short_hash(object.label().as_bytes(), names::PAIR_HASH))
}

/// Objects that share an id (same name; kinds that differ in case, other groups or namespaces) all get a hash behind it.
fn distinct((id, mut objects): (String, Vec<Object>)) -> Vec<(String, Object)> {
    if objects.len() == 1 {
        return objects.pop().map(|object| (id, object)).into_iter().collect();
    }
    let suffixed = |object: Object| {
        let place = format!("{}/{}/{}", object.group(), object.kind(), object.namespace());
        (names::with_suffix(&id, &names::short_hash(place.as_bytes(), names::PAIR_HASH)), object)
    };
    objects.into_iter().map(suffixed).collect()
}

/// What OpenChoreo's schema wants to know about the primary workload: image, command and arguments of the container that
/// is named like the component, else of the first.
pub(super) fn container(workload: Option<&Object>, component: &str) -> Value {
    let containers = workload.and_then(|workload| {
        let pod =
            if workload.kind() == "CronJob" { "/spec/jobTemplate/spec/template/spec" } else { "/spec/template/spec" };
        workload.value.pointer(pod)?.get("containers")?.as_array()
    });
    let named = containers.into_iter().flatten().find(|container| container["name"] == component);
    let container = named.or_else(|| containers?.first()).unwrap_or(&Value::Null);
    let image = container["image"].as_str().filter(|image| !image.is_empty()).unwrap_or("none");
    let mut described = serde_json::json!({"image": image});
    for key in ["command", "args"] {
        let words = container[key].as_array().filter(|words| words.iter().all(Value::is_string));
        if let Some(words) = words {
            described[key] = words.clone().into();
        }
    }
    described
}
