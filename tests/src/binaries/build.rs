//! Builds the control plane from the Go modules that `tests/controlplane/go.mod` names.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};

use super::go;
use super::progress::{Progress, say};

/// The stages that kwok plays, folders below `kustomize/stage` in its module: nodes that stay Ready, and pods that are
/// Ready at once (`pod/general` has delays of up to six seconds).
const STAGES: [&str; 3] = ["node/fast", "node/heartbeat-with-lease", "pod/fast"];

/// How much of the compiler's output an error quotes.
const QUOTED_LINES: usize = 20;

/// The folder with go.mod and go.sum.
pub(super) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("controlplane")
}

/// What go.mod says: the only place with version numbers.
pub(super) struct Manifest {
    /// The oldest Go that will do, such as `1.26.0`.
    pub(super) go: String,
    /// The Kubernetes release, such as `v1.36.3`.
    kubernetes: String,
}

impl Manifest {
    fn read() -> anyhow::Result<Self> {
        let text = fs::read_to_string(source().join("go.mod")).context("reading tests/controlplane/go.mod")?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let value = |key: &str| {
            let mut lines = text.lines().map(|line| line.trim().trim_start_matches("require "));
            let found = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.split(' ').next());
            found.map(str::to_owned).with_context(|| format!("no line `{key} VERSION` in tests/controlplane/go.mod"))
        };
        Ok(Self { go: value("go")?, kubernetes: value("k8s.io/kubernetes")? })
    }

    /// Without these, the servers take themselves for v0.0.0, and clients and `--emulated-version` misbehave.
    fn linker_flags(&self) -> anyhow::Result<String> {
        let mut parts = self.kubernetes.trim_start_matches('v').split('.');
        let (Some(major), Some(minor)) = (parts.next(), parts.next()) else {
            bail!("{} is no version of Kubernetes", self.kubernetes);
        };
        let set = |key: &str, value: &str| format!(" -X k8s.io/component-base/version.{key}={value}");
        let version = set("gitVersion", &self.kubernetes);
        Ok(["-s -w", &version, &set("gitMajor", major), &set("gitMinor", minor), &set("gitTreeState", "clean")]
            .concat())
    }
}

/// Builds everything into a new folder.
pub(super) fn into(folder: &Path) -> anyhow::Result<()> {
    let manifest = Manifest::read()?;
    go::check(&manifest)?;
    say(&format!(
        "building etcd, Kubernetes {} and kwok from their Go modules: about five minutes, this once (the modules are \
         downloaded first, the result is kept in {})",
        manifest.kubernetes,
        folder.with_file_name("").display()
    ));
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    compile(folder, &manifest)?;
    fs::rename(folder.join("server"), folder.join("etcd")).context("naming etcd, whose command is called server")?;
    fs::write(folder.join("kwok-stages.yaml"), stages()?).context("writing kwok-stages.yaml")
}

fn compile(folder: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let packages = go::output(&["list", "-deps", "tool"])?.lines().count();
    let mut build = go::command();
    build.args(["build", "-v", "-trimpath", "-ldflags", &manifest.linker_flags()?, "-o"]).arg(folder).arg("tool");
    let mut child = build.stderr(Stdio::piped()).spawn().context("running go build")?;
    let stderr = child.stderr.take().context("go build without its output")?;
    let mut progress = Progress::new(packages);
    let mut tail = VecDeque::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        progress.step();
        tail.push_back(line);
        tail.drain(..tail.len().saturating_sub(QUOTED_LINES));
    }
    let status = child.wait().context("waiting for go build")?;
    progress.finish();
    if !status.success() {
        bail!("go build failed ({status}); its last words:\n{}", Vec::from(tail).join("\n"));
    }
    Ok(())
}

/// The YAML of all stages in one stream.
fn stages() -> anyhow::Result<String> {
    let module = go::output(&["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"])?;
    let mut documents = Vec::new();
    for stage in STAGES {
        let folder = Path::new(module.trim()).join("kustomize/stage").join(stage);
        let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|end| end == "yaml") && !file.ends_with("kustomization.yaml"));
        files.sort();
        for file in files {
            documents.push(fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?);
        }
    }
    Ok(documents.join("\n---\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_go_mod() {
        let manifest = Manifest::read().unwrap();
        let flags = manifest.linker_flags().unwrap();
        assert!(
            flags.starts_with(&format!("-s -w -X k8s.io/component-base/version.gitVersion={}", manifest.kubernetes))
        );
        assert!(manifest.go.starts_with("1."));
    }

    #[test]
    fn a_go_mod_without_kubernetes_is_refused() {
        let error = Manifest::parse("module x\n\ngo 1.26.0\n").err().unwrap();
        assert_eq!(error.to_string(), "no line `k8s.io/kubernetes VERSION` in tests/controlplane/go.mod");
    }
}
