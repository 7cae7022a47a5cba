//! Several record keys by id: the newest signs, all of them verify.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::entry::Dropped;
use super::key::{PrivateKey, PublicKey};
use crate::kinds::Kind;
use crate::{canonical, names};

/// The form of the time that the id of a key begins with, in UTC.
const ID_TIME: &str = "%Y%m%dt%H%M%Sz";
/// The length of that time, in characters.
const ID_TIME_LENGTH: usize = 16;
/// How many characters of the public key's hash follow it.
const ID_HASH: usize = 8;

/// The id of a key that was made at `now`: greater than those of all that were made before.
pub fn key_id(key: &PublicKey, now: Timestamp) -> String {
    let time = now.to_zoned(TimeZone::UTC).strftime(ID_TIME);
    let mut hash = data_encoding::BASE32_NOPAD.encode(&key.digest()).to_ascii_lowercase();
    hash.truncate(ID_HASH);
    format!("{time}-{hash}")
}

/// When a key was made, where its id says so.
pub fn key_time(id: &str) -> Option<Timestamp> {
    let (time, _) = id.split_at_checked(ID_TIME_LENGTH).filter(|(_, rest)| rest.starts_with('-'))?;
    DateTime::strptime(ID_TIME, time).ok()?.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

/// A signature as it stands in an element of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The id of the key that made it.
    pub key: String,
    /// The signature, base64.
    pub sig: String,
}

/// What a signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It is that of the key which it names.
    Good,
    /// It is not.
    Bad,
    /// The key which it names is not known here.
    UnknownKey,
}

/// The public halves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKeys {
    /// By id.
    pub named: BTreeMap<String, PublicKey>,
    /// Without one, as somebody keeps a key outside of the cluster: it may have signed under any id that is not named.
    pub unnamed: Vec<PublicKey>,
    /// A time by which records were signed, from elsewhere than the ids: keys may be taken out again.
    pub since: Option<Timestamp>,
}

impl PublicKeys {
    /// What a signature of a message is worth.
    pub fn prove(&self, sealed: &Sealed, message: &[u8]) -> Proof {
        match self.named.get(&sealed.key) {
            None if self.unnamed.iter().any(|key| key.verifies(message, &sealed.sig)) => Proof::Good,
            None => Proof::UnknownKey,
            Some(key) if key.verifies(message, &sealed.sig) => Proof::Good,
            Some(_) => Proof::Bad,
        }
    }

    /// Since when records are signed, as far as is known: the earliest of the times that the ids of keys say and of [`Self::since`]. An id
    /// without a time takes nothing from what the others say.
    pub fn signed_since(&self) -> Option<Timestamp> {
        self.named.keys().filter_map(|id| key_time(id)).chain(self.since).min()
    }
}

/// The private halves, by id, at least one; and the public halves of these and of keys that have been retired.
#[derive(Debug, Clone)]
pub struct Signer {
    private: BTreeMap<String, PrivateKey>,
    public: PublicKeys,
}

impl Signer {
    /// `None` where there is no private key. `retired` are keys that sign no more.
    pub fn new(private: BTreeMap<String, PrivateKey>, retired: PublicKeys) -> Option<Self> {
        let mut public = retired;
        public.named.extend(private.iter().map(|(id, key)| (id.clone(), key.public())));
        (!private.is_empty()).then_some(Self { private, public })
    }

    /// The id of the key that signs: the greatest in the order of their bytes.
    pub fn id(&self) -> &str {
        self.private.last_key_value().map_or("", |(id, _)| id)
    }

    /// The private halves.
    pub fn private(&self) -> &BTreeMap<String, PrivateKey> {
        &self.private
    }

    /// All public halves.
    pub fn public(&self) -> &PublicKeys {
        &self.public
    }

    /// Whether a signature by this key can be checked.
    pub fn knows(&self, id: &str) -> bool {
        self.public.named.contains_key(id)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Sealed {
        let sig = self.private.last_key_value().map(|(_, key)| key.sign(message)).unwrap_or_default();
        Sealed { key: self.id().to_owned(), sig }
    }

    /// What a signature of a message is worth. A signature has one form only, so that who holds the key makes it again and compares,
    /// in half of the time; one that somebody else's program made otherwise is verified.
    pub(super) fn prove(&self, sealed: &Sealed, message: &[u8]) -> Proof {
        let own = self.private.get(&sealed.key).is_some_and(|key| key.sign(message) == sealed.sig);
        if own { Proof::Good } else { self.public.prove(sealed, message) }
    }
}

/// Whose history it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Whose<'a> {
    /// The kind of the object.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl std::fmt::Display for Whose<'_> {
    /// `ReleaseBinding acme/shop-staging`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

/// What is signed of a record: its hash. The first line says what it is, so that no signature can be taken for another.
pub(super) fn record_message(hash: &str) -> Vec<u8> {
    [b"release.openchoreo.dev/record/v1\n", hash.as_bytes()].concat()
}

/// What is signed of a run of dropped records: whose they are, which, the hashes at both ends, and what was found of them.
pub(super) fn dropped_message(whose: Whose<'_>, run: &Dropped) -> Vec<u8> {
    let mut sealed = serde_json::json!({
        "group": names::GROUP, "kind": whose.kind.as_str(), "namespace": whose.namespace, "name": whose.name,
        "dropped": run.dropped, "hash": run.hash,
    });
    if let Some(prev) = &run.prev {
        sealed["prev"] = prev.as_str().into();
    }
    if !run.unproved.is_empty() {
        sealed["unproved"] = run.unproved.iter().map(String::as_str).collect();
    }
    if run.dry_run == Some(true) {
        sealed["dryRun"] = true.into();
    }
    let digest = names::sha256_hex(&canonical::to_vec(&sealed));
    [b"release.openchoreo.dev/dropped/v1\n", digest.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(ids: &[&str]) -> Signer {
        let keys = ids.iter().zip(1u8..).map(|(id, seed)| ((*id).to_owned(), PrivateKey::from_seed(&[seed; 32])));
        Signer::new(keys.collect(), PublicKeys::default()).unwrap()
    }

    #[test]
    fn the_newest_signs_and_all_verify() {
        let both = signer(&["a", "b"]);
        let sealed = both.sign(b"m");
        assert_eq!((both.id(), sealed.key.as_str()), ("b", "b"));
        let old = signer(&["a"]);
        assert_eq!(both.prove(&old.sign(b"m"), b"m"), Proof::Good);
        assert_eq!(both.prove(&old.sign(b"m"), b"n"), Proof::Bad);
        assert_eq!(old.prove(&sealed, b"m"), Proof::UnknownKey);
        assert_eq!(both.public().prove(&sealed, b"m"), Proof::Good);
        let crossed = Sealed { key: "a".into(), ..sealed };
        assert_eq!(both.prove(&crossed, b"m"), Proof::Bad);
        let retired = Signer::new([("c".to_owned(), PrivateKey::from_seed(&[9; 32]))].into(), old.public().clone());
        assert_eq!(retired.unwrap().prove(&old.sign(b"m"), b"m"), Proof::Good, "a retired key goes on verifying");
        assert!(Signer::new(BTreeMap::new(), PublicKeys::default()).is_none());
    }

    #[test]
    fn records_are_signed_since_the_earliest_time_that_is_known() {
        let keys = |ids: &[&str], since: Option<&str>| {
            let since = since.map(|time| time.parse().unwrap());
            PublicKeys { since, ..signer(ids).public().clone() }.signed_since().map(|time| time.to_string())
        };
        let (first, second) = ("20260101t000000z-aaaaaaaa", "20260201t000000z-bbbbbbbb");
        let is = |time: &str| Some(time.to_owned());
        assert_eq!(keys(&[second, first], None), is("2026-01-01T00:00:00Z"));
        assert_eq!(keys(&[first, "zz-mine"], None), is("2026-01-01T00:00:00Z"), "an id without a time hides nothing");
        assert_eq!(keys(&["zz-mine"], None), None);
        assert_eq!(keys(&["zz-mine"], Some("2026-01-05T00:00:00Z")), is("2026-01-05T00:00:00Z"));
        // The first key is distrusted, and taken out.
        assert_eq!(keys(&[second], Some("2026-01-05T00:00:00Z")), is("2026-01-05T00:00:00Z"));
        assert_eq!(keys(&[second], Some("2026-03-01T00:00:00Z")), is("2026-02-01T00:00:00Z"), "nobody makes it later");
    }

    #[test]
    fn an_id_says_when_the_key_was_made() {
        let key = PrivateKey::from_seed(&[1; 32]).public();
        let now: Timestamp = "2026-11-21T10:15:00Z".parse().unwrap();
        let id = key_id(&key, now);
        assert!(super::super::key::is_key_id(&id) && id.starts_with("20261121t101500z-"), "{id}");
        assert_eq!(id.len(), ID_TIME_LENGTH + 1 + ID_HASH);
        assert_eq!(key_time(&id), Some(now));
        assert!(
            ["", "mine", "20261121t101500z", "20269921t101500z-x", "äääääääääää"]
                .map(key_time)
                .iter()
                .all(Option::is_none)
        );
        assert!(key_id(&key, now + jiff::SignedDuration::from_secs(1)) > id);
    }
}
