//! The public halves of the keys that sign records: from the cluster, or as somebody kept them outside.

use std::collections::BTreeMap;

use jiff::Timestamp;
use release_shared::names;
use release_shared::object::text;
use release_shared::record::{KeyFault, PublicKey, PublicKeys, is_key_id};
use release_shared::yaml;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;

/// Where a PEM block begins.
const BEGIN: &str = "-----BEGIN ";

/// The keys, or why there are none.
pub(super) enum Keys {
    /// With where they come from.
    Known(PublicKeys, String),
    /// Nobody could get them: why.
    Unknown(String),
}

impl Keys {
    /// Those of a file; without one, those of the cluster, with the user's own rights.
    pub(super) async fn get(cluster: &Cluster, file: Option<&str>) -> Result<Self, Error> {
        match file {
            Some(file) => Ok(Self::Known(read(file)?, file.to_owned())),
            None => Self::published(cluster).await,
        }
    }

    async fn published(cluster: &Cluster) -> Result<Self, Error> {
        let (namespace, name) = (names::SYSTEM_NAMESPACE, names::RECORD_KEYS);
        let place = format!("ConfigMap {namespace}/{name}");
        match cluster.read(&format!("/api/v1/namespaces/{namespace}/configmaps/{name}")).await {
            Ok(None) => Ok(Self::Unknown(format!("there is no {place}"))),
            Err(Error::Status(status)) if status.code == 403 => Ok(Self::Unknown(format!("you may not get {place}"))),
            Ok(Some(map)) => match keys_of(&map) {
                Ok(keys) => Ok(Self::Known(keys, place)),
                Err(fault) => Ok(Self::Unknown(format!("{place} cannot be used: {fault}"))),
            },
            Err(error) => Err(error),
        }
    }

    /// The same, and nothing that is younger than this needs no signature, whatever the keys say of their own time.
    pub(super) fn signing_since(self, since: Option<Timestamp>) -> Self {
        match self {
            Self::Known(keys, place) => {
                Self::Known(PublicKeys { since: keys.since.into_iter().chain(since).min(), ..keys }, place)
            }
            Self::Unknown(why) => Self::Unknown(why),
        }
    }

    /// The keys, where there are any.
    pub(super) fn known(&self) -> Option<&PublicKeys> {
        match self {
            Self::Known(keys, _) => Some(keys),
            Self::Unknown(_) => None,
        }
    }

    /// What the user has to know of them.
    pub(super) fn note(&self) -> String {
        match self {
            Self::Known(keys, place) => format!(
                "Signatures were checked with {} of {place}.",
                match keys.named.len() + keys.unnamed.len() {
                    1 => "the key".to_owned(),
                    several => format!("the {several} keys"),
                }
            ),
            Self::Unknown(why) => format!(
                "Signatures were not checked, since {why}: whoever can write around the webhook can make a chain that holds together. \
                 --keys FILE takes keys from elsewhere."
            ),
        }
    }
}

fn read(file: &str) -> Result<PublicKeys, Error> {
    let refuse = |why: String| Error::Usage(format!("--keys: {file}: {why}"));
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    parse(&text).map_err(refuse)
}

/// PEM blocks as they are, or a ConfigMap as YAML or JSON.
fn parse(text: &str) -> Result<PublicKeys, String> {
    if text.trim_start().starts_with(BEGIN) {
        let blocks = text.match_indices(BEGIN).map(|(at, _)| PublicKey::from_pem(&text[at..]));
        let unnamed = blocks.collect::<Result<_, _>>().map_err(|fault| format!("a key {fault}"))?;
        return Ok(PublicKeys { unnamed, ..PublicKeys::default() });
    }
    let documents = yaml::read(text).map_err(|error| format!("line {}: {}", error.line, error.message))?;
    match documents.as_slice() {
        [only] => keys_of(&only.value),
        _ => Err("has neither PEM blocks nor one ConfigMap".into()),
    }
}

/// The keys of a ConfigMap; an entry that is no key is a fault, or a signature by it would be taken for forged.
fn keys_of(map: &Value) -> Result<PublicKeys, String> {
    let data = map
        .get("data")
        .and_then(Value::as_object)
        .filter(|_| text(map, "/kind").is_none_or(|kind| kind == "ConfigMap"));
    let data = data.ok_or("it has no keys under `data`")?;
    let key = |(id, pem): (&String, &Value)| -> Result<(String, PublicKey), String> {
        let fault = |fault: KeyFault| format!("its entry {id:?} {fault}");
        let pem = pem.as_str().filter(|_| is_key_id(id)).ok_or_else(|| format!("its entry {id:?} is no key"))?;
        PublicKey::from_pem(pem).map(|key| (id.clone(), key)).map_err(fault)
    };
    let named: BTreeMap<_, _> = data.iter().map(key).collect::<Result<_, _>>()?;
    if named.is_empty() {
        Err("it has no keys under `data`".into())
    } else {
        // The API server's clock: whoever takes a key out, or puts one in, does not change it.
        let since = text(map, "/metadata/creationTimestamp").and_then(|time| time.parse().ok());
        Ok(PublicKeys { named, unnamed: Vec::new(), since })
    }
}

#[cfg(test)]
mod tests {
    use release_shared::record::PrivateKey;

    use super::*;

    fn pem(seed: u8) -> String {
        PrivateKey::from_seed(&[seed; 32]).public().to_pem()
    }

    #[test]
    fn keys_are_pem_or_a_config_map() {
        let one = parse(&pem(1)).unwrap();
        assert_eq!((one.named.len(), one.unnamed.len()), (0, 1));
        assert_eq!(parse(&format!("\n{}{}", pem(1), pem(2))).unwrap().unnamed.len(), 2);
        let map = serde_json::json!({"kind": "ConfigMap", "data": {"a": pem(1), "b": pem(2)}});
        assert_eq!(parse(&map.to_string()).unwrap().named.len(), 2);
        let indented = pem(1).lines().map(|line| format!("    {line}\n")).collect::<String>();
        let written = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n{indented}");
        assert_eq!(parse(&written).unwrap().named["a"], one.unnamed[0]);
    }

    #[test]
    fn a_config_map_says_since_when_there_are_keys_and_so_may_the_user() {
        let made = |time: Option<&str>| {
            let metadata = serde_json::json!({"creationTimestamp": time});
            parse(&serde_json::json!({"metadata": metadata, "data": {"zz-mine": pem(1)}}).to_string()).unwrap()
        };
        let since = |keys: PublicKeys, said: Option<&str>| {
            let said = said.map(|time| time.parse().unwrap());
            let keys = Keys::Known(keys, String::new()).signing_since(said);
            keys.known().unwrap().signed_since().map(|time| time.to_string())
        };
        let (early, late) = ("2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z");
        assert_eq!(since(made(None), None), None);
        assert_eq!(since(made(Some(early)), None).as_deref(), Some(early));
        assert_eq!(since(made(Some(late)), Some(early)).as_deref(), Some(early));
        assert_eq!(since(made(Some(early)), Some(late)).as_deref(), Some(early), "nobody makes it later");
        assert_eq!(since(parse(&pem(1)).unwrap(), Some(early)).as_deref(), Some(early));
    }

    #[test]
    fn what_holds_no_keys_is_refused() {
        let private = PrivateKey::from_seed(&[1; 32]).to_pem();
        let secret = serde_json::json!({"kind": "Secret", "data": {"a": pem(1)}}).to_string();
        let broken = serde_json::json!({"data": {"a": "x"}}).to_string();
        for text in ["", "a: b", "{}", "data: {}", &private, &secret, &broken, "a: [", "---\na: b\n---\na: b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
