//! What the tables beside the rules are made of, and what holds for every rule.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The clock of the tables.
pub(super) fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

/// A row of a table: what it is about; the object, then pods and events, as YAML in which `T-90` is a time 90 seconds ago; and
/// `Health: cause`, with ` @30` behind it where one has to look again in 30 seconds.
pub(super) type Case<'a> = (&'a str, &'a [&'a str], &'a str);

/// A pod that has been ready for long.
pub(super) const READY: &str = "{kind: Pod, metadata: {name: web-1, uid: p1, creationTimestamp: T-900}, \
    status: {phase: Running, startTime: T-900, conditions: [{type: Ready, status: 'True', lastTransitionTime: T-890}], \
    containerStatuses: [{name: app, ready: true, state: {running: {startedAt: T-895}}}]}}";
/// The same, not ready for a moment.
pub(super) const NOT_READY_ANY_MORE: &str = "{kind: Pod, metadata: {name: web-1, uid: p1, creationTimestamp: T-900}, \
    status: {phase: Running, startTime: T-900, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-5}], \
    containerStatuses: [{name: app, ready: false, state: {running: {startedAt: T-895}}}]}}";
/// A pod that runs since a moment ago, and has not been ready.
pub(super) const NOT_READY_YET: &str = "{kind: Pod, metadata: {name: web-2, uid: p2, creationTimestamp: T-20}, \
    status: {phase: Running, startTime: T-20, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-20}], \
    containerStatuses: [{name: app, ready: false, state: {running: {startedAt: T-18}}}]}}";
/// A pod that its kubelet prepares.
pub(super) const STARTING: &str = "{kind: Pod, metadata: {name: web-3, uid: p3, creationTimestamp: T-20}, \
    status: {phase: Pending, startTime: T-20, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-20}], \
    containerStatuses: [{name: app, ready: false, state: {waiting: {reason: ContainerCreating}}}]}}";
/// A pod whose image is not there.
pub(super) const NO_IMAGE: &str = "{kind: Pod, metadata: {name: web-4, uid: p4, creationTimestamp: T-20}, \
    status: {phase: Pending, startTime: T-20, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-20}], \
    containerStatuses: [{name: app, image: 'shop:2', ready: false, state: {waiting: {reason: ErrImagePull, message: 'not found'}}}]}}";
/// A pod that has been crashing for 40 seconds, and never was ready.
pub(super) const CRASHING: &str = "{kind: Pod, metadata: {name: web-5, uid: p5, creationTimestamp: T-40}, \
    status: {phase: Running, startTime: T-40, conditions: [{type: Ready, status: 'False', lastTransitionTime: T-40}], \
    containerStatuses: [{name: app, ready: false, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}, \
    lastState: {terminated: {exitCode: 1, reason: Error, startedAt: T-20, finishedAt: T-15}}}]}}";
/// A pod that failed for good.
pub(super) const EVICTED: &str = "{kind: Pod, metadata: {name: web-6, uid: p6, creationTimestamp: T-300}, \
    status: {phase: Failed, reason: Evicted, message: 'The node was low on resource: memory.', startTime: T-300}}";

/// Judges each row, whole and trimmed.
pub(super) fn check(cases: &[Case<'_>]) {
    for (name, documents, expected) in cases {
        let mut documents = read(&documents.join("\n---\n")).into_iter();
        let object = documents.next().unwrap();
        let documents: Vec<_> = documents.collect();
        let pods: Vec<_> = documents.iter().filter(|it| it["kind"] == "Pod").filter_map(PodView::read).collect();
        let events: Vec<_> = documents.iter().filter(|it| it["kind"] == "Event").filter_map(EventView::read).collect();
        assert_eq!(pods.len() + events.len(), documents.len(), "{name}: a document is neither a pod nor a warning");
        let pods: Vec<_> = pods.iter().collect();
        let events: Vec<_> = events.iter().collect();
        let around = Around { pods: &pods, events: &events, now: now() };
        let assessment = assess(&object, &around);
        assert_eq!(words(&assessment), *expected, "{name}");
        assert_eq!(assess(&trim(object), &around), assessment, "{name}: trimmed");
    }
}

/// Reads YAML in which times stand as `T-90`.
pub(super) fn read(text: &str) -> Vec<Value> {
    let mut parts = text.split("T-");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let seconds = part[..digits].parse().unwrap();
        let time = now() - SignedDuration::from_secs(seconds);
        whole.push_str(&format!("\"{time}\"{}", &part[digits..]));
    }
    let documents = crate::yaml::read(&whole).unwrap_or_else(|error| panic!("{error}\n{whole}"));
    documents.into_iter().map(|document| document.value).collect()
}

/// An assessment as the tables write it.
pub(super) fn words(assessment: &Assessment) -> String {
    let cause = assessment.cause.as_deref().map_or(String::new(), |cause| format!(": {cause}"));
    let again = assessment.recheck_at.map(|at| at.duration_since(now()).as_secs());
    let again = again.map_or(String::new(), |seconds| format!(" @{seconds}"));
    format!("{}{cause}{again}", assessment.health)
}

#[test]
fn what_is_no_object_is_unknown() {
    let around = Around { pods: &[], events: &[], now: now() };
    for value in [json!(null), json!("Deployment"), json!([])] {
        assert_eq!(words(&assess(&value, &around)), "Unknown: is not a Kubernetes object");
    }
}

#[test]
fn what_is_being_deleted_is_on_its_way() {
    check(&[
        (
            "whatever it is",
            &["{apiVersion: apps/v1, kind: Deployment, metadata: {deletionTimestamp: T-5}, spec: {paused: true}}"],
            "Progressing: is being deleted",
        ),
        (
            "with what holds it",
            &[
                "{apiVersion: v1, kind: ConfigMap, metadata: {deletionTimestamp: T-5, finalizers: [a/b, foregroundDeletion]}}",
            ],
            "Progressing: is being deleted; waits for a/b, foregroundDeletion",
        ),
    ]);
}

#[test]
fn what_has_no_status_is_well_by_its_metadata() {
    for (group, kind) in [("", "ConfigMap"), ("", "Secret"), ("rbac.authorization.k8s.io", "Role")] {
        assert!(!needs_object(group, kind), "{kind}.{group}");
        let object = json!({"apiVersion": format!("{group}/v1").trim_start_matches('/'), "kind": kind, "metadata": {"name": "a", "generation": 3}});
        let around = Around { pods: &[], events: &[], now: now() };
        assert_eq!(assess(&object, &around), Assessment::healthy());
    }
    for (group, kind) in [("apps", "Deployment"), ("networking.k8s.io", "Ingress"), ("example.com", "ConfigMap")] {
        assert!(needs_object(group, kind), "{kind}.{group}");
    }
}

/// Keys and values that the rules look for, so that what is arbitrary gets somewhere.
const WORDS: [&str; 82] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "uid",
    "generation",
    "labels",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
    "ownerReferences",
    "controller",
    "annotations",
    "observedGeneration",
    "conditions",
    "type",
    "reason",
    "message",
    "lastTransitionTime",
    "lastUpdateTime",
    "phase",
    "startTime",
    "containerStatuses",
    "initContainerStatuses",
    "state",
    "lastState",
    "waiting",
    "running",
    "terminated",
    "exitCode",
    "startedAt",
    "finishedAt",
    "restartCount",
    "ready",
    "image",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "paused",
    "suspend",
    "parents",
    "parentRefs",
    "parentRef",
    "involvedObject",
    "regarding",
    "fieldPath",
    "lastTimestamp",
    "firstTimestamp",
    "True",
    "False",
    "Unknown",
    "Warning",
    "Running",
    "Pending",
    "Failed",
    "Ready",
    "Progressing",
    "Available",
    "ReplicaFailure",
    "ProgressDeadlineExceeded",
    "NewReplicaSetAvailable",
    "PodScheduled",
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "CreateContainerError",
    "Unhealthy",
    "FailedCreate",
    "FailedMount",
    "Liveness probe failed: dial tcp",
    "Accepted",
    "ScalingActive",
    "desiredNumberScheduled",
    "updateStrategy",
    "partition",
    "rollingUpdate",
    "2026-01-01T11:59:30Z",
    "-009999-01-02T01:59:59Z",
    "9999-12-30T22:00:00Z",
];

const KINDS: [(&str, &str); 18] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Secret"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Namespace"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "Ingress"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("example.com/v1", "Thing"),
];

fn any_value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(&WORDS[..]);
    let number = prop_oneof![Just(i64::MIN), Just(i64::MAX), -1..10_i64];
    let leaf = prop_oneof![
        4 => word.clone().prop_map(Value::from),
        2 => number.prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => ".{0,9}".prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        let entry = (word.clone().prop_map(str::to_owned), inner.clone());
        prop_oneof![
            2 => prop::collection::vec(entry, 0..7).prop_map(|entries| entries.into_iter().collect::<Value>()),
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

/// An object whose parts have the right names and hold anything.
fn any_object() -> impl Strategy<Value = Value> {
    let status = {
        let condition = (0..WORDS.len(), 0..3_usize, 0..WORDS.len(), any_value());
        let conditions = prop::collection::vec(condition, 0..4).prop_map(|conditions| {
            let condition = |(kind, status, reason, message): (usize, usize, usize, Value)| {
                json!({"type": WORDS[kind], "status": (["True", "False", "Unknown"][status]), "reason": WORDS[reason],
                    "message": message, "lastTransitionTime": "2026-01-01T11:59:30Z"})
            };
            conditions.into_iter().map(condition).collect::<Vec<_>>()
        });
        let containers = prop::collection::vec((0..WORDS.len(), any_value(), -1..9_i64), 0..3).prop_map(|containers| {
            let container = |(reason, rest, restarts): (usize, Value, i64)| {
                json!({"name": "app", "restartCount": restarts, "state": {"waiting": {"reason": WORDS[reason]}}, "lastState": rest})
            };
            containers.into_iter().map(container).collect::<Vec<_>>()
        });
        (any_value(), conditions, containers, prop::bool::ANY).prop_map(|(mut status, conditions, containers, keep)| {
            if let (Value::Object(status), true) = (&mut status, keep) {
                status.insert("conditions".to_owned(), conditions.into());
                status.insert("containerStatuses".to_owned(), containers.into());
            }
            status
        })
    };
    let kind = prop::sample::select(&KINDS[..]);
    (kind, any_value(), any_value(), status, any_value()).prop_map(|((version, kind), metadata, spec, status, data)| {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec, "status": status, "data": data});
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.insert("name".to_owned(), "a".into());
            metadata.insert("managedFields".to_owned(), "long".into());
        }
        object
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn trimming_changes_no_judgement_and_nothing_panics(
        object in prop_oneof![1 => any_value(), 4 => any_object()],
        others in prop::collection::vec(any_object(), 0..3),
    ) {
        let pods: Vec<_> = others.iter().filter_map(PodView::read).collect();
        let pods: Vec<_> = pods.iter().collect();
        let events: Vec<_> = others.iter().filter_map(EventView::read).collect();
        let events: Vec<_> = events.iter().collect();
        let around = Around { pods: &pods, events: &events, now: now() };
        let whole = assess(&object, &around);
        if let Some(cause) = &whole.cause {
            prop_assert!(!cause.is_empty() && cause.len() <= 400 && !cause.contains(char::is_control), "{}", cause);
        }
        prop_assert!(whole.health == Health::Healthy || whole.cause.is_some(), "{:?}", whole);
        prop_assert!(whole.recheck_at.is_none_or(|at| at > now()), "{:?}", whole);
        for pod in &pods {
            pod_cause(pod, now());
        }
        let trimmed = trim(object.clone());
        prop_assert_eq!(assess(&trimmed, &around), whole);
        prop_assert_eq!(trim(trimmed.clone()), trimmed, "trimming twice");
    }

    #[test]
    fn trimming_keeps_the_status_and_nothing_of_a_secret(object in any_object()) {
        let trimmed = trim(object.clone());
        if object["kind"] == "Secret" {
            let keys: Vec<_> = trimmed.as_object().unwrap().keys().map(String::as_str).collect();
            prop_assert!(keys.iter().all(|key| ["apiVersion", "kind", "metadata"].contains(key)), "{keys:?}");
        } else {
            prop_assert_eq!(&trimmed["status"], &object["status"]);
        }
        prop_assert_eq!(trimmed.pointer("/metadata/managedFields"), None);
        prop_assert_eq!(trimmed.get("data"), None);
    }
}

#[test]
fn what_is_trimmed_keeps_its_identity() {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "immutable": true,
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u1", "generation": 2, "resourceVersion": "7",
            "labels": {"app": "web"}, "managedFields": [{}], "selfLink": "x",
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "deployment.kubernetes.io/revision": "3",
                "release.openchoreo.dev/applied-hash": "abc",
            },
        },
        "spec": {"replicas": 2, "template": {"spec": {}}, "selector": {}},
        "status": {"replicas": 2, "unknown": [1]},
    });
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u1", "generation": 2, "resourceVersion": "7", "labels": {"app": "web"},
            "annotations": {"deployment.kubernetes.io/revision": "3", "release.openchoreo.dev/applied-hash": "abc"},
        },
        "spec": {"replicas": 2},
        "status": {"replicas": 2, "unknown": [1]},
    });
    assert_eq!(trim(object), expected);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "b"}, "stringData": {"a": "b"},
        "metadata": {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":1}"}},
    });
    assert_eq!(trim(secret), json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}));
    assert_eq!(trim(json!("text")), Value::Null);
}
