//! An image in an archive, as `docker save` writes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use release_shared::names;
use release_tests::programs;
use serde_json::Value;
use tempfile::TempDir;

/// Those that there are.
pub(crate) const NAMES: [&str; 2] = [names::WEBHOOK, names::CONTROLLER_MANAGER];

/// One of them.
pub(crate) struct Image {
    /// By what it is called: `release-webhook:0.1.0`.
    pub(crate) tag: String,
    /// What it says of itself.
    pub(crate) config: Value,
    /// Its only layer, compressed.
    layer: PathBuf,
    _unpacked: TempDir,
}

/// Where `make images` writes them.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    Ok(programs::target_folder()?.join("images"))
}

/// A file beside the images, which `make images` writes.
pub(crate) fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let path = folder()?.join(name);
    ensure!(path.is_file(), "there is no {}: run `make images` first", path.display());
    Ok(path)
}

impl Image {
    pub(crate) fn open(name: &str) -> anyhow::Result<Self> {
        let unpacked = TempDir::new().context("making a folder")?;
        tar("-xf", &beside(&format!("{name}.tar"))?, unpacked.path())?;
        let read = |name: &str| -> anyhow::Result<Value> {
            let text = fs::read(unpacked.path().join(name)).with_context(|| format!("reading {name}"))?;
            serde_json::from_slice(&text).with_context(|| format!("reading {name}"))
        };
        let manifest = read("manifest.json")?;
        let entry = manifest.get(0).context("no image in the archive")?;
        let layers = entry["Layers"].as_array().context("no layers")?;
        ensure!(layers.len() == 1, "{} layers", layers.len());
        Ok(Self {
            tag: entry["RepoTags"][0].as_str().context("no name")?.to_owned(),
            config: read(entry["Config"].as_str().context("no configuration")?)?,
            layer: unpacked.path().join(layers[0].as_str().context("no layer")?),
            _unpacked: unpacked,
        })
    }

    /// What has to be fetched to run it, in bytes.
    pub(crate) fn size(&self) -> anyhow::Result<u64> {
        Ok(fs::metadata(&self.layer).context("measuring a layer")?.len())
    }

    /// Writes its files into a folder.
    pub(crate) fn unpack(&self, root: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(root).with_context(|| format!("making {}", root.display()))?;
        tar("-xpzf", &self.layer, root)
    }
}

fn tar(how: &str, archive: &Path, folder: &Path) -> anyhow::Result<()> {
    let ended = Command::new("tar").arg(how).arg(archive).arg("-C").arg(folder).status().context("running tar")?;
    ensure!(ended.success(), "tar {how} {}: {ended}", archive.display());
    Ok(())
}
