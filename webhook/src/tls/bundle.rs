//! The authority in the webhook configurations: without it the API server does not trust us.

use futures::{Stream, StreamExt};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::api::PostParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use release_shared::names;

use super::Error;

/// Whether the API server trusts us, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// Both configurations hold the authority.
    Given,
    /// Our authority could not be written: somebody else wrote at the same time, or we may not.
    Refused,
    /// A configuration is not installed.
    NotInstalled,
}

impl std::fmt::Display for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Given => "given",
            Self::Refused => "the authority could not be written into a webhook configuration; trying again",
            Self::NotInstalled => "a webhook configuration is not installed; nobody calls until it is",
        })
    }
}

/// Writes the authority where it is not.
pub(super) async fn ensure(client: &Client, authority: &str) -> Result<Trust, Error> {
    let bundle = ByteString(authority.as_bytes().to_vec());
    let mutating = ensure_mutating(&Api::all(client.clone()), &bundle).await?;
    let validating = ensure_validating(&Api::all(client.clone()), &bundle).await?;
    Ok(mutating.max(validating))
}

/// Something each time that one of the configurations changes, by whomever: an apply of the installed files may take the authority out.
pub(super) fn changes(client: &Client) -> impl Stream<Item = ()> + Send + use<> {
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let mutating = watcher::watch_object(mutating, names::WEBHOOK).default_backoff().map(drop);
    let validating = watcher::watch_object(validating, names::WEBHOOK).default_backoff().map(drop);
    futures::stream::select(mutating, validating)
}

macro_rules! ensure {
    ($name:ident, $configuration:ty) => {
        async fn $name(api: &Api<$configuration>, bundle: &ByteString) -> Result<Trust, kube::Error> {
            let Some(mut configuration) = api.get_opt(names::WEBHOOK).await? else {
                return Ok(Trust::NotInstalled);
            };
            let mut changed = false;
            for webhook in configuration.webhooks.iter_mut().flatten() {
                if webhook.client_config.ca_bundle.as_ref() != Some(bundle) {
                    webhook.client_config.ca_bundle = Some(bundle.clone());
                    changed = true;
                }
            }
            if !changed {
                return Ok(Trust::Given);
            }
            match api.replace(names::WEBHOOK, &PostParams::default(), &configuration).await {
                Ok(_) => Ok(Trust::Given),
                // Somebody else wrote, and the next look settles it; or we may not. Either way our authority is not there.
                Err(kube::Error::Api(status)) => {
                    tracing::debug!(kind = stringify!($configuration), error = %status, "the authority could not be written");
                    Ok(Trust::Refused)
                }
                Err(error) => Err(error),
            }
        }
    };
}

ensure!(ensure_mutating, MutatingWebhookConfiguration);
ensure!(ensure_validating, ValidatingWebhookConfiguration);
