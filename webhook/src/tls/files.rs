//! Certificates that somebody else makes, mounted as files: looked at again and again by their content, so that it does not matter how
//! they are replaced. The kubelet swaps a symbolic link above them, others write in place.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::certificate::{Facts, Pair};

/// What was read of a file.
#[derive(Debug)]
pub(super) struct Content(io::Result<Vec<u8>>);

impl Content {
    pub(super) async fn read(path: &Path) -> Self {
        Self(tokio::fs::read(path).await)
    }

    /// As text.
    ///
    /// # Errors
    /// One phrase on why there is none.
    pub(super) fn text(&self) -> Result<&str, String> {
        let bytes = self.0.as_ref().map_err(ToString::to_string)?;
        std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Ok(bytes))
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Ok(one), Ok(other)) => one == other,
            (Err(one), Err(other)) => one.kind() == other.kind(),
            _ => false,
        }
    }
}

/// Where certificate and key are.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Paths {
    /// What is there now.
    ///
    /// # Errors
    /// One sentence on why it cannot be served: a file is missing, or only one of the two has been replaced yet.
    pub(super) async fn read(&self) -> Result<Pair, String> {
        let (certificate, key) = futures::join!(Content::read(&self.certificate), Content::read(&self.key));
        self.pair(&certificate, &key)
    }

    fn pair(&self, certificate: &Content, key: &Content) -> Result<Pair, String> {
        let unreadable = |path: &Path, error: String| format!("{} cannot be read: {error}", path.display());
        let certificate = certificate.text().map_err(|error| unreadable(&self.certificate, error))?.to_owned();
        let key = key.text().map_err(|error| unreadable(&self.key, error))?.to_owned();
        let pair = Pair { certificate, key };
        let certified = pair.certified().map(drop);
        certified.map_err(|error| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            format!("{certificate} and {key} are no certificate with its key: {}", super::error_chain(&error))
        })?;
        Ok(pair)
    }
}

/// What is wrong with a certificate at this time, as a sentence.
pub(super) fn wrong(pair: &Pair, now: Timestamp) -> Option<String> {
    let facts = Facts::of(&pair.certificate)?;
    if now < facts.from {
        return Some(format!("the certificate is not valid before {}", facts.from));
    }
    (facts.until <= now).then(|| format!("the certificate expired at {}", facts.until))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_cannot_be_served_is_said() {
        let now = Timestamp::now();
        let hour = Duration::from_secs(3600);
        let [one, other] = [(); 2].map(|()| Pair::authority(hour, now).unwrap());
        let paths = Paths { certificate: "tls.crt".into(), key: "tls.key".into() };
        let content = |text: &str| Content::from(text.as_bytes().to_vec());
        let told = |certificate: &Content, key: &Content| paths.pair(certificate, key).unwrap_err();
        let (certificate, key) = (content(&one.certificate), content(&one.key));
        assert_eq!(paths.pair(&certificate, &key), Ok(one.clone()));
        let missing = Content(Err(io::ErrorKind::NotFound.into()));
        assert_eq!(told(&missing, &key), "tls.crt cannot be read: entity not found");
        assert_eq!(told(&certificate, &missing), "tls.key cannot be read: entity not found");
        assert_eq!(told(&certificate, &Content::from(vec![0xff])), "tls.key cannot be read: it is no text");
        for (certificate, key) in [
            (&certificate, &content(&other.key)),
            (&content(&one.certificate[..300]), &key),
            (&certificate, &content(&one.key[..80])),
            (&content(""), &content("")),
        ] {
            let told = told(certificate, key);
            assert!(told.starts_with("tls.crt and tls.key are no certificate with its key: "), "{told}");
        }
        assert_eq!(wrong(&one, now), None);
        assert!(wrong(&one, now - hour).unwrap().contains("is not valid before"));
        assert!(wrong(&one, now + hour).unwrap().contains("expired at"));
    }
}
