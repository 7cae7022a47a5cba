//! From binaries to a control plane that is ready, server by server.

use std::path::{Path, PathBuf};

use super::servers::{self, Files};
use super::{ControlPlane, Options, client, nodes, write_client};
use crate::binaries::Binaries;
use crate::pki::Authority;
use crate::process::Recorded;
use crate::server::{self, Server, tail};
use crate::watchdog::Group;
use crate::{http_status, runtime};

/// The clients within the control plane: what they are called there, and their groups. kwok has no role of its own.
const CLIENTS: [(&str, &[&str]); 4] = [
    ("admin", &["system:masters"]),
    ("system:kube-controller-manager", &[]),
    ("system:kube-scheduler", &[]),
    ("kwok", &["system:masters"]),
];

pub(super) fn run(
    binaries: Binaries,
    group: Group,
    folder: PathBuf,
    options: &Options,
) -> anyhow::Result<ControlPlane> {
    let authority = Authority::new()?;
    let files = Files::write(&folder, &authority)?;

    let [admin_kubeconfig, manager, scheduler, kwok] = CLIENTS.map(|(user, _)| kubeconfig(&folder, user));

    let (etcd, _) = server::start(
        &group,
        || servers::etcd(&binaries, &folder),
        |etcd| Ok(http_status::get(etcd.ports[0], "/health") == Some(200)),
    )?;
    let (apiserver, _) = server::start(
        &group,
        || {
            let apiserver = servers::kube_apiserver(&binaries, &files, etcd.ports[0], options)?;
            for (user, groups) in CLIENTS {
                write_client(&kubeconfig(&folder, user), &url(&apiserver), &authority, user, groups)?;
            }
            Ok(apiserver)
        },
        |_| is_api_ready(&admin_kubeconfig),
    )?;
    for server in [
        servers::kube_controller_manager(&binaries, &files, &manager),
        servers::kube_scheduler(&binaries, &scheduler),
        servers::kwok(&binaries, &folder, &kwok),
    ] {
        group.serve(server.name, &server.command)?;
    }

    let server_url = url(&apiserver);
    let client = client(&admin_kubeconfig)?;
    let kubeconfigs = 1.into();
    let started =
        ControlPlane { binaries, group, folder, authority, server_url, admin_kubeconfig, client, kubeconfigs };
    let ready = nodes::create(&started, options.nodes).and_then(|()| nodes::wait_until_ready(&started, server::LIMIT));
    match ready {
        Ok(()) => Ok(started),
        Err(error) => Err(error.context(logs_of_the_dead(&started.group))),
    }
}

/// Asks with the admin's certificate: without it, `/readyz` of somebody else's server might answer us.
fn is_api_ready(admin_kubeconfig: &Path) -> anyhow::Result<bool> {
    let client = client(admin_kubeconfig)?;
    let request = http::Request::get("/readyz").body(Vec::new())?;
    Ok(runtime::block_on(client.request_text(request)).is_ok())
}

fn url(apiserver: &Server) -> String {
    format!("https://127.0.0.1:{}", apiserver.ports[0])
}

fn kubeconfig(folder: &Path, user: &str) -> PathBuf {
    folder.join(format!("{}.kubeconfig", user.trim_start_matches("system:")))
}

/// For an error that may come from any of several servers: those that do not run any more are the ones to read about.
fn logs_of_the_dead(group: &Group) -> String {
    let processes = group.processes();
    let dead = processes.iter().filter(|process| !process.is_running());
    let tails: Vec<String> = dead.map(|Recorded { name, .. }| tail(group, name)).collect();
    if tails.is_empty() { "all servers run, but the nodes are not ready".to_owned() } else { tails.join("\n") }
}
