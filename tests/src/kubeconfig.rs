//! Kubeconfig files: who speaks to which server, and in which namespace by default.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// How a user proves who they are.
#[derive(Debug, Clone, Copy)]
pub enum Identity<'a> {
    /// A client certificate and its key, both PEM.
    Certificate {
        /// The certificate.
        certificate: &'a str,
        /// Its private key.
        key: &'a str,
    },
    /// A bearer token.
    Token(&'a str),
}

/// Writes a kubeconfig with one cluster, one user and one context, in JSON (which is YAML), readable by its owner only.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, server: &str, ca_pem: &str, user: &str, identity: Identity<'_>) -> anyhow::Result<()> {
    let credentials = match identity {
        Identity::Certificate { certificate, key } => json!({
            "client-certificate-data": BASE64.encode(certificate.as_bytes()),
            "client-key-data": BASE64.encode(key.as_bytes()),
        }),
        Identity::Token(token) => json!({ "token": token }),
    };
    let cluster = json!({ "server": server, "certificate-authority-data": BASE64.encode(ca_pem.as_bytes()) });
    let content = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": [{ "name": user, "user": credentials }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": user } }],
        "current-context": "test",
    });
    store(path, &content)
}

/// Reads one that [`write`] wrote.
///
/// # Errors
/// When it cannot be read, or is no JSON.
pub fn read(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

/// The same user on the same server with a default namespace: a file beside the one given.
///
/// # Errors
/// When the one cannot be read or the other not be written.
pub fn in_namespace(path: &Path, namespace: &str) -> anyhow::Result<PathBuf> {
    let mut content = read(path)?;
    content["contexts"][0]["context"]["namespace"] = namespace.into();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let sibling = path.with_file_name(format!("{stem}@{namespace}.kubeconfig"));
    store(&sibling, &content)?;
    Ok(sibling)
}

/// Appears whole: two tests may want the same file at the same time. Temporary files are private (mode 0600).
fn store(path: &Path, content: &Value) -> anyhow::Result<()> {
    let context = || format!("writing {}", path.display());
    let folder = path.parent().with_context(context)?;
    let mut file = NamedTempFile::new_in(folder).with_context(context)?;
    file.write_all(content.to_string().as_bytes()).with_context(context)?;
    file.persist(path).with_context(context)?;
    Ok(())
}
