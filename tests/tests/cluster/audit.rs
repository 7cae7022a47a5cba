//! The API server's audit log, as far as a test's namespaces go.

use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use release_shared::names;
use release_tests::{Namespace, wait};
use serde_json::Value;

/// Until an answered request stands in the log.
const LIMIT: Duration = Duration::from_secs(30);

/// Who asked (whoever is impersonated), and key and value of each annotation whose key contains `part`, in the order of the
/// requests.
pub(crate) fn annotations(namespace: &Namespace<'_>, part: &str) -> anyhow::Result<Vec<(String, String, String)>> {
    let mut found = Vec::new();
    for event in events(namespace, &[namespace.name()])? {
        let user = event["impersonatedUser"]["username"].as_str().or(event["user"]["username"].as_str());
        let user = user.unwrap_or_default();
        for (key, value) in event["annotations"].as_object().into_iter().flatten() {
            // The API server's own notes on what a hook changed.
            if key.contains(part) && !key.starts_with("mutation.") {
                found.push((user.to_owned(), key.clone(), value.as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    Ok(found)
}

/// A request of the controller that changed something, or was meant to.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    verb: String,
    resource: String,
    name: String,
    /// When it came in.
    pub(crate) at: String,
    /// The code of its answer.
    pub(crate) code: i64,
    /// Whom the controller acted as, where that was somebody else.
    pub(crate) acting_as: Option<String>,
}

/// `patch deployments web`, or `patch releases/status web-dev`.
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verb, self.resource, self.name)
    }
}

/// The present, as a mark in the log.
pub(crate) fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

/// What the controller has written in these namespaces since `mark`, in the order in which it came in. Its events are left out:
/// nobody waits for them.
pub(crate) fn writes(namespace: &Namespace<'_>, places: &[&str], mark: &str) -> anyhow::Result<Vec<Write>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |event: &Value| {
        let at = text(&event["requestReceivedTimestamp"]);
        let (verb, object) = (text(&event["verb"]), &event["objectRef"]);
        let ours = event["user"]["username"] == names::CONTROLLER_USER
            && ["create", "update", "patch", "delete"].contains(&verb.as_str())
            && object["resource"] != "events"
            && at.as_str() >= mark;
        ours.then(|| Write {
            verb,
            resource: [&object["resource"], &object["subresource"]]
                .map(text)
                .join("/")
                .trim_end_matches('/')
                .to_owned(),
            name: text(&object["name"]),
            at,
            code: event["responseStatus"]["code"].as_i64().unwrap_or_default(),
            acting_as: event["impersonatedUser"]["username"].as_str().map(str::to_owned),
        })
    };
    let mut found: Vec<_> = events(namespace, places)?.iter().filter_map(read).collect();
    found.sort_by(|a, b| a.at.cmp(&b.at));
    Ok(found)
}

/// The same as words, once the log has all that `is_complete` asks for: it follows the answers a little behind.
pub(crate) fn written(
    namespace: &Namespace<'_>,
    places: &[&str],
    mark: &str,
    is_complete: impl Fn(&[String]) -> bool,
) -> anyhow::Result<Vec<String>> {
    let words = || Ok::<_, anyhow::Error>(writes(namespace, places, mark)?.iter().map(ToString::to_string).collect());
    let found =
        wait::until("the audit log has it", LIMIT, || Ok(Some(words()?).filter(|all: &Vec<_>| is_complete(all))));
    found.with_context(|| format!("written so far: {:#?}", words().unwrap_or_default()))
}

/// Whether the controller has asked for anything in a namespace as this account.
pub(crate) fn is_acted_as(namespace: &Namespace<'_>, place: &str, account: &str) -> anyhow::Result<bool> {
    let acts = |event: &Value| event["impersonatedUser"]["username"] == account;
    Ok(events(namespace, &[place])?.iter().any(acts))
}

/// The codes of the answers to the webhook's requests to create something of this kind in the namespace since `mark`.
pub(crate) fn requests(namespace: &Namespace<'_>, mark: &str, resource: &str) -> anyhow::Result<Vec<i64>> {
    let account = format!("system:serviceaccount:{}:{}", names::SYSTEM_NAMESPACE, names::WEBHOOK);
    let ours = |event: &&Value| {
        event["user"]["username"] == account.as_str()
            && event["verb"] == "create"
            && event["objectRef"]["resource"] == resource
            && event["requestReceivedTimestamp"].as_str().is_some_and(|at| at >= mark)
    };
    let found = events(namespace, &[namespace.name()])?;
    Ok(found.iter().filter(ours).filter_map(|event| event["responseStatus"]["code"].as_i64()).collect())
}

/// The events about objects in these namespaces, in the order of their answers.
fn events(namespace: &Namespace<'_>, places: &[&str]) -> anyhow::Result<Vec<Value>> {
    let log = fs::read_to_string(namespace.control_plane().audit_log()).context("reading the audit log")?;
    let lines = log.lines().filter(|line| places.iter().any(|place| line.contains(place)));
    let events = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let about = |event: &Value| places.iter().any(|place| event["objectRef"]["namespace"] == *place);
    Ok(events.filter(about).collect())
}
