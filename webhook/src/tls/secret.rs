//! What replicas share as a Secret, written with its resourceVersion so that two replicas never overwrite each other.

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

use super::state::State;

/// The Secret's name.
pub(super) const NAME: &str = "release-webhook-tls";

/// The Secret as it was read.
pub(super) struct Shared {
    api: Api<Secret>,
    secret: Option<Secret>,
}

impl Shared {
    /// As it is now.
    ///
    /// # Errors
    /// When the API server does not say.
    pub(super) async fn read(client: &Client, namespace: &str) -> Result<Self, kube::Error> {
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let secret = api.get_opt(NAME).await?;
        Ok(Self { api, secret })
    }

    /// What it holds; nothing where there is none.
    pub(super) fn state(&self) -> State {
        let data = self.secret.as_ref().and_then(|secret| secret.data.as_ref());
        data.map(State::read).unwrap_or_default()
    }

    /// Whether it holds this state and nothing that is left of another one, such as the times of authorities that somebody took out.
    pub(super) fn is(&self, state: &State) -> bool {
        let held = self.secret.as_ref().and_then(|secret| secret.data.clone()).unwrap_or_default();
        let mut wanted = held.clone();
        state.write(&mut wanted);
        wanted == held
    }

    /// Writes what it is to hold. Says that nothing was written where somebody else wrote since it was read.
    ///
    /// # Errors
    /// When the API server refuses, or does not answer.
    pub(super) async fn write(self, state: &State) -> Result<bool, kube::Error> {
        let parameters = PostParams::default();
        let existed = self.secret.is_some();
        let written = match self.secret {
            Some(mut secret) => {
                state.write(secret.data.get_or_insert_default());
                self.api.replace(NAME, &parameters, &secret).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
                let mut secret = Secret { metadata, ..Secret::default() };
                state.write(secret.data.get_or_insert_default());
                self.api.create(&parameters, &secret).await
            }
        };
        match written {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
            // What was to be changed is gone; a namespace that is not there would be an error.
            Err(kube::Error::Api(status)) if status.is_not_found() && existed => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Something each time that the Secret changes, by whomever.
pub(super) fn changes(client: &Client, namespace: &str) -> impl Stream<Item = ()> + Send + use<> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    watcher::watch_object(api, NAME).default_backoff().map(drop)
}
