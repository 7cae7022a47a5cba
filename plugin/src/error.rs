//! What can go wrong, in one sentence each that says what to do, and the exit code that it leads to.

use std::io::Write;
use std::process::ExitCode;

use release_shared::violation::{Class, Findings};
use serde_json::Value;
use thiserror::Error;

use release_shared::object::printable;

use crate::objects::Right;

/// Everything that ends a command early.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// What was typed does not fit together.
    #[error("{0}")]
    Usage(String),
    /// Help or a message about the command line, as clap words it.
    #[error("{0}")]
    CommandLine(clap::Error),
    /// What was asked for cannot be done, for a reason outside this program.
    #[error("{0}")]
    Failed(String),
    /// Refused before anything was sent, by the rules that the cluster has too.
    #[error("refused, and nothing was sent: {0}")]
    PreCheck(Findings),
    /// Refused before anything was sent, with each fault already in words.
    #[error("refused, and nothing was sent: {}", list(.0))]
    Refused(Vec<String>),
    /// `lint` found faults; they are on stdout.
    #[error("{0} found")]
    Lint(String),
    /// `diff` found differences; they are on stdout.
    #[error("there are differences")]
    Differs,
    /// `diff` found nothing out: 1 is the code of a difference.
    #[error("{0}")]
    Diff(Box<Self>),
    /// The user may not read what was asked for.
    #[error("rights are missing: {}", list(&.0.iter().map(ToString::to_string).collect::<Vec<_>>()))]
    MissingRights(Vec<Right>),
    /// A field belongs to somebody else.
    #[error("{0}")]
    FieldManager(String),
    /// The API server refused or failed.
    #[error("{}", status_text(.0))]
    Status(Box<Status>),
    /// The API server could not be reached.
    #[error("{0}")]
    Connection(String),
    /// Somebody else's change took the place of this one.
    #[error("{0}")]
    Superseded(String),
    /// It was not settled in time.
    #[error("{0}")]
    TimedOut(String),
    /// It is there, and does not get better by waiting.
    #[error("{0}")]
    Degraded(String),
    /// Some of it was done before it went wrong.
    #[error("{error}\nDone before that: {}. The same command goes on from there.", .done.join(", "))]
    Partial {
        /// The objects that were dealt with.
        done: Vec<String>,
        /// What went wrong then.
        error: Box<Error>,
    },
    /// The user said no.
    #[error("not confirmed; nothing was changed")]
    Declined,
    /// The reader of our output has gone.
    #[error("closed pipe")]
    ClosedPipe,
}

/// What the API server says of a request that it did not carry out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    /// The HTTP code.
    pub(crate) code: u16,
    /// The reason, such as `Forbidden`.
    pub(crate) reason: String,
    /// Its sentence.
    pub(crate) message: String,
    /// The causes of a refusal, each with reason, field and message.
    pub(crate) causes: Vec<Cause>,
    /// What was already written when it failed; empty in most cases.
    pub(crate) written: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cause {
    pub(crate) reason: String,
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Status {
    /// Reads a `metav1.Status`.
    pub(crate) fn read(code: u16, body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let causes = json.pointer("/details/causes").and_then(Value::as_array).into_iter().flatten();
        let causes = causes.map(|cause| Cause {
            reason: text(cause, "reason"),
            field: text(cause, "field"),
            message: text(cause, "message"),
        });
        let message = text(&json, "message");
        let message = if message.is_empty() { String::from_utf8_lossy(body).trim().to_owned() } else { message };
        Self { code, reason: text(&json, "reason"), message, causes: causes.collect(), written: Vec::new() }
    }

    fn has_cause(&self, reason: &str) -> bool {
        self.causes.iter().any(|cause| cause.reason == reason)
    }

    /// Whether fields belong to another field manager.
    pub(crate) fn is_field_manager_conflict(&self) -> bool {
        self.code == 409 && self.has_cause("FieldManagerConflict")
    }
}

fn list(faults: &[String]) -> String {
    match faults {
        [only] => only.clone(),
        several => several.iter().map(|fault| format!("\n* {fault}")).collect(),
    }
}

fn status_text(status: &Status) -> String {
    let causes: Vec<_> = status.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    let what = match (status.code, causes.is_empty()) {
        (401, _) => "you are not logged in to the cluster: its credentials are missing or have expired".to_owned(),
        (403 | 409 | 422, false) => format!("refused by the cluster: {}", list(&causes)),
        (500.., _) => format!("the cluster could not do it ({}): {}", status.reason, status.message),
        _ if status.reason.is_empty() => format!("the cluster answered {}: {}", status.code, status.message),
        _ => format!("refused by the cluster ({}): {}", status.reason, status.message),
    };
    let written = status.written.join(", ");
    if written.is_empty() { what } else { format!("{what}\nAlready written and used by the next try: {written}") }
}

impl Error {
    /// The same from `diff`, whose code 1 says that there are differences.
    pub(crate) fn of_diff(self) -> Self {
        match self {
            Self::Differs | Self::ClosedPipe => self,
            Self::CommandLine(error) if !error.use_stderr() => Self::CommandLine(error),
            error => Self::Diff(Box::new(error)),
        }
    }

    /// Whether the same request may succeed in a moment: the API server is away, or has too much to do.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Status(status) => status.code == 429 || status.code >= 500,
            _ => false,
        }
    }

    /// This error, after these objects were dealt with.
    pub(crate) fn after(self, done: Vec<String>) -> Self {
        if done.is_empty() { self } else { Self::Partial { done, error: Box::new(self) } }
    }

    /// The exit code of DESIGN section 8.
    fn code(&self) -> u8 {
        match self {
            Self::CommandLine(error) => u8::from(error.use_stderr()),
            Self::Usage(_) | Self::Failed(_) | Self::Connection(_) | Self::Lint(_) | Self::Differs | Self::Declined => {
                1
            }
            Self::Diff(error) => error.code().max(2),
            Self::Refused(_) | Self::MissingRights(_) => 3,
            Self::PreCheck(findings) => match findings.class() {
                Some(Class::Conflict) => 4,
                _ => 3,
            },
            Self::FieldManager(_) | Self::Superseded(_) => 4,
            Self::TimedOut(_) => 5,
            Self::Degraded(_) => 6,
            Self::Partial { error, .. } => error.code(),
            Self::Status(status) => match status.code {
                409 if status.has_cause("RevisionConflict") || status.has_cause("FieldManagerConflict") => 4,
                403 | 409 | 422 => 3,
                _ => 1,
            },
            Self::ClosedPipe => 0,
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::Failed(format!("failed to write the result: {error}"))
        }
    }
}

/// Says what went wrong, and ends with its code.
pub(crate) fn exit(result: Result<(), Error>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    say(&error);
    ExitCode::from(error.code())
}

fn say(error: &Error) {
    match error {
        Error::Diff(error) => say(error),
        // The terminal is gone if this fails, and so is everybody who could be told.
        Error::CommandLine(error) => drop(error.print()),
        Error::ClosedPipe | Error::Differs => {}
        error => {
            let _ = writeln!(std::io::stderr(), "error: {}", printable(&error.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use release_shared::violation::{FieldPath, Violation};
    use serde_json::json;

    use super::*;

    fn status(code: u16, reason: &str, causes: &Value) -> Error {
        let body = json!({"message": "m", "reason": reason, "details": {"causes": causes}});
        Error::Status(Box::new(Status::read(code, body.to_string().as_bytes())))
    }

    #[test]
    fn codes() {
        let mut lost = Findings::none();
        lost.violate(Violation::conflict(FieldPath::empty(), "RevisionConflict", "x"));
        for (error, code) in [
            (Error::Usage(String::new()), 1),
            (Error::Refused(vec![]), 3),
            (Error::PreCheck(Findings::none()), 3),
            (Error::PreCheck(lost), 4),
            (status(403, "Forbidden", &json!([])), 3),
            (status(422, "Invalid", &json!([])), 3),
            (status(409, "Conflict", &json!([{"reason": "RevisionConflict"}])), 4),
            (status(409, "AlreadyExists", &json!([])), 3),
            (status(404, "NotFound", &json!([])), 1),
            (status(500, "InternalError", &json!([])), 1),
            (Error::Superseded(String::new()), 4),
            (Error::TimedOut(String::new()), 5),
            (Error::Degraded(String::new()), 6),
            (Error::TimedOut(String::new()).after(vec!["a".into()]), 5),
            (Error::ClosedPipe, 0),
            (Error::Differs.of_diff(), 1),
            (Error::ClosedPipe.of_diff(), 0),
            (Error::Failed(String::new()).of_diff(), 2),
            (Error::MissingRights(vec![]).of_diff(), 3),
        ] {
            assert_eq!(error.code(), code, "{error:?}");
        }
    }

    #[test]
    fn what_was_done_before_is_told() {
        let nothing = Error::Failed("it went wrong".into()).after(vec![]).to_string();
        assert_eq!(nothing, "it went wrong");
        let partial = Error::Failed("it went wrong".into()).after(vec!["a".into(), "b".into()]).to_string();
        assert_eq!(partial, "it went wrong\nDone before that: a, b. The same command goes on from there.");
    }

    #[test]
    fn a_refusal_shows_its_causes() {
        let causes = json!([{"field": "spec.a", "message": "is wrong"}, {"field": "spec.b", "message": "too"}]);
        insta::assert_snapshot!(status(422, "Invalid", &causes), @r"
        refused by the cluster: 
        * spec.a: is wrong
        * spec.b: too
        ");
        insta::assert_snapshot!(status(403, "Forbidden", &json!([])), @"refused by the cluster (Forbidden): m");
    }
}
