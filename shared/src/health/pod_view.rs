use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::object::{controlling_owner, text};

use super::assessment::after;
use super::container::ContainerView;
use super::live::{Live, condition};
use super::words::message;

/// What is looked at of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its UID; empty where it has none.
    pub uid: String,
    /// What it belongs to: its controller ownerReference.
    pub owner: Option<OwnerView>,
    /// Which revision of its workload it is of: its label `pod-template-hash` (a ReplicaSet's) or `controller-revision-hash` (a
    /// StatefulSet's or DaemonSet's).
    pub template_hash: Option<String>,
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether it is being deleted: nothing is held against it then.
    pub is_deleting: bool,
    /// Whether it is ready.
    pub is_ready: bool,
    /// Whether it was ready once and is not any more.
    pub was_ready: bool,
    /// How often its containers were started again, all together.
    pub restarts: i64,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Since when it has not been ready; where it never was, since a kubelet has seen it.
    pub unready_since: Option<Timestamp>,
    /// Whether its volumes are mounted and its sandbox is there.
    pub is_set_up: bool,
    /// Why it has no node.
    pub unscheduled: Option<Unscheduled>,
    /// Why it is not ready although its containers are: its readiness gates.
    pub gate: Option<String>,
    /// Why it failed as a whole: evicted, refused by its node, …
    pub failure: Option<String>,
    /// Its containers, as far as they have something to tell.
    pub containers: Vec<ContainerView>,
}

/// What a pod belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerView {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not all containers were started yet.
    Pending,
    /// It has a node, and all containers were started.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, not all of them well.
    Failed,
    /// Its node does not say.
    Unknown,
}

/// Why a pod has no node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unscheduled {
    /// Whether somebody holds it back on purpose: a scheduling gate.
    pub is_gated: bool,
    /// The scheduler's words.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// A pod that never was ready became unready in the moment in which its kubelet saw it. Both times are whole seconds.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

impl PodView {
    /// The view of a pod; none of what has no name. What is absent is lenient: a running pod without conditions is as ready as its
    /// containers are.
    pub fn read(pod: &Value) -> Option<Self> {
        let live = Live(pod);
        let phase = Phase::read(live.text("/status/phase"));
        let is_ready = is_ready(live, phase);
        let start = live.time("/status/startTime").or_else(|| live.time("/metadata/creationTimestamp"));
        let unready = live.condition("Ready").filter(|ready| !ready.is("True"));
        let unready_since = unready.and_then(|ready| ready.since).or(start).filter(|_| !is_ready);
        let was_ready = start.zip(unready_since).is_some_and(|(start, since)| since > after(start, ROUNDING));
        let gate = unready.filter(|ready| ready.reason == "ReadinessGatesNotReady");
        Some(Self {
            name: text(pod, "/metadata/name")?.to_owned(),
            uid: live.uid().to_owned(),
            owner: owner(pod),
            template_hash: template_hash(pod),
            phase,
            is_deleting: text(pod, "/metadata/deletionTimestamp").is_some(),
            is_ready,
            was_ready,
            restarts: statuses(live).filter_map(|(status, _)| status.get("restartCount")?.as_i64()).sum(),
            created_at: live.time("/metadata/creationTimestamp"),
            unready_since,
            is_set_up: live.condition("PodReadyToStartContainers").is_some_and(|set_up| set_up.is("True")),
            unscheduled: unscheduled(live).filter(|_| phase == Phase::Pending),
            gate: gate.map(|gate| message(gate.words_or("no reason is given"))),
            failure: failure(live).filter(|_| phase == Phase::Failed),
            containers: statuses(live).filter_map(|(status, is_init)| ContainerView::read(status, is_init)).collect(),
        })
    }

    /// Whether it has done all that it will do.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }
}

impl Phase {
    fn read(phase: &str) -> Self {
        match phase {
            "Running" => Self::Running,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            "Unknown" => Self::Unknown,
            _ => Self::Pending,
        }
    }
}

fn statuses(live: Live<'_>) -> impl Iterator<Item = (&Value, bool)> {
    let init = live.list("/status/initContainerStatuses").iter().map(|status| (status, true));
    init.chain(live.list("/status/containerStatuses").iter().map(|status| (status, false)))
}

fn is_ready(live: Live<'_>, phase: Phase) -> bool {
    let containers_are = || {
        phase == Phase::Running
            && live.list("/status/containerStatuses").iter().all(|status| status["ready"] == Value::Bool(true))
    };
    live.condition("Ready").map_or_else(containers_are, |ready| ready.is("True"))
}

fn owner(pod: &Value) -> Option<OwnerView> {
    let owner = controlling_owner(pod)?;
    let owned = |pointer| text(owner, pointer).map(str::to_owned);
    Some(OwnerView { kind: owned("/kind")?, name: owned("/name")?, uid: owned("/uid")? })
}

fn template_hash(pod: &Value) -> Option<String> {
    let labels = pod.get("metadata")?.get("labels")?;
    let label = |key| labels.get(key)?.as_str().map(str::to_owned);
    label("pod-template-hash").or_else(|| label("controller-revision-hash"))
}

fn unscheduled(live: Live<'_>) -> Option<Unscheduled> {
    let conditions = live.list("/status/conditions");
    let scheduled = condition(conditions, "PodScheduled").filter(|scheduled| scheduled.is("False"))?;
    Some(Unscheduled {
        is_gated: scheduled.reason == "SchedulingGated",
        message: message(without_preemption(scheduled.words_or("no reason is given"))),
        since: scheduled.since.or_else(|| live.time("/metadata/creationTimestamp")),
    })
}

/// The scheduler's words without what would happen if it threw other pods out, which says the same once more.
fn without_preemption(message: &str) -> &str {
    let end = message.find("preemption: ").unwrap_or(message.len());
    let words = message[..end].trim_end();
    words.strip_suffix("no new claims to deallocate,").unwrap_or(words).trim_end()
}

/// `evicted: The node was low on resource: memory.`
fn failure(live: Live<'_>) -> Option<String> {
    let reason = live.text("/status/reason");
    let words = live.text("/status/message");
    let parts = [if reason == "Evicted" { "evicted" } else { reason }, words];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Some(message(&parts.join(": "))).filter(|failure| !failure.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn identity_and_revision_are_read() {
        let mut pod = json!({"metadata": {
            "name": "web-1", "uid": "u1", "labels": {"pod-template-hash": "abc"},
            "ownerReferences": [
                {"kind": "Node", "name": "n", "uid": "u0"},
                {"kind": "ReplicaSet", "name": "web", "uid": "u2", "controller": true},
            ],
        }});
        let view = PodView::read(&pod).unwrap();
        let owner = OwnerView { kind: "ReplicaSet".to_owned(), name: "web".to_owned(), uid: "u2".to_owned() };
        assert_eq!((view.name.as_str(), view.uid.as_str(), view.owner), ("web-1", "u1", Some(owner)));
        assert_eq!(view.template_hash.as_deref(), Some("abc"));
        pod["metadata"]["labels"] = json!({"controller-revision-hash": "web-5"});
        assert_eq!(PodView::read(&pod).unwrap().template_hash.as_deref(), Some("web-5"));
        assert_eq!(PodView::read(&json!({"metadata": {}})), None);
    }

    #[test]
    fn readiness_is_read_leniently() {
        let pod = |status: Value| PodView::read(&json!({"metadata": {"name": "a"}, "status": status})).unwrap();
        assert!(pod(json!({"phase": "Running"})).is_ready);
        assert!(pod(json!({"phase": "Running", "containerStatuses": [{"ready": true}]})).is_ready);
        assert!(!pod(json!({"phase": "Running", "containerStatuses": [{"ready": true}, {}]})).is_ready);
        assert!(!pod(json!({"phase": "Pending"})).is_ready);
        let unready = json!([{"type": "Ready", "status": "False"}]);
        assert!(
            !pod(json!({"phase": "Running", "conditions": unready, "containerStatuses": [{"ready": true}]})).is_ready
        );
    }

    #[test]
    fn a_pod_that_was_ready_is_told_from_one_that_never_was() {
        let pod = |start: &str, unready: &str| {
            let ready = json!({"type": "Ready", "status": "False", "lastTransitionTime": unready});
            let status = json!({"phase": "Running", "startTime": start, "conditions": [ready]});
            PodView::read(&json!({"metadata": {"name": "a"}, "status": status})).unwrap().was_ready
        };
        assert!(!pod("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"));
        assert!(!pod("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"));
        assert!(pod("2026-01-01T00:00:00Z", "2026-01-01T00:00:02Z"));
    }

    #[test]
    fn the_schedulers_words_are_said_once() {
        let cases = [
            ("0/2 nodes are available: 2 Insufficient cpu.", "0/2 nodes are available: 2 Insufficient cpu."),
            (
                "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.",
                "0/2 nodes are available: 2 Insufficient cpu.",
            ),
            (
                "0/1 nodes are available: 1 Too many pods. no new claims to deallocate, preemption: 0/1 nodes are available.",
                "0/1 nodes are available: 1 Too many pods.",
            ),
        ];
        for (message, expected) in cases {
            assert_eq!(without_preemption(message), expected);
        }
    }
}
