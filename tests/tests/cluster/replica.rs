//! A second replica of the webhook, which sees the API server by a way of its own, and who of the two answers which hook.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::process::Recorded;
use release_tests::{ControlPlane, Installation, Namespace, Outcome, http_status, kubeconfig, programs, wait};
use serde_json::json;

use super::fault_proxy::{Fate, Proxy};
use super::fault_replica::tail;
use super::objects::environment;
use super::person::Person;

/// Until it is ready, and until the API server calls it.
const LIMIT: Duration = Duration::from_secs(30);

/// One that runs until it goes out of scope. It shares the certificate of the installed one.
pub(crate) struct Replica {
    pub(crate) proxy: Proxy,
    process: Recorded,
    child: Child,
    listen: SocketAddr,
    log: PathBuf,
}

impl Replica {
    /// One that has seen everything that there is.
    pub(crate) fn start(control_plane: &ControlPlane) -> anyhow::Result<Self> {
        let proxy = Proxy::start(control_plane)?;
        let kubeconfig = by_way_of(&proxy, control_plane)?;
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let (listen, health) = (free()?, free()?);
        let mut command = Command::new(programs::find(names::WEBHOOK)?);
        command.args(["--serving-name=127.0.0.1", "--drain-delay=0s"]);
        command.args([format!("--listen={listen}"), format!("--health-listen={health}")]);
        command.env("KUBECONFIG", kubeconfig).env("HOME", control_plane.folder());
        let name = format!("webhook-{}", listen.port());
        let log = control_plane.folder().join(format!("{name}.log"));
        let (process, mut child) = control_plane.spawn(&name, &command)?;
        let mut said = child.stderr.take().context("a child without a log")?;
        let mut file = File::create(&log).context("opening a log")?;
        thread::spawn(move || io::copy(&mut said, &mut file));
        let replica = Self { proxy, process, child, listen, log };
        wait::until("a second replica is ready", LIMIT, || {
            Ok((http_status::get(health.port(), "/readyz") == Some(200)).then_some(()))
        })
        .with_context(|| tail(&replica.log))?;
        Ok(replica)
    }

    /// From now on it sees no change; what it asks for by name it is told.
    pub(crate) fn stop_watching(&self) {
        let watched = Kind::ALL.map(|kind| format!("/apis/{}/{}", names::API_VERSION, kind.plural()));
        self.proxy.rule(move |call| if watched.contains(&call.path) { Fate::Lost } else { Fate::Arrives });
        self.proxy.hang_up();
    }

    fn url(&self) -> String {
        format!("https://{}", self.listen)
    }

    /// How often it was asked for its answer to this hook.
    fn answers(&self, hook: &str) -> usize {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.matches(&format!("\"hook\":\"{hook}\"")).count()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.process.stop_within(Duration::ZERO);
        let _ = self.child.wait();
    }
}

/// The kubeconfig of the webhook's account, with another address: plain HTTP.
pub(crate) fn by_way_of(proxy: &Proxy, control_plane: &ControlPlane) -> anyhow::Result<PathBuf> {
    let path = control_plane.service_account(names::SYSTEM_NAMESPACE, names::WEBHOOK)?;
    let mut content = kubeconfig::read(&path)?;
    content["clusters"][0]["cluster"] = json!({ "server": proxy.url });
    fs::write(&path, content.to_string()).context("writing a kubeconfig")?;
    Ok(path)
}

/// Which hooks of the API server a second replica answers instead of the installed one, while this is in scope. For tests that
/// have the installation alone.
pub(crate) struct Answers<'a> {
    namespace: &'a Namespace<'a>,
    installed: String,
}

impl<'a> Answers<'a> {
    /// Returns once the API server calls the replica for this hook: `mutate` or `validate`.
    pub(crate) fn of(
        replica: &Replica,
        hook: &str,
        namespace: &'a Namespace<'a>,
        installation: &Installation<'_>,
    ) -> anyhow::Result<Self> {
        let installed = installation.webhook_url().context("the webhook was never started")?;
        let answers = Self { namespace, installed };
        answers.point(hook, &replica.url()).success()?;
        let (admin, before) = (Person::admin(namespace), replica.answers(hook));
        wait::until("the API server calls the second replica", LIMIT, || {
            drop(admin.in_dry_run().create(&environment("probe", &[])));
            Ok((replica.answers(hook) > before).then_some(()))
        })?;
        Ok(answers)
    }

    fn point(&self, hook: &str, url: &str) -> Outcome {
        let configuration = match hook {
            "mutate" => "mutatingwebhookconfiguration",
            _ => "validatingwebhookconfiguration",
        };
        let steps = json!([
            { "op": "replace", "path": "/webhooks/0/clientConfig/url", "value": format!("{url}/{hook}") },
        ]);
        let args = ["patch", configuration, names::WEBHOOK, "--type=json", "-p", &steps.to_string()];
        self.namespace.kubectl(args).run()
    }
}

impl Drop for Answers<'_> {
    fn drop(&mut self) {
        for hook in ["mutate", "validate"] {
            let told = self.point(hook, &self.installed);
            assert!(told.is_success() || thread::panicking(), "the hooks are another's for good: {told}");
        }
    }
}
