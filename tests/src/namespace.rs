//! A namespace of its own for each test, so that tests run side by side.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::{self, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use crate::cli::Cli;
use crate::controlplane::ControlPlane;
use crate::{runtime, wait};

/// The label with the name of the test that a namespace was made for.
pub const TEST_LABEL: &str = "release-tests/test";

/// Until the controller manager has put the default service account into a new namespace.
const LIMIT: Duration = Duration::from_secs(30);

/// A namespace that is deleted when it goes out of scope, unless the test failed or `RELEASE_TEST_KEEP=1`.
pub struct Namespace<'a> {
    control_plane: &'a ControlPlane,
    name: String,
    keep: AtomicBool,
}

impl<'a> Namespace<'a> {
    /// A new one, named after the test with a random suffix, in which pods can be made.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn create(control_plane: &'a ControlPlane, test: &str) -> anyhow::Result<Self> {
        let client = control_plane.client();
        let wanted: v1::Namespace = serde_json::from_value(json!({
            "metadata": { "generateName": prefix(test), "labels": { TEST_LABEL: label(test) } },
        }))?;
        let created = runtime::block_on(Api::all(client.clone()).create(&PostParams::default(), &wanted));
        let created = created.with_context(|| format!("creating a namespace for {test}"))?;
        let name = created.metadata.name.context("a namespace without a name")?;
        let namespace = Self { control_plane, name, keep: AtomicBool::new(keep()) };

        // Admission refuses pods before the default service account exists.
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &namespace.name);
        wait::until("a new namespace has its default service account", LIMIT, || {
            runtime::block_on(accounts.get_opt("default")).context("looking for the default service account")
        })?;
        Ok(namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The control plane that it is in.
    #[must_use]
    pub fn control_plane(&self) -> &'a ControlPlane {
        self.control_plane
    }

    /// A client with the admin's rights.
    #[must_use]
    pub fn client(&self) -> Client {
        self.control_plane.client()
    }

    /// `kubectl …` in this namespace.
    pub fn kubectl(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Cli<'a> {
        self.cli("kubectl").args(args)
    }

    /// `kubectl-release …` in this namespace. `kubectl(["release", …])` is the same by way of kubectl.
    pub fn release(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Cli<'a> {
        self.cli("kubectl-release").args(args)
    }

    /// Any program in this namespace.
    pub fn cli(&self, program: impl Into<PathBuf>) -> Cli<'a> {
        Cli::new(self.control_plane, program).namespace(&self.name)
    }

    /// A kubeconfig for a user of this name who has these cluster roles in this namespace, and no others.
    ///
    /// # Errors
    /// When the user or a role binding cannot be made.
    pub fn user(&self, name: &str, cluster_roles: &[&str]) -> anyhow::Result<PathBuf> {
        let bindings: Api<RoleBinding> = Api::namespaced(self.client(), &self.name);
        for role in cluster_roles {
            let binding: RoleBinding = serde_json::from_value(json!({
                "metadata": { "generateName": "test-" },
                "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name }],
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            }))?;
            let created = runtime::block_on(bindings.create(&PostParams::default(), &binding));
            created.with_context(|| format!("giving the role {role} to {name}"))?;
        }
        self.control_plane.user(name, &[])
    }

    /// A kubeconfig for a service account of this namespace.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn service_account(&self, name: &str) -> anyhow::Result<PathBuf> {
        self.control_plane.service_account(&self.name, name)
    }

    /// Does not delete it, for whoever wants to look at what is left.
    pub fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if self.keep.load(Ordering::Relaxed) || thread::panicking() {
            return;
        }
        let namespaces: Api<v1::Namespace> = Api::all(self.client());
        // It goes with the control plane at the latest.
        let _ = runtime::block_on(namespaces.delete(&self.name, &DeleteParams::default()));
    }
}

/// Whether the user wants to look at everything afterwards: `RELEASE_TEST_KEEP=1`.
#[must_use]
pub fn keep() -> bool {
    env::var_os("RELEASE_TEST_KEEP").is_some_and(|value| value == *"1")
}

/// What the API server adds its five characters to: a DNS label with room for them.
fn prefix(test: &str) -> String {
    let name = test.rsplit("::").next().unwrap_or(test);
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    format!("{}-", name.trim_matches('-').chars().take(50).collect::<String>())
}

/// A test's name as the value of a label.
fn label(test: &str) -> String {
    let name = test.replace("::", ".");
    name.chars().take(63).collect::<String>().trim_matches(['_', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tests_name_becomes_a_prefix_and_a_label() {
        assert_eq!(prefix("plugin::create_pins_a_release"), "create-pins-a-release-");
        assert_eq!(prefix(&"x".repeat(90)).len(), 51);
        assert_eq!(label("plugin::create_pins_a_release"), "plugin.create_pins_a_release");
        assert_eq!(label(&"x".repeat(90)).len(), 63);
    }
}
