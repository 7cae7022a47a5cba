//! Where the load comes from: `release-load`, a process of its own for each measurement.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use data_encoding::BASE64;
use release_load::{Identity, Target};
use release_tests::{Cli, ControlPlane};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The longest that one measurement may take.
const LIMIT: Duration = Duration::from_secs(300);

/// A control plane, and a folder for what is asked.
pub(crate) struct Place<'a> {
    pub(crate) control_plane: &'a ControlPlane,
    folder: PathBuf,
}

impl<'a> Place<'a> {
    pub(crate) fn new(control_plane: &'a ControlPlane) -> anyhow::Result<Self> {
        let folder = control_plane.folder().join("load");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(Self { control_plane, folder })
    }

    /// A new folder in it.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(path)
    }

    /// Keeps something in a file.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Has `release-load` do something.
    pub(crate) fn load<R: DeserializeOwned>(&self, what: &str, job: &impl Serialize) -> anyhow::Result<R> {
        let cli = Cli::new(self.control_plane, "release-load").args([what]).stdin(serde_json::to_vec(job)?);
        let outcome = cli.time_limit(LIMIT).output()?.success()?;
        serde_json::from_str(outcome.stdout()).with_context(|| format!("reading what came of release-load {what}"))
    }

    /// The API server, called by the admin.
    pub(crate) fn api_server(&self) -> anyhow::Result<Target> {
        let path = self.control_plane.admin_kubeconfig();
        let content: Value = serde_json::from_slice(&fs::read(path).context("reading a kubeconfig")?)?;
        let user = &content["users"][0]["user"];
        let pem = |key: &str| -> anyhow::Result<String> {
            let text = user[key].as_str().with_context(|| format!("a kubeconfig without {key}"))?;
            Ok(String::from_utf8(BASE64.decode(text.as_bytes())?)?)
        };
        let identity = Identity { certificate: pem("client-certificate-data")?, key: pem("client-key-data")? };
        Ok(Target {
            address: address(self.control_plane.server_url())?,
            authority: self.control_plane.ca_pem(),
            identity: Some(identity),
        })
    }
}

/// Of `https://127.0.0.1:PORT`.
pub(crate) fn address(url: &str) -> anyhow::Result<SocketAddr> {
    url.trim_start_matches("https://").parse().with_context(|| format!("{url} is no address"))
}
