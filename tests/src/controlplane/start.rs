//! From binaries to a control plane that is ready, server by server.

use std::path::{Path, PathBuf};

use super::api_server::ApiServer;
use super::etcd::Etcd;
use super::others::Others;
use super::servers::{self, Files};
use super::{ControlPlane, Options, client, nodes, volumes, write_client};
use crate::binaries::Binaries;
use crate::pki::Authority;
use crate::process::Recorded;
use crate::server::{self, tail};
use crate::watchdog::Group;

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

    let etcd = Etcd::start(&group, &binaries, &folder)?;
    let parts = (binaries.clone(), files.clone(), options.clone());
    let api_server = ApiServer::start(&group, parts, etcd.port(), admin_kubeconfig.clone(), |url| {
        CLIENTS
            .into_iter()
            .try_for_each(|(user, groups)| write_client(&kubeconfig(&folder, user), url, &authority, user, groups))
    })?;
    let mut others = vec![servers::kube_controller_manager(&binaries, &files, &manager, options)];
    if options.nodes > 0 {
        others.push(servers::kube_scheduler(&binaries, &scheduler, options));
        others.push(servers::kwok(&binaries, &folder, &kwok));
    }
    let others = Others::start(&group, others)?;

    let server_url = api_server.url();
    let client = client(&admin_kubeconfig)?;
    let (kubeconfigs, stored) = (1.into(), 1.into());
    let started = ControlPlane {
        binaries,
        group,
        folder,
        authority,
        etcd,
        api_server,
        others,
        server_url,
        admin_kubeconfig,
        client,
        kubeconfigs,
        stored,
    };
    match furnish(&started, options) {
        Ok(()) => Ok(started),
        Err(error) => Err(error.context(logs_of_the_dead(&started.group))),
    }
}

/// What pods need.
fn furnish(started: &ControlPlane, options: &Options) -> anyhow::Result<()> {
    nodes::create(started, options.nodes)?;
    if options.nodes > 0 {
        volumes::create(started)?;
    }
    nodes::wait_until_ready(started, server::LIMIT)
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
