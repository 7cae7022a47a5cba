//! Files as the kubelet mounts them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use release_tests::pki::Credential;
use tempfile::TempDir;

/// A certificate and its key, as files of a Secret for TLS.
pub(crate) fn content(credential: &Credential) -> [(&str, &str); 2] {
    [("tls.crt", &credential.public), ("tls.key", &credential.private)]
}

/// A folder as the kubelet mounts a Secret: files are links into `..data`, which is swapped as a whole.
pub(crate) struct Mount {
    folder: TempDir,
    versions: AtomicUsize,
}

impl Mount {
    pub(crate) fn new(content: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mount = Self { folder: TempDir::new()?, versions: AtomicUsize::new(0) };
        mount.swap(content)?;
        for (name, _) in content {
            symlink(Path::new("..data").join(name), mount.path(name))?;
        }
        Ok(mount)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn flag(&self, flag: &str, name: &str) -> String {
        format!("--{flag}={}", self.path(name).display())
    }

    pub(crate) fn swap(&self, content: &[(&str, &str)]) -> anyhow::Result<()> {
        let version = format!("..{}", self.versions.fetch_add(1, Ordering::Relaxed));
        fs::create_dir(self.path(&version))?;
        for (name, text) in content {
            fs::write(self.path(&version).join(name), text)?;
        }
        symlink(&version, self.path("..data_tmp"))?;
        fs::rename(self.path("..data_tmp"), self.path("..data")).context("swapping the link")
    }
}
