//! Secret and ConfigMap, read and written with their resourceVersion so that two replicas never overwrite each other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use release_shared::names;
use release_shared::record::{PrivateKey, PublicKeys, Signer};
use rustls::crypto::ring::default_provider;

use super::Error;
use super::entries::{self, Held};

/// How often a lost race is run again; each loss means that another replica has written.
const TRIES: usize = 5;

/// Where the keys are kept.
pub(super) struct Store {
    secrets: Api<Secret>,
    maps: Api<ConfigMap>,
}

/// What a look found besides the keys.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Entries of the Secret that are no keys.
    broken: BTreeSet<String>,
    /// Why the public halves could not be published.
    unpublished: Option<String>,
}

impl Looked {
    /// Whether there is nothing to try again soon. A broken entry does not get better by looking at it.
    pub(super) fn is_well(&self) -> bool {
        self.unpublished.is_none()
    }
}

impl std::fmt::Display for Looked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let broken: Vec<_> = self.broken.iter().map(String::as_str).collect();
        match (broken.as_slice(), &self.unpublished) {
            ([], None) => f.write_str("loaded and published"),
            ([], Some(why)) => write!(f, "loaded, and the public halves could not be published: {why}"),
            (broken, why) => {
                write!(f, "loaded but for entries that are no keys: {}", broken.join(", "))?;
                why.as_ref().map_or(Ok(()), |why| write!(f, "; the public halves could not be published: {why}"))
            }
        }
    }
}

impl Store {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { secrets: Api::namespaced(client.clone(), namespace), maps: Api::namespaced(client, namespace) }
    }

    /// The keys of the Secret as they are, beside the public ones that are known; `None` where it has none.
    pub(super) async fn read(&self, known: Option<&Signer>) -> Result<Option<Signer>, Error> {
        let secret = self.secrets.get_opt(names::RECORD_KEYS).await?;
        let held = held(secret.as_ref());
        Ok(Signer::new(held.keys, known.map(|known| known.public().clone()).unwrap_or_default()))
    }

    /// The keys of the Secret, which are put there where it has none, and published.
    pub(super) async fn ensure(&self, known: Option<&Signer>) -> Result<(Signer, Looked), Error> {
        let (keys, broken) = self.ensure_private(known).await?;
        let own = keys.iter().map(|(id, key)| (id.clone(), key.public())).collect();
        let own = PublicKeys { named: own, ..PublicKeys::default() };
        let retired = known.map(|known| known.public().clone()).unwrap_or_default();
        let (public, unpublished) = match self.publish(&own, &retired).await {
            Ok(public) => (public, None),
            // Records go on being signed: that nobody can check them yet is told, and mended by the next look.
            Err(error) => (retired, Some(crate::tls::error_chain(&error))),
        };
        let signer = Signer::new(keys, public).ok_or(Error::Unsettled)?;
        Ok((signer, Looked { broken, unpublished }))
    }

    async fn ensure_private(
        &self,
        known: Option<&Signer>,
    ) -> Result<(BTreeMap<String, PrivateKey>, BTreeSet<String>), Error> {
        for _ in 0..TRIES {
            let current = self.secrets.get_opt(names::RECORD_KEYS).await?;
            let held = held(current.as_ref());
            let keys = entries::chosen(&held, known, &seed()?, Timestamp::now());
            if !held.keys.is_empty() || settled(self.write_private(current, &keys).await)? {
                if held.keys.is_empty() {
                    let ids = keys.keys().map(String::as_str).collect::<Vec<_>>().join(",");
                    match known {
                        Some(_) => tracing::warn!(
                            keys = ids,
                            "the Secret had no record keys any more: written again from memory"
                        ),
                        None => tracing::info!(keys = ids, "a record key was made"),
                    }
                }
                return Ok((keys, held.broken));
            }
        }
        Err(Error::Unsettled)
    }

    async fn write_private(
        &self,
        current: Option<Secret>,
        keys: &BTreeMap<String, PrivateKey>,
    ) -> Result<(), kube::Error> {
        let (exists, secret) = (current.is_some(), current.unwrap_or_default());
        let data = Some(entries::with_private(&secret.data.clone().unwrap_or_default(), keys));
        let parameters = PostParams::default();
        if exists {
            self.secrets.replace(names::RECORD_KEYS, &parameters, &Secret { data, ..secret }).await?;
        } else {
            self.secrets.create(&parameters, &Secret { metadata: named(), data, ..secret }).await?;
        }
        Ok(())
    }

    /// Puts public halves into the ConfigMap and returns all that it has. Where somebody deleted it as a whole, the retired ones that are
    /// remembered are put there again; who takes a single one out means it.
    async fn publish(&self, own: &PublicKeys, retired: &PublicKeys) -> Result<PublicKeys, Error> {
        for _ in 0..TRIES {
            let current = self.maps.get_opt(names::RECORD_KEYS).await?;
            let (exists, map) = (current.is_some(), current.unwrap_or_default());
            let before = map.data.clone().unwrap_or_default();
            let since = entries::since(&map.metadata, retired);
            let mut keys = if exists { PublicKeys::default() } else { retired.clone() };
            keys.named.extend(own.named.clone());
            let data = entries::with_public(&before, &keys);
            let published = PublicKeys { named: entries::public(&data).keys, since, ..PublicKeys::default() };
            if exists && data == before {
                return Ok(published);
            }
            let parameters = PostParams::default();
            let written = if exists {
                self.maps.replace(names::RECORD_KEYS, &parameters, &ConfigMap { data: Some(data), ..map }).await
            } else {
                self.maps.create(&parameters, &ConfigMap { metadata: named(), data: Some(data), ..map }).await
            };
            if settled(written.map(drop))? {
                tracing::info!(keys = published.named.len(), "public record keys were published");
                return Ok(published);
            }
        }
        Err(Error::Unsettled)
    }
}

fn held(secret: Option<&Secret>) -> Held<PrivateKey> {
    let none = entries::Private::new();
    entries::private(secret.and_then(|secret| secret.data.as_ref()).unwrap_or(&none))
}

fn named() -> ObjectMeta {
    ObjectMeta { name: Some(names::RECORD_KEYS.into()), ..ObjectMeta::default() }
}

/// Whether a write went through; `false` where another replica was faster.
fn settled(written: Result<(), kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Bytes that nobody can guess.
fn seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    default_provider().secure_random.fill(&mut seed).map_err(|_| Error::Random)?;
    Ok(seed)
}
