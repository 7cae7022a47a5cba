//! Applies `deploy/` as the admin.

use std::path::{Path, PathBuf};

use anyhow::ensure;

use super::CONTROLLER;
use crate::cli::Cli;
use crate::controlplane::ControlPlane;
use crate::programs;

pub(super) fn run(control_plane: &ControlPlane) -> anyhow::Result<()> {
    apply(control_plane, &["-k"], &deploy()?)?;
    wait_for_kinds(control_plane)?;
    wait_for_rights(control_plane)
}

/// The kinds and the roles, and nothing that answers.
pub(super) fn kinds_and_roles(control_plane: &ControlPlane) -> anyhow::Result<()> {
    let deploy = deploy()?;
    for what in ["namespace.yaml", "crds", "rbac"] {
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
