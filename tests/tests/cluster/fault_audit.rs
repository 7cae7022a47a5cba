//! What the controller asked the API server for, from the audit log of a whole control plane.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::Timestamp;
use release_shared::names;
use release_tests::ControlPlane;
use serde_json::Value;

/// An event is written when its answer is on the way, so a little after the client has it.
const SETTLING: Duration = Duration::from_millis(500);

/// A request of the controller.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) verb: String,
    /// Such as `releases/status`.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) code: i64,
    /// When it came in.
    pub(crate) at: Timestamp,
    /// Which of its tokens it came with: one a replica.
    pub(crate) token: String,
}

/// `patch releases/status acme/web-dev: 200`.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, resource, namespace, name, code, .. } = self;
        write!(f, "{verb} {resource} {namespace}/{name}: {code}")
    }
}

impl Asked {
    fn read(event: &Value) -> Option<Self> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_ours = event["user"]["username"] == names::CONTROLLER_USER && event["stage"] == "ResponseComplete";
        let subresource = text("/objectRef/subresource");
        let resource = text("/objectRef/resource");
        let path = if resource.is_empty() { text("/requestURI") } else { resource };
        is_ours.then_some(())?;
        Some(Self {
            verb: text("/verb"),
            resource: if subresource.is_empty() { path } else { format!("{path}/{subresource}") },
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: event.pointer("/responseStatus/code").and_then(Value::as_i64).unwrap_or_default(),
            at: text("/requestReceivedTimestamp").parse().ok()?,
            token: text("/user/extra/authentication.kubernetes.io~1credential-id/0"),
        })
    }

    /// Whether it looks after the Lease.
    pub(crate) fn is_of_the_lease(&self) -> bool {
        self.resource == "leases"
    }

    /// Whether it changes something besides the Lease, or tries to. Events do not count.
    pub(crate) fn is_write(&self) -> bool {
        !["get", "list", "watch"].contains(&self.verb.as_str()) && self.resource != "events" && !self.is_of_the_lease()
    }
}

/// A place in the log: what is there by now is before it.
pub(crate) fn mark(control_plane: &ControlPlane) -> anyhow::Result<u64> {
    thread::sleep(SETTLING);
    let path = control_plane.audit_log();
    Ok(path.metadata().with_context(|| format!("looking at {}", path.display()))?.len())
}

/// What the controller asked for since then, in the order of the answers.
pub(crate) fn since(control_plane: &ControlPlane, mark: u64) -> anyhow::Result<Vec<Asked>> {
    thread::sleep(SETTLING);
    let mut log = File::open(control_plane.audit_log()).context("opening the audit log")?;
    log.seek(SeekFrom::Start(mark)).context("reading the audit log")?;
    // The last line may not be whole yet; it is of somebody who asked later.
    let events = BufReader::new(log).lines().map_while(Result::ok);
    let events = events.filter(|line| line.contains(names::CONTROLLER_USER));
    let events = events.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    Ok(events.filter_map(|event| Asked::read(&event)).collect())
}

/// Waits until the controller has written nothing for a while, other tests' leftovers included.
pub(crate) fn until_quiet(control_plane: &ControlPlane, quiet: Duration, limit: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let mark = mark(control_plane)?;
        thread::sleep(quiet.saturating_sub(SETTLING));
        let asked = since(control_plane, mark)?;
        let Some(last) = asked.iter().rfind(|asked| asked.is_write()) else { return Ok(()) };
        if began.elapsed() > limit {
            bail!("the controller still writes after {limit:?}: {last}");
        }
    }
}
