//! What an API server says of a write, and who in it says so.

use std::fmt;

use anyhow::Context;
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt, stream};
use http::{Method, Request};
use kube::core::Status;
use kube::{Client, Error};
use release_shared::names;
use release_tests::corpus::{Case, MANAGER};
use release_tests::{Namespace, block_on};
use serde_json::Value;

/// How many requests are under way at once.
const AT_ONCE: usize = 12;

/// Who refuses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    /// What reads the request: unknown fields, wrong types of metadata.
    Decoder,
    /// Schema, CEL and the checks of metadata.
    Schema,
    /// A ValidatingAdmissionPolicy of this name.
    Policy(String),
    /// The webhook.
    Webhook,
    /// The store: it is too large.
    Store,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) by: By,
    pub(super) code: u16,
    /// Field and reason of each cause.
    pub(super) causes: Vec<(String, String)>,
    pub(super) message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message: String = self.message.chars().take(600).collect();
        write!(f, "{:?} {}: {message}", self.by, self.code)
    }
}

/// What is said of a write; nothing where it is accepted.
pub(super) type Answer = Option<Refusal>;

/// What the API server of a namespace says of each case, in their order. Creations come first: then nothing is in the namespace but
/// what was put there before. Only what is to be changed is persisted.
pub(super) fn answers(namespace: &Namespace<'_>, cases: &[Case]) -> anyhow::Result<Vec<Answer>> {
    let (changes, creations): (Vec<_>, Vec<_>) = cases.iter().enumerate().partition(|(_, case)| case.old.is_some());
    let mut answers = vec![None; cases.len()];
    let mut put = |answered: Vec<(usize, Answer)>| answered.into_iter().for_each(|(at, answer)| answers[at] = answer);
    put(side_by_side(namespace, &creations)?);
    for (_, case) in &changes {
        let old = case.old.as_ref().context("a change has a predecessor")?;
        namespace.control_plane().store(namespace.name(), case.kind, old)?;
    }
    put(side_by_side(namespace, &changes)?);
    Ok(answers)
}

fn side_by_side(namespace: &Namespace<'_>, cases: &[(usize, &Case)]) -> anyhow::Result<Vec<(usize, Answer)>> {
    let client = namespace.client();
    block_on(async {
        // Boxed: the compiler cannot tell that such a future may go to another thread while it borrows the case.
        let asked: Vec<_> = cases
            .iter()
            .map(|(at, case)| ask(&client, namespace.name(), case).map_ok(|answer| (*at, answer)).boxed())
            .collect();
        stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await
    })
}

async fn ask(client: &Client, namespace: &str, case: &Case) -> anyhow::Result<Answer> {
    let collection = format!("/apis/{}/namespaces/{namespace}/{}", names::API_VERSION, case.kind.plural());
    let Some(old) = &case.old else {
        return send(client, Method::POST, &collection, &case.new).await.with_context(|| case.name.clone());
    };
    let name = old["metadata"]["name"].as_str().unwrap_or_default();
    let place = format!("{collection}/{name}");
    let stored: Value = client.request(Request::get(&place).body(Vec::new())?).await.context(case.name.clone())?;
    let mut new = case.new.clone();
    new["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    send(client, Method::PUT, &place, &new).await.with_context(|| case.name.clone())
}

async fn send(client: &Client, method: Method, path: &str, object: &Value) -> anyhow::Result<Answer> {
    let uri = format!("{path}?dryRun=All&fieldValidation=Strict&fieldManager={MANAGER}");
    let request = Request::builder().method(method).uri(uri).header("Content-Type", "application/json");
    match client.request_text(request.body(object.to_string().into_bytes())?).await {
        Ok(_) => Ok(None),
        Err(Error::Api(status)) => Ok(Some(refusal(&status))),
        Err(error) => Err(error.into()),
    }
}

/// Reads a refusal.
pub(super) fn refusal(status: &Status) -> Refusal {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let policy = status.message.split_once("ValidatingAdmissionPolicy '").and_then(|(_, rest)| rest.split_once('\''));
    let by = match (policy, status.code) {
        (Some((name, _)), _) => By::Policy(name.to_owned()),
        _ if status.message.contains("admission webhook \"") => By::Webhook,
        (None, 400) => By::Decoder,
        (None, 413 | 500) => By::Store,
        (None, _) => By::Schema,
    };
    let causes = match by {
        By::Policy(_) => vec![(place(&status.message).to_owned(), String::new())],
        _ => causes.iter().map(|cause| (cause.field.clone(), cause.reason.clone())).collect(),
    };
    Refusal { by, code: status.code, causes, message: status.message.clone() }
}

/// A policy has no causes: the message that it gives begins with the place.
fn place(message: &str) -> &str {
    let said = message.split_once(" denied request: ").map_or(message, |(_, said)| said);
    said.split(' ').next().unwrap_or_default().trim_end_matches(':')
}
