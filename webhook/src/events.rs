//! Tells in the namespace of a deletion that no record speaks of: an Event, after the answer was given and when the object is gone.
//! The object's history went with it; the Event, the log and the audit log say who it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::poll_fn;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{DynamicObject, PostParams};
use kube::{Api, Client};
use release_edge::kind::resource;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::printable;
use release_shared::status::cut;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How many deletions may wait to be told of. What is beyond that is logged and counted.
const WAITING: usize = 256;
/// How many are told of at once.
const AT_ONCE: usize = 4;
/// When it is looked whether the object is really gone: somebody else may have refused its deletion.
const LOOKS: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(2), Duration::from_secs(8)];
/// The longest note. (`events.k8s.io/v1`: 1 kB)
const MAX_NOTE: usize = 1000;

/// An object that is deleted with its history and without a record of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unrecorded {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// The last that its history told of.
    pub(crate) revision: String,
    /// Who deletes it.
    pub(crate) user: String,
}

/// Where deletions are handed over. Nobody waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    queue: mpsc::Sender<Unrecorded>,
    dropped: Arc<AtomicU64>,
}

impl Events {
    /// Begins to tell. The task ends when the last handle is gone and all is told.
    pub(crate) fn start(client: Client, instance: String) -> (Self, JoinHandle<()>) {
        let (queue, mut waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            let deletions = poll_fn(move |context| waiting.poll_recv(context));
            deletions.for_each_concurrent(AT_ONCE, |deletion| tell(&client, &instance, deletion)).await;
        });
        (Self { queue, dropped: Arc::default() }, task)
    }

    /// Hands a deletion over, unless too many are waiting.
    pub(crate) fn tell(&self, deletion: Unrecorded) {
        let Err(error) = self.queue.try_send(deletion) else { return };
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        let (mpsc::error::TrySendError::Full(lost) | mpsc::error::TrySendError::Closed(lost)) = error;
        let Unrecorded { kind, namespace, name, user, .. } = lost;
        tracing::warn!(kind = kind.as_str(), namespace, name, user, dropped, "no Event is written of a deletion");
    }
}

async fn tell(client: &Client, instance: &str, deletion: Unrecorded) {
    for pause in LOOKS {
        tokio::time::sleep(pause).await;
        match is_gone(client, &deletion).await {
            Ok(true) => return write(client, instance, &deletion).await,
            Ok(false) => {}
            Err(error) => tracing::debug!(error = %error, "it could not be looked whether an object is gone"),
        }
    }
    tracing::debug!(name = deletion.name, "an object is still there: no Event is written");
}

/// Whether the object is gone, or only something of its own holds it.
async fn is_gone(client: &Client, deletion: &Unrecorded) -> kube::Result<bool> {
    let objects = Api::<DynamicObject>::namespaced_with(client.clone(), &deletion.namespace, &resource(deletion.kind));
    let there = objects.get_metadata_opt(&deletion.name).await?;
    Ok(there.is_none_or(|there| {
        there.metadata.uid.as_deref() != Some(&deletion.uid) || there.metadata.deletion_timestamp.is_some()
    }))
}

async fn write(client: &Client, instance: &str, deletion: &Unrecorded) {
    let events = Api::<Event>::namespaced(client.clone(), &deletion.namespace);
    match events.create(&PostParams::default(), &event(instance, deletion, Timestamp::now())).await {
        Ok(_) => {}
        // Another call for the same deletion was first.
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        // In a namespace that is ending nothing is made any more.
        Err(error) => tracing::debug!(error = %error, "an Event was not written"),
    }
}

/// One deletion is one Event, however often and by how many replicas it was judged: its name follows from the object's UID.
fn event(instance: &str, deletion: &Unrecorded, now: Timestamp) -> Event {
    let Unrecorded { kind, namespace, name, uid, revision, user } = deletion;
    let cure = match kind {
        Kind::ReleaseBinding => ": `kubectl release delete` records first who deletes it and why",
        _ => "",
    };
    let note = format!("{user} deleted this at revision {revision} without a record, and its history with it{cure}");
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{}", names::short_hash(uid.as_bytes(), names::RELEASE_HASH))),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        action: Some("Delete".to_owned()),
        reason: Some("DeletedWithoutRecord".to_owned()),
        note: Some(cut(&printable(&note), MAX_NOTE)),
        // Only a binding's deletion could have been recorded.
        type_: Some(if *kind == Kind::ReleaseBinding { "Warning" } else { "Normal" }.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(names::API_VERSION.to_owned()),
            kind: Some(kind.as_str().to_owned()),
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
            uid: Some(uid.clone()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(names::WEBHOOK.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletion(kind: Kind, user: &str) -> Unrecorded {
        let name = "web-dev".to_owned();
        let namespace = "acme".to_owned();
        Unrecorded { kind, namespace, name, uid: "u".to_owned(), revision: "3".to_owned(), user: user.to_owned() }
    }

    #[test]
    fn an_event_says_who_and_what() {
        let event = event("one", &deletion(Kind::ReleaseBinding, "jane"), "2026-01-02T12:00:00Z".parse().unwrap());
        insta::assert_json_snapshot!(event);
    }

    #[test]
    fn a_note_is_short_and_moves_no_cursor() {
        let now = "2026-01-02T12:00:00Z".parse().unwrap();
        let event = event("one", &deletion(Kind::Project, &format!("\u{1b}[2J{}", "é".repeat(2000))), now);
        let note = event.note.unwrap();
        assert!(note.len() <= 1024 && !note.contains('\u{1b}'), "{note}");
        assert_eq!(event.type_.as_deref(), Some("Normal"));
    }

    /// Nobody takes anything out of the queue: it is full at its bound, and what comes then is counted.
    #[test]
    fn what_is_too_much_is_dropped() {
        let (queue, _waiting) = mpsc::channel(WAITING);
        let events = Events { queue, dropped: Arc::default() };
        for _ in 0..WAITING + 7 {
            events.tell(deletion(Kind::ReleaseBinding, "jane"));
        }
        assert_eq!(events.dropped.load(Ordering::Relaxed), 7);
    }
}
