//! What watches tell: trimmed live objects, and what is around them. What a watch has told of is forgotten when it ends, since nobody
//! would say any more when it goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kube::Resource;
use kube::api::DynamicObject;
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::watcher;
use release_edge::follow::{Follower, Place};
use release_shared::health::{EventView, PodView};
use release_shared::object::printable;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;

use super::discovery::Discovery;
use super::watches::{Subject, Watched};
use crate::live::{Identity, Live, LiveObjects};
use crate::metrics::Metrics;
use crate::queue::{Queue, Task};

/// Asked for with this type, the API server sends metadata only.
pub(super) type Metadata = PartialObjectMeta<DynamicObject>;

/// How far a watch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It has not seen everything yet.
    Starting,
    /// It has.
    Synced,
    /// It never got there, and why.
    Failed(String),
}

/// Who is told of what is seen.
#[derive(Clone)]
pub(super) struct Tell {
    pub(super) live: Arc<LiveObjects>,
    pub(super) queue: Queue,
    pub(super) metrics: Arc<Metrics>,
    pub(super) discovery: Arc<Discovery>,
}

/// What every watch tells of itself.
pub(super) struct Progress {
    tell: Tell,
    /// The number of this watch.
    watch: u64,
    /// What is watched, for metrics.
    kind: String,
    /// Of what was applied: what the cluster may come to serve no longer.
    api_version: Option<String>,
    /// The Release that it was begun for: looked at again when a watch that failed goes on.
    task: Task,
    state: watch::Sender<State>,
}

impl Progress {
    pub(super) fn new(tell: &Tell, watched: &Watched, task: &Task, state: watch::Sender<State>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let api_version = match &watched.subject {
            Subject::Objects(resource) => Some(resource.api_version.clone()),
            _ => None,
        };
        Self {
            tell: tell.clone(),
            watch: NEXT.fetch_add(1, Ordering::Relaxed),
            kind: watched.to_string(),
            api_version,
            task: task.clone(),
            state,
        }
    }

    fn live(&self) -> &LiveObjects {
        &self.tell.live
    }

    fn synced(&self) {
        if self.state.send_replace(State::Synced) != State::Synced {
            self.tell.queue.add(self.task.clone());
        }
    }

    /// A watch that was synced goes on from where it was; one that never was has to say why, unless that passes by itself.
    fn interrupted(&self, error: &watcher::Error) {
        self.tell.metrics.watch_restarted(&self.kind);
        if let Some(api_version) = self.api_version.as_deref().filter(|_| is_not_found(error)) {
            self.tell.discovery.forget(api_version);
        }
        let Some(why) = refusal(error) else { return };
        self.state.send_if_modified(|state| {
            let says = State::Failed(why);
            let changes = *state != State::Synced && *state != says;
            if changes {
                *state = says;
            }
            changes
        });
    }
}

/// What the API server answered; nothing where it could not be reached.
fn answer(error: &watcher::Error) -> Option<&kube::core::Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}

/// Whether the cluster does not serve what is watched.
fn is_not_found(error: &watcher::Error) -> bool {
    answer(error).is_some_and(|status| status.code == 404)
}

/// Why it is not let be seen, in the API server's words; nothing where it may be in a moment.
fn refusal(error: &watcher::Error) -> Option<String> {
    let status = answer(error).filter(|status| !matches!(status.code, 410 | 429 | 503 | 504))?;
    Some(printable(&status.message))
}

/// The objects of a kind that we applied.
pub(super) struct Objects {
    progress: Progress,
    resource: ApiResource,
    /// What it has told of, with the UID that it had.
    known: HashMap<Identity, String>,
}

impl Objects {
    pub(super) fn new(progress: Progress, resource: ApiResource) -> Self {
        Self { progress, resource, known: HashMap::new() }
    }

    fn identity(&self, place: &Place) -> Identity {
        Identity {
            group: self.resource.group.clone(),
            kind: self.resource.kind.clone(),
            namespace: Some(place.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: place.name.clone(),
        }
    }

    fn gone(&mut self, identity: &Identity) {
        if let Some(uid) = self.known.remove(identity) {
            self.progress.live().remove(identity, &uid);
        }
    }
}

impl<K: Resource + Serialize> Follower<K> for Objects {
    fn apply(&mut self, object: K) {
        let identity = self.identity(&Place::of(&object));
        let Ok(mut value) = serde_json::to_value(object) else { return };
        // Metadata alone comes as what it is; health goes by what it is of.
        value["kind"] = self.resource.kind.clone().into();
        value["apiVersion"] = self.resource.api_version.clone().into();
        match Live::read(value) {
            Some(marked) => {
                self.known.insert(identity.clone(), marked.uid.clone());
                self.progress.live().see(self.progress.watch, identity, marked);
            }
            // Somebody took a part of its mark away. What was known of it holds no longer.
            None => self.gone(&identity),
        }
    }

    fn delete(&mut self, place: &Place) {
        self.gone(&self.identity(place));
    }

    fn synced(&mut self) {
        self.progress.synced();
    }

    fn interrupted(&mut self, error: &watcher::Error) {
        self.progress.interrupted(error);
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.known.keys().for_each(|identity| self.progress.live().forget(self.progress.watch, identity));
    }
}

/// What is known by something else than its name: pods and ReplicaSets by their UID, warnings by what they are about, too.
struct Around<Id> {
    progress: Progress,
    known: HashMap<Place, Id>,
    remove: fn(&LiveObjects, &Id),
    forget: fn(&LiveObjects, u64, &Id),
}

impl<Id: PartialEq + Clone> Around<Id> {
    fn new(progress: Progress, remove: fn(&LiveObjects, &Id), forget: fn(&LiveObjects, u64, &Id)) -> Self {
        Self { progress, known: HashMap::new(), remove, forget }
    }

    fn seen(&mut self, place: Place, id: &Id) {
        if let Some(before) = self.known.insert(place, id.clone()).filter(|before| before != id) {
            (self.remove)(self.progress.live(), &before);
        }
    }

    fn gone(&mut self, place: &Place) {
        if let Some(id) = self.known.remove(place) {
            (self.remove)(self.progress.live(), &id);
        }
    }
}

impl<Id> Drop for Around<Id> {
    fn drop(&mut self) {
        self.known.values().for_each(|id| (self.forget)(self.progress.live(), self.progress.watch, id));
    }
}

/// All pods.
pub(super) struct Pods(Around<String>);

impl Pods {
    pub(super) fn new(progress: Progress) -> Self {
        let remove = |live: &LiveObjects, uid: &String| live.remove_pod(uid);
        Self(Around::new(progress, remove, |live, watch, uid| live.forget_pod(watch, uid)))
    }
}

impl Follower<DynamicObject> for Pods {
    fn apply(&mut self, object: DynamicObject) {
        let place = Place::of(&object);
        let pod = serde_json::to_value(object).ok().as_ref().and_then(PodView::read);
        if let Some(pod) = pod {
            self.0.seen(place, &pod.uid);
            self.0.progress.live().put_pod(self.0.progress.watch, pod);
        }
    }

    fn delete(&mut self, place: &Place) {
        self.0.gone(place);
    }

    fn synced(&mut self) {
        self.0.progress.synced();
    }

    fn interrupted(&mut self, error: &watcher::Error) {
        self.0.progress.interrupted(error);
    }
}

/// All ReplicaSets: they stand between Deployments and pods.
pub(super) struct ReplicaSets(Around<String>);

impl ReplicaSets {
    pub(super) fn new(progress: Progress) -> Self {
        let remove = |live: &LiveObjects, uid: &String| live.remove_replica_set(uid);
        Self(Around::new(progress, remove, |live, watch, uid| live.forget_replica_set(watch, uid)))
    }
}

impl Follower<Metadata> for ReplicaSets {
    fn apply(&mut self, object: Metadata) {
        if let Some(uid) = object.metadata.uid.clone() {
            self.0.seen(Place::of(&object), &uid);
            let object = json!({ "metadata": object.metadata });
            self.0.progress.live().put_replica_set(self.0.progress.watch, &object);
        }
    }

    fn delete(&mut self, place: &Place) {
        self.0.gone(place);
    }

    fn synced(&mut self) {
        self.0.progress.synced();
    }

    fn interrupted(&mut self, error: &watcher::Error) {
        self.0.progress.interrupted(error);
    }
}

/// All warnings, by what they are about and by themselves.
pub(super) struct Warnings(Around<(String, String)>);

impl Warnings {
    pub(super) fn new(progress: Progress) -> Self {
        let remove = |live: &LiveObjects, (about, uid): &(String, String)| live.remove_event(about, uid);
        Self(Around::new(progress, remove, |live, watch, (about, uid)| live.forget_event(watch, about, uid)))
    }
}

impl Follower<DynamicObject> for Warnings {
    fn apply(&mut self, object: DynamicObject) {
        let (place, uid) = (Place::of(&object), object.metadata.uid.clone());
        let event = serde_json::to_value(object).ok().as_ref().and_then(EventView::read);
        if let Some((event, uid)) = event.zip(uid) {
            self.0.seen(place, &(event.uid.clone(), uid.clone()));
            self.0.progress.live().put_event(self.0.progress.watch, &uid, event);
        }
    }

    fn delete(&mut self, place: &Place) {
        self.0.gone(place);
    }

    fn synced(&mut self) {
        self.0.progress.synced();
    }

    fn interrupted(&mut self, error: &watcher::Error) {
        self.0.progress.interrupted(error);
    }
}
