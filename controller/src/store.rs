//! Our own kinds as the controller knows them, kept from watches and trimmed to what it needs; and who is to be looked at when one
//! of them changes.

mod binding;
mod release;
mod snapshot;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use release_edge::follow::{Follower, Place};
use release_shared::kinds::{Health, Kind, Owner};
use release_shared::object::text;
use release_shared::world::World;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use crate::queue::{Queue, Task};

pub(crate) use binding::Binding;
pub(crate) use release::Release;
pub(crate) use snapshot::{Snapshot, Snapshots};

/// All namespaces.
pub(crate) struct Store {
    inner: RwLock<Inner>,
    /// The specs of ComponentReleases that were seen lately.
    pub(crate) snapshots: Snapshots,
    queue: Queue,
}

#[derive(Default)]
struct Inner {
    worlds: HashMap<String, World>,
    environments: HashMap<Place, Environment>,
    bindings: HashMap<Place, Arc<Binding>>,
    releases: HashMap<Place, Arc<Release>>,
    snapshots: HashMap<Place, Snapshot>,
    namespaces: HashMap<String, NamespaceView>,
}

/// What is known of an Environment besides what the rules see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Its UID.
    pub(crate) uid: String,
    /// The DataPlane that it names; none = this cluster.
    pub(crate) data_plane: Option<String>,
    /// Whether live objects that cannot be removed are left behind.
    pub(crate) orphan_on_delete: bool,
    /// Whether fields of live objects that somebody has taken are taken back.
    pub(crate) takes_back: bool,
}

/// What is known of a namespace of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NamespaceView {
    /// Its labels that are ours.
    pub(crate) labels: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub(crate) terminating: bool,
}

impl Store {
    /// An empty store.
    pub(crate) fn new(queue: Queue) -> Self {
        Self { inner: RwLock::default(), snapshots: Snapshots::default(), queue }
    }

    /// A binding.
    pub(crate) fn binding(&self, place: &Place) -> Option<Arc<Binding>> {
        self.read(|inner| inner.bindings.get(place).cloned())
    }

    /// A Release.
    pub(crate) fn release(&self, place: &Place) -> Option<Arc<Release>> {
        self.read(|inner| inner.releases.get(place).cloned())
    }

    /// Whether a Release of this UID is there and not being deleted.
    pub(crate) fn has_release(&self, place: &Place, uid: &str) -> bool {
        self.release(place).is_some_and(|release| release.uid == uid && !release.deleting)
    }

    /// An Environment.
    pub(crate) fn environment(&self, place: &Place) -> Option<Environment> {
        self.read(|inner| inner.environments.get(place).cloned())
    }

    /// Whether an Environment of this UID exists anywhere.
    pub(crate) fn has_environment(&self, uid: &str) -> bool {
        self.read(|inner| inner.environments.values().any(|environment| environment.uid == uid))
    }

    /// A namespace of the cluster.
    pub(crate) fn namespace(&self, name: &str) -> Option<NamespaceView> {
        self.read(|inner| inner.namespaces.get(name).cloned())
    }

    /// Lets `look` see what the rules see of a namespace.
    pub(crate) fn with_world<T>(&self, namespace: &str, look: impl FnOnce(&World) -> T) -> T {
        self.read(|inner| match inner.worlds.get(namespace) {
            Some(world) => look(world),
            None => look(&World::new(namespace)),
        })
    }

    /// The ComponentReleases of a component.
    pub(crate) fn snapshots_of(&self, namespace: &str, component: &str) -> Vec<(Place, Snapshot)> {
        self.read(|inner| {
            let ours = |(place, snapshot): &(&Place, &Snapshot)| {
                place.namespace == namespace && snapshot.owner.component_name == component
            };
            inner.snapshots.iter().filter(ours).map(|(place, snapshot)| (place.clone(), snapshot.clone())).collect()
        })
    }

    /// What is kept of a ComponentRelease.
    pub(crate) fn snapshot(&self, place: &Place) -> Option<Snapshot> {
        self.read(|inner| inner.snapshots.get(place).cloned())
    }

    /// How many Releases there are of each health.
    pub(crate) fn count(&self) -> [(Health, usize); 5] {
        use Health::{Degraded, Healthy, Progressing, Suspended, Unknown};
        let mut counts = [Healthy, Suspended, Progressing, Unknown, Degraded].map(|health| (health, 0));
        self.read(|inner| {
            for release in inner.releases.values() {
                let health = release.status.health.unwrap_or(Unknown);
                counts.iter_mut().filter(|(of, _)| *of == health).for_each(|(_, count)| *count += 1);
            }
        });
        counts
    }

    /// A binding after our own write, unless something newer is known already, or that it is gone.
    pub(crate) fn put_binding(&self, binding: Binding) {
        self.write(|inner| put_known(&mut inner.bindings, binding));
    }

    /// A Release after our own write, unless something newer is known already, or that it is gone.
    pub(crate) fn put_release(&self, release: Release) {
        self.write(|inner| put_known(&mut inner.releases, release));
    }

    /// A Release that we may just have made. Our finalizer holds it, so that it cannot be gone before it is put here.
    pub(crate) fn put_made_release(&self, release: Release) {
        let place = release.place.clone();
        self.write(|inner| put_newer(&mut inner.releases, place, release));
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn apply(&self, kind: Kind, place: &Place, object: &Value) {
        self.write(|inner| {
            let world = inner.worlds.entry(place.namespace.clone());
            let world = world.or_insert_with(|| World::new(&place.namespace));
            world.put(kind, &place.name, Some(object));
            match kind {
                Kind::Environment => drop(inner.environments.insert(place.clone(), Environment::read(object))),
                Kind::ReleaseBinding => {
                    if let Some(binding) = Binding::read(place, object) {
                        put_newer(&mut inner.bindings, place.clone(), binding);
                    }
                }
                Kind::Release => {
                    if let Some(release) = Release::read(place, object) {
                        put_newer(&mut inner.releases, place.clone(), release);
                    }
                }
                Kind::ComponentRelease => {
                    if let Some(snapshot) = Snapshot::read(object) {
                        self.snapshots.put(place, &snapshot.uid, object.get("spec"));
                        inner.snapshots.insert(place.clone(), snapshot);
                    }
                }
                _ => {}
            }
            self.tell(inner, kind, place);
        });
    }

    fn delete(&self, kind: Kind, place: &Place) {
        self.write(|inner| {
            // Who cared about it is found before it is forgotten.
            self.tell(inner, kind, place);
            if let Some(world) = inner.worlds.get_mut(&place.namespace) {
                world.put(kind, &place.name, None);
            }
            match kind {
                Kind::Environment => drop(inner.environments.remove(place)),
                Kind::ReleaseBinding => drop(inner.bindings.remove(place)),
                Kind::Release => drop(inner.releases.remove(place)),
                Kind::ComponentRelease => drop(inner.snapshots.remove(place)),
                _ => {}
            }
        });
    }

    /// Who is to be looked at when an object has changed. They wait for the lock that is held here.
    fn tell(&self, inner: &Inner, kind: Kind, place: &Place) {
        let binding = |binding: &Binding| self.queue.add(Task::Binding(binding.place.clone()));
        let release = |release: &Release| self.queue.add(Task::Release(release.place.clone()));
        let bindings = |concerns: &dyn Fn(&Binding) -> bool| {
            let here = inner.bindings.values().filter(|binding| binding.place.namespace == place.namespace);
            here.filter(|binding| concerns(binding)).for_each(|found| binding(found));
        };
        let releases = |concerns: &dyn Fn(&Release) -> bool| {
            let here = inner.releases.values().filter(|release| release.place.namespace == place.namespace);
            here.filter(|release| concerns(release)).for_each(|found| release(found));
        };
        let name = &place.name;
        match kind {
            Kind::ReleaseBinding => {
                self.queue.add(Task::Binding(place.clone()));
                // A Release whose binding is gone has to go, too.
                self.queue.add(Task::Release(place.clone()));
                if let Some(binding) = inner.bindings.get(place) {
                    self.collect(&place.namespace, &binding.owner.component_name);
                }
            }
            Kind::Release => {
                self.queue.add(Task::Release(place.clone()));
                self.queue.add(Task::Binding(place.clone()));
            }
            Kind::Environment => {
                bindings(&|binding| binding.environment == *name);
                releases(&|release| release.environment == *name);
            }
            Kind::Project => {
                bindings(&|binding| binding.owner.project_name == *name);
                releases(&|release| release.owner.project_name == *name);
            }
            Kind::Component => {
                bindings(&|binding| binding.owner.component_name == *name);
            }
            Kind::ComponentRelease => {
                bindings(&|binding| binding.release.as_ref() == Some(name));
                if let Some(snapshot) = inner.snapshots.get(place) {
                    self.collect(&place.namespace, &snapshot.owner.component_name);
                }
            }
            Kind::DataPlane | Kind::DeploymentPipeline => {}
        }
    }

    fn collect(&self, namespace: &str, component: &str) {
        let place = Place { namespace: namespace.to_owned(), name: component.to_owned() };
        self.queue.add_after(Task::Collect(place), COLLECT_AFTER);
    }
}

/// How long after a change it is looked for what nobody needs any more: there is no hurry, and changes come in groups.
const COLLECT_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

/// One version of an object.
pub(crate) trait Versioned {
    /// Where the object is.
    fn place(&self) -> &Place;

    /// Its UID.
    fn uid(&self) -> &str;

    /// Its resourceVersion, as a number: the API server's objects of one kind are ordered by it. (KEP-5504)
    fn version(&self) -> u64;
}

/// A watch may be behind what we have written ourselves.
fn put_newer<T: Versioned>(map: &mut HashMap<Place, Arc<T>>, place: Place, new: T) {
    if map.get(&place).is_none_or(|known| known.version() <= new.version()) {
        map.insert(place, Arc::new(new));
    }
}

/// The answer to a write may come after the watch has told that the object is gone. Nobody would say that again: it would be here for
/// ever, and be worked on.
fn put_known<T: Versioned>(map: &mut HashMap<Place, Arc<T>>, new: T) {
    if map.get(new.place()).is_some_and(|known| known.uid() == new.uid()) {
        put_newer(map, new.place().clone(), new);
    }
}

impl Environment {
    fn read(object: &Value) -> Self {
        use release_shared::names;
        use release_shared::object::annotation;
        Self {
            uid: text(object, "/metadata/uid").unwrap_or_default().to_owned(),
            data_plane: text(object, "/spec/dataPlaneRef/name").map(str::to_owned),
            orphan_on_delete: annotation(object, names::ORPHAN_ON_DELETE) == Some("true"),
            takes_back: annotation(object, names::DRIFT) == Some("enforce"),
        }
    }
}

/// Keeps one of our kinds in the store.
pub(crate) struct Keep {
    /// The store.
    pub(crate) store: Arc<Store>,
    /// The kind.
    pub(crate) kind: Kind,
    /// Told when all have been seen.
    pub(crate) synced: watch::Sender<bool>,
}

impl Follower<DynamicObject> for Keep {
    fn apply(&mut self, object: DynamicObject) {
        let place = Place::of(&object);
        match serde_json::to_value(object) {
            Ok(object) => self.store.apply(self.kind, &place, &object),
            Err(error) => {
                tracing::error!(kind = self.kind.as_str(), ?place, error = %error, "an object could not be read")
            }
        }
    }

    fn delete(&mut self, place: &Place) {
        self.store.delete(self.kind, place);
    }

    fn synced(&mut self) {
        self.synced.send_replace(true);
    }
}

/// Keeps the cluster's namespaces in the store.
pub(crate) struct KeepNamespaces {
    /// The store.
    pub(crate) store: Arc<Store>,
    /// Told when all have been seen.
    pub(crate) synced: watch::Sender<bool>,
}

impl Follower<PartialObjectMeta<Namespace>> for KeepNamespaces {
    fn apply(&mut self, object: PartialObjectMeta<Namespace>) {
        let labels = object.labels().iter().filter(|(key, _)| key.starts_with(release_shared::names::GROUP));
        let view = NamespaceView {
            labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
            terminating: object.metadata.deletion_timestamp.is_some(),
        };
        self.store.write(|inner| inner.namespaces.insert(object.name_any(), view));
    }

    fn delete(&mut self, place: &Place) {
        self.store.write(|inner| {
            inner.namespaces.remove(&place.name);
            // Whoever has objects in it is told by the watches of those objects; who waits for it to be gone is told here.
            for release in inner.releases.values().filter(|release| release.waits_for_namespaces()) {
                self.store.queue.add(Task::Release(release.place.clone()));
            }
        });
    }

    fn synced(&mut self) {
        self.synced.send_replace(true);
    }
}

/// Its status. `None` where it cannot be read, as after a step back to an older version: what it says may not be written over, and so
/// nothing is done about the object.
fn status<T: DeserializeOwned + Default>(place: &Place, object: &Value) -> Option<T> {
    let Some(status) = object.get("status") else { return Some(T::default()) };
    let read = serde_json::from_value(status.clone());
    read.inspect_err(
        |error| tracing::error!(?place, error = %error, "a status cannot be read; the object is left alone"),
    )
    .ok()
}

/// Whose an object of ours is.
fn owner(object: &Value) -> Option<Owner> {
    Some(Owner {
        project_name: text(object, "/spec/owner/projectName")?.to_owned(),
        component_name: text(object, "/spec/owner/componentName")?.to_owned(),
    })
}

/// Its name and description for people.
fn said(object: &Value) -> Vec<(&'static str, String)> {
    use release_shared::names::{DESCRIPTION, DISPLAY_NAME};
    use release_shared::object::annotation;
    let keys = [DISPLAY_NAME, DESCRIPTION].into_iter();
    keys.filter_map(|key| Some((key, annotation(object, key)?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metrics::Metrics;

    fn binding(uid: &str, version: &str) -> Value {
        json!({
            "metadata": {"name": "web-dev", "namespace": "acme", "uid": uid, "resourceVersion": version},
            "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev"},
        })
    }

    #[tokio::test]
    async fn an_answer_that_comes_late_brings_nothing_back() {
        let (queue, _requests) = Queue::new(Arc::new(Metrics::default()));
        let store = Store::new(queue);
        let place = Place { namespace: "acme".into(), name: "web-dev".into() };
        let written = |uid: &str, version: &str| Binding::read(&place, &binding(uid, version)).unwrap();
        let known = || store.binding(&place).map(|binding| (binding.uid.clone(), binding.resource_version.clone()));
        let is = |uid: &str, version: &str| Some((uid.to_owned(), version.to_owned()));

        store.apply(Kind::ReleaseBinding, &place, &binding("one", "5"));
        store.put_binding(written("one", "7"));
        assert_eq!(known(), is("one", "7"));
        store.apply(Kind::ReleaseBinding, &place, &binding("one", "6"));
        assert_eq!(known(), is("one", "7"), "the watch is behind");
        store.delete(Kind::ReleaseBinding, &place);
        store.put_binding(written("one", "8"));
        assert_eq!(known(), None, "it was deleted before the answer came");
        store.apply(Kind::ReleaseBinding, &place, &binding("two", "10"));
        store.put_binding(written("one", "8"));
        assert_eq!(known(), is("two", "10"));
    }
}
