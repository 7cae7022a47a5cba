//! What stands in Secret and ConfigMap, pure: entries → keys, and what is to be written there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use release_shared::record::{PrivateKey, PublicKey, PublicKeys, Signer, is_key_id, key_id};

/// The data of the Secret.
pub(super) type Private = BTreeMap<String, ByteString>;
/// The data of the ConfigMap.
pub(super) type Public = BTreeMap<String, String>;

/// What an object holds: the keys, and the entries that are none, each with why.
#[derive(Debug)]
pub(super) struct Held<K> {
    pub(super) keys: BTreeMap<String, K>,
    pub(super) broken: BTreeSet<String>,
}

fn held<K>(entries: impl Iterator<Item = (String, Result<K, String>)>) -> Held<K> {
    let mut held = Held { keys: BTreeMap::new(), broken: BTreeSet::new() };
    for (id, key) in entries {
        match key.and_then(|key| if is_key_id(&id) { Ok(key) } else { Err("its name is not the id of a key".into()) }) {
            Ok(key) => drop(held.keys.insert(id, key)),
            Err(why) => drop(held.broken.insert(format!("{id:?} ({why})"))),
        }
    }
    held
}

/// The private keys of a Secret. Nothing of an entry but its name and what kind of thing it is not is ever told.
pub(super) fn private(data: &Private) -> Held<PrivateKey> {
    held(data.iter().map(|(id, bytes)| {
        let text = std::str::from_utf8(&bytes.0).map_err(|_| "it is not text".to_owned());
        (id.clone(), text.and_then(|text| PrivateKey::from_pem(text).map_err(|fault| format!("it {fault}"))))
    }))
}

/// The public keys of a ConfigMap.
pub(super) fn public(data: &Public) -> Held<PublicKey> {
    held(data.iter().map(|(id, text)| (id.clone(), PublicKey::from_pem(text).map_err(|fault| format!("it {fault}")))))
}

/// A time by which there were keys: the ConfigMap's own, which no entry that is taken out changes, or what is remembered of one before.
pub(super) fn since(map: &ObjectMeta, remembered: &PublicKeys) -> Option<Timestamp> {
    map.creation_timestamp.as_ref().map(|time| time.0).into_iter().chain(remembered.since).min()
}

/// The private keys that hold from now on: those of the Secret; where it has none, those of memory; where nobody knows any, a new one
/// of `seed`.
pub(super) fn chosen(
    held: &Held<PrivateKey>,
    known: Option<&Signer>,
    seed: &[u8; 32],
    now: Timestamp,
) -> BTreeMap<String, PrivateKey> {
    if !held.keys.is_empty() {
        return held.keys.clone();
    }
    known.map(|known| known.private().clone()).unwrap_or_else(|| {
        let key = PrivateKey::from_seed(seed);
        [(key_id(&key.public(), now), key)].into()
    })
}

/// The Secret's data with these keys in it; what else is there stays.
pub(super) fn with_private(data: &Private, keys: &BTreeMap<String, PrivateKey>) -> Private {
    let entries = keys.iter().map(|(id, key)| (id.clone(), ByteString(key.to_pem().into_bytes())));
    data.clone().into_iter().chain(entries).collect()
}

/// The ConfigMap's data with the public halves of these keys in it; what else is there stays: retired keys go on verifying. An entry of
/// the same name with another key is replaced, or what is signed could not be verified.
pub(super) fn with_public(data: &Public, keys: &PublicKeys) -> Public {
    let known = public(data);
    let missing = keys.named.iter().filter(|(id, key)| known.keys.get(*id) != Some(key));
    let entries = missing.map(|(id, key)| (id.clone(), key.to_pem()));
    data.clone().into_iter().chain(entries.collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T10:15:00Z".parse().unwrap()
    }

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed(&[seed; 32])
    }

    fn ids<K>(keys: &BTreeMap<String, K>) -> Vec<&str> {
        keys.keys().map(String::as_str).collect()
    }

    fn signer(keys: &[(&str, u8)]) -> Signer {
        let keys = keys.iter().map(|(id, seed)| ((*id).to_owned(), key(*seed)));
        Signer::new(keys.collect(), PublicKeys::default()).unwrap()
    }

    #[test]
    fn a_broken_entry_is_named_and_the_good_ones_are_used() {
        let good = ByteString(key(1).to_pem().into_bytes());
        let data: Private = [
            ("a".to_owned(), good.clone()),
            ("b".to_owned(), ByteString(b"SECRET-TEXT".to_vec())),
            ("c".to_owned(), ByteString(vec![0xff])),
            ("Not-an-id".to_owned(), good),
        ]
        .into();
        let held = private(&data);
        assert_eq!(ids(&held.keys), ["a"]);
        let told: Vec<_> = held.broken.into_iter().collect();
        assert_eq!(
            told,
            [
                "\"Not-an-id\" (its name is not the id of a key)",
                "\"b\" (it has no PEM block \"PRIVATE KEY\")",
                "\"c\" (it is not text)"
            ]
        );
    }

    #[test]
    fn the_secret_holds_before_memory_and_memory_before_a_new_key() {
        let known = signer(&[("m", 3)]);
        let secret = private(&with_private(&Private::new(), &[("a".to_owned(), key(1))].into()));
        assert_eq!(ids(&chosen(&secret, Some(&known), &[9; 32], now())), ["a"], "who takes a key out means it");
        let empty = private(&Private::new());
        assert_eq!(ids(&chosen(&empty, Some(&known), &[9; 32], now())), ["m"]);
        let made = chosen(&empty, None, &[9; 32], now());
        let (id, made) = made.first_key_value().unwrap();
        assert!(id.starts_with("20261121t101500z-"), "{id}");
        assert_eq!(made.public(), key(9).public());
    }

    #[test]
    fn when_there_were_keys_is_known_when_the_first_is_gone() {
        let of = |time: Timestamp| ObjectMeta { creation_timestamp: Some(time.into()), ..ObjectMeta::default() };
        let remembered = |since: Option<Timestamp>| PublicKeys { since, ..PublicKeys::default() };
        let (early, late) = (now(), now() + jiff::SignedDuration::from_hours(1));
        assert_eq!(since(&ObjectMeta::default(), &remembered(None)), None);
        assert_eq!(since(&of(early), &remembered(None)), Some(early));
        assert_eq!(since(&of(late), &remembered(Some(early))), Some(early), "deleted, and written again");
        let signer = Signer::new([("a".to_owned(), key(1))].into(), remembered(Some(early))).unwrap();
        assert_eq!(signer.public().signed_since(), Some(early));
    }

    #[test]
    fn a_public_key_stays_when_its_private_half_goes() {
        let first = with_public(&Public::new(), signer(&[("a", 1)]).public());
        let second = with_public(&first, signer(&[("b", 2)]).public());
        assert_eq!(ids(&public(&second).keys), ["a", "b"]);
        assert_eq!(with_public(&second, signer(&[("b", 2)]).public()), second, "and nothing is written twice");
        let forged: Public = [("b".to_owned(), key(7).public().to_pem()), ("x".to_owned(), "y".to_owned())].into();
        let mended = with_public(&forged, signer(&[("b", 2)]).public());
        assert_eq!(public(&mended).keys["b"], key(2).public());
        assert_eq!(mended["x"], "y", "what is not ours stays");
    }
}
