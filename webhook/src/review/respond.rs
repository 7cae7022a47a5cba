//! What the API server is told. Our own type: the patch is base64 as the API has it, and a denial carries its causes.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation};
use release_shared::names;
use release_shared::object::printable;
use release_shared::record::Stamp;
use release_shared::violation::{Class, Findings, RestsOn, Violation};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Request;

/// What is logged of a request and repeated in its reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) uid: String,
    pub(crate) user: String,
    pub(crate) operation: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dry_run: bool,
}

/// A reply, and what is logged of it.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    facts: Facts,
    response: Response,
    refusals: Vec<Violation>,
    missing: Vec<Violation>,
    record: Option<String>,
}

/// `AdmissionResponse` of admission.k8s.io/v1.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<String, String>,
}

impl Reply {
    fn new(facts: Facts, allowed: bool) -> Self {
        let response = Response { uid: facts.uid.clone(), allowed, ..Response::default() };
        Self { facts, response, refusals: Vec::new(), missing: Vec::new(), record: None }
    }

    /// Permission, with nothing to add.
    pub(super) fn allowed(facts: Facts) -> Self {
        Self::new(facts, true)
    }

    /// Permission to delete; who deleted what stands in the API server's audit log.
    pub(super) fn allow_deletion(request: &Request<'_>) -> Self {
        let mut reply = Self::allowed(request.facts());
        let last =
            request.old.as_ref().and_then(|old| old.pointer("/metadata/annotations")?.get(names::REVISION)?.as_str());
        reply.response.audit_annotations.insert("deleted-revision".into(), last.unwrap_or("0").to_owned());
        reply
    }

    /// Permission, with the patch that sets defaults and stamp.
    pub(super) fn stamped(
        request: &Request<'_>,
        sent: &Value,
        defaults: &[(&str, Value)],
        stamp: &Stamp,
        findings: Findings,
    ) -> Self {
        let mut reply = Self::allowed(request.facts());
        let mut patch: Vec<_> = defaults.iter().map(|(key, value)| add(&["spec", key], value.clone())).collect();
        patch.extend(stamp_operations(sent, stamp));
        if !patch.is_empty() {
            let text = serde_json::to_vec(&json_patch::Patch(patch)).unwrap_or_default();
            reply.response.patch_type = Some("JSONPatch");
            reply.response.patch = Some(BASE64.encode(&text));
        }
        let told = findings.missing.iter().chain(&findings.warnings).map(ToString::to_string);
        reply.response.warnings = told.chain(stamp.warning.clone()).map(|text| printable(&text)).collect();
        reply.missing = findings.missing;
        reply.record = stamp.record.clone();
        reply
    }

    /// Permission after everybody else has had their turn. The record's hash goes to the API server's audit log, where nobody who may
    /// write the object can change it.
    pub(super) fn verified(request: &Request<'_>, record: Option<String>) -> Self {
        let mut reply = Self::allowed(request.facts());
        if let Some(hash) = record.clone().filter(|_| !request.dry_run()) {
            let before = request.old.as_ref().and_then(|old| old.pointer("/metadata/resourceVersion")?.as_str());
            reply.response.audit_annotations.insert(format!("record-{}", before.unwrap_or("0")), hash);
        }
        reply.record = record;
        reply
    }

    /// A refusal with everything that is wrong.
    pub(super) fn denied(request: &Request<'_>, findings: Findings) -> Self {
        Self::denied_for(request.facts(), findings)
    }

    /// A refusal where the request itself could not be read.
    pub(super) fn denied_for(facts: Facts, findings: Findings) -> Self {
        let status = status(&facts, &findings);
        let mut reply = Self::new(facts, false);
        reply.response.status = Some(status);
        reply.refusals = findings.violations;
        reply.missing = findings.missing;
        reply
    }

    /// The reply as the API server reads it.
    pub(crate) fn body(&self) -> Vec<u8> {
        let review =
            json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": self.response });
        serde_json::to_vec(&review).unwrap_or_default()
    }

    /// What is logged of the request.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the write goes on.
    pub(crate) fn is_allowed(&self) -> bool {
        self.response.allowed
    }

    /// The rules that refused, comma-separated.
    pub(crate) fn codes(&self) -> String {
        self.refusals.iter().map(|violation| violation.code).collect::<Vec<_>>().join(",")
    }

    /// The hash of the record that the write makes.
    pub(crate) fn record(&self) -> Option<&str> {
        self.record.as_deref()
    }

    /// What else in the cluster the reply rests on.
    pub(crate) fn unconfirmed(&self) -> impl Iterator<Item = &RestsOn> {
        self.refusals.iter().chain(&self.missing).filter_map(|violation| violation.rests_on.as_ref())
    }
}

/// The operations that bring the annotations that are ours alone to what they must be.
fn stamp_operations(sent: &Value, stamp: &Stamp) -> Vec<PatchOperation> {
    let there = sent.pointer("/metadata/annotations").and_then(Value::as_object);
    if there.is_none() {
        if stamp.annotations.is_empty() {
            return Vec::new();
        }
        let all: Map<_, _> =
            stamp.annotations.iter().map(|(key, value)| ((*key).to_owned(), value.clone().into())).collect();
        return vec![add(&["metadata", "annotations"], Value::Object(all))];
    }
    let there = |key: &str| there.and_then(|annotations| annotations.get(key));
    let mut operations = Vec::new();
    for key in names::WEBHOOK_KEYS {
        match (stamp.annotations.get(key), there(key)) {
            (Some(value), found) if found.and_then(Value::as_str) != Some(value) => {
                operations.push(add(&["metadata", "annotations", key], value.clone().into()));
            }
            (None, Some(_)) => {
                let path = PointerBuf::from_tokens(["metadata", "annotations", key]);
                operations.push(PatchOperation::Remove(RemoveOperation { path }));
            }
            _ => {}
        }
    }
    operations
}

fn add(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(path.iter().copied()), value })
}

/// A `metav1.Status` that says everything: kubectl prints the causes of an `Invalid`, and the message of anything else.
fn status(facts: &Facts, findings: &Findings) -> Value {
    let (code, reason) = match findings.class() {
        Some(Class::Policy) => (403, "Forbidden"),
        Some(Class::Conflict) => (409, "Conflict"),
        Some(Class::Fault) | None => (422, "Invalid"),
    };
    let causes: Vec<_> = findings.violations.iter().map(cause).collect();
    json!({
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": printable(&findings.to_string()),
        "details": { "group": names::GROUP, "kind": facts.kind, "name": facts.name, "causes": causes }
    })
}

fn cause(violation: &Violation) -> Value {
    json!({ "reason": violation.code, "field": violation.path.as_str(), "message": printable(&violation.message) })
}
