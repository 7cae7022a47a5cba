//! One kind, followed by a watch for ever.

use std::collections::HashSet;
use std::fmt::Debug;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Config, DefaultBackoff, Event};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// How many objects are read at once. A ComponentRelease may have more than a megabyte, and a page of them must fit into a pod's memory.
const PAGE: u32 = 20;
/// After how many seconds a watch begins anew. One whose connection was lost without a word is noticed 5 s later. (kube-runtime,
/// `WATCH_IDLE_TIMEOUT_MARGIN`; its own 290 s would leave a cache behind for five minutes.)
const WATCH: u32 = 45;
/// How long is waited at most until a watch that failed is tried again. An API server that is back is heard of within this; the few watches
/// of ours, each of which may ask for a page then, are no burden to it. (kube-runtime waits 30 s, client-go's figure for whole clusters of
/// clients.)
const MOST_PAUSE: Duration = Duration::from_secs(5);

/// Where an object is; the namespace of one that has none is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Place {
    /// Where `object` is.
    pub fn of<K: Resource>(object: &K) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

/// Who is told what becomes of objects. It keeps of them what it needs: an object that it does not keep is freed at once.
pub trait Follower<K>: Send {
    /// An object is there, or has changed, or is only seen again.
    fn apply(&mut self, object: K);

    /// An object is gone. Told also of one that went while nobody watched.
    fn delete(&mut self, place: &Place);

    /// Every object that was there has been told, and every one that was gone. Told again after each new start.
    fn synced(&mut self) {}

    /// The watch failed and is tried again; until then nothing new is seen.
    fn interrupted(&mut self, error: &watcher::Error) {
        let _ = error;
    }
}

/// What is followed where nothing else is said: everything, read in small pages, by a watch that soon notices when nobody is there any more.
/// Selectors may be added.
#[must_use]
pub fn everything() -> Config {
    Config::default().page_size(PAGE).timeout(WATCH)
}

/// Follows what `selection` takes of `api`, for ever. Logs know it as `kind`.
pub async fn follow<K>(api: Api<K>, selection: Config, kind: &str, follower: impl Follower<K>)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    tell(watcher::watcher(api, selection).backoff(Pauses::default()), kind, follower).await;
}

/// The pauses after failures.
#[derive(Default)]
struct Pauses(DefaultBackoff);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(MOST_PAUSE))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

async fn tell<K: Resource>(
    events: impl Stream<Item = watcher::Result<Event<K>>>,
    kind: &str,
    mut follower: impl Follower<K>,
) {
    let mut events = std::pin::pin!(events);
    let mut known = HashSet::new();
    let mut before = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            // A list that failed half-way begins again: what it had told of by then may be gone, too.
            Ok(Event::Init) => before.extend(known.drain()),
            Ok(Event::InitApply(object)) => {
                let place = Place::of(&object);
                before.remove(&place);
                known.insert(place);
                follower.apply(object);
            }
            Ok(Event::InitDone) => {
                before.drain().for_each(|place| follower.delete(&place));
                follower.synced();
            }
            Ok(Event::Apply(object)) => {
                known.insert(Place::of(&object));
                follower.apply(object);
            }
            Ok(Event::Delete(object)) => {
                let place = Place::of(&object);
                known.remove(&place);
                follower.delete(&place);
            }
            Err(error) => {
                tracing::warn!(kind, error = %error, "a watch failed and is tried again");
                follower.interrupted(&error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use release_shared::kinds::Kind;

    use super::*;
    use crate::kind::resource;

    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Follower<DynamicObject> for &mut Heard {
        fn apply(&mut self, object: DynamicObject) {
            let place = Place::of(&object);
            self.0.push(format!("+{}/{}", place.namespace, place.name));
        }

        fn delete(&mut self, place: &Place) {
            self.0.push(format!("-{}/{}", place.namespace, place.name));
        }

        fn synced(&mut self) {
            self.0.push("synced".to_owned());
        }

        fn interrupted(&mut self, _: &watcher::Error) {
            self.0.push("interrupted".to_owned());
        }
    }

    fn object(name: &str) -> DynamicObject {
        DynamicObject::new(name, &resource(Kind::Project)).within("n")
    }

    async fn heard(events: Vec<watcher::Result<Event<DynamicObject>>>) -> String {
        let mut heard = Heard::default();
        tell(futures::stream::iter(events), "Project", &mut heard).await;
        heard.0.join(" ")
    }

    #[tokio::test]
    async fn what_happens_is_told_as_it_happens() {
        let events = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(object("a"))),
            Ok(Event::InitDone),
            Ok(Event::Apply(object("b"))),
            Ok(Event::Delete(object("a"))),
        ];
        assert_eq!(heard(events).await, "+n/a synced +n/b -n/a");
    }

    #[tokio::test]
    async fn what_went_while_nobody_watched_is_told_after_the_next_list() {
        let events = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(object("listed"))),
            Ok(Event::InitApply(object("deleted"))),
            Ok(Event::InitDone),
            Ok(Event::Apply(object("watched"))),
            Ok(Event::Delete(object("deleted"))),
            Err(watcher::Error::NoResourceVersion),
            Ok(Event::Init),
            Ok(Event::InitApply(object("listed"))),
            Ok(Event::InitDone),
        ];
        let told = heard(events).await;
        assert_eq!(told, "+n/listed +n/deleted synced +n/watched -n/deleted interrupted +n/listed -n/watched synced");
    }

    #[tokio::test]
    async fn a_list_that_fails_half_way_forgets_nothing() {
        let events = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(object("a"))),
            Ok(Event::InitDone),
            Ok(Event::Init),
            Ok(Event::InitApply(object("b"))),
            Ok(Event::Init),
            Ok(Event::InitApply(object("c"))),
            Ok(Event::InitDone),
        ];
        let told = heard(events).await;
        assert!(told.starts_with("+n/a synced +n/b +n/c "), "{told}");
        assert!(told.contains("-n/a") && told.contains("-n/b") && !told.contains("-n/c"), "{told}");
        assert!(told.ends_with(" synced"), "{told}");
    }

    #[test]
    fn an_api_server_that_is_back_is_heard_of_soon() {
        let pauses: Vec<_> = Pauses::default().take(20).collect();
        assert_eq!(pauses.len(), 20, "it is tried for ever");
        assert!(pauses[0] >= Duration::from_millis(800) && pauses[0] < pauses[3], "{pauses:?}");
        assert!(pauses[4..].iter().all(|&pause| pause == MOST_PAUSE), "{pauses:?}");
    }
}
