//! Envelope first, objects second: a reply always carries the right uid, whatever the objects are.

use std::borrow::Cow;
use std::collections::BTreeSet;

use release_shared::kinds::Kind;
use release_shared::object::text;
use release_shared::outline::Outline;
use release_shared::record::{self, Content, Signer};
use release_shared::types::{dns_label_fault, dns_subdomain_fault};
use release_shared::violation::{FieldPath, Findings, Violation};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Mode;
use super::envelope::{Envelope, Review, Subject, UserInfo};
use super::respond::{Facts, Reply};
use super::uid;

/// What the API server asks, with its objects parsed.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    body: &'a [u8],
    facts: Facts,
    user_info: UserInfo<'a>,
    manager: Option<Cow<'a, str>>,
    /// The kind of the object.
    pub(crate) kind: Kind,
    /// The object as it would be; `None` on deletion.
    pub(crate) new: Option<Value>,
    /// The object as it is; `None` on creation.
    pub(crate) old: Option<Value>,
    /// What is recorded of both, where they are in outline.
    pub(crate) contents: Option<(Content, Option<Content>)>,
}

impl Request<'_> {
    /// The namespace of the object.
    pub(crate) fn namespace(&self) -> &str {
        &self.facts.namespace
    }

    /// The name of the object; empty where the server is to make one up. Where a whole collection is deleted, the request has none,
    /// and each object has its own.
    pub(crate) fn name(&self) -> &str {
        let named = || text(self.old.as_ref()?, "/metadata/name");
        Some(self.facts.name.as_str()).filter(|name| !name.is_empty()).or_else(named).unwrap_or_default()
    }

    /// Whether the object is to be deleted.
    pub(crate) fn is_deletion(&self) -> bool {
        self.new.is_none()
    }

    /// Who asks.
    pub(crate) fn user(&self) -> &str {
        &self.facts.user
    }

    /// The same with all that an authorizer looks at. What cannot be read gives nobody a right.
    pub(crate) fn subject(&self) -> Subject {
        self.user_info.subject()
    }

    /// The field manager of the request.
    pub(crate) fn manager(&self) -> Option<&str> {
        self.manager.as_deref()
    }

    /// The same with its objects read as a whole, where they are in outline.
    pub(crate) fn whole(&self) -> Option<Self> {
        self.contents.as_ref().and_then(|_| whole(self.body).ok())
    }

    /// Whether nothing will be persisted.
    pub(crate) fn dry_run(&self) -> bool {
        self.facts.dry_run
    }

    /// The keys that are not known here, of those that what this write records is signed with, or, before it is recorded, what it follows on.
    pub(crate) fn unknown_keys(&self, mode: Mode, signer: &Signer) -> BTreeSet<String> {
        let old = self.old.as_ref();
        match (mode, &self.new) {
            (Mode::Mutate, _) => record::followed_unknown_key(old, signer).into_iter().collect(),
            (Mode::Validate, Some(new)) => record::unknown_keys(new, old, signer),
            (Mode::Validate, None) => BTreeSet::new(),
        }
    }

    /// What is logged of it and repeated in the reply.
    pub(crate) fn facts(&self) -> Facts {
        Facts { name: self.name().to_owned(), ..self.facts.clone() }
    }
}

/// Reads a review.
///
/// # Errors
/// The reply to give at once: where there is a uid, a denial or permission that carries it.
pub(crate) fn decode(body: &[u8]) -> Result<Request<'_>, Box<Reply>> {
    let mut request = match in_outline(body) {
        Some(request) => request,
        None => whole(body)?,
    };
    let is_change = matches!(request.facts.operation.as_str(), "CREATE" | "UPDATE");
    let wrong = match (request.facts.operation.as_str(), &request.new) {
        ("CREATE" | "UPDATE", Some(_)) | ("DELETE", _) => misplaced(&request),
        _ if is_change => Some("the request has no object"),
        _ => Some("the operation is none of CREATE, UPDATE, DELETE and CONNECT"),
    };
    if let Some(wrong) = wrong {
        return Err(Box::new(Reply::denied_for(request.facts(), unreadable(wrong))));
    }
    request.new.take_if(|_| !is_change);
    Ok(request)
}

/// What is wrong with where the object is: what no API server sends would lead a look-up to somewhere else. The name that a new object
/// would have is judged by a rule.
fn misplaced(request: &Request<'_>) -> Option<&'static str> {
    let name = request.name();
    if dns_label_fault(request.namespace()).is_some() {
        Some("its namespace is no name of a namespace")
    } else if request.facts.operation != "CREATE" && dns_subdomain_fault(name).is_some() {
        Some("its name is no name of an object")
    } else {
        None
    }
}

/// The review in one pass, where all of it is as the API server writes it and nothing in it needs a closer look. What is none has
/// to be read in steps, which tell why.
fn in_outline(body: &[u8]) -> Option<Request<'_>> {
    let text = std::str::from_utf8(body).ok()?;
    let review: Review<'_, Envelope<'_, Outline>> = serde_json::from_str(text).ok()?;
    let envelope = review.is_known().then_some(review.request)??;
    let (kind, facts, manager) = (envelope.kind()?, envelope.facts(), envelope.manager());
    let (new, new_content) = apart(envelope.object);
    let (old, old_content) = apart(envelope.old_object);
    let are_outlines = [(&new, &new_content), (&old, &old_content)]
        .into_iter()
        .all(|(object, content)| object.is_none() || content.is_some() == (kind == Kind::Release));
    let contents = new_content.map(|new| (new, old_content));
    are_outlines.then_some(Request { body, facts, user_info: envelope.user_info, manager, kind, new, old, contents })
}

fn apart(outline: Option<Outline>) -> (Option<Value>, Option<Content>) {
    outline.map_or((None, None), |outline| (Some(outline.value), outline.content))
}

fn whole(body: &[u8]) -> Result<Request<'_>, Box<Reply>> {
    let review: Review<'_, &RawValue> = serde_json::from_slice(body).map_err(|error| none(body, &error.to_string()))?;
    if !review.is_known() {
        let what = format!(
            "{} {} is not supported: send admission.k8s.io/v1 AdmissionReview",
            review.api_version, review.kind
        );
        return Err(none(body, &what));
    }
    let request = review.request.ok_or_else(|| none(body, "the review has no request"))?;
    let envelope: Envelope<'_, &RawValue> =
        serde_json::from_str(request.get()).map_err(|error| none(body, &error.to_string()))?;
    let facts = envelope.facts();
    let Some(kind) = envelope.kind() else {
        // Not ours to judge; a configuration that sends it here is wider than ours.
        return Err(Box::new(Reply::allowed(facts)));
    };
    let parsed = object(envelope.object).and_then(|new| Ok((new, object(envelope.old_object)?)));
    let (new, old) = match parsed {
        Ok(objects) => objects,
        // What is stored already and cannot be read must still be deleted, labelled and let go of.
        Err(_) if envelope.operation == "DELETE" || envelope.leaves_content_alone() => {
            return Err(Box::new(Reply::allowed(facts)));
        }
        Err(error) => return Err(Box::new(Reply::denied_for(facts, not_json(&error)))),
    };
    Ok(Request {
        body,
        manager: envelope.manager(),
        facts,
        user_info: envelope.user_info,
        kind,
        new,
        old,
        contents: None,
    })
}

fn object(raw: Option<&RawValue>) -> Result<Option<Value>, serde_json::Error> {
    raw.filter(|raw| raw.get() != "null").map(|raw| serde_json::from_str(raw.get())).transpose()
}

fn not_json(error: &serde_json::Error) -> Findings {
    let message =
        format!("the object cannot be read ({error}): it is nested too deep, or holds a number that no client reads");
    let mut findings = Findings::none();
    findings.violate(Violation::fault(FieldPath::root("spec"), "Unreadable", message));
    findings
}

fn unreadable(what: &str) -> Findings {
    let mut findings = Findings::none();
    findings.violate(Violation::fault(FieldPath::empty(), "Unreadable", format!("the review cannot be read: {what}")));
    findings
}

/// The reply to what is no review.
fn none(body: &[u8], what: &str) -> Box<Reply> {
    let facts = Facts { uid: uid::find(body).unwrap_or_default(), ..Facts::default() };
    Box::new(Reply::denied_for(facts, unreadable(what)))
}

/// The reply to a review of more than `limit` bytes, from its first bytes.
pub(crate) fn too_large(start: &[u8], limit: usize) -> Reply {
    let facts = Facts { uid: uid::find(start).unwrap_or_default(), ..Facts::default() };
    let message = format!("the review has more than {limit} bytes: split the object");
    let mut findings = Findings::none();
    findings.violate(Violation::fault(FieldPath::empty(), "TooLarge", message));
    Reply::denied_for(facts, findings)
}
