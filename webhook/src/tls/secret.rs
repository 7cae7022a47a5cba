//! The pair as all replicas share it: a Secret, written with its resourceVersion so that two replicas never overwrite each other.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::Error;
use super::pair::{Judgement, Pair};

/// The Secret's name.
const NAME: &str = "release-webhook-tls";
/// How often a lost race is run again; each loss means that another replica has written.
const TRIES: usize = 5;

/// The pair in the Secret, renewed or made where it must be.
pub(super) async fn load_or_make(
    client: &Client,
    namespace: &str,
    names: &[String],
    now: Timestamp,
) -> Result<Pair, Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut lost = None;
    for _ in 0..TRIES {
        let current = secrets.get_opt(NAME).await?;
        let held = current.as_ref().map(read).unwrap_or_default();
        let pair = match held.judge(names, now) {
            Judgement::Keep => return Ok(held),
            Judgement::Renew => held.renewed(names, now)?,
            Judgement::Replace => Pair::make(names, now)?,
        };
        match write(&secrets, current, &pair).await {
            Ok(()) => return Ok(pair),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => lost = Some(status),
            Err(error) => return Err(error.into()),
        }
    }
    Err(lost.map_or_else(|| Error::Read("the Secret never settled".into()), |status| kube::Error::Api(status).into()))
}

async fn write(secrets: &Api<Secret>, current: Option<Secret>, pair: &Pair) -> Result<(), kube::Error> {
    let parameters = PostParams::default();
    let data = Some(data(pair));
    match current {
        Some(current) => secrets.replace(NAME, &parameters, &Secret { data, ..current }).await?,
        None => {
            let metadata = ObjectMeta { name: Some(NAME.into()), ..ObjectMeta::default() };
            secrets.create(&parameters, &Secret { metadata, data, ..Secret::default() }).await?
        }
    };
    Ok(())
}

fn data(pair: &Pair) -> BTreeMap<String, ByteString> {
    let entries = [
        ("ca.crt", &pair.authority),
        ("ca.key", &pair.authority_key),
        ("tls.crt", &pair.leaf),
        ("tls.key", &pair.leaf_key),
    ];
    entries.into_iter().map(|(key, pem)| (key.to_owned(), ByteString(pem.clone().into_bytes()))).collect()
}

fn read(secret: &Secret) -> Pair {
    let pem = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.clone());
        bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    };
    Pair { authority: pem("ca.crt"), authority_key: pem("ca.key"), leaf: pem("tls.crt"), leaf_key: pem("tls.key") }
}
