//! One review, pure: `decode → default → validate → stamp → respond`. Bytes in, JSON out; what the cluster holds and the time are
//! arguments.

mod decode;
mod envelope;
mod respond;
mod uid;

use jiff::Timestamp;
use release_shared::record::{self, Contents, Signer, StampRequest};
use release_shared::validate::{
    Change, Deletion, Verdicts, bypass, bypass_deletion, structure, validate_deletion, validate_in_outline,
};
use release_shared::violation::{FieldPath, Findings, Violation};
use release_shared::world::{MAX_DETAILS, MAX_JUDGED, World};
use release_shared::{crd, default, names};
use serde_json::Value;

pub(crate) use decode::{Request, decode, too_large};
pub(crate) use respond::Reply;

/// The code of what is too large to be stored.
const TOO_LARGE: &str = "TooLarge";

/// The codes of refusals that are no rule's: of the record, of what the API server would say, and of a review that cannot be judged.
pub(crate) const CODES: [&str; 6] =
    ["AnnotationsTooLarge", "InvalidMetadata", "InvalidRevision", "RevisionConflict", "StampMismatch", "Unreadable"];

/// Which of the two hooks is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Before schema validation: defaults and stamps, and refuses with the full list of faults.
    Mutate,
    /// After everybody else: checks that the object is still what was judged and stamped.
    Validate,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// What a review looks at besides the request.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The objects of the request's namespace.
    pub world: &'a World,
    /// Who signs what is recorded; `None` leaves it unsigned.
    pub signer: Option<&'a Signer>,
    /// The clock.
    pub now: Timestamp,
    /// The accounts that may name the person behind a change.
    pub speakers: &'a [String],
    /// What is known of the permissions of who asks.
    pub verdicts: &'a Verdicts,
}

/// The whole of a review: the bytes of an `AdmissionReview` in, those of its answer out. What the answer rests on is taken for
/// right as the world has it. Where no uid could be read the answer is empty: the server has an HTTP status for that, and the API server takes
/// no review without the uid.
pub fn answer(mode: Mode, body: &[u8], context: &Context<'_>) -> Vec<u8> {
    let reply = match decode(body) {
        Ok(request) => review(mode, &request, context),
        Err(reply) => *reply,
    };
    if reply.has_uid() { reply.body() } else { Vec::new() }
}

/// Judges a request. A refusal tells of everything, for which the whole objects are looked at; but not at one that is too large to be stored,
/// of which the rules have said all that they have to say.
pub(crate) fn review(mode: Mode, request: &Request<'_>, context: &Context<'_>) -> Reply {
    let reply = judge(mode, request, context);
    let whole = if reply.is_allowed() || reply.refuses(TOO_LARGE) { None } else { request.whole() };
    whole.map_or(reply, |whole| judge(mode, &whole, context))
}

fn judge(mode: Mode, request: &Request<'_>, context: &Context<'_>) -> Reply {
    let Some(new) = request.new.as_ref() else {
        return review_deletion(request, context);
    };
    let defaults = default::defaults(request.kind, new);
    let defaulted = default::with(new, &defaults);
    let sent = request.contents.as_ref().map(|(new, old)| Contents { new, old: old.as_ref() });
    let with_defaults = sent.map(|contents| contents.new.with(&defaults));
    let contents = sent.zip(with_defaults.as_ref()).map(|(sent, new)| Contents { new, ..sent });
    let change = Change {
        kind: request.kind,
        name: request.name(),
        new: &defaulted,
        old: request.old.as_ref(),
        user: Some(request.user()),
        manager: request.manager(),
        now: Some(context.now),
    };
    let mut findings = validate_in_outline(&change, contents, Some(context.world));
    let bypass = bypass(&change, &mut findings, context.verdicts);
    // What is checked last is what is stored: nobody puts a default in any more.
    let recorded = if mode == Mode::Mutate { &defaulted } else { new };
    let contents = contents.filter(|_| mode == Mode::Mutate).or(sent);
    let stamp_request = stamp_request(request, recorded, contents, context, !bypass.past.is_empty());
    findings.warnings.extend(unheard(&stamp_request));
    let open = std::mem::take(&mut findings.open);
    let reply = match mode {
        Mode::Mutate => match record::stamp(&stamp_request) {
            Ok(stamp) if findings.violations.is_empty() => Reply::stamped(request, new, &defaults, &stamp, findings),
            Ok(_) => Reply::denied(request, in_full(&change, findings)),
            Err(violation) => Reply::denied(request, in_full(&change, with(findings, *violation))),
        },
        Mode::Validate => match unchanged_by_storage(request, new).and_then(|()| record::verify(&stamp_request)) {
            Ok(record) if findings.violations.is_empty() => Reply::verified(request, record),
            Ok(_) => Reply::denied(request, findings),
            Err(violation) => Reply::denied(request, with(findings, *violation)),
        },
    };
    reply.with_bypass(bypass).resting_on(open)
}

/// Another webhook may put in a field that the API server takes out again without a word: the record would be of something else than
/// what is stored. (What a client sends of that kind is gone before anybody is asked.)
fn unchanged_by_storage(request: &Request<'_>, new: &Value) -> Result<(), Box<Violation>> {
    let unknown = crd::unknown_field(request.kind, new, request.old.as_ref());
    unknown.map_or(Ok(()), |path| {
        let message = format!(
            "is no field of a {}, and would not be stored, while the record would be of an object with it: take it out of what another \
             mutating webhook writes",
            request.kind
        );
        Err(Box::new(Violation::fault(path, "UnknownField", message)))
    })
}

fn review_deletion(request: &Request<'_>, context: &Context<'_>) -> Reply {
    let old = request.old.as_ref().unwrap_or(&Value::Null);
    let deletion = Deletion {
        kind: request.kind,
        name: request.name(),
        object: old,
        user: Some(request.user()),
        now: context.now,
    };
    let mut findings = validate_deletion(&deletion, context.world);
    let bypass = bypass_deletion(&mut findings, context.verdicts);
    let reply = if findings.violations.is_empty() {
        Reply::allow_deletion(request, findings)
    } else {
        Reply::denied(request, findings)
    };
    reply.with_bypass(bypass)
}

/// All faults are told at once, those too that the API server would find after this; it does not look for any in what it cannot store.
fn in_full(change: &Change<'_>, mut findings: Findings) -> Findings {
    if findings.violations.iter().any(|violation| violation.code == TOO_LARGE) {
        return findings;
    }
    let more = structure(change, &findings.violations);
    findings.violations.extend(more);
    findings
}

/// The reply where a deletion is not to be refused, whatever is in need of the object: its namespace ends, and all in it.
pub(crate) fn let_go(request: &Request<'_>) -> Reply {
    Reply::allow_deletion(request, Findings::none())
}

/// The refusal of a pin of a release that is too large to be kept, and could not be looked up either.
pub(crate) fn unread(request: &Request<'_>, release: &str) -> Reply {
    let message = format!(
        "{release} brings more than the webhook keeps of a release ({MAX_DETAILS} bytes of schema, and of objects in other namespaces or of \
         the whole cluster), and the API server did not say in time what that is: try again"
    );
    refused_pin(request, release, message)
}

/// The refusal of a pin of a release that brings so many bytes of what it is judged by that there is no room to read it.
pub(crate) fn unjudged(request: &Request<'_>, release: &str, bytes: usize) -> Reply {
    let message = format!(
        "{release} brings {bytes} bytes of schema, and of objects in other namespaces or of the whole cluster, and at most {MAX_JUDGED} can \
         be judged: cut a release with fewer"
    );
    refused_pin(request, release, message)
}

fn refused_pin(request: &Request<'_>, release: &str, message: String) -> Reply {
    let path = FieldPath::root("spec").field("releaseName");
    let mut findings = Findings::none();
    findings.violate(Violation::policy(path, "Unreadable", message).with_value(release));
    Reply::denied(request, findings)
}

/// The same fault may be told by a rule and by the record.
fn with(mut findings: Findings, violation: release_shared::violation::Violation) -> Findings {
    if !findings.violations.iter().any(|known| known.is_same_as(&violation)) {
        findings.violate(violation);
    }
    findings
}

/// Says to an account that may not speak for others that nobody hears whom it names.
fn unheard(request: &StampRequest<'_>) -> Option<Violation> {
    let name = record::said(names::ON_BEHALF_OF, request.new, request.old, request.manager)?;
    if request.speaks_for_others {
        return None;
    }
    let message = format!(
        "{name:?} is not recorded: {} is no account that may speak for others; the platform names those accounts to the webhook \
         (--on-behalf-of)",
        request.user
    );
    let path = FieldPath::root("metadata").field("annotations").field(names::ON_BEHALF_OF);
    Some(Violation::policy(path, "NotASpeaker", message).with_value(name))
}

fn stamp_request<'a>(
    request: &'a Request<'_>,
    new: &'a Value,
    contents: Option<Contents<'a>>,
    context: &Context<'a>,
    bypass: bool,
) -> StampRequest<'a> {
    StampRequest {
        kind: request.kind,
        namespace: request.namespace(),
        name: request.name(),
        new,
        old: request.old.as_ref(),
        contents,
        user: request.user(),
        manager: request.manager(),
        speaks_for_others: context.speakers.iter().any(|speaker| speaker == request.user()),
        bypass,
        dry_run: request.dry_run(),
        now: context.now,
        bounds: context.world.bounds(request.kind, new),
        signer: context.signer,
        world: Some(context.world),
    }
}

#[cfg(test)]
mod tests;
