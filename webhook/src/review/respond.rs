//! What the API server is told. Our own type: the patch is base64 as the API has it, and a denial carries its causes.

mod patch;
mod status;

use std::collections::{BTreeMap, HashSet};

use data_encoding::BASE64;
use release_shared::names;
use release_shared::object::{annotation, owners, printable, text};
use release_shared::record::Stamp;
use release_shared::validate::{Bypass, is_unrecorded_deletion};
use release_shared::violation::{Findings, Permission, RestsOn, Violation};
use serde::Serialize;
use serde_json::Value;

use super::Request;
use crate::events::Unrecorded;

/// How many faults or warnings are told one by one. An object of 3 MB has room for more than anybody reads, or the API server takes.
const MOST_TOLD: usize = 100;

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
    open: Vec<RestsOn>,
    record: Option<String>,
    unrecorded: Option<Unrecorded>,
    bypass: Bypass,
}

/// `AdmissionReview` of admission.k8s.io/v1.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: &'a Response,
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
        Self {
            facts,
            response,
            refusals: Vec::new(),
            missing: Vec::new(),
            open: Vec::new(),
            record: None,
            unrecorded: None,
            bypass: Bypass::default(),
        }
    }

    /// Permission, with nothing to add.
    pub(super) fn allowed(facts: Facts) -> Self {
        Self::new(facts, true)
    }

    /// Permission to delete; who deleted what stands in the API server's audit log, and that nobody recorded it.
    pub(super) fn allow_deletion(request: &Request<'_>, findings: Findings) -> Self {
        let mut reply = Self::allowed(request.facts());
        reply.response.warnings = findings.warnings.iter().map(|warning| printable(&warning.to_string())).collect();
        reply.open = findings.open;
        let old = request.old.as_ref().unwrap_or(&Value::Null);
        let revision = annotation(old, names::REVISION).unwrap_or("0").to_owned();
        let mut notes = BTreeMap::from([("deleted-revision".to_owned(), revision.clone())]);
        if !request.dry_run() && is_unrecorded_deletion(request.kind, old) {
            notes.insert("bare".to_owned(), request.user().to_owned());
            reply.unrecorded = Some(Unrecorded {
                kind: request.kind,
                namespace: request.namespace().to_owned(),
                name: request.name().to_owned(),
                uid: text(old, "/metadata/uid").unwrap_or_default().to_owned(),
                revision,
                user: request.user().to_owned(),
            });
        }
        reply.response.audit_annotations = notes;
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
        if let Some(patch) = patch::json(sent, defaults, stamp) {
            reply.response.patch_type = Some("JSONPatch");
            reply.response.patch = Some(BASE64.encode(&patch));
        }
        let told = findings.missing.iter().chain(&findings.warnings).take(MOST_TOLD).map(ToString::to_string);
        let rest = (findings.missing.len() + findings.warnings.len()).saturating_sub(MOST_TOLD);
        let told = told.chain((rest > 0).then(|| more(rest))).chain(stamp.warning.clone());
        reply.response.warnings = told.map(|said| printable(&said)).collect();
        reply.missing = findings.missing;
        reply.record = stamp.record.clone();
        reply
    }

    /// Permission after everybody else has had their turn. The record's hash goes to the API server's audit log, where nobody who may
    /// write the object can change it; so do new owners, since the garbage collector deletes what has none left, and the hook of
    /// deletions does not ask who was behind that.
    pub(super) fn verified(request: &Request<'_>, record: Option<String>) -> Self {
        let mut reply = Self::allowed(request.facts());
        let before = request.old.as_ref().and_then(|old| text(old, "/metadata/resourceVersion")).unwrap_or("0");
        let hash = record.clone().map(|hash| (format!("record-{before}"), hash));
        let owners = new_owners(request).map(|owners| (format!("owners-{before}"), owners));
        if !request.dry_run() {
            reply.response.audit_annotations.extend(hash.into_iter().chain(owners));
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
        let status = status::of(&facts, &findings);
        let mut reply = Self::new(facts, false);
        reply.response.status = Some(status);
        reply.refusals = findings.violations;
        reply.missing = findings.missing;
        reply
    }

    /// The same, and which rules were gone past. Those go to the API server's audit log, which keeps them when the object is gone.
    pub(super) fn with_bypass(mut self, bypass: Bypass) -> Self {
        if self.is_allowed() && !bypass.past.is_empty() {
            self.response.audit_annotations.insert("bypass".into(), bypass.past.join(","));
        }
        self.bypass = bypass;
        self
    }

    /// The same, which rests on what has not been looked at yet.
    pub(super) fn resting_on(mut self, open: Vec<RestsOn>) -> Self {
        self.open.extend(open);
        self
    }

    /// The reply as the API server reads it.
    pub(crate) fn body(&self) -> Vec<u8> {
        let review = Review { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response: &self.response };
        serde_json::to_vec(&review).unwrap_or_default()
    }

    /// What is logged of the request.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether there is a request that it answers. A reply without its uid is one that the API server does not take.
    pub(crate) fn has_uid(&self) -> bool {
        !self.facts.uid.is_empty()
    }

    /// Whether a fault of that code is among those for which it is refused.
    pub(super) fn refuses(&self, code: &str) -> bool {
        self.refusals.iter().any(|violation| violation.code == code)
    }

    /// Whether the write goes on.
    pub(crate) fn is_allowed(&self) -> bool {
        self.response.allowed
    }

    /// The rules that refused, each once.
    pub(crate) fn refusal_codes(&self) -> impl Iterator<Item = &'static str> {
        let mut seen = HashSet::new();
        self.refusals.iter().map(|violation| violation.code).filter(move |code| seen.insert(*code))
    }

    /// The same, comma-separated.
    pub(crate) fn codes(&self) -> String {
        self.refusal_codes().collect::<Vec<_>>().join(",")
    }

    /// The rules that were gone past with permission, comma-separated; `None` where there are none.
    pub(crate) fn bypassed(&self) -> Option<String> {
        (self.is_allowed() && !self.bypass.past.is_empty()).then(|| self.bypass.past.join(","))
    }

    /// The permissions that would make the reply another one.
    pub(crate) fn unasked(&self) -> &[Permission] {
        &self.bypass.unasked
    }

    /// The hash of the record that the write makes.
    pub(crate) fn record(&self) -> Option<&str> {
        self.record.as_deref()
    }

    /// What else in the cluster the reply rests on.
    pub(crate) fn unconfirmed(&self) -> impl Iterator<Item = &RestsOn> {
        let told = self.refusals.iter().chain(&self.missing);
        told.filter_map(|violation| violation.rests_on.as_ref()).chain(&self.open)
    }

    /// The deletion that it lets through and that no record speaks of.
    pub(crate) fn unrecorded(&self) -> Option<&Unrecorded> {
        self.unrecorded.as_ref()
    }
}

/// How many owners of an object are told.
const MOST_OWNERS: usize = 16;

/// The owners that an object has from now on, `<kind> <name> <uid>`, comma-separated; `None` where they stay.
fn new_owners(request: &Request<'_>) -> Option<String> {
    let [new, old] = [&request.new, &request.old].map(|object| object.as_ref().map(owners).unwrap_or_default());
    let told =
        |owner: &Value| ["/kind", "/name", "/uid"].map(|pointer| text(owner, pointer).unwrap_or_default()).join(" ");
    let told: Vec<_> = new.iter().take(MOST_OWNERS).map(told).collect();
    (new != old).then(|| printable(&told.join(", ")))
}

/// What stands for faults or warnings that are not told one by one.
fn more(count: usize) -> String {
    format!("{count} more are not shown: begin with these")
}
