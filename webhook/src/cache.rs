//! What the rules look at, kept from watches: one [`World`] per namespace, trimmed to what rules need.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use release_shared::kinds::Kind;
use release_shared::world::World;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::confirm::resource;
use crate::health::Readiness;

/// The kinds that rules look up. A Release is judged by itself.
const WATCHED: [Kind; 7] = [
    Kind::Project,
    Kind::Environment,
    Kind::DataPlane,
    Kind::DeploymentPipeline,
    Kind::Component,
    Kind::ComponentRelease,
    Kind::ReleaseBinding,
];

/// How many objects are read at once. A ComponentRelease may have more than a megabyte, and a page of them must fit into a pod's memory.
const PAGE: u32 = 20;

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
            None => look(&World::default()),
        }
    }

    fn put(&self, kind: Kind, namespace: &str, name: &str, object: Option<&Value>) {
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        worlds.entry(namespace.to_owned()).or_default().put(kind, name, object);
    }

    /// Takes out every object of a kind that is not in `seen`.
    fn retain(&self, kind: Kind, seen: &HashSet<(String, String)>) {
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        for (namespace, world) in worlds.iter_mut() {
            for name in world.names(kind) {
                if !seen.contains(&(namespace.clone(), name.clone())) {
                    world.put(kind, &name, None);
                }
            }
        }
    }

    /// Follows every kind for ever, and says when all have been seen once.
    pub(crate) async fn follow(self: Arc<Self>, client: Client, readiness: Arc<Readiness>) {
        let (synced, mut all) = mpsc::channel(WATCHED.len());
        for kind in WATCHED {
            tokio::spawn(Arc::clone(&self).follow_kind(client.clone(), kind, synced.clone()));
        }
        for _ in WATCHED {
            all.recv().await;
        }
        readiness.set_synced();
        tracing::info!("the caches are filled");
    }

    async fn follow_kind(self: Arc<Self>, client: Client, kind: Kind, synced: mpsc::Sender<Kind>) {
        let api: Api<DynamicObject> = Api::all_with(client, &resource(kind));
        let stream = watcher::watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
        let mut stream = std::pin::pin!(stream);
        let mut seen = HashSet::new();
        let mut first = Some(synced);
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Init) => seen.clear(),
                Ok(Event::InitApply(object)) => {
                    seen.insert(place(&object));
                    self.apply(kind, object);
                }
                Ok(Event::InitDone) => {
                    self.retain(kind, &seen);
                    if let Some(synced) = first.take() {
                        // Nobody listens any more only when the program ends.
                        let _ = synced.send(kind).await;
                    }
                }
                Ok(Event::Apply(object)) => self.apply(kind, object),
                Ok(Event::Delete(object)) => {
                    let (namespace, name) = place(&object);
                    self.put(kind, &namespace, &name, None);
                }
                Err(error) => tracing::warn!(kind = kind.as_str(), error = %error, "a watch failed and is tried again"),
            }
        }
    }

    fn apply(&self, kind: Kind, object: DynamicObject) {
        let (namespace, name) = place(&object);
        match serde_json::to_value(object) {
            Ok(object) => self.put(kind, &namespace, &name, Some(&object)),
            Err(error) => {
                tracing::error!(kind = kind.as_str(), namespace, name, error = %error, "an object could not be read")
            }
        }
    }
}

fn place(object: &DynamicObject) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}
