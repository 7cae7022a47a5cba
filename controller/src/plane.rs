//! The cluster that objects are applied to, under one identity: what it serves, what is watched there, and requests.

mod discovery;
mod followers;
mod request;
mod watches;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kube::Client;

pub(crate) use discovery::{Known, Unknown};
pub(crate) use watches::{Subject, Watched};

use self::discovery::Discovery;
use self::followers::Tell;
use self::watches::Watches;
use crate::live::LiveObjects;
use crate::metrics::Metrics;
use crate::queue::Queue;

/// A cluster under one identity.
pub(crate) struct Plane {
    client: Client,
    discovery: Arc<Discovery>,
    watches: Watches,
}

impl Plane {
    fn new(client: Client, discovery: Arc<Discovery>, watches: Watches) -> Self {
        Self { client, discovery, watches }
    }
}

/// The cluster under every identity that is used.
pub(crate) struct Planes {
    client: Client,
    discovery: Arc<Discovery>,
    tell: Tell,
    planes: RwLock<HashMap<Option<String>, Arc<Plane>>>,
}

impl Planes {
    pub(crate) fn new(client: Client, live: Arc<LiveObjects>, queue: Queue, metrics: Arc<Metrics>) -> Self {
        let discovery = Arc::new(Discovery::new(client.clone()));
        let tell = Tell { live, queue, metrics, discovery: Arc::clone(&discovery) };
        Self { client, discovery, tell, planes: RwLock::default() }
    }

    /// The cluster as a service account, `<namespace>/<name>`.
    ///
    /// # Errors
    /// Where the account has characters that no name has; admission does not let it through.
    pub(crate) fn acting_as(&self, account: &str) -> Result<Arc<Plane>, String> {
        let key = Some(account.to_owned());
        if let Some(plane) = self.planes.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(plane));
        }
        let (namespace, name) = account.split_once('/').unwrap_or_default();
        let client = release_edge::client::acting_as(&self.client, namespace, name)
            .map_err(|error| format!("{account:?} is no service account: {error}"))?;
        Ok(self.add(key, client))
    }

    /// The cluster as this program itself.
    pub(crate) fn own(&self) -> Arc<Plane> {
        if let Some(plane) = self.planes.read().unwrap_or_else(PoisonError::into_inner).get(&None) {
            return Arc::clone(plane);
        }
        self.add(None, self.client.clone())
    }

    fn add(&self, key: Option<String>, client: Client) -> Arc<Plane> {
        let watches = Watches::new(client.clone(), self.tell.clone());
        let new = Plane::new(client, Arc::clone(&self.discovery), watches);
        let mut planes = self.planes.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(planes.entry(key).or_insert_with(|| Arc::new(new)))
    }

    /// A Release is gone, or uses another identity now: what only it watched is watched no longer.
    pub(crate) fn release_watches(&self, user: &str, except: Option<&Arc<Plane>>) {
        for plane in self.planes.read().unwrap_or_else(PoisonError::into_inner).values() {
            if except.is_none_or(|except| !Arc::ptr_eq(except, plane)) {
                plane.watches.leave(user);
            }
        }
    }
}
