//! The project in a control plane: `deploy/` applied by the admin, and the webhook as a local process with its own
//! service account's rights, as nothing runs inside a fake pod.

mod address;
mod apply;

use std::cell::Cell;
use std::env;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::controlplane::ControlPlane;
use crate::process::Recorded;
use crate::server::{self, Server};
use crate::{http_status, port, programs};

/// The namespace of the project's own servers.
const NAMESPACE: &str = "release-system";

/// The name of the program, its service account and its log.
const WEBHOOK: &str = "release-webhook";

/// How long the webhook takes calls after it was told to stop: there is no other replica that has to take over.
const DRAIN_DELAY: &str = "100ms";

/// The project, installed.
pub struct Installation<'a> {
    control_plane: &'a ControlPlane,
    webhook: Mutex<Webhook>,
}

/// The ports stay the same over a restart, so that the API server need not learn new ones.
#[derive(Default)]
struct Webhook {
    process: Option<Recorded>,
    ports: Option<[u16; 2]>,
}

impl<'a> Installation<'a> {
    /// Applies `deploy/`, waits for its kinds to be served, and starts the webhook.
    ///
    /// # Errors
    /// When `deploy/` or the program is missing, or the webhook does not become ready; then with the tail of its log.
    pub fn install(control_plane: &'a ControlPlane) -> anyhow::Result<Self> {
        programs::find(WEBHOOK)?;
        apply::run(control_plane)?;
        let installation = Self { control_plane, webhook: Mutex::default() };
        installation.start_webhook()?;
        Ok(installation)
    }

    /// The control plane that it is in.
    #[must_use]
    pub fn control_plane(&self) -> &'a ControlPlane {
        self.control_plane
    }

    /// Starts the webhook, waits until it is ready and until the API server reaches it. Fine when it runs already.
    ///
    /// # Errors
    /// When it does not become ready; the message ends with the tail of its log.
    pub fn start_webhook(&self) -> anyhow::Result<()> {
        let mut webhook = self.webhook.lock().unwrap_or_else(PoisonError::into_inner);
        if webhook.process.as_ref().is_some_and(Recorded::is_running) {
            return Ok(());
        }
        let known_ports = Cell::new(webhook.ports);
        let (server, process) = server::start(
            self.control_plane.group(),
            || {
                let ports = match known_ports.take() {
                    Some(ports) => ports,
                    None => [port::free()?, port::free()?],
                };
                address::point_to(self.control_plane, ports[0])?;
                self.command(ports)
            },
            |server| Ok(http_status::get(server.ports[1], "/readyz") == Some(200)),
        )?;
        webhook.process = Some(process);
        webhook.ports = server.ports.try_into().ok();
        address::wait_until_reached(self.control_plane)
    }

    /// Stops the webhook, as if its pods were gone: the API server's calls fail from now on. Fine when it is stopped.
    pub fn stop_webhook(&self) {
        let mut webhook = self.webhook.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = webhook.process.take() {
            self.control_plane.group().stop_server(&process);
        }
    }

    /// Where the webhook answers the API server: `https://127.0.0.1:PORT`. Nothing before it was started.
    #[must_use]
    pub fn webhook_url(&self) -> Option<String> {
        self.ports().map(|[listen, _]| format!("https://127.0.0.1:{listen}"))
    }

    /// The webhook's answer to a path that the kubelet asks, such as `/readyz`; nothing when nobody answers.
    #[must_use]
    pub fn webhook_health(&self, path: &str) -> Option<u16> {
        self.ports().and_then(|[_, health]| http_status::get(health, path))
    }

    /// Where the webhook's output goes.
    #[must_use]
    pub fn webhook_log(&self) -> PathBuf {
        self.control_plane.group().log(WEBHOOK)
    }

    fn ports(&self) -> Option<[u16; 2]> {
        self.webhook.lock().unwrap_or_else(PoisonError::into_inner).ports
    }

    fn command(&self, ports: [u16; 2]) -> anyhow::Result<Server> {
        let [listen, health] = ports;
        let args = [
            format!("--listen=127.0.0.1:{listen}"),
            format!("--health-listen=127.0.0.1:{health}"),
            "--serving-name=127.0.0.1".to_owned(),
            format!("--namespace={NAMESPACE}"),
            format!("--drain-delay={DRAIN_DELAY}"),
        ];
        let mut server = Server::new(WEBHOOK, &programs::find(WEBHOOK)?, self.control_plane.folder(), args);
        server.command.env("KUBECONFIG", self.control_plane.service_account(NAMESPACE, WEBHOOK)?);
        server.command.envs(env::var_os("RUST_LOG").map(|filter| ("RELEASE_WEBHOOK_LOG", filter)));
        Ok(Server { ports: ports.to_vec(), ..server })
    }
}
