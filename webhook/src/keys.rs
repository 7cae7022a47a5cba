//! The keys that sign records: their private halves in a Secret that all replicas share, their public halves in a ConfigMap for everybody.
//!
//! `Secret (or memory, or a new key) → ConfigMap → Signer`. Replicas agree through resourceVersions: whoever writes first wins, the
//! others read. What was good once stays in memory, so that neither the API server nor who deletes the Secret stops the recording.

mod entries;
mod search;
mod store;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use release_shared::names;
use release_shared::record::Signer;
use thiserror::Error;
use tokio::time::{Instant, timeout};

use crate::health::Readiness;
use crate::lookups::Lookups;
use search::Search;
use store::{Looked, Store};

/// How often the keys are looked at once all is well.
const INTERVAL: Duration = Duration::from_secs(30);
/// How soon they are looked at again after a failure, or after a change.
const RETRY: Duration = Duration::from_secs(1);
/// How long a look may take that no review waits for: the API server answers at once, unless a connection was lost without a word.
const LIMIT: Duration = Duration::from_secs(10);

/// What can go wrong with record keys.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("failed to reach the API server")]
    Api(#[from] kube::Error),
    #[error("the API server did not answer within {} s", LIMIT.as_secs())]
    Slow,
    #[error("failed to get random bytes for a key")]
    Random,
    #[error("other replicas wrote the keys again and again")]
    Unsettled,
}

/// The keys of this replica.
pub(crate) struct RecordKeys {
    store: Store,
    current: RwLock<Option<Arc<Signer>>>,
    search: Search,
}

impl RecordKeys {
    /// The keys in the Secret of a namespace, which nobody has looked at yet.
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self { store: Store::new(client, namespace), current: RwLock::default(), search: Search::default() }
    }

    /// Who signs; `None` before the first look.
    pub(crate) fn signer(&self) -> Option<Arc<Signer>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Signs with this from now on.
    pub(crate) fn set(&self, signer: Signer) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|known| known.id() != signer.id()) {
            tracing::info!(key = signer.id(), "records are signed with this key");
        }
        *current = Some(Arc::new(signer));
    }

    /// Who signs, after these keys were looked for in the Secret: another replica may have signed with one that it has just made.
    pub(crate) async fn having_sought(
        &self,
        unknown: &BTreeSet<String>,
        lookups: &Lookups,
        deadline: Instant,
    ) -> Option<Arc<Signer>> {
        const WHAT: &str = "a record key that is not known";
        let is_known = |key: &str| self.signer().is_some_and(|signer| signer.knows(key));
        let look = self.search.look(unknown, is_known, lookups.ask(self.learn()));
        if lookups.find(WHAT, deadline, look).await == Some(false) {
            lookups.too_many(WHAT);
        }
        self.signer()
    }

    /// Reads the Secret. The next look of our own writes what is to be written.
    async fn learn(&self) -> Result<(), Error> {
        let known = self.signer();
        if let Some(signer) = self.store.read(known.as_deref()).await? {
            self.set(signer);
        }
        Ok(())
    }

    /// Keeps Secret, ConfigMap and memory right, for ever.
    pub(crate) async fn maintain(self: Arc<Self>, client: Client, namespace: String, readiness: Arc<Readiness>) {
        let mut said = String::new();
        let mut changes = std::pin::pin!(changes(&client, &namespace));
        loop {
            let looked = timeout(LIMIT, self.look()).await.unwrap_or(Err(Error::Slow));
            if self.signer().is_some() {
                readiness.set_keyed();
            }
            let wait = if matches!(&looked, Ok(looked) if looked.is_well()) { INTERVAL } else { Duration::ZERO };
            let state = looked.map_or_else(|error| crate::tls::error_chain(&error), |looked| looked.to_string());
            if said != state {
                tracing::info!(state, "record keys");
                said = state;
            }
            tokio::time::sleep(RETRY).await;
            tokio::select! {
                Some(()) = changes.next() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn look(&self) -> Result<Looked, Error> {
        let known = self.signer();
        let (signer, looked) = self.store.ensure(known.as_deref()).await?;
        self.set(signer);
        Ok(looked)
    }
}

/// Something each time that Secret or ConfigMap change, by whomever.
fn changes(client: &Client, namespace: &str) -> impl Stream<Item = ()> + Send + use<> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let secrets = watcher::watch_object(secrets, names::RECORD_KEYS).default_backoff().map(drop);
    let maps = watcher::watch_object(maps, names::RECORD_KEYS).default_backoff().map(drop);
    futures::stream::select(secrets, maps)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::{Method, Request, Response};
    use kube::client::Body;

    use super::*;

    /// The first question is never answered. After that there is nothing, and all that is made is taken.
    fn stalling_once() -> Client {
        let asked = Arc::new(AtomicUsize::new(0));
        let service = tower::service_fn(move |request: Request<Body>| {
            let is_watch = request.uri().query().is_some_and(|query| query.contains("watch"));
            let stalls = is_watch || asked.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                if stalls {
                    std::future::pending::<()>().await;
                }
                if request.method() == Method::POST {
                    return Response::builder().status(201).body(request.into_body());
                }
                let missing =
                    r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;
                Response::builder().status(404).body(Body::from(missing.as_bytes().to_vec()))
            }
        });
        Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_given_up_and_made_again() {
        let client = stalling_once();
        let keys = Arc::new(RecordKeys::new(client.clone(), "release-system"));
        let readiness = Arc::new(Readiness::default());
        let keeping = tokio::spawn(keys.clone().maintain(client, "release-system".to_owned(), readiness));
        tokio::time::sleep(LIMIT + RETRY + Duration::from_millis(1)).await;
        assert!(keys.signer().is_some());
        keeping.abort();
    }
}
