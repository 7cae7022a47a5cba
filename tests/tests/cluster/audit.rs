//! The API server's audit log, as far as a test's namespace goes.

use std::fs;

use anyhow::Context;
use release_tests::Namespace;
use serde_json::Value;

/// Who asked, and key and value of each annotation whose key contains `part`, in the order of the requests.
pub(crate) fn annotations(namespace: &Namespace<'_>, part: &str) -> anyhow::Result<Vec<(String, String, String)>> {
    let log = fs::read_to_string(namespace.control_plane().audit_log()).context("reading the audit log")?;
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut found = Vec::new();
    for event in events.filter(|event| event["objectRef"]["namespace"] == namespace.name()) {
        let user = event["user"]["username"].as_str().unwrap_or_default();
        for (key, value) in event["annotations"].as_object().into_iter().flatten() {
            // The API server's own notes on what a hook changed.
            if key.contains(part) && !key.starts_with("mutation.") {
                found.push((user.to_owned(), key.clone(), value.as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    Ok(found)
}
