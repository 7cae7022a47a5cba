//! Somebody who looks out for moments at which a crash would hurt: an object was just made, a Release just began to go, or is gone.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::select;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, ResourceExt};
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, block_on};

use super::fault_world::resource;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// A ConfigMap of a Release was made.
    Made,
    /// A Release is being deleted.
    Going,
    /// A Release is gone.
    Gone,
}

/// What was seen since it was last asked for: the name of the Release concerned.
#[derive(Default)]
pub(crate) struct Lookout {
    seen: Mutex<Vec<(Sight, String)>>,
    rings: Condvar,
}

impl Lookout {
    /// Looks out until told to stop.
    pub(crate) fn watch(&self, namespace: &Namespace<'_>, is_over: &AtomicBool) {
        let releases: Api<DynamicObject> =
            Api::namespaced_with(namespace.client(), namespace.name(), &resource(Kind::Release));
        let maps = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "ConfigMap"), "configmaps");
        let maps: Api<DynamicObject> = Api::all_with(namespace.client(), &maps);
        let ours = format!("{}={}", names::RELEASE_NAMESPACE_LABEL, namespace.name());
        block_on(async {
            let releases = watcher(releases, Config::default()).map(|event| (true, event));
            let maps = watcher(maps, Config::default().labels(&ours)).map(|event| (false, event));
            let mut events = pin!(select(releases, maps));
            let mut known = HashSet::new();
            while !is_over.load(Ordering::Relaxed) {
                let event = tokio::time::timeout(Duration::from_millis(100), events.next()).await;
                let Ok(Some((is_release, Ok(event)))) = event else { continue };
                match event {
                    Event::InitApply(object) => drop(known.insert(object.uid())),
                    Event::Apply(object) if is_release => {
                        let is_going = object.metadata.deletion_timestamp.is_some() && known.insert(object.uid());
                        self.ring(is_going.then(|| (Sight::Going, object.name_any())));
                    }
                    Event::Apply(map) => {
                        let release = || map.labels().get(names::RELEASE_NAME_LABEL).cloned().unwrap_or_default();
                        self.ring(known.insert(map.uid()).then(|| (Sight::Made, release())));
                    }
                    Event::Delete(object) if is_release => self.ring(Some((Sight::Gone, object.name_any()))),
                    _ => {}
                }
            }
        });
    }

    fn ring(&self, seen: Option<(Sight, String)>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).extend(seen);
        self.rings.notify_all();
    }

    /// Waits for the next one; nothing where none comes.
    pub(crate) fn next(&self, sight: Sight, limit: Duration) -> Option<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clear();
        let waited = self.rings.wait_timeout_while(seen, limit, |seen| !seen.iter().any(|(found, _)| *found == sight));
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        seen.iter().find(|(found, _)| *found == sight).map(|(_, release)| release.clone())
    }
}
