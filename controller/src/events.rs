//! Events on transitions, beside the objects that they are about.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use release_edge::follow::Place;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::status::cut;

/// The longest note. (`events.k8s.io/v1`: 1 kB)
const MAX_NOTE: usize = 1000;

/// What is told.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    kind: EventType,
    reason: &'static str,
    message: String,
}

impl Note {
    /// Good news.
    pub(crate) fn normal(reason: &'static str, message: String) -> Self {
        Self { kind: EventType::Normal, reason, message }
    }

    /// Somebody should look.
    pub(crate) fn warning(reason: &'static str, message: String) -> Self {
        Self { kind: EventType::Warning, reason, message }
    }
}

/// Writes events.
#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
}

impl Events {
    pub(crate) fn new(client: Client, instance: &str) -> Self {
        let reporter =
            Reporter { controller: names::CONTROLLER_MANAGER.to_owned(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Tells of an object. Nobody waits for it: an event that is lost is only an event.
    pub(crate) fn tell(&self, kind: Kind, place: &Place, uid: &str, notes: Vec<Note>) {
        if notes.is_empty() {
            return;
        }
        let about = ObjectReference {
            api_version: Some(names::API_VERSION.to_owned()),
            kind: Some(kind.as_str().to_owned()),
            namespace: Some(place.namespace.clone()),
            name: Some(place.name.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        let recorder = self.recorder.clone();
        tokio::spawn(async move {
            for note in notes {
                let event = Event {
                    type_: note.kind,
                    reason: note.reason.to_owned(),
                    note: Some(cut(&note.message, MAX_NOTE)),
                    action: "Reconcile".to_owned(),
                    secondary: None,
                };
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::debug!(error = %error, "an event was not written");
                }
            }
        });
    }
}
