//! Who is asked: ours, the peer and the floor, each a process on loopback.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Api;
use release_load::Target;
use release_shared::names;
use release_tests::pki::Authority;
use release_tests::process::Recorded;
use release_tests::{Installation, block_on, programs};

use super::place::{Place, address};

/// Who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Who {
    Ours,
    Peer,
    Floor,
}

impl Who {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Peer, Self::Floor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Floor => "floor",
        }
    }

    /// Where it answers a hook; controller-runtime makes the path of the kind.
    pub(crate) fn path(self, hook: &str) -> String {
        match self {
            Self::Ours | Self::Floor => format!("/{hook}"),
            Self::Peer => format!("/{hook}-openchoreo-dev-v1alpha1-release"),
        }
    }

    /// What it is asked: for the floor the hooks are alike.
    pub(crate) fn hooks(self) -> &'static [&'static str] {
        match self {
            Self::Ours | Self::Peer => &["mutate", "validate"],
            Self::Floor => &["validate"],
        }
    }
}

/// How they are started.
pub(crate) struct Servers<'a> {
    pub(crate) place: &'a Place<'a>,
    installation: &'a Installation<'a>,
    peer: PathBuf,
    kubeconfig: PathBuf,
    /// That of our webhook, from its configuration.
    own_authority: String,
    authority: String,
    certificates: PathBuf,
}

/// One that was started.
pub(crate) struct Running {
    pub(crate) who: Who,
    pub(crate) target: Target,
    pub(crate) process: Recorded,
}

impl<'a> Servers<'a> {
    pub(crate) fn new(place: &'a Place<'a>, installation: &'a Installation<'a>, peer: PathBuf) -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let credential = authority.server(&["127.0.0.1"])?;
        // The names that controller-runtime looks for.
        let certificate = place.file("tls.crt", &credential.public)?;
        place.file("tls.key", &credential.private)?;
        Ok(Self {
            place,
            installation,
            peer,
            kubeconfig: place.control_plane.service_account(names::SYSTEM_NAMESPACE, names::WEBHOOK)?,
            own_authority: own_authority(place)?,
            authority: authority.pem(),
            certificates: certificate.with_file_name(""),
        })
    }

    /// Where a server will be, and how it is called. Somebody else may take the port first; then it says so in its log.
    pub(crate) fn prepare(&self, who: Who) -> anyhow::Result<(Target, Command)> {
        let (target, _, command) = self.prepare_with_health(who)?;
        Ok((target, command))
    }

    /// The same, and where it says whether it is ready; the floor does not say so.
    pub(crate) fn prepare_with_health(&self, who: Who) -> anyhow::Result<(Target, Option<SocketAddr>, Command)> {
        let [listen, health] = [free()?, free()?];
        let folder = self.place.control_plane.folder();
        let mut command = Command::new(match who {
            Who::Ours => programs::find(names::WEBHOOK)?,
            Who::Peer => self.peer.clone(),
            Who::Floor => programs::find("release-load")?,
        });
        command.current_dir(folder).env("HOME", folder);
        match who {
            Who::Ours => command.env("KUBECONFIG", &self.kubeconfig).args([
                format!("--listen={listen}"),
                format!("--health-listen={health}"),
                "--serving-name=127.0.0.1".to_owned(),
                "--drain-delay=0s".to_owned(),
            ]),
            Who::Peer => command.env("KUBECONFIG", self.place.control_plane.admin_kubeconfig()).args([
                format!("--webhook-port={}", listen.port()),
                format!("--health-probe-bind-address={health}"),
                format!("--webhook-cert-path={}", self.certificates.display()),
            ]),
            Who::Floor => command.arg("floor").args([
                format!("--listen={listen}"),
                format!("--certificate={}", self.certificates.join("tls.crt").display()),
                format!("--key={}", self.certificates.join("tls.key").display()),
            ]),
        };
        let authority = if who == Who::Ours { &self.own_authority } else { &self.authority };
        let target = Target { address: listen, authority: authority.clone(), identity: None };
        Ok((target, (who != Who::Floor).then_some(health), command))
    }

    /// A floor that answers with this patch, in base64.
    pub(crate) fn patching(&self, patch: &str) -> anyhow::Result<Target> {
        let (target, mut command) = self.prepare(Who::Floor)?;
        self.place.control_plane.serve("load-patching", command.arg(format!("--patch={patch}")))?;
        Ok(target)
    }

    /// All three as they stay from now on. Ours is the installed one.
    pub(crate) fn run(&self) -> anyhow::Result<[Running; 3]> {
        let control_plane = self.place.control_plane;
        let processes = control_plane.processes();
        let process = processes.into_iter().rfind(|process| process.name == names::WEBHOOK);
        let url = self.installation.webhook_url().context("the webhook does not run")?;
        let target = Target { address: address(&url)?, authority: self.own_authority.clone(), identity: None };
        let ours = Running { who: Who::Ours, target, process: process.context("the webhook does not run")? };
        let start = |who: Who| -> anyhow::Result<Running> {
            let (target, command) = self.prepare(who)?;
            let process = control_plane.serve(&format!("load-{}", who.name()), &command)?;
            Ok(Running { who, target, process })
        };
        Ok([ours, start(Who::Peer)?, start(Who::Floor)?])
    }
}

fn own_authority(place: &Place<'_>) -> anyhow::Result<String> {
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(place.control_plane.client());
    let configuration = block_on(configurations.get(names::WEBHOOK)).context("reading the webhook's configuration")?;
    let hook = configuration.webhooks.into_iter().flatten().next().context("a configuration without a hook")?;
    let bundle = hook.client_config.ca_bundle.context("a hook without an authority")?;
    String::from_utf8(bundle.0).context("an authority that is no text")
}

/// What go.mod says.
pub(crate) fn peer_version() -> anyhow::Result<String> {
    let path = programs::repository().join("tests/peers/webhook/go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let version = text.lines().find_map(|line| line.trim().strip_prefix("sigs.k8s.io/controller-runtime "));
    Ok(version.with_context(|| format!("{} names no controller-runtime", path.display()))?.to_owned())
}

fn free() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free port on loopback")?;
    listener.local_addr().context("finding a free port on loopback")
}
