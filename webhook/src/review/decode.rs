//! Envelope first, objects second: a reply always carries the right uid, whatever the objects are.

use std::borrow::Cow;

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::violation::{FieldPath, Findings, Violation};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::respond::{Facts, Reply};

/// What the API server asks, with its objects parsed.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    envelope: Envelope<'a>,
    manager: Option<String>,
    /// The kind of the object.
    pub(crate) kind: Kind,
    /// The object as it would be; `None` on deletion.
    pub(crate) new: Option<Value>,
    /// The object as it is; `None` on creation.
    pub(crate) old: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: Cow<'a, str>,
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
}

/// The request without its objects. (admission.k8s.io/v1, `AdmissionRequest`)
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    uid: String,
    kind: GroupKind,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    operation: String,
    #[serde(default)]
    user_info: UserInfo,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old_object: Option<&'a RawValue>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(borrow, default)]
    options: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct GroupKind {
    #[serde(default)]
    group: String,
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
struct UserInfo {
    #[serde(default)]
    username: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    field_manager: Option<String>,
}

impl Request<'_> {
    /// The namespace of the object.
    pub(crate) fn namespace(&self) -> &str {
        &self.envelope.namespace
    }

    /// The name of the object; empty where the server is to make one up.
    pub(crate) fn name(&self) -> &str {
        &self.envelope.name
    }

    /// Who asks.
    pub(crate) fn user(&self) -> &str {
        &self.envelope.user_info.username
    }

    /// The field manager of the request.
    pub(crate) fn manager(&self) -> Option<&str> {
        self.manager.as_deref()
    }

    /// Whether nothing will be persisted.
    pub(crate) fn dry_run(&self) -> bool {
        self.envelope.dry_run == Some(true)
    }

    /// What is logged of it and repeated in the reply.
    pub(crate) fn facts(&self) -> Facts {
        self.envelope.facts()
    }
}

/// An object without looking into it: raw texts are read at any depth.
#[derive(Deserialize)]
struct Shallow<'a> {
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: ShallowMetadata<'a>,
}

#[derive(Default, Deserialize)]
struct ShallowMetadata<'a> {
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

impl<'a> Shallow<'a> {
    fn read(raw: Option<&'a RawValue>) -> Option<Self> {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    fn content(&self) -> [Option<&str>; 2] {
        [self.spec, self.metadata.annotations].map(|raw| raw.map(RawValue::get))
    }
}

impl Envelope<'_> {
    /// Whether spec and annotations are byte for byte what they were: nothing that is judged or stamped changes.
    fn leaves_content_alone(&self) -> bool {
        match (Shallow::read(self.object), Shallow::read(self.old_object)) {
            (Some(new), Some(old)) => new.content() == old.content(),
            _ => false,
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            uid: self.uid.clone(),
            user: self.user_info.username.clone(),
            operation: self.operation.clone(),
            kind: self.kind.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            dry_run: self.dry_run == Some(true),
        }
    }
}

/// Reads a review.
///
/// # Errors
/// The reply to give at once: where there is a uid, a denial or permission that carries it.
pub(crate) fn decode(body: &[u8]) -> Result<Request<'_>, Box<Reply>> {
    let review: Review<'_> = serde_json::from_slice(body).map_err(|error| unreadable(body, &error.to_string()))?;
    if (&*review.api_version, &*review.kind) != ("admission.k8s.io/v1", "AdmissionReview") {
        let what = format!(
            "{} {} is not supported: send admission.k8s.io/v1 AdmissionReview",
            review.api_version, review.kind
        );
        return Err(unreadable(body, &what));
    }
    let request = review.request.ok_or_else(|| unreadable(body, "the review has no request"))?;
    let envelope: Envelope<'_> =
        serde_json::from_str(request.get()).map_err(|error| unreadable(body, &error.to_string()))?;
    let facts = envelope.facts();
    let kind = Kind::parse(&envelope.kind.kind).filter(|_| envelope.kind.group == names::GROUP);
    let Some(kind) = kind else {
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
    let options = envelope.options.and_then(|options| serde_json::from_str::<Options>(options.get()).ok());
    Ok(Request { manager: options.and_then(|options| options.field_manager), kind, new, old, envelope })
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

fn unreadable(body: &[u8], what: &str) -> Box<Reply> {
    let facts = Facts { uid: find_uid(body).unwrap_or_default(), ..Facts::default() };
    let mut findings = Findings::none();
    findings.violate(Violation::fault(FieldPath::empty(), "Unreadable", format!("the review cannot be read: {what}")));
    Box::new(Reply::denied_for(facts, findings))
}

/// The reply to a review of more than `limit` bytes, from its first bytes.
pub(crate) fn too_large(start: &[u8], limit: usize) -> Reply {
    let facts = Facts { uid: find_uid(start).unwrap_or_default(), ..Facts::default() };
    let message = format!("the review has more than {limit} bytes: split the object");
    let mut findings = Findings::none();
    findings.violate(Violation::fault(FieldPath::empty(), "TooLarge", message));
    Reply::denied_for(facts, findings)
}

/// The request's uid from the first bytes of a review; the API server writes it as the request's first field.
fn find_uid(start: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&start[..start.len().min(4096)]);
    let request = text.find("\"request\"")?;
    let (_, after) = text[request..].split_once("\"uid\"")?;
    let after = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    after.split_once('"').map(|(uid, _)| uid.to_owned())
}
