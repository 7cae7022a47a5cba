//! Applies `deploy/` as the admin.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::CONTROLLER;
use crate::cli::Cli;
use crate::controlplane::ControlPlane;
use crate::programs;

/// Kinds come before their objects. What is made from templates is not for kubectl, and policies of both sorts are installed apart.
const FIRST: &str = "crds";
const NOT_PLAIN: [&str; 3] = ["chart", "network-policy", "policies"];

pub(super) fn run(control_plane: &ControlPlane) -> anyhow::Result<()> {
    let deploy = deploy()?;
    if deploy.join("kustomization.yaml").is_file() {
        apply(control_plane, &["-k"], &deploy)?;
        wait_for_kinds(control_plane)?;
        return wait_for_rights(control_plane);
    }
    let folders = folders(&deploy)?;
    ensure!(!folders.is_empty(), "there is nothing to apply in {}", deploy.display());
    for folder in folders {
        apply(control_plane, &["--recursive", "-f"], &folder)?;
        if folder.ends_with(FIRST) {
            wait_for_kinds(control_plane)?;
        }
    }
    wait_for_rights(control_plane)
}

/// The kinds and the roles, and nothing that answers.
pub(super) fn kinds_and_roles(control_plane: &ControlPlane) -> anyhow::Result<()> {
    let deploy = deploy()?;
    for what in ["namespace.yaml", FIRST, "rbac"] {
        apply(control_plane, &["-f"], &deploy.join(what))?;
    }
    wait_for_kinds(control_plane)?;
    wait_for_rights(control_plane)
}

/// A kustomization within `deploy/`.
pub(super) fn kustomization(control_plane: &ControlPlane, folder: &str) -> anyhow::Result<()> {
    apply(control_plane, &["-k"], &deploy()?.join(folder))
}

fn deploy() -> anyhow::Result<PathBuf> {
    let deploy = programs::repository().join("deploy");
    ensure!(deploy.is_dir(), "there is no folder {} with what is to be installed", deploy.display());
    Ok(deploy)
}

fn apply(control_plane: &ControlPlane, how: &[&str], what: &Path) -> anyhow::Result<()> {
    let kubectl = Cli::new(control_plane, "kubectl").args(["apply", "--server-side"]).args(how).args([what]);
    kubectl.output()?.success().map(drop)
}

fn wait_for_kinds(control_plane: &ControlPlane) -> anyhow::Result<()> {
    wait(control_plane, ["--for=condition=Established", "crd", "--all"])
}

/// The rules of an aggregated role are written by the controller manager, a moment after the role.
fn wait_for_rights(control_plane: &ControlPlane) -> anyhow::Result<()> {
    wait(control_plane, ["--for=jsonpath={.rules[0].verbs[0]}", "clusterrole", CONTROLLER])
}

fn wait(control_plane: &ControlPlane, what: [&str; 3]) -> anyhow::Result<()> {
    let kubectl = Cli::new(control_plane, "kubectl").args(["wait", "--timeout=60s"]).args(what);
    kubectl.output()?.success().map(drop)
}

fn folders(deploy: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(deploy).with_context(|| format!("reading {}", deploy.display()))?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.retain(|path| path.is_dir() && !NOT_PLAIN.iter().any(|name| path.ends_with(name)));
    folders.sort_by_key(|path| (!path.ends_with(FIRST), path.clone()));
    Ok(folders)
}
