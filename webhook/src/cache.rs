//! What the rules look at, kept from watches: one [`World`] per namespace, trimmed to what rules need.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use kube::{Api, Client};
use release_edge::follow::{self, Follower, Place, follow};
use release_edge::kind::resource;
use release_shared::kinds::Kind;
use release_shared::world::World;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::health::Readiness;
use crate::metrics::Metrics;

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

/// The objects of all namespaces.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    worlds: RwLock<HashMap<String, World>>,
}

impl Cache {
    /// Lets `look` see the objects of a namespace.
    pub(crate) fn with<T>(&self, namespace: &str, look: impl FnOnce(&World) -> T) -> T {
        let worlds = self.worlds.read().unwrap_or_else(PoisonError::into_inner);
        match worlds.get(namespace) {
            Some(world) => look(world),
            None => look(&World::new(namespace)),
        }
    }

    fn put(&self, kind: Kind, namespace: &str, name: &str, object: Option<&Value>) {
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        worlds.entry(namespace.to_owned()).or_insert_with(|| World::new(namespace)).put(kind, name, object);
    }

    /// Follows every kind for ever, and says when all have been seen once.
    pub(crate) async fn follow(self: Arc<Self>, client: Client, readiness: Arc<Readiness>, metrics: Arc<Metrics>) {
        let (synced, mut all) = mpsc::channel(WATCHED.len());
        for kind in WATCHED {
            let api = Api::all_with(client.clone(), &resource(kind));
            let (cache, metrics) = (Arc::clone(&self), Arc::clone(&metrics));
            let cached = Cached { cache, kind, first: Some(synced.clone()), metrics };
            tokio::spawn(follow(api, follow::everything(), kind.as_str(), cached));
        }
        for _ in WATCHED {
            all.recv().await;
        }
        readiness.set_synced();
        tracing::info!("the caches are filled");
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

impl Follower<DynamicObject> for Cached {
    fn apply(&mut self, object: DynamicObject) {
        self.metrics.heard(self.kind, Timestamp::now());
        let Place { namespace, name } = Place::of(&object);
        match serde_json::to_value(object) {
            Ok(object) => self.cache.put(self.kind, &namespace, &name, Some(&object)),
            Err(error) => {
                let kind = self.kind.as_str();
                tracing::error!(kind, namespace, name, error = %error, "an object could not be read");
            }
        }
    }

    fn delete(&mut self, place: &Place) {
        self.metrics.heard(self.kind, Timestamp::now());
        self.cache.put(self.kind, &place.namespace, &place.name, None);
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
