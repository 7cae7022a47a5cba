//! What the rules look at, kept from watches: one [`World`] per namespace, trimmed to what rules need.

mod pages;
mod raw;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::watcher;
use kube::{Api, Client};
use release_edge::client;
use release_edge::follow::{self, Follower, Place, follow};
use release_edge::kind::resource;
use release_shared::kinds::Kind;
use release_shared::world::{View, World};
use tokio::sync::mpsc;

use crate::health::Readiness;
use crate::metrics::Metrics;

pub(crate) use pages::bounded;
pub(crate) use raw::RawObject;

/// The kinds that rules look up. A Release is judged by itself.
pub(crate) const WATCHED: [Kind; 7] = [
    Kind::Project,
    Kind::Environment,
    Kind::DataPlane,
    Kind::DeploymentPipeline,
    Kind::Component,
    Kind::ComponentRelease,
    Kind::ReleaseBinding,
];

/// How many bytes are read at once of a kind, unless a single object has more: whoever makes an object may make it as large as the store
/// takes it, a megabyte and a half, with labels or with what a schema leaves open. Of what is read there are three copies for a moment (as it
/// comes in, as text, and the parts that are looked at): 12 MiB of each kind, and 84 MiB of all seven, which are read side by side.
const PAGE: usize = 4 * 1024 * 1024;

/// How long the beginning of a list or a watch may take: it comes at once, unless its connection was lost without a word like the one before
/// it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The objects of all namespaces. Who looks at one has it as it was at that moment, and keeps nobody from changing it.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    worlds: RwLock<HashMap<String, Arc<World>>>,
}

impl Cache {
    /// The objects of a namespace.
    pub(crate) fn world(&self, namespace: &str) -> Arc<World> {
        let worlds = self.worlds.read().unwrap_or_else(PoisonError::into_inner);
        let known = worlds.get(namespace).cloned();
        drop(worlds);
        known.unwrap_or_else(|| Arc::new(World::new(namespace)))
    }

    /// Puts an object in its place. What somebody is judging by meanwhile stays as it is, and shares with this what did not change.
    fn keep(&self, namespace: &str, name: &str, view: View) {
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        let world = worlds.entry(namespace.to_owned()).or_insert_with(|| Arc::new(World::new(namespace)));
        Arc::make_mut(world).put_view(name, view);
        if world.is_empty() {
            worlds.remove(namespace);
        }
    }

    /// Takes one out.
    fn remove(&self, kind: Kind, namespace: &str, name: &str) {
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        let Some(world) = worlds.get_mut(namespace) else { return };
        Arc::make_mut(world).remove(kind, name);
        if world.is_empty() {
            worlds.remove(namespace);
        }
    }

    /// Puts an object in its place as a watch does.
    #[cfg(test)]
    pub(crate) fn hear(&self, kind: Kind, namespace: &str, name: &str, object: &serde_json::Value) {
        let object: RawObject = serde_json::from_value(object.clone()).unwrap();
        self.keep(namespace, name, object.view(kind).trimmed());
    }

    /// Follows every kind for ever, and says when all have been seen once.
    pub(crate) async fn follow(self: Arc<Self>, client: Client, readiness: Arc<Readiness>, metrics: Arc<Metrics>) {
        let (synced, mut all) = mpsc::channel(WATCHED.len());
        for kind in WATCHED {
            let heard = Arc::clone(&metrics);
            // A watch that begins anew says that the API server is there, also where nothing changes for long.
            let client = client::telling(&client, PATIENCE, move || heard.heard(kind, Timestamp::now()));
            let client = bounded(&client, PAGE);
            let api = Api::<RawObject>::all_with(client, &resource(kind));
            let (cache, metrics) = (Arc::clone(&self), Arc::clone(&metrics));
            let cached = Cached { cache, kind, first: Some(synced.clone()), metrics };
            tokio::spawn(follow(api, follow::everything().page_size(most_at_once(kind)), kind.as_str(), cached));
        }
        for _ in WATCHED {
            all.recv().await;
        }
        readiness.set_synced();
        tracing::info!("the caches are filled");
    }
}

/// How many objects of a kind are read at once, where those are not larger than usual: about as many as have [`PAGE`] bytes. A binding with as
/// long a history as it has where nothing else is said has 60 KiB, a release a few hundred, and the others eight at most.
fn most_at_once(kind: Kind) -> u32 {
    match kind {
        Kind::ComponentRelease => 4,
        Kind::ReleaseBinding => 64,
        _ => 500,
    }
}

/// One kind of the cache.
struct Cached {
    cache: Arc<Cache>,
    kind: Kind,
    /// Where to say that everything has been seen once.
    first: Option<mpsc::Sender<Kind>>,
    metrics: Arc<Metrics>,
}

impl Follower<RawObject> for Cached {
    fn apply(&mut self, object: RawObject) {
        self.metrics.heard(self.kind, Timestamp::now());
        let Place { namespace, name } = Place::of(&object);
        let view = object.view(self.kind).trimmed();
        // Its text is gone before its place is made.
        drop(object);
        self.cache.keep(&namespace, &name, view);
    }

    fn delete(&mut self, place: &Place) {
        self.metrics.heard(self.kind, Timestamp::now());
        self.cache.remove(self.kind, &place.namespace, &place.name);
    }

    fn interrupted(&mut self, _: &watcher::Error) {
        self.metrics.interrupted(self.kind);
    }

    fn synced(&mut self) {
        self.metrics.heard(self.kind, Timestamp::now());
        if let Some(first) = self.first.take() {
            // There is room for every kind; nobody listens any more only when the program ends.
            let _ = first.try_send(self.kind);
        }
    }
}

#[cfg(test)]
mod tests;
