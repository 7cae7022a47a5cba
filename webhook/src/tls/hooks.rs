//! The two webhook configurations: whom their hooks trust, and whether they are as installed. `caBundle` is ours alone. Everything else is put
//! back to what was installed where the configuration says that this version keeps it, and told where it does not. They are
//! kept as the API server sends them, so that what is written back has every field that an API server knows, also one that this program
//! does not.

mod deviations;
mod restore;

use data_encoding::BASE64;
use futures::{Stream, StreamExt};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::api::{GetParams, PostParams, Request};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Error, Resource};
use release_shared::names;
use rustls::pki_types::CertificateDer;
use serde_json::Value;

use super::certificate::{chain, pem};

/// Both configurations as they were read. Writing takes the resourceVersion from then: read them before what is to be written into them,
/// and a replica that is behind cannot overwrite what another one wrote meanwhile.
pub(super) struct Hooks([Configuration; 2]);

/// One of them.
struct Configuration {
    kind: &'static str,
    requests: Request,
    /// Nothing where it is not installed.
    content: Option<Value>,
}

/// What became of writing them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// They were there already.
    Kept,
    /// They are there now, in these kinds of configuration.
    Changed(Vec<&'static str>),
    /// Somebody else wrote at the same time.
    Lost,
    /// They may not be written, or for another reason are not: a sentence on where, with the API server's words.
    Refused(String),
}

impl Hooks {
    /// Both as they are now.
    ///
    /// # Errors
    /// When the API server does not say.
    pub(super) async fn read(client: &Client) -> Result<Self, Error> {
        let mutating = Configuration::read::<MutatingWebhookConfiguration>(client, "MutatingWebhookConfiguration");
        let validating =
            Configuration::read::<ValidatingWebhookConfiguration>(client, "ValidatingWebhookConfiguration");
        let (mutating, validating) = futures::try_join!(mutating, validating)?;
        Ok(Self([mutating, validating]))
    }

    /// The kinds that are not installed.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        self.0.iter().filter(|one| one.content.is_none()).map(|one| one.kind).collect()
    }

    /// How many configurations there are where all are installed.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whom each hook trusts.
    pub(super) fn bundles(&self) -> Vec<Vec<CertificateDer<'static>>> {
        self.0.iter().filter_map(|one| one.content.as_ref()).flat_map(hooks_of).map(bundle).collect()
    }

    /// Whom all hooks trust.
    pub(super) fn trusted_by_all(&self) -> Vec<CertificateDer<'static>> {
        let mut bundles = self.bundles().into_iter();
        let mut all = bundles.next().unwrap_or_default();
        bundles.for_each(|bundle| all.retain(|authority| bundle.contains(authority)));
        all
    }

    /// What of those that are installed is not as installed, one sentence each, for a webhook of these names.
    pub(super) fn deviations(&self, names: &[String]) -> Vec<String> {
        deviations::of(self.0.iter().filter_map(|one| Some((one.kind, one.content.as_ref()?))), names)
    }

    /// Puts back what somebody changed in those that this version keeps, for a webhook of these names.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub(super) async fn restore(&mut self, client: &Client, names: &[String]) -> Result<Written, Error> {
        self.write(client, "the hooks as installed", |held| restore::restored(held, names)).await
    }

    /// Makes every hook trust these authorities and no others.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub(super) async fn trust(
        &mut self,
        client: &Client,
        authorities: &[CertificateDer<'static>],
    ) -> Result<Written, Error> {
        self.write(client, "the authorities", |held| trusting(held, authorities)).await
    }

    /// Writes into each what is `wanted` of it, if anything is; `what` names it.
    async fn write(
        &mut self,
        client: &Client,
        what: &str,
        wanted: impl Fn(&Value) -> Option<Value>,
    ) -> Result<Written, Error> {
        let mut written = Written::Kept;
        for configuration in &mut self.0 {
            if let Some(wanted) = configuration.content.as_ref().and_then(&wanted) {
                written = written.and(configuration.write(client, what, &wanted).await?);
            }
        }
        Ok(written)
    }
}

impl Configuration {
    async fn read<K: Resource<DynamicType = ()>>(client: &Client, kind: &'static str) -> Result<Self, Error> {
        let requests = Request::new(K::url_path(&(), None));
        let request = requests.get(names::WEBHOOK, &GetParams::default()).map_err(Error::BuildRequest)?;
        let content = match client.request(request).await {
            Ok(content) => Some(content),
            Err(Error::Api(status)) if status.is_not_found() => None,
            Err(error) => return Err(error),
        };
        Ok(Self { kind, requests, content })
    }

    async fn write(&mut self, client: &Client, what: &str, wanted: &Value) -> Result<Written, Error> {
        let body = wanted.to_string().into_bytes();
        let request =
            self.requests.replace(names::WEBHOOK, &PostParams::default(), body).map_err(Error::BuildRequest)?;
        match client.request(request).await {
            Ok(written) => {
                self.content = Some(written);
                Ok(Written::Changed(vec![self.kind]))
            }
            // Gone or written meanwhile; the next look settles it.
            Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(Written::Lost),
            Err(Error::Api(status)) => Ok(Written::Refused(format!(
                "{what} could not be written into the {} {}, which keeps those that it has; trying again: {}",
                self.kind,
                names::WEBHOOK,
                status.message
            ))),
            Err(error) => Err(error),
        }
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

    /// Why not all of it could be written.
    pub(super) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(why) => Some(why),
            Self::Kept | Self::Changed(_) | Self::Lost => None,
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

/// The hooks of a configuration.
fn hooks_of(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration["webhooks"].as_array().into_iter().flatten()
}

/// Whom a hook trusts.
fn bundle(hook: &Value) -> Vec<CertificateDer<'static>> {
    let text = hook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
    let bytes = BASE64.decode(text.as_bytes()).unwrap_or_default();
    chain(&String::from_utf8_lossy(&bytes))
}

/// The configuration with these authorities in every hook, and nothing else changed; nothing where they are there already. The order does
/// not matter, and an authority counts once.
fn trusting(configuration: &Value, authorities: &[CertificateDer<'static>]) -> Option<Value> {
    let holds = |hook: &Value| {
        let held = bundle(hook);
        held.len() == authorities.len() && authorities.iter().all(|authority| held.contains(authority))
    };
    let text: String = authorities.iter().map(|authority| pem(authority)).collect();
    let text = BASE64.encode(text.as_bytes());
    let mut wanted = configuration.clone();
    let mut is_changed = false;
    for hook in wanted.get_mut("webhooks").and_then(Value::as_array_mut)?.iter_mut().filter(|hook| !holds(hook)) {
        let place = hook.get_mut("clientConfig").and_then(Value::as_object_mut)?;
        place.insert("caBundle".to_owned(), text.clone().into());
        is_changed = true;
    }
    is_changed.then_some(wanted)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use serde_json::json;

    use super::super::certificate::Pair;
    use super::*;

    fn authority() -> CertificateDer<'static> {
        let pair = Pair::authority(Duration::from_secs(3600), Timestamp::now()).unwrap();
        chain(&pair.certificate).remove(0)
    }

    fn configuration(bundles: &[&str]) -> Value {
        let hook = |bundle: &&str| json!({ "clientConfig": { "url": "https://a", "caBundle": BASE64.encode(bundle.as_bytes()) } });
        json!({ "webhooks": bundles.iter().map(hook).collect::<Vec<_>>() })
    }

    #[test]
    fn a_bundle_is_written_when_it_is_another_set() {
        let [one, other] = [authority(), authority()];
        let [first, second] = [&one, &other].map(|authority| pem(authority));
        let both = format!("{first}{second}");
        let wanted = [one, other.clone()];
        let written = trusting(&configuration(&["", &both]), &wanted).unwrap();
        assert_eq!(written, configuration(&[&both, &both]));
        let other_way_round = configuration(&[&format!("{second}{first}")]);
        assert_eq!(trusting(&other_way_round, &wanted), None, "the order does not matter");
        let one_of_them = configuration(&[&second]);
        assert_eq!(trusting(&other_way_round, &wanted[1..]), Some(one_of_them.clone()), "what is not ours goes");
        let twice = configuration(&[&format!("{second}{second}")]);
        assert_eq!(trusting(&twice, &[other]), Some(one_of_them), "what stands there twice is mended");
        assert_eq!(trusting(&json!({}), &wanted), None, "there is no hook");
    }

    #[test]
    fn what_an_api_server_knows_and_we_do_not_is_kept() {
        let mut known = configuration(&[""]);
        known["kind"] = "MutatingWebhookConfiguration".into();
        known["metadata"] = json!({ "resourceVersion": "7", "anotherPart": { "of": "metadata" } });
        known["webhooks"][0]["anotherField"] = json!(["of", "a", "hook"]);
        known["webhooks"][0]["clientConfig"]["anotherWay"] = json!({ "to": "call" });
        let wanted = [authority()];
        let mut written = trusting(&known, &wanted).unwrap();
        assert_eq!(bundle(&written["webhooks"][0]), wanted);
        written["webhooks"][0]["clientConfig"]["caBundle"] = "".into();
        assert_eq!(written, known);
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
