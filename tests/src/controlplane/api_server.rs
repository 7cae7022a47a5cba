//! The API server, which may be away for a while and come back where it was.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::servers::{self, ApiPorts, Files};
use super::{Options, client};
use crate::binaries::Binaries;
use crate::process::Recorded;
use crate::server::{self, Server};
use crate::watchdog::Group;
use crate::{port, runtime};

/// How it is called, and the process that it is now.
pub(super) struct ApiServer {
    binaries: Binaries,
    files: Files,
    ports: ApiPorts,
    options: Options,
    admin_kubeconfig: PathBuf,
    process: Mutex<Recorded>,
}

impl ApiServer {
    /// Starts it on a port that nobody else has and waits until it is ready. `introduce` is told its address before that,
    /// and writes `admin_kubeconfig` among other things.
    pub(super) fn start(
        group: &Group,
        (binaries, files, options): (Binaries, Files, Options),
        etcd: u16,
        admin_kubeconfig: PathBuf,
        introduce: impl Fn(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let make = || {
            let ports = ApiPorts { own: port::free()?, etcd };
            introduce(&url(ports))?;
            Ok(servers::kube_apiserver(&binaries, &files, ports, &options))
        };
        let (Server { ports, .. }, process) = server::start(group, make, |_| is_ready(&admin_kubeconfig))?;
        let ports = ApiPorts { own: ports[0], etcd };
        Ok(Self { binaries, files, ports, options, admin_kubeconfig, process: Mutex::new(process) })
    }

    /// `https://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        url(self.ports)
    }

    /// The port of the etcd that it stores things in.
    pub(super) fn etcd(&self) -> u16 {
        self.ports.etcd
    }

    /// Stops it. Fine when it is stopped.
    pub(super) fn stop(&self, group: &Group) {
        group.stop_server(&self.process.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Starts it again at the same address, waits until it is ready, and says that it did so: not when it runs.
    pub(super) fn start_again(&self, group: &Group) -> anyhow::Result<bool> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.is_running() {
            return Ok(false);
        }
        let make = || Ok(servers::kube_apiserver(&self.binaries, &self.files, self.ports, &self.options));
        let (_, again) = server::start(group, make, |_| is_ready(&self.admin_kubeconfig))?;
        *process = again;
        Ok(true)
    }
}

/// Asks with the admin's certificate: without it, `/readyz` of somebody else's server might answer us.
fn is_ready(admin_kubeconfig: &Path) -> anyhow::Result<bool> {
    let client = client(admin_kubeconfig)?;
    let request = http::Request::get("/readyz").body(Vec::new())?;
    Ok(runtime::block_on(client.request_text(request)).is_ok())
}

fn url(ports: ApiPorts) -> String {
    format!("https://127.0.0.1:{}", ports.own)
}
