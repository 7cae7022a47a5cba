//! A whole control plane on loopback, of its own for each [`ControlPlane`]: ready within seconds, gone without a trace.

mod api_server;
mod etcd;
mod nodes;
mod others;
mod servers;
mod start;
mod store;
mod volumes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use release_shared::kinds::Kind;
use release_shared::names;
use serde_json::Value;
use tempfile::TempDir;

use self::api_server::ApiServer;
use self::etcd::Etcd;
use self::others::Others;
use crate::binaries::{self, Binaries};
use crate::kubeconfig::{self, Identity};
use crate::pki::Authority;
use crate::process::Recorded;
use crate::watchdog::Group;
use crate::{programs, runtime};

/// Long enough for any test, and for a demonstration that stays up for weeks.
const TOKEN_LIFETIME_SECONDS: i64 = 365 * 24 * 60 * 60;

/// What may differ between control planes.
#[derive(Debug, Clone)]
pub struct Options {
    /// An older Kubernetes minor version to behave like, such as `1.34` (`--emulated-version`).
    pub emulated_version: Option<String>,
    /// How many nodes kwok plays. Without any there are no volumes either, and neither kwok nor the scheduler runs.
    pub nodes: usize,
    /// How the API server's admission is configured (`--admission-control-config-file`).
    pub admission: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { emulated_version: None, nodes: 2, admission: None }
    }
}

/// A running control plane: etcd, kube-apiserver, kube-controller-manager, and where there are nodes kube-scheduler and kwok. Dropping it stops
/// all of them and removes [`Self::folder`]; a watchdog does so when this process dies instead.
pub struct ControlPlane {
    binaries: Binaries,
    group: Group,
    folder: PathBuf,
    authority: Authority,
    etcd: Etcd,
    api_server: ApiServer,
    others: Others,
    server_url: String,
    admin_kubeconfig: PathBuf,
    client: Client,
    kubeconfigs: AtomicUsize,
    stored: AtomicUsize,
}

impl ControlPlane {
    /// Starts one and waits until it is ready: API served, nodes Ready. Builds the binaries first where they are missing.
    ///
    /// # Errors
    /// When a server does not come up; the message ends with the tail of its log.
    pub fn start(options: &Options) -> anyhow::Result<Self> {
        let binaries = binaries::find_or_build()?;
        let parent = programs::target_folder()?.join("controlplane");
        fs::create_dir_all(&parent).with_context(|| format!("creating {}", parent.display()))?;
        let folder =
            TempDir::with_prefix_in("instance-", &parent).context("creating a folder for the control plane")?;
        let group = Group::new(folder.path())?;
        // From here on the watchdog removes it.
        let folder = folder.keep();
        start::run(binaries, group, folder, options)
    }

    /// The kubeconfig of a member of `system:masters`.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin_kubeconfig
    }

    /// A client with the admin's rights. Use it within [`runtime::block_on`] or an asynchronous test.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A kubeconfig for a user of this name in these groups (two at most), by client certificate. Without roles such a
    /// user may do next to nothing.
    ///
    /// # Errors
    /// When the certificate cannot be made or the file not be written.
    pub fn user(&self, name: &str, groups: &[&str]) -> anyhow::Result<PathBuf> {
        let path = self.new_kubeconfig(name);
        write_client(&path, &self.server_url, &self.authority, name, groups)?;
        Ok(path)
    }

    /// A kubeconfig for a service account that exists, with a token from the TokenRequest API.
    ///
    /// # Errors
    /// When there is no such account or the file cannot be written.
    pub fn service_account(&self, namespace: &str, name: &str) -> anyhow::Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_LIFETIME_SECONDS), ..Default::default() };
        let request = TokenRequest { spec: Some(spec), ..Default::default() };
        let request = runtime::block_on(accounts.create_token_request(name, &PostParams::default(), &request));
        let context = || format!("requesting a token for the service account {namespace}/{name}");
        let token = request.with_context(context)?.status.and_then(|status| status.token).with_context(context)?;
        let path = self.new_kubeconfig(name);
        kubeconfig::write(&path, &self.server_url, &self.ca_pem(), name, Identity::Token(&token))?;
        Ok(path)
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The certificate of the authority that vouches for the API server and its clients.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// Where this instance keeps its files: logs, kubeconfigs, etcd's data. Removed when it stops.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The API server's audit log: one JSON event a line for each answered request, without the bodies.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        servers::audit_log(&self.folder)
    }

    /// The kubectl of the same Kubernetes release.
    #[must_use]
    pub fn kubectl(&self) -> &Path {
        &self.binaries.kubectl
    }

    /// Every process of this instance in the order of their start, the watchdog first.
    #[must_use]
    pub fn processes(&self) -> Vec<Recorded> {
        self.group.processes()
    }

    /// Starts a program that ends with this instance at the latest, its three streams piped. Its environment is what
    /// `command` sets, and nothing else.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, command: &Command) -> anyhow::Result<(Recorded, Child)> {
        self.group.spawn(name, command)
    }

    /// Starts a server that ends with this instance at the latest. Its input is empty, and its output goes to `NAME.log` in
    /// [`Self::folder`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn serve(&self, name: &str, command: &Command) -> anyhow::Result<Recorded> {
        self.group.serve(name, command)
    }

    /// Ends such a server and waits for that. Fine when it is gone.
    pub fn end(&self, server: &Recorded) {
        self.group.stop_server(server);
    }

    /// Stops the API server, as if it had gone away: the other servers keep running without it. Fine when it is stopped.
    ///
    /// For a control plane of the test's own: whoever shares one cannot do without it, not even to delete a namespace.
    pub fn stop_api_server(&self) {
        self.api_server.stop(&self.group);
    }

    /// Starts the API server again, where it was and with all that it knew, and waits until it is ready. Fine when it runs.
    ///
    /// Controller manager, scheduler and kwok start anew with it: after a minute in vain they would look only once a minute
    /// (client-go's back-off), and whoever tests something else would wait for that.
    ///
    /// # Errors
    /// When it does not become ready; the message ends with the tail of its log.
    pub fn start_api_server(&self) -> anyhow::Result<()> {
        if self.api_server.start_again(&self.group)? {
            self.others.start_again(&self.group)?;
        }
        Ok(())
    }

    /// Stops etcd: the API server runs, and can neither read nor write. Fine when it is stopped. For a control plane of the test's own.
    pub fn stop_etcd(&self) {
        self.etcd.stop(&self.group);
    }

    /// Starts etcd again, where it was and with all that it knew, and waits until it is healthy. Fine when it runs.
    ///
    /// # Errors
    /// When it does not become healthy; the message ends with the tail of its log.
    pub fn start_etcd(&self) -> anyhow::Result<()> {
        self.etcd.start_again(&self.group)
    }

    /// Puts an object of ours into the store as it is, past schemas, policies and hooks: as an earlier version let it in.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn store(&self, namespace: &str, kind: Kind, object: &Value) -> anyhow::Result<()> {
        let mut object = object.clone();
        let name = object["metadata"]["name"].as_str().context("what is stored has a name")?.to_owned();
        object["metadata"]["namespace"] = namespace.into();
        object["metadata"]["uid"] =
            format!("00000000-0000-4000-8000-{:012x}", self.stored.fetch_add(1, Ordering::Relaxed)).into();
        object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        object["metadata"]["generation"] = 1.into();
        let key = format!("/registry/{}/{}/{namespace}/{name}", names::GROUP, kind.plural());
        store::put(self.api_server.etcd(), &key, &object)
    }

    /// Stops everything and removes the folder; all is gone on return. Safe to call twice.
    pub fn stop(&self) {
        self.group.stop();
    }

    /// The processes, for a part of the harness that adds servers.
    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    /// A name like `3-alice.kubeconfig`: two kubeconfigs of one user do not meet, and `system:x` needs no folder.
    fn new_kubeconfig(&self, name: &str) -> PathBuf {
        let number = self.kubeconfigs.fetch_add(1, Ordering::Relaxed);
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        self.folder.join(format!("{number}-{name}.kubeconfig"))
    }
}

/// A client for a kubeconfig file.
///
/// # Errors
/// When the file is none.
pub fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let context = || format!("making a client of {}", kubeconfig.display());
    runtime::block_on(async {
        let content = Kubeconfig::read_from(kubeconfig).with_context(context)?;
        let config = Config::from_custom_kubeconfig(content, &KubeConfigOptions::default()).await;
        Client::try_from(config.with_context(context)?).with_context(context)
    })
}

fn write_client(path: &Path, url: &str, authority: &Authority, user: &str, groups: &[&str]) -> anyhow::Result<()> {
    let credential = authority.client(user, groups)?;
    let identity = Identity::Certificate { certificate: &credential.public, key: &credential.private };
    kubeconfig::write(path, url, &authority.pem(), user, identity)
}
