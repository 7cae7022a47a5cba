//! Where measurements take place.

use std::path::PathBuf;

use release_shared::names;
use release_tests::{ControlPlane, Installation, Namespace};

use crate::process::Process;

/// The control plane with the project in it.
pub(crate) struct Stage<'a> {
    /// The control plane.
    pub(crate) control_plane: &'a ControlPlane,
    /// The project in it.
    pub(crate) installation: &'a Installation<'a>,
    /// The webhook's process.
    pub(crate) webhook: Process,
}

impl<'a> Stage<'a> {
    pub(crate) fn set(control_plane: &'a ControlPlane, installation: &'a Installation<'a>) -> anyhow::Result<Self> {
        Ok(Self { control_plane, installation, webhook: Process::of(control_plane, names::WEBHOOK)? })
    }

    /// A namespace with a project `shop` whose releases pass through these environments.
    pub(crate) fn project(&self, name: &str, environments: &[&str]) -> anyhow::Result<Namespace<'a>> {
        let namespace = Namespace::create(self.control_plane, name)?;
        let environments = environments.join(",");
        namespace.release(["init", "shop", "--environments", &environments]).output()?.success()?;
        Ok(namespace)
    }
}

/// Somebody who has a kubeconfig, known to the audit log by a name of their own.
pub(crate) struct User {
    /// The name.
    pub(crate) name: String,
    /// The path of the kubeconfig.
    pub(crate) kubeconfig: PathBuf,
}

impl User {
    /// A user with one cluster role in a namespace. The namespace's name makes theirs unique.
    pub(crate) fn with_role(namespace: &Namespace<'_>, side: &str, role: &str) -> anyhow::Result<Self> {
        let name = format!("{side}-in-{}", namespace.name());
        let kubeconfig = namespace.user(&name, &[role])?;
        Ok(Self { name, kubeconfig })
    }
}
