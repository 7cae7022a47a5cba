//! One review, pure: `decode → default → validate → stamp → respond`. Bytes in, JSON out; what the cluster holds and the time are
//! arguments.

mod decode;
mod respond;

use jiff::Timestamp;
use release_shared::default;
use release_shared::record::{self, Bounds, StampRequest};
use release_shared::validate::{Change, validate, validate_deletion};
use release_shared::violation::Findings;
use release_shared::world::World;
use serde_json::Value;

pub(crate) use decode::{Request, decode, too_large};
pub(crate) use respond::Reply;

/// Which of the two hooks is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
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
pub(crate) struct Context<'a> {
    /// The objects of the request's namespace.
    pub(crate) world: &'a World,
    /// The clock.
    pub(crate) now: Timestamp,
}

/// Judges a request.
pub(crate) fn review(mode: Mode, request: &Request<'_>, context: &Context<'_>) -> Reply {
    let Some(new) = request.new.as_ref() else {
        return review_deletion(request, context);
    };
    let defaults = default::defaults(request.kind, new);
    let defaulted = default::with(new, &defaults);
    let change = Change {
        kind: request.kind,
        name: request.name(),
        new: &defaulted,
        old: request.old.as_ref(),
        user: Some(request.user()),
    };
    let findings = validate(&change, Some(context.world));
    let stamp_request = stamp_request(request, &defaulted, context);
    match mode {
        Mode::Mutate => match record::stamp(&stamp_request) {
            Ok(stamp) if findings.violations.is_empty() => Reply::stamped(request, new, &defaults, &stamp, findings),
            Ok(_) => Reply::denied(request, findings),
            Err(violation) => Reply::denied(request, with(findings, *violation)),
        },
        Mode::Validate => match record::verify(&stamp_request) {
            Ok(record) if findings.violations.is_empty() => Reply::verified(request, record),
            Ok(_) => Reply::denied(request, findings),
            Err(violation) => Reply::denied(request, with(findings, *violation)),
        },
    }
}

fn review_deletion(request: &Request<'_>, context: &Context<'_>) -> Reply {
    let old = request.old.as_ref().unwrap_or(&Value::Null);
    let findings = validate_deletion(request.kind, request.name(), old, context.world);
    if findings.violations.is_empty() { Reply::allow_deletion(request) } else { Reply::denied(request, findings) }
}

/// The same fault may be told by a rule and by the record.
fn with(mut findings: Findings, violation: release_shared::violation::Violation) -> Findings {
    if !findings.violations.iter().any(|known| known.is_same_as(&violation)) {
        findings.violate(violation);
    }
    findings
}

fn stamp_request<'a>(request: &'a Request<'_>, new: &'a Value, context: &Context<'a>) -> StampRequest<'a> {
    StampRequest {
        kind: request.kind,
        namespace: request.namespace(),
        name: request.name(),
        new,
        old: request.old.as_ref(),
        user: request.user(),
        manager: request.manager(),
        speaks_for_others: false,
        bypass: false,
        dry_run: request.dry_run(),
        now: context.now,
        bounds: Bounds::default(),
        world: Some(context.world),
    }
}

#[cfg(test)]
mod tests;
