//! The live objects that belong to Releases, with the pods, ReplicaSets and warnings around them: kept from watches, trimmed to
//! what health and drift need.

mod around;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use release_edge::follow::Place;
use release_shared::desired::Desired;
use release_shared::health::{self, Assessment, EventView, PodView};
use release_shared::kinds::ObjectRef;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::ownership::{applied_fields, is_autoscaled};
use serde_json::Value;

use crate::queue::{Queue, Task};

/// Which object, whatever version of its API names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

impl From<&ObjectRef> for Identity {
    fn from(reference: &ObjectRef) -> Self {
        Self {
            group: reference.group.clone(),
            kind: reference.kind.clone(),
            namespace: reference.namespace.clone(),
            name: reference.name.clone(),
        }
    }
}

/// A live object.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// Its UID.
    pub(crate) uid: String,
    /// Its resourceVersion.
    pub(crate) resource_version: u64,
    /// Whether it is being deleted, and what holds it.
    pub(crate) deleting: Option<Vec<String>>,
    /// The UID of the Release that it belongs to.
    pub(crate) release_uid: String,
    /// That Release.
    pub(crate) release: Place,
    /// The hash of what was applied.
    pub(crate) applied_hash: Option<String>,
    /// The fields that our applies own (`fieldsV1`), as JSON.
    pub(crate) fields: Option<Box<str>>,
    /// Whether the cluster's autoscaler owns its number of replicas.
    pub(crate) autoscaled: bool,
    /// Another one with each change of what people write, and none with what the cluster says about it, as far as the kind tells.
    pub(crate) edition: u64,
    /// What health looks at.
    pub(crate) object: Value,
}

/// A ReplicaSet between a Deployment and its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ReplicaSet {
    name: String,
    owner: String,
    /// Which rollout of its Deployment it is of.
    revision: Option<String>,
}

#[derive(Default)]
struct Inner {
    objects: HashMap<Identity, Arc<Live>>,
    /// By which watches an object is seen: several where identities share a namespace.
    seen_by: HashMap<Identity, BTreeSet<u64>>,
    /// The UIDs of those that went last.
    gone: VecDeque<String>,
    /// Those that went last, as they were seen, and when that was.
    ended: VecDeque<(Identity, Arc<Live>, Instant)>,
    /// UID of a live object → its Release.
    releases: HashMap<String, Place>,
    pods: HashMap<String, PodView>,
    pods_by_owner: HashMap<String, BTreeSet<String>>,
    replica_sets: HashMap<String, ReplicaSet>,
    sets_by_owner: HashMap<String, BTreeSet<String>>,
    /// UID of what an event is about → the newest few, each with its own UID.
    events: HashMap<String, Vec<(String, EventView)>>,
    /// By which watches a pod, a ReplicaSet or an event is seen, by its UID.
    around_seen_by: HashMap<String, BTreeSet<u64>>,
}

/// How many UIDs of what is gone are kept: more than objects that can be sent and go at the same time.
const GONE: usize = 256;

/// How many of those that went are kept as they were, and for how long: until somebody has looked at how they ended.
const ENDED: (usize, Duration) = (64, Duration::from_secs(30));

/// How many warnings are kept for one object.
const EVENTS: usize = 8;

/// All of them.
pub(crate) struct LiveObjects {
    inner: RwLock<Inner>,
    queue: Queue,
}

impl Live {
    /// Trims an object. `None` for one that does not carry our labels.
    pub(crate) fn read(object: Value) -> Option<Self> {
        let label = |key: &str| object.get("metadata")?.get("labels")?.get(key)?.as_str().map(str::to_owned);
        let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten();
        let held = finalizers.into_iter().filter_map(|finalizer| finalizer.as_str().map(str::to_owned)).collect();
        let fields = applied_fields(&object, names::CONTROLLER_MANAGER);
        Some(Self {
            uid: text(&object, "/metadata/uid")?.to_owned(),
            resource_version: text(&object, "/metadata/resourceVersion")?.parse().unwrap_or_default(),
            deleting: object.pointer("/metadata/deletionTimestamp").map(|_| held),
            release_uid: label(names::RELEASE_UID_LABEL)?,
            release: Place {
                namespace: label(names::RELEASE_NAMESPACE_LABEL)?,
                name: label(names::RELEASE_NAME_LABEL)?,
            },
            applied_hash: annotation(&object, names::APPLIED_HASH).map(str::to_owned),
            fields: fields.map(|fields| fields.to_string().into_boxed_str()),
            autoscaled: is_autoscaled(&object),
            edition: edition(&object),
            object: health::trim(object),
        })
    }

    /// Whether this was applied last.
    pub(crate) fn is_applied(&self, desired: &Desired) -> bool {
        self.applied_hash.as_deref() == Some(&desired.hash)
    }
}

/// A kind without generations has no status worth speaking of, and labels and annotations change without one.
fn edition(object: &Value) -> u64 {
    let metadata = object.get("metadata");
    let field = |key: &str| metadata.and_then(|metadata| metadata.get(key));
    let mut hasher = DefaultHasher::new();
    (field("generation").or(field("resourceVersion")), field("labels"), field("annotations")).hash(&mut hasher);
    hasher.finish()
}

impl LiveObjects {
    /// Nothing yet.
    pub(crate) fn new(queue: Queue) -> Self {
        Self { inner: RwLock::default(), queue }
    }

    /// A live object.
    pub(crate) fn get(&self, identity: &Identity) -> Option<Arc<Live>> {
        self.read(|inner| inner.objects.get(identity).cloned())
    }

    /// An object that went a moment ago, as it was then.
    pub(crate) fn ended(&self, identity: &Identity) -> Option<Arc<Live>> {
        self.read(|inner| {
            let lately = |at: &Instant| at.elapsed() < ENDED.1;
            let found = inner.ended.iter().rev().find(|(ended, _, at)| ended == identity && lately(at));
            found.map(|(_, live, _)| Arc::clone(live))
        })
    }

    /// How a live object is doing.
    pub(crate) fn assess(&self, live: &Live, now: jiff::Timestamp) -> Assessment {
        self.read(|inner| {
            let pods = inner.pods_of(live);
            let events = inner.events_of(live, &pods);
            health::assess(&live.object, &health::Around { pods: &pods, events: &events, now })
        })
    }

    /// A watch sees an object that is there, or has changed.
    pub(crate) fn see(&self, watch: u64, identity: Identity, live: Live) {
        self.write(|inner| {
            inner.gone.retain(|gone| *gone != live.uid);
            inner.seen_by.entry(identity.clone()).or_default().insert(watch);
            self.keep(inner, identity, live);
        });
    }

    /// The API server has answered with an object. Where a watch was faster and has told that it is gone, nobody would tell that again.
    pub(crate) fn put(&self, identity: Identity, live: Live) {
        self.write(|inner| {
            if !inner.gone.contains(&live.uid) {
                self.keep(inner, identity, live);
            }
        });
    }

    fn keep(&self, inner: &mut Inner, identity: Identity, live: Live) {
        if inner.objects.get(&identity).is_some_and(|known| known.resource_version > live.resource_version) {
            return;
        }
        let (uid, release) = (live.uid.clone(), live.release.clone());
        if let Some(before) = inner.objects.insert(identity, Arc::new(live)) {
            if before.uid != uid {
                inner.releases.remove(&before.uid);
                inner.events.remove(&before.uid);
            }
            if before.release != release {
                self.queue.add(Task::Release(before.release.clone()));
            }
        }
        inner.releases.insert(uid, release.clone());
        self.queue.add(Task::Release(release));
    }

    /// An object is gone, or no longer ours. Another one that has taken its name stays.
    pub(crate) fn remove(&self, identity: &Identity, uid: &str) {
        self.write(|inner| {
            inner.gone.push_back(uid.to_owned());
            if inner.gone.len() > GONE {
                inner.gone.pop_front();
            }
            if inner.objects.get(identity).is_some_and(|live| live.uid == uid)
                && let Some(live) = inner.take(identity)
            {
                self.queue.add(Task::Release(live.release.clone()));
                inner.ended.push_back((identity.clone(), live, Instant::now()));
                if inner.ended.len() > ENDED.0 {
                    inner.ended.pop_front();
                }
            }
        });
    }

    /// An object was deleted by us, and is not deleted again before a watch says what became of that.
    pub(crate) fn goes(&self, identity: &Identity, uid: &str) {
        self.write(|inner| {
            if let Some(live) =
                inner.objects.get_mut(identity).filter(|live| live.uid == uid && live.deleting.is_none())
            {
                *live = Arc::new(Live { deleting: Some(Vec::new()), ..Live::clone(live) });
            }
        });
    }

    /// A watch that saw the object has ended; when it was the only one, nobody would say what becomes of it.
    pub(crate) fn forget(&self, watch: u64, identity: &Identity) {
        self.write(|inner| {
            if let Some(watches) = inner.seen_by.get_mut(identity) {
                watches.remove(&watch);
                if !watches.is_empty() {
                    return;
                }
            }
            inner.take(identity);
        });
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn take(&mut self, identity: &Identity) -> Option<Arc<Live>> {
        self.seen_by.remove(identity);
        let live = self.objects.remove(identity)?;
        self.releases.remove(&live.uid);
        self.events.remove(&live.uid);
        Some(live)
    }
}

#[cfg(test)]
mod tests;
