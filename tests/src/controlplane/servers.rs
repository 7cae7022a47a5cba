//! How each server is called. All of them listen on loopback only, or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::Options;
use crate::binaries::Binaries;
use crate::pki::{Authority, Credential, service_account_keys};
use crate::port;
use crate::server::Server;

/// The first address of the service range is the API server's own.
const SERVICE_RANGE: &str = "10.96.0.0/16";
const SERVER_NAMES: [&str; 6] =
    ["localhost", "127.0.0.1", "10.96.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];

/// Keys, certificates and policies that servers read from files.
#[derive(Clone)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn write(folder: &Path, authority: &Authority) -> anyhow::Result<Self> {
        let files = Self { folder: folder.to_owned() };
        files.store("ca.crt", &authority.pem())?;
        files.store_pair("apiserver", &authority.server(&SERVER_NAMES)?)?;
        files.store_pair("front-proxy", &authority.client("front-proxy-client", &[])?)?;
        files.store_pair("service-accounts", &service_account_keys()?)?;
        files.store("audit-policy.yaml", &audit_policy())?;
        Ok(files)
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn store_pair(&self, name: &str, pair: &Credential) -> anyhow::Result<()> {
        self.store(&format!("{name}.crt"), &pair.public)?;
        self.store(&format!("{name}.key"), &pair.private)
    }

    fn store(&self, name: &str, content: &str) -> anyhow::Result<()> {
        fs::write(self.folder.join(name), content).with_context(|| format!("writing {name}"))
    }
}

/// Who asked for what, when, and with which answer: one event a request.
fn audit_policy() -> String {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{ "level": "Metadata" }],
    })
    .to_string()
}

pub(super) fn audit_log(folder: &Path) -> PathBuf {
    folder.join("audit.log")
}

/// What it stores is not worth keeping, so it never waits for the disk.
pub(super) fn etcd(binaries: &Binaries, folder: &Path) -> anyhow::Result<Server> {
    let (client, peer) = (port::free()?, port::free()?);
    let (client_url, peer_url) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let args = [
        "--name=test".to_owned(),
        format!("--data-dir={}", folder.join(format!("etcd-{client}")).display()),
        format!("--listen-client-urls={client_url}"),
        format!("--advertise-client-urls={client_url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=test={peer_url}"),
        "--unsafe-no-fsync=true".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    let server = Server::new("etcd", &binaries.etcd, folder, args);
    Ok(Server { ports: vec![client, peer], ..server })
}

/// Where the API server listens, and the etcd that it stores things in.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApiPorts {
    pub(super) own: u16,
    pub(super) etcd: u16,
}

pub(super) fn kube_apiserver(binaries: &Binaries, files: &Files, ports: ApiPorts, options: &Options) -> Server {
    let ApiPorts { own, etcd } = ports;
    let file = |flag: &str, name: &str| format!("--{flag}={}", files.path(name));
    let mut args = vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--secure-port={own}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged".to_owned(),
        "--profiling=false".to_owned(),
        file("tls-cert-file", "apiserver.crt"),
        file("tls-private-key-file", "apiserver.key"),
        file("client-ca-file", "ca.crt"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        file("service-account-key-file", "service-accounts.crt"),
        file("service-account-signing-key-file", "service-accounts.key"),
        file("requestheader-client-ca-file", "ca.crt"),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        file("proxy-client-cert-file", "front-proxy.crt"),
        file("proxy-client-key-file", "front-proxy.key"),
        file("audit-policy-file", "audit-policy.yaml"),
        format!("--audit-log-path={}", audit_log(&files.folder).display()),
        // It is read from marks within it, so it must stay one file; by default a new one begins after 100 MB.
        "--audit-log-maxsize=100000".to_owned(),
    ];
    args.extend(emulation(options));
    let admission = options.admission.iter();
    args.extend(admission.map(|path| format!("--admission-control-config-file={}", path.display())));
    let server = Server::new("kube-apiserver", &binaries.kube_apiserver, &files.folder, args);
    Server { ports: vec![own], ..server }
}

/// For Kubernetes' own servers: they behave like one version.
fn emulation(options: &Options) -> Option<String> {
    options.emulated_version.as_ref().map(|version| format!("--emulated-version={version}"))
}

/// Its own rate limit is meant for big clusters; here it would only make tests wait. And no node ever dies: while the API
/// server is away none can say that it lives, and kwok does not make pods ready again that were given up.
pub(super) fn kube_controller_manager(
    binaries: &Binaries,
    files: &Files,
    kubeconfig: &Path,
    options: &Options,
) -> Server {
    let args = [
        format!("--kubeconfig={}", kubeconfig.display()),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials".to_owned(),
        "--controllers=*,bootstrapsigner,tokencleaner".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--node-monitor-grace-period=24h".to_owned(),
        format!("--service-account-private-key-file={}", files.path("service-accounts.key")),
        format!("--root-ca-file={}", files.path("ca.crt")),
    ];
    let args = args.into_iter().chain(emulation(options));
    Server::new("kube-controller-manager", &binaries.kube_controller_manager, &files.folder, args)
}

/// Its rate limit is as much in the way as the controller manager's.
pub(super) fn kube_scheduler(binaries: &Binaries, kubeconfig: &Path, options: &Options) -> Server {
    let args = [
        format!("--kubeconfig={}", kubeconfig.display()),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
    ];
    let args = args.into_iter().chain(emulation(options));
    Server::new("kube-scheduler", &binaries.kube_scheduler, kubeconfig.parent().unwrap_or(kubeconfig), args)
}

/// What kwok plays besides the stages of its own module.
const STAGES: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/controlplane/failing-pods.yaml"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/controlplane/volumes.yaml"),
];

pub(super) fn kwok(binaries: &Binaries, folder: &Path, kubeconfig: &Path) -> Server {
    let [failing_pods, volumes] = STAGES;
    let args = [
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--config={}", binaries.kwok_stages.display()),
        format!("--config={failing_pods}"),
        format!("--config={volumes}"),
        "--manage-all-nodes".to_owned(),
        "--node-lease-duration-seconds=40".to_owned(),
        "--node-port=0".to_owned(),
    ];
    Server::new("kwok", &binaries.kwok, folder, args)
}
