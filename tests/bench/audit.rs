//! Who asked the API server for what, from its audit log.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::Context;
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
}

#[derive(Deserialize)]
struct EventUser {
    #[serde(default)]
    username: String,
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
        let context = || format!("reading {}", self.path.display());
        let mut file = File::open(&self.path).with_context(context)?;
        file.seek(SeekFrom::Start(since)).with_context(context)?;
        let mut calls = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line.with_context(context)?;
            // The last line may not be whole yet; it is of somebody who asked later.
            let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
            if event.stage == "ResponseComplete" && event.user.username == user {
                calls.push(format!("{} {}", event.verb, event.request_uri));
            }
        }
        Ok(calls)
    }
}
