//! Who asked the API server for what, from its audit log.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use release_tests::ControlPlane;
use serde::Deserialize;

/// An event is written when its answer is on the way, so a little after the client has it.
const SETTLING: Duration = Duration::from_millis(500);

/// The log of one control plane.
pub(crate) struct AuditLog {
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: EventUser,
    #[serde(default)]
    object_ref: ObjectRef,
    /// RFC 3339 with microseconds.
    stage_timestamp: String,
}

#[derive(Deserialize)]
struct EventUser {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

/// A request that was answered. A watch is answered when it ends.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `get`, `list`, `patch` …
    pub(crate) verb: String,
    /// Such as `releases`, or `releases/status`.
    pub(crate) resource: String,
    /// Empty where the request concerns none.
    pub(crate) namespace: String,
    /// The object's name; empty where the request names none.
    pub(crate) name: String,
    /// When it had its answer.
    pub(crate) at: Timestamp,
    uri: String,
}

impl Request {
    /// Whether it changes something.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.uri)
    }
}

impl AuditLog {
    pub(crate) fn of(control_plane: &ControlPlane) -> Self {
        Self { path: control_plane.audit_log() }
    }

    /// How long it is, in bytes.
    pub(crate) fn end(&self) -> anyhow::Result<u64> {
        let metadata = self.path.metadata().with_context(|| format!("looking at {}", self.path.display()))?;
        Ok(metadata.len())
    }

    /// The same, once the events of all requests that were answered are in it.
    pub(crate) fn settled(&self) -> anyhow::Result<u64> {
        thread::sleep(SETTLING);
        self.end()
    }

    /// What a user asked for since the log was this long: verb and address, one a request.
    pub(crate) fn calls(&self, since: u64, user: &str) -> anyhow::Result<Vec<String>> {
        Ok(self.requests(since, user)?.iter().map(Request::to_string).collect())
    }

    /// What a user asked for since the log was this long.
    pub(crate) fn requests(&self, since: u64, user: &str) -> anyhow::Result<Vec<Request>> {
        let context = || format!("reading {}", self.path.display());
        let mut file = File::open(&self.path).with_context(context)?;
        file.seek(SeekFrom::Start(since)).with_context(context)?;
        let mut requests = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line.with_context(context)?;
            // The last line may not be whole yet; it is of somebody who asked later.
            let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
            if event.stage == "ResponseComplete" && event.user.username == user {
                requests.push(request(event)?);
            }
        }
        Ok(requests)
    }
}

fn request(event: Event) -> anyhow::Result<Request> {
    let ObjectRef { resource, subresource, namespace, name } = event.object_ref;
    let resource = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
    let at = event.stage_timestamp.parse().context("reading the time of an audit event")?;
    Ok(Request { verb: event.verb, resource, namespace, name, at, uri: event.request_uri })
}
