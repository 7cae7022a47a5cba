//! The two webhook configurations: whom their hooks trust, and whether they are as installed. Of them we write `caBundle` only, and that
//! is ours alone. Everything else belongs to whoever installed them, by hand or by GitOps: a change there is told and not undone.

mod deviations;

use futures::{Stream, StreamExt};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::PostParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use release_shared::names;
use rustls::pki_types::CertificateDer;

use super::certificate::{chain, pem};

/// Both configurations as they were read. Writing takes the resourceVersion from then: read them before what is to be written into them,
/// and a replica that is behind cannot overwrite what another one wrote meanwhile.
pub(super) struct Hooks {
    mutating: Option<MutatingWebhookConfiguration>,
    validating: Option<ValidatingWebhookConfiguration>,
}

/// What became of writing the authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// They were there already.
    Kept,
    /// They are there now, in these kinds of configuration.
    Changed(Vec<&'static str>),
    /// Somebody else wrote at the same time.
    Lost,
    /// They may not be written, or for another reason are not; the API server's words.
    Refused(String),
}

impl Hooks {
    /// Both as they are now.
    ///
    /// # Errors
    /// When the API server does not say.
    pub(super) async fn read(client: &Client) -> Result<Self, kube::Error> {
        let (mutating, validating) = (Api::all(client.clone()), Api::all(client.clone()));
        let (mutating, validating) =
            futures::try_join!(mutating.get_opt(names::WEBHOOK), validating.get_opt(names::WEBHOOK))?;
        Ok(Self { mutating, validating })
    }

    /// Whether both are installed.
    pub(super) fn are_installed(&self) -> bool {
        self.mutating.is_some() && self.validating.is_some()
    }

    /// Whom each hook trusts.
    pub(super) fn bundles(&self) -> Vec<Vec<CertificateDer<'static>>> {
        let mutating = self.mutating.iter().flat_map(|configuration| configuration.webhooks.iter().flatten());
        let validating = self.validating.iter().flat_map(|configuration| configuration.webhooks.iter().flatten());
        let configs = mutating.map(|hook| &hook.client_config).chain(validating.map(|hook| &hook.client_config));
        configs.map(bundle).collect()
    }

    /// Whom all hooks trust.
    pub(super) fn trusted_by_all(&self) -> Vec<CertificateDer<'static>> {
        let mut bundles = self.bundles().into_iter();
        let mut all = bundles.next().unwrap_or_default();
        bundles.for_each(|bundle| all.retain(|authority| bundle.contains(authority)));
        all
    }

    /// What is not as installed, one sentence each, for a webhook of these names.
    pub(super) fn deviations(&self, names: &[String]) -> Vec<String> {
        deviations::of(self.mutating.as_ref(), self.validating.as_ref(), names)
    }

    /// Makes every hook trust these authorities and no others.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub(super) async fn trust(
        &mut self,
        client: &Client,
        authorities: &[CertificateDer<'static>],
    ) -> Result<Written, kube::Error> {
        let mutating = trust_mutating(client, self.mutating.as_mut(), authorities).await?;
        let validating = trust_validating(client, self.validating.as_mut(), authorities).await?;
        Ok(mutating.and(validating))
    }
}

impl Written {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Changed(one), Self::Changed(other)) => Self::Changed([one, other].concat()),
            (Self::Kept, other) | (Self::Changed(_), other @ (Self::Lost | Self::Refused(_))) => other,
            (one, _) => one,
        }
    }
}

/// Something each time that one of the configurations changes, by whomever: an apply of the installed files may take the authority out.
pub(super) fn changes(client: &Client) -> impl Stream<Item = ()> + Send + use<> {
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let mutating = watcher::watch_object(mutating, names::WEBHOOK).default_backoff().map(drop);
    let validating = watcher::watch_object(validating, names::WEBHOOK).default_backoff().map(drop);
    futures::stream::select(mutating, validating)
}

fn bundle(config: &WebhookClientConfig) -> Vec<CertificateDer<'static>> {
    let text = config.ca_bundle.as_ref().map(|bundle| String::from_utf8_lossy(&bundle.0)).unwrap_or_default();
    chain(&text)
}

/// Says whether anything changed. The order does not matter, and an authority counts once.
fn set(config: &mut WebhookClientConfig, authorities: &[CertificateDer<'static>]) -> bool {
    let held = bundle(config);
    if held.len() == authorities.len() && authorities.iter().all(|authority| held.contains(authority)) {
        return false;
    }
    let text: String = authorities.iter().map(|authority| pem(authority)).collect();
    config.ca_bundle = Some(ByteString(text.into_bytes()));
    true
}

macro_rules! trust {
    ($name:ident, $configuration:ident) => {
        async fn $name(
            client: &Client,
            configuration: Option<&mut $configuration>,
            authorities: &[CertificateDer<'static>],
        ) -> Result<Written, kube::Error> {
            let Some(configuration) = configuration else { return Ok(Written::Kept) };
            let mut wanted = configuration.clone();
            let hooks = wanted.webhooks.iter_mut().flatten();
            let changed = hooks.filter_map(|hook| set(&mut hook.client_config, authorities).then_some(())).count();
            if changed == 0 {
                return Ok(Written::Kept);
            }
            let api: Api<$configuration> = Api::all(client.clone());
            match api.replace(names::WEBHOOK, &PostParams::default(), &wanted).await {
                Ok(written) => {
                    *configuration = written;
                    Ok(Written::Changed(vec![stringify!($configuration)]))
                }
                // Gone or written meanwhile; the next look settles it.
                Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(Written::Lost),
                Err(kube::Error::Api(status)) => Ok(Written::Refused(status.message)),
                Err(error) => Err(error),
            }
        }
    };
}

trust!(trust_mutating, MutatingWebhookConfiguration);
trust!(trust_validating, ValidatingWebhookConfiguration);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::super::certificate::Pair;
    use super::*;

    fn authority() -> CertificateDer<'static> {
        let pair = Pair::authority(Duration::from_secs(3600), Timestamp::now()).unwrap();
        chain(&pair.certificate).remove(0)
    }

    #[test]
    fn a_bundle_is_written_when_it_is_another_set() {
        let [one, other] = [authority(), authority()];
        let mut config = WebhookClientConfig::default();
        assert!(set(&mut config, &[one.clone(), other.clone()]));
        assert_eq!(bundle(&config), [one.clone(), other.clone()]);
        assert!(!set(&mut config, &[other.clone(), one.clone()]), "the order does not matter");
        assert!(set(&mut config, std::slice::from_ref(&other)), "what is not ours goes");
        assert_eq!(bundle(&config), std::slice::from_ref(&other));
        config.ca_bundle = Some(ByteString(format!("{0}{0}", pem(&other)).into_bytes()));
        assert!(set(&mut config, &[other]), "what stands there twice is mended");
    }

    #[test]
    fn what_was_written_is_told_of_both() {
        let changed = |kind| Written::Changed(vec![kind]);
        let refused = || Written::Refused("no".to_owned());
        assert_eq!(changed("a").and(changed("b")), Written::Changed(vec!["a", "b"]));
        for (one, other, both) in [
            (Written::Kept, Written::Kept, Written::Kept),
            (changed("a"), Written::Kept, changed("a")),
            (Written::Kept, changed("b"), changed("b")),
            (changed("a"), Written::Lost, Written::Lost),
            (refused(), changed("b"), refused()),
            (changed("a"), refused(), refused()),
        ] {
            assert_eq!(one.and(other), both);
        }
    }
}
