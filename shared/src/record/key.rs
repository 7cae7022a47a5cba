//! A record key: Ed25519 (RFC 8032), its private half as PKCS#8 and its public half as SPKI, both as PEM (RFC 8410).

use data_encoding::BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::names;

/// The length of a seed and of a public key, in bytes.
const LENGTH: usize = 32;
/// What stands before the version of a private key. (RFC 5958, `OneAsymmetricKey`; the second byte is a length)
const SEQUENCE: u8 = 0x30;
/// What stands between the version of a private key and its 32 bytes: the algorithm, and the key as an octet string in one.
const PRIVATE: [u8; 11] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What stands before the 32 bytes of a public key: the algorithm, and the head of a bit string.
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The longest id of a key.
const MAX_ID: usize = names::MAX_NAME;

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// There is no such PEM block in it, or its content is no base64.
    Pem(&'static str),
    /// The block holds something else than an Ed25519 key.
    Algorithm,
}

impl std::fmt::Display for KeyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pem(label) => write!(f, "has no PEM block {label:?}"),
            Self::Algorithm => f.write_str("is not an Ed25519 key"),
        }
    }
}

impl std::error::Error for KeyFault {}

/// Whether a text may be the id of a key: lower-case letters, digits, `-` and `.`, neither of these at an end, at most 63 bytes.
pub fn is_key_id(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().last()];
    text.len() <= MAX_ID
        && ends.iter().all(|end| end.is_some_and(inner))
        && text.bytes().all(|c| inner(c) || c == b'-' || c == b'.')
}

/// The private half. It is wiped from memory when it goes, and no `Debug` shows it.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PrivateKey {
    /// The key of a seed: 32 bytes that nobody can guess.
    pub fn from_seed(seed: &[u8; LENGTH]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads a PEM block `PRIVATE KEY`, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_pem(text: &str) -> Result<Self, KeyFault> {
        let der = read_pem(text, "PRIVATE KEY")?;
        // Version 0, or 1 where the public key stands behind it; what follows the seed can be computed from it.
        let head = der.first_chunk::<5>().ok_or(KeyFault::Algorithm)?;
        let [SEQUENCE, length, 0x02, 0x01, 0 | 1] = *head else { return Err(KeyFault::Algorithm) };
        let rest = der[5..].strip_prefix(&PRIVATE).filter(|_| usize::from(length) + 2 == der.len());
        let seed = rest.and_then(|rest| rest.first_chunk::<LENGTH>()).ok_or(KeyFault::Algorithm)?;
        Ok(Self::from_seed(seed))
    }

    /// A PEM block `PRIVATE KEY`.
    pub fn to_pem(&self) -> String {
        let length = u8::try_from(3 + PRIVATE.len() + LENGTH).unwrap_or(u8::MAX);
        let der = [&[SEQUENCE, length, 0x02, 0x01, 0x00], &PRIVATE[..], self.0.as_bytes()].concat();
        write_pem(&der, "PRIVATE KEY")
    }

    /// The other half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The signature of a message, base64. The same message has the same one always.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        BASE64.encode(&self.0.sign(message).to_bytes())
    }
}

/// The public half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a PEM block `PUBLIC KEY`, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_pem(text: &str) -> Result<Self, KeyFault> {
        let der = read_pem(text, "PUBLIC KEY")?;
        let bytes = der.strip_prefix(&PUBLIC).and_then(|bytes| <[u8; LENGTH]>::try_from(bytes).ok());
        let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).filter(|key| !key.is_weak());
        key.map(Self).ok_or(KeyFault::Algorithm)
    }

    /// A PEM block `PUBLIC KEY`.
    pub fn to_pem(&self) -> String {
        write_pem(&[&PUBLIC[..], self.0.as_bytes()].concat(), "PUBLIC KEY")
    }

    /// The SHA-256 of its 32 bytes.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// Whether a signature, base64, is that of a message by this key.
    pub(super) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let bytes = BASE64.decode(signature.as_bytes()).ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
        bytes.is_some_and(|bytes| self.0.verify_strict(message, &Signature::from_bytes(&bytes)).is_ok())
    }
}

fn read_pem(text: &str, label: &'static str) -> Result<Vec<u8>, KeyFault> {
    let body = || {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let body: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        BASE64.decode(&body).ok()
    };
    body().ok_or(KeyFault::Pem(label))
}

fn write_pem(der: &[u8], label: &str) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenSSL 3 wrote them.
    const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

    /// RFC 8032, section 7.1, test 1: an empty message.
    #[test]
    fn a_key_and_its_signature_are_those_of_the_standard() {
        let key = PrivateKey::from_pem(PRIVATE_PEM).unwrap();
        assert_eq!(key.to_pem(), PRIVATE_PEM);
        assert_eq!(key.public().to_pem(), PUBLIC_PEM);
        assert_eq!(PublicKey::from_pem(PUBLIC_PEM), Ok(key.public()));
        let signature = data_encoding::HEXLOWER
            .decode(b"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")
            .unwrap();
        assert_eq!(key.sign(b""), BASE64.encode(&signature));
        assert!(key.public().verifies(b"", &key.sign(b"")));
        assert!(!key.public().verifies(b"x", &key.sign(b"")));
        assert!(!key.public().verifies(b"", "") && !key.public().verifies(b"", "AAAA"));
        assert_eq!(format!("{key:?}"), "PrivateKey(…)");
    }

    #[test]
    fn a_private_key_may_have_its_public_half_behind_it() {
        let key = PrivateKey::from_pem(PRIVATE_PEM).unwrap();
        let mut der = read_pem(PRIVATE_PEM, "PRIVATE KEY").unwrap();
        der[4] = 1;
        der.extend([&[0x81, 0x21, 0x00], &read_pem(PUBLIC_PEM, "PUBLIC KEY").unwrap()[PUBLIC.len()..]].concat());
        der[1] = u8::try_from(der.len() - 2).unwrap();
        let again = PrivateKey::from_pem(&write_pem(&der, "PRIVATE KEY")).unwrap();
        assert_eq!(again.public(), key.public());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let cut = PRIVATE_PEM.replace("yfWD", "").replace("MC4C", "");
        let rsa = write_pem(&[SEQUENCE; 48], "PRIVATE KEY");
        for text in ["", "nonsense", PUBLIC_PEM, &cut, &rsa, &write_pem(b"", "PRIVATE KEY")] {
            assert!(PrivateKey::from_pem(text).is_err(), "{text}");
        }
        let neutral = [&PUBLIC[..], &[1], &[0; 31]].concat();
        for text in ["", PRIVATE_PEM, &write_pem(&neutral, "PUBLIC KEY"), &write_pem(&PUBLIC, "PUBLIC KEY")] {
            assert!(PublicKey::from_pem(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_is_a_name() {
        for good in ["a", "20261121t101500z-abcdefgh", "a.b-c", &"a".repeat(63)] {
            assert!(is_key_id(good), "{good}");
        }
        for bad in ["", "-a", "a-", ".a", "A", "a_b", "ä", "a/b", &"a".repeat(64)] {
            assert!(!is_key_id(bad), "{bad}");
        }
    }
}
