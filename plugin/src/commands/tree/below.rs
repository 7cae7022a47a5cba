//! What is below a release's objects: what the cluster's own controllers make of them, down to the pods.

use jiff::Timestamp;
use release_shared::fence::built_in_scope;
use release_shared::health::{PodView, pod_cause};
use release_shared::kinds::{Health, ObjectRef};
use release_shared::object::{controlling_owner, text};
use serde_json::Value;

use crate::objects::{group_version, reference};

/// A kind that is read a namespace at a time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) resource: &'static str,
}

const POD: Listed = Listed { api_version: "v1", kind: "Pod", resource: "pods" };
const REPLICA_SET: Listed = Listed { api_version: "apps/v1", kind: "ReplicaSet", resource: "replicasets" };
const JOB: Listed = Listed { api_version: "batch/v1", kind: "Job", resource: "jobs" };

/// The kinds that may be below an object. What an unknown kind makes is anybody's guess.
pub(super) fn kinds(object: &ObjectRef) -> &'static [Listed] {
    match (object.group.as_str(), object.kind.as_str()) {
        ("apps", "Deployment") => &[POD, REPLICA_SET],
        ("apps", "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job") | ("", "ReplicationController") => {
            &[POD]
        }
        ("batch", "CronJob") => &[POD, JOB],
        (group, kind) if built_in_scope(group, kind).is_some() => &[],
        _ => &[POD, REPLICA_SET, JOB],
    }
}

/// The object that something belongs to, in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) name: String,
}

/// One of those objects.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Below {
    pub(super) object: ObjectRef,
    /// Its controller; what has none is below nothing.
    pub(super) owner: Option<Owner>,
    pub(super) created: String,
    /// How it says that it is doing; `None` where that is for its pods to say.
    pub(super) health: Option<(Health, Option<String>)>,
    /// A ReplicaSet of earlier times, which is kept without pods.
    pub(super) retired: bool,
}

impl Below {
    /// One object of a list, whose items do not say their kind.
    pub(super) fn read(listed: &Listed, object: &Value, now: Timestamp) -> Self {
        let (group, version) = group_version(listed.api_version);
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
        let is_replica_set = *listed == REPLICA_SET;
        Self {
            object: ObjectRef {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: listed.kind.to_owned(),
                ..reference(object)
            },
            owner: owner(object),
            created: text(object, "/metadata/creationTimestamp").unwrap_or_default().to_owned(),
            health: if *listed == POD { Some(of_pod(object, now)) } else { said(object) },
            retired: is_replica_set
                && number("/spec/replicas") == Some(0)
                && number("/status/replicas").unwrap_or(0) == 0,
        }
    }
}

/// As the controller judges it.
fn of_pod(pod: &Value, now: Timestamp) -> (Health, Option<String>) {
    match PodView::read(pod) {
        None => (Health::Unknown, None),
        Some(view) => pod_cause(&view, now).map_or((Health::Healthy, None), |found| (found.health, found.cause)),
    }
}

fn owner(object: &Value) -> Option<Owner> {
    let owner = controlling_owner(object)?;
    let (group, _) = group_version(text(owner, "/apiVersion")?);
    let named = |pointer| text(owner, pointer).map(str::to_owned);
    Some(Owner { group: group.to_owned(), kind: named("/kind")?, name: named("/name")? })
}

/// What a ReplicaSet's or Job's own conditions say: that it cannot make its pods, or how it ended.
fn said(object: &Value) -> Option<(Health, Option<String>)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let holds = |condition: &&Value| text(condition, "/status") == Some("True");
    conditions.iter().filter(holds).find_map(|condition| match text(condition, "/type")? {
        "ReplicaFailure" | "Failed" => {
            let cause = text(condition, "/message").or(text(condition, "/reason"));
            Some((Health::Degraded, cause.map(str::to_owned)))
        }
        "Complete" => Some((Health::Healthy, None)),
        _ => None,
    })
}
