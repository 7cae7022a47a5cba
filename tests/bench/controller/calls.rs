//! What the controller asks the API server for.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use release_shared::names;

use crate::audit::{AuditLog, Request};
use crate::stage::Stage;

/// Nothing for so long means that it is done.
const SILENCE: Duration = Duration::from_secs(3);

/// Until it is done with whatever it was given.
const LIMIT: Duration = Duration::from_secs(120);

/// Every answered request of the controller since the log was this long.
pub(crate) fn since(stage: &Stage<'_>, mark: u64) -> anyhow::Result<Vec<Request>> {
    AuditLog::of(stage.control_plane).requests(mark, names::CONTROLLER_USER)
}

/// Waits until it has asked for nothing for a while, and returns how long the audit log is then.
pub(crate) fn silence(stage: &Stage<'_>) -> anyhow::Result<u64> {
    let log = AuditLog::of(stage.control_plane);
    let start = Instant::now();
    loop {
        let mark = log.end()?;
        thread::sleep(SILENCE);
        let asked: Vec<_> = since(stage, mark)?.into_iter().filter(|request| !is_standing(request)).collect();
        if asked.is_empty() {
            return log.settled();
        }
        let last = asked.last().map(Request::to_string).context("nothing was asked")?;
        ensure!(start.elapsed() < LIMIT, "the controller does not come to rest; it asked last: {last}");
    }
}

/// Whether it would be asked without any release: a watch that ends and is renewed, and the Lease.
pub(crate) fn is_standing(request: &Request) -> bool {
    request.verb == "watch" || request.resource == "leases"
}

/// Whether it makes or counts up an event.
pub(crate) fn is_event(request: &Request) -> bool {
    request.resource == "events"
}
