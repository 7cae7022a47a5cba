use serde_json::{Map, Value};

use crate::names;

use super::live::group;

/// The kinds of which metadata alone says everything: they have no status.
const WITHOUT_STATUS: [(&str, &[&str]); 14] = [
    ("", &["ConfigMap", "Endpoints", "Event", "LimitRange", "PodTemplate", "Secret", "ServiceAccount"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apps", &["ControllerRevision"]),
    ("certificates.k8s.io", &["ClusterTrustBundle"]),
    ("coordination.k8s.io", &["Lease", "LeaseCandidate"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("events.k8s.io", &["Event"]),
    ("gateway.networking.k8s.io", &["ReferenceGrant"]),
    ("networking.k8s.io", &["IPAddress", "IngressClass", "NetworkPolicy"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "ResourceClaimTemplate"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "CSIStorageCapacity", "StorageClass", "VolumeAttributesClass"]),
];

/// What the rules read of a spec.
const SPEC: [(&str, &str, &[&str]); 8] = [
    ("", "ReplicationController", &["replicas"]),
    ("", "Service", &["type"]),
    ("apps", "DaemonSet", &["updateStrategy"]),
    ("apps", "Deployment", &["paused", "progressDeadlineSeconds", "replicas"]),
    ("apps", "ReplicaSet", &["replicas"]),
    ("apps", "StatefulSet", &["replicas", "updateStrategy"]),
    ("batch", "CronJob", &["suspend"]),
    ("batch", "Job", &["completions", "suspend"]),
];

/// What is kept of the metadata.
const METADATA: [&str; 10] = [
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "labels",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "uid",
];

/// What is kept of the annotations besides our own: which of a Deployment's ReplicaSets is the current one.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Whether [`assess`](super::assess) needs more of a kind than its metadata.
pub fn needs_object(group: &str, kind: &str) -> bool {
    !WITHOUT_STATUS.iter().any(|(of, kinds)| *of == group && kinds.contains(&kind))
}

/// What is kept of a live object: what identifies it, what [`assess`](super::assess) reads, and the whole `.status`; of a Secret its
/// metadata only. What is no object is nothing.
pub fn trim(object: Value) -> Value {
    let (group, kind) = (group(&object).to_owned(), kind(&object).to_owned());
    let Value::Object(mut object) = object else { return Value::Null };
    let is_secret = group.is_empty() && kind == "Secret";
    let mut kept = Map::new();
    for key in ["apiVersion", "kind", "status"] {
        if !(is_secret && key == "status") {
            take(&mut object, key, &mut kept);
        }
    }
    if let Some(Value::Object(metadata)) = object.remove("metadata") {
        kept.insert("metadata".to_owned(), trim_metadata(metadata).into());
    }
    let of_spec = SPEC.iter().find(|(of, name, _)| *of == group && *name == kind).map(|(_, _, fields)| *fields);
    let is_route = group == "gateway.networking.k8s.io" && kind.ends_with("Route");
    if let Some(fields) = of_spec.or_else(|| is_route.then_some(&["parentRefs"]))
        && let Some(Value::Object(mut spec)) = object.remove("spec")
    {
        let mut kept_spec = Map::new();
        fields.iter().for_each(|field| take(&mut spec, field, &mut kept_spec));
        kept.insert("spec".to_owned(), kept_spec.into());
    }
    kept.into()
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

fn trim_metadata(mut metadata: Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    METADATA.iter().for_each(|key| take(&mut metadata, key, &mut kept));
    if let Some(Value::Object(mut annotations)) = metadata.remove("annotations") {
        let is_ours = |key: &str| key.split_once('/').is_some_and(|(domain, _)| domain.ends_with(names::GROUP));
        annotations.retain(|key, _| key == REVISION || is_ours(key));
        if !annotations.is_empty() {
            kept.insert("annotations".to_owned(), annotations.into());
        }
    }
    kept
}

fn take(from: &mut Map<String, Value>, key: &str, to: &mut Map<String, Value>) {
    if let Some((key, value)) = from.remove_entry(key) {
        to.insert(key, value);
    }
}
