//! How a live object is doing, and why, in words: kstatus' rules, and what its pods say.
//!
//! kstatus (`sigs.k8s.io/cli-utils/pkg/kstatus`) says from an object alone whether it has arrived at what its spec wants. That a
//! Deployment waits for its third replica it knows; that the third replica cannot pull its image only the pod knows, and that no pod
//! can be made only an event. So the rules of a kind say how far the object itself is, `pods` what its pods say of that, and the
//! worse of the two counts.
//!
//! | step | file |
//! |---|---|
//! | trim what is kept in memory | [`trim`](trim()), [`PodView`], [`EventView`] |
//! | look at an object | `live` |
//! | judge it by its kind | `deployment`, `stateful_set`, …; `generic` for kinds that nobody knows |
//! | find what is wrong with a pod, and say it | `trouble`, `container`, `probe` |
//! | judge all pods of a workload, and why it has none | `pods`, `made` |
//! | sum up | [`worst`] |

mod assessment;
mod claim;
mod container;
mod cron_job;
mod daemon_set;
mod definition;
mod deployment;
mod disruption_budget;
mod event;
mod gateway;
mod generic;
mod job;
mod live;
mod made;
mod namespace;
mod pod;
mod pod_view;
mod pods;
mod probe;
mod replica_set;
mod scaler;
mod service;
mod stateful_set;
mod trim;
mod trouble;
mod words;
mod worst;

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::Health;

pub use assessment::Assessment;
pub use container::{ContainerState, ContainerView, Exit};
pub use event::EventView;
pub use pod::pod_cause;
pub use pod_view::{OwnerView, Phase, PodView, Unscheduled};
pub use trim::{needs_object, trim};
pub use worst::worst;

use live::Live;

/// What is looked at besides the object.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The pods that belong to the object, directly or through a ReplicaSet or Job of it. Pods of earlier revisions are not among
    /// them, where the workload has revisions.
    pub pods: &'a [&'a PodView],
    /// The warnings about the object, its ReplicaSets or Jobs, and its pods.
    pub events: &'a [&'a EventView],
    /// The clock.
    pub now: Timestamp,
}

/// How an object is doing. It may be trimmed or whole; of a kind that [`needs_object`] leaves out, its metadata will do.
pub fn assess(object: &Value, around: &Around<'_>) -> Assessment {
    if !object.is_object() {
        return Assessment::new(Health::Unknown, "is not a Kubernetes object");
    }
    let live = Live(object);
    if let Some(leaving) = live.leaving() {
        return leaving;
    }
    match (live.group(), live.kind()) {
        (group, kind) if !needs_object(group, kind) => Assessment::healthy(),
        ("apps", "Deployment") => deployment::assess(live, around),
        ("apps", "StatefulSet") => stateful_set::assess(live, around),
        ("apps", "DaemonSet") => daemon_set::assess(live, around),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => replica_set::assess(live, around),
        ("batch", "Job") => job::assess(live, around),
        ("batch", "CronJob") => cron_job::assess(live, around),
        ("", "Pod") => pod::assess(live, around),
        ("", "Service") => service::assess(live, around),
        ("", "PersistentVolumeClaim") => claim::assess(live, around),
        ("", "Namespace") => namespace::assess(live),
        ("autoscaling", "HorizontalPodAutoscaler") => scaler::assess(live, around.now),
        ("policy", "PodDisruptionBudget") => disruption_budget::assess(live, around.now),
        ("networking.k8s.io", "Ingress") => Assessment::healthy(),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::assess(live),
        ("gateway.networking.k8s.io", "Gateway") => gateway::assess_gateway(live, around.now),
        ("gateway.networking.k8s.io", kind) if kind.ends_with("Route") => gateway::assess_route(live, around.now),
        _ => generic::assess(live),
    }
}

#[cfg(test)]
mod tests;
