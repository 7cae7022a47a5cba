//! The servers of the control plane: ready-made ones from `KUBEBUILDER_ASSETS`, the others built once from their Go
//! modules and cached per user, outside the build folder.

mod build;
mod go;
pub mod peers;
mod progress;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// What the control plane consists of. `kwok-stages.yaml` is kwok's behaviour: it has none of its own.
const NAMES: [&str; 7] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok", "kwok-stages.yaml"];

/// Where each of the binaries is.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The key-value store behind the API server.
    pub etcd: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// Deployments, garbage collection, service accounts, namespaces …
    pub kube_controller_manager: PathBuf,
    /// Assigns pods to nodes.
    pub kube_scheduler: PathBuf,
    /// The command line client.
    pub kubectl: PathBuf,
    /// Plays nodes and their pods.
    pub kwok: PathBuf,
    /// What kwok plays.
    pub kwok_stages: PathBuf,
}

/// Finds the binaries. Those that are neither in `KUBEBUILDER_ASSETS` nor in the cache are built first, which takes
/// about five minutes and says so on stderr.
///
/// # Errors
/// When Go is needed and missing or too old, or when the build fails.
pub fn find_or_build() -> anyhow::Result<Binaries> {
    let ready = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let is_ready = |name: &str| ready.as_ref().map(|folder| folder.join(name)).filter(|path| path.is_file());
    let built = if NAMES.iter().all(|name| is_ready(name).is_some()) { PathBuf::new() } else { built()? };
    let path = |name: &str| is_ready(name).unwrap_or_else(|| built.join(name));
    Ok(Binaries {
        etcd: path("etcd"),
        kube_apiserver: path("kube-apiserver"),
        kube_controller_manager: path("kube-controller-manager"),
        kube_scheduler: path("kube-scheduler"),
        kubectl: path("kubectl"),
        kwok: path("kwok"),
        kwok_stages: path("kwok-stages.yaml"),
    })
}

/// The folder in the cache for today's go.sum, filled when it is not there yet.
///
/// It appears whole, by renaming. A lock makes a second builder wait for the first instead of doing the same work; the
/// kernel lets go of it however its holder ends.
fn built() -> anyhow::Result<PathBuf> {
    let folder = cache()?.join(key()?);
    if folder.is_dir() {
        return Ok(folder);
    }
    let parent = cache()?;
    fs::create_dir_all(&parent).with_context(|| format!("creating {}", parent.display()))?;
    let lock = File::create(folder.with_extension("lock")).context("creating the cache's lock")?;
    if lock.try_lock().is_err() {
        progress::say("another process is building the control plane: waiting for it");
        lock.lock().context("waiting for another process that builds the control plane")?;
    }
    if !folder.is_dir() {
        remove_leftovers(&folder);
        let partial = folder.with_extension(format!("partial-{}", std::process::id()));
        build::into(&partial)?;
        fs::rename(&partial, &folder).with_context(|| format!("moving the binaries to {}", folder.display()))?;
    }
    Ok(folder)
}

/// What a builder left that was killed: nobody else is at work, as we have the lock.
fn remove_leftovers(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder.with_file_name("")) else { return };
    let prefix = folder.with_extension("partial-");
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.to_string_lossy().starts_with(&*prefix.to_string_lossy()) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn cache() -> anyhow::Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache")));
    Ok(cache.context("neither XDG_CACHE_HOME nor HOME says where to cache the control plane")?.join(FOLDER))
}

/// Below the user's cache folder.
const FOLDER: &str = "kubectl-release/controlplane";

/// Sixteen hexadecimal digits that change whenever any module of the build does.
fn key() -> anyhow::Result<String> {
    let sums = fs::read(build::source().join("go.sum")).context("reading tests/controlplane/go.sum")?;
    Ok(HEXLOWER.encode(&Sha256::digest(sums)[..8]))
}
