//! The keys that sign records: their private halves in a Secret that all replicas share, their public halves in a ConfigMap for everybody.
//!
//! `Secret (or memory, or a new key) → ConfigMap → Signer`. Replicas agree through resourceVersions: whoever writes first wins, the
//! others read. What was good once stays in memory, so that neither the API server nor who deletes the Secret stops the recording.

mod entries;
mod store;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use release_shared::names;
use release_shared::record::Signer;
use thiserror::Error;

use crate::health::Readiness;
use store::{Looked, Store};

/// How often the keys are looked at once all is well.
const INTERVAL: Duration = Duration::from_secs(30);
/// How soon they are looked at again after a failure, or after a change.
const RETRY: Duration = Duration::from_secs(1);
/// How long a look may take in a review; the API server is waiting for our own answer meanwhile.
const LIMIT: Duration = Duration::from_secs(1);

/// What can go wrong with record keys.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("failed to reach the API server")]
    Api(#[from] kube::Error),
    #[error("failed to get random bytes for a key")]
    Random,
    #[error("other replicas wrote the keys again and again")]
    Unsettled,
}

/// The keys of this replica.
pub(crate) struct RecordKeys {
    store: Store,
    current: RwLock<Option<Arc<Signer>>>,
}

impl RecordKeys {
    /// The keys in the Secret of a namespace, which nobody has looked at yet.
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self { store: Store::new(client, namespace), current: RwLock::default() }
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

    /// Who signs, after one look at the Secret: another replica has signed with a key that is not known here. What is in the Secret then
    /// is only learnt; the next look writes what is to be written.
    pub(crate) async fn refreshed(&self) -> Option<Arc<Signer>> {
        let known = self.signer();
        match tokio::time::timeout(LIMIT, self.store.read(known.as_deref())).await {
            Ok(Ok(Some(signer))) => self.set(signer),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "the record keys could not be looked at for a key that is not known")
            }
            Err(_) => tracing::warn!("the API server did not answer in time for a record key that is not known"),
        }
        self.signer()
    }

    /// Keeps Secret, ConfigMap and memory right, for ever.
    pub(crate) async fn maintain(self: Arc<Self>, client: Client, namespace: String, readiness: Arc<Readiness>) {
        let mut said = String::new();
        let mut changes = std::pin::pin!(changes(&client, &namespace));
        loop {
            let looked = self.look().await;
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
