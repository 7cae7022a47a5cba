//! What replicas share, as it is kept in the Secret: the authority that signs, the one that will, those that did, and the leaf.
//!
//! | key | is |
//! |---|---|
//! | `ca.crt`, `ca.key` | the authority that signs, and its key |
//! | `ca.leaves-until` | when the last leaf that it signed expires (RFC 3339) |
//! | `next-ca.crt`, `next-ca.key` | the authority that will sign, once it is trusted everywhere |
//! | `old-ca.crt` | authorities that signed before, one after the other |
//! | `old-ca.until` | until when each of them is trusted: one line for each (RFC 3339) |
//! | `tls.crt`, `tls.key` | the leaf, and its key |

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use rustls::pki_types::CertificateDer;

use super::certificate::{Facts, Pair, chain, pem};

/// What the Secret holds; a part that is missing or no text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) current: Pair,
    /// When the last leaf that the current authority signed expires.
    pub(super) leaves_until: Option<Timestamp>,
    pub(super) next: Option<Pair>,
    pub(super) old: Vec<Old>,
    pub(super) leaf: Pair,
}

/// An authority that signs no more, and until when it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Old {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) until: Timestamp,
}

impl State {
    /// The state in the data of a Secret.
    pub(super) fn read(data: &BTreeMap<String, ByteString>) -> Self {
        let text = |key: &str| {
            let bytes = data.get(key).map(|bytes| bytes.0.clone());
            bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
        };
        let pair = |name: &str| Pair { certificate: text(&format!("{name}.crt")), key: text(&format!("{name}.key")) };
        let next = Some(pair("next-ca")).filter(|next| *next != Pair::default());
        Self {
            current: pair("ca"),
            leaves_until: text("ca.leaves-until").trim().parse().ok(),
            next,
            old: old(&text("old-ca.crt"), &text("old-ca.until")),
            leaf: pair("tls"),
        }
    }

    /// Puts the state into the data of a Secret; what else is there stays.
    pub(super) fn write(&self, data: &mut BTreeMap<String, ByteString>) {
        let next = self.next.clone().unwrap_or_default();
        let certificates: String = self.old.iter().map(|old| pem(&old.certificate)).collect();
        let untils: Vec<String> = self.old.iter().map(|old| old.until.to_string()).collect();
        let entries = [
            ("ca.crt", self.current.certificate.clone()),
            ("ca.key", self.current.key.clone()),
            ("ca.leaves-until", self.leaves_until.map(|until| until.to_string()).unwrap_or_default()),
            ("next-ca.crt", next.certificate),
            ("next-ca.key", next.key),
            ("old-ca.crt", certificates),
            ("old-ca.until", untils.join("\n")),
            ("tls.crt", self.leaf.certificate.clone()),
            ("tls.key", self.leaf.key.clone()),
        ];
        for (key, text) in entries {
            if text.is_empty() {
                data.remove(key);
            } else {
                data.insert(key.to_owned(), ByteString(text.into_bytes()));
            }
        }
    }

    /// The authorities that must be trusted, the one that signs first.
    pub(super) fn authorities(&self) -> Vec<CertificateDer<'static>> {
        let next = self.next.as_ref().map(|next| next.certificate.as_str()).unwrap_or_default();
        let old = self.old.iter().map(|old| old.certificate.clone());
        let mut all: Vec<CertificateDer<'static>> = Vec::new();
        for authority in chain(&self.current.certificate).into_iter().take(1).chain(chain(next)).chain(old) {
            if !all.contains(&authority) {
                all.push(authority);
            }
        }
        all
    }
}

/// An authority without its line is trusted to its own end.
fn old(certificates: &str, untils: &str) -> Vec<Old> {
    let mut untils = untils.lines().map(|line| line.trim().parse::<Timestamp>().ok());
    let read = |certificate: CertificateDer<'static>| {
        let line = untils.next().flatten();
        let until = Facts::of_der(&certificate)?.until;
        Some(Old { certificate, until: line.map_or(until, |line| line.min(until)) })
    };
    chain(certificates).into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_state_is_read_as_it_was_written_and_nothing_else_is_touched() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let authority = || Pair::authority(9 * HOUR, now).unwrap();
        let old = |until: Timestamp| Old { certificate: chain(&authority().certificate).remove(0), until };
        let current = authority();
        let state = State {
            leaf: current.leaf(&["a.b.svc".to_owned()], HOUR, now).unwrap(),
            current,
            leaves_until: Some(now + HOUR),
            next: Some(authority()),
            old: vec![old(now + 2 * HOUR), old(now + 3 * HOUR)],
        };
        let mut data = BTreeMap::from([("theirs".to_owned(), ByteString(b"kept".to_vec()))]);
        state.write(&mut data);
        assert_eq!(State::read(&data), state);
        assert_eq!(data.len(), 10);
        assert_eq!(state.authorities().len(), 4);

        // What is no more is no key any more.
        let later = State { next: None, old: Vec::new(), ..state.clone() };
        later.write(&mut data);
        assert_eq!(State::read(&data), later);
        assert_eq!(
            data.keys().map(String::as_str).collect::<Vec<_>>(),
            ["ca.crt", "ca.key", "ca.leaves-until", "theirs", "tls.crt", "tls.key"]
        );

        // A line that is missing or cannot be read leaves an authority its own end.
        state.write(&mut data);
        data.insert("old-ca.until".to_owned(), ByteString(b"soon".to_vec()));
        let ends: Vec<_> = State::read(&data).old.into_iter().map(|old| old.until).collect();
        assert_eq!(ends, [now + 9 * HOUR; 2]);
        // What is left of authorities that somebody took out goes with the next writing, and then it is at rest.
        data.remove("old-ca.crt");
        for _ in 0..2 {
            let read = State::read(&data);
            read.write(&mut data);
            assert!(!data.contains_key("old-ca.until") && State::read(&data) == read);
        }
    }

    #[test]
    fn nonsense_is_nothing() {
        let data = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), ByteString(vec![0xff]))).collect();
        let state = State::read(&data(&["ca.crt", "ca.key", "tls.crt", "tls.key", "next-ca.crt", "old-ca.crt"]));
        assert_eq!(state, State::default());
        assert_eq!(state.authorities(), []);
    }
}
