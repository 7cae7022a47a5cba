//! The Go toolchain: whether it is there, and how it is called.

use std::io;
use std::process::{Command, Output};

use anyhow::{Context, bail, ensure};

use super::build::{Manifest, source};

/// The `go` command in the control plane's folder: this toolchain and no other, exactly the modules of go.sum.
pub(super) fn command() -> Command {
    let mut go = Command::new("go");
    go.current_dir(source())
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off");
    go
}

/// What `go` prints for these arguments.
pub(super) fn output(args: &[&str]) -> anyhow::Result<String> {
    let output = command().args(args).output().with_context(|| format!("running go {}", args.join(" ")))?;
    ensure!(output.status.success(), "go {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    text(&output)
}

/// Refuses when there is no Go, or one older than go.mod asks for.
pub(super) fn check(manifest: &Manifest) -> anyhow::Result<()> {
    let wanted = &manifest.go;
    let instead = "or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and the others";
    let found = match command().args(["env", "GOVERSION"]).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!(
                "building the control plane needs Go {wanted} or later, and there is no `go` on the PATH: install it from https://go.dev/dl, {instead}"
            )
        }
        answer => text(&answer.context("asking for Go's version")?)?,
    };
    let found = found.trim().trim_start_matches("go");
    ensure!(
        numbers(found) >= numbers(wanted),
        "building the control plane needs Go {wanted} or later, and this is Go {found}: update it from https://go.dev/dl, {instead}"
    );
    Ok(())
}

/// `1.26.8` as numbers to compare; a missing or odd part (`1.27rc1`) counts as 0.
fn numbers(version: &str) -> Vec<u32> {
    let number = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    };
    version.split('.').map(number).collect()
}

fn text(output: &Output) -> anyhow::Result<String> {
    String::from_utf8(output.stdout.clone()).context("go printed something else than text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("1.26.10") > numbers("1.26.8"));
        assert!(numbers("1.27rc1") > numbers("1.26.0"));
        assert!(numbers("1.9.1") < numbers("1.26.0"));
    }
}
