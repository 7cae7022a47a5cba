//! The project in a control plane: `deploy/` applied by the admin, and its servers as local processes, each with its own
//! service account's rights, as nothing runs inside a fake pod.

mod address;
mod apply;
mod local;
pub mod policies;

use std::path::PathBuf;

use anyhow::Context;

use self::local::Local;
use crate::controlplane::ControlPlane;
use crate::{http_status, programs};

/// The namespace of the project's own servers.
const NAMESPACE: &str = "release-system";

/// The names of the programs, each also that of its service account and of its log.
const WEBHOOK: &str = "release-webhook";
const CONTROLLER: &str = "release-controller";

/// The account that the installed webhook lets speak for others.
pub const SPEAKER: &str = "system:serviceaccount:argocd:argocd-application-controller";

/// How long the webhook takes calls after it was told to stop: there is no other replica that has to take over.
const DRAIN_DELAY: &str = "100ms";

/// Who the controller is as a holder of its Lease. After a restart it is the same, and need not wait for its own end.
const IDENTITY: &str = "release-tests";

/// The project, installed.
pub struct Installation<'a> {
    control_plane: &'a ControlPlane,
    webhook: Local<'a, 2>,
    controller: Local<'a, 1>,
    /// Whether the controller is part of it.
    is_whole: bool,
}

impl<'a> Installation<'a> {
    /// Applies `deploy/`, waits for its kinds to be served, and starts webhook and controller.
    ///
    /// # Errors
    /// When `deploy/` or a program is missing, or one does not become ready; then with the tail of its log.
    pub fn install(control_plane: &'a ControlPlane) -> anyhow::Result<Self> {
        Self::with(control_plane, true)
    }

    /// The same without the controller, as where it is not installed.
    ///
    /// # Errors
    /// When `deploy/` or the program is missing, or the webhook does not become ready; then with the tail of its log.
    pub fn without_controller(control_plane: &'a ControlPlane) -> anyhow::Result<Self> {
        Self::with(control_plane, false)
    }

    fn with(control_plane: &'a ControlPlane, is_whole: bool) -> anyhow::Result<Self> {
        programs::find(WEBHOOK)?;
        if is_whole {
            programs::find(CONTROLLER)?;
        }
        apply::run(control_plane)?;
        let webhook = Local::new(control_plane, WEBHOOK)?;
        let controller = Local::new(control_plane, CONTROLLER)?;
        let installation = Self { control_plane, webhook, controller, is_whole };
        installation.start()?;
        Ok(installation)
    }

    /// Starts what of it is not running.
    ///
    /// # Errors
    /// When a program does not become ready; the message ends with the tail of its log.
    pub fn start(&self) -> anyhow::Result<()> {
        self.start_webhook()?;
        if self.is_whole { self.start_controller() } else { Ok(()) }
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
        self.webhook.start(|[listen, health]| {
            address::point_to(self.control_plane, listen)?;
            Ok(vec![
                format!("--listen=127.0.0.1:{listen}"),
                format!("--health-listen=127.0.0.1:{health}"),
                "--serving-name=127.0.0.1".to_owned(),
                format!("--namespace={NAMESPACE}"),
                format!("--drain-delay={DRAIN_DELAY}"),
                format!("--on-behalf-of={SPEAKER}"),
            ])
        })?;
        address::wait_until_reached(self.control_plane)
    }

    /// Stops the webhook, as if its pods were gone: the API server's calls fail from now on. Fine when it is stopped.
    pub fn stop_webhook(&self) {
        self.webhook.stop();
    }

    /// Where the webhook answers the API server: `https://127.0.0.1:PORT`. Nothing before it was started.
    #[must_use]
    pub fn webhook_url(&self) -> Option<String> {
        self.webhook.ports().map(|[listen, _]| format!("https://127.0.0.1:{listen}"))
    }

    /// The webhook's answer to a path that the kubelet asks, such as `/readyz`; nothing when nobody answers.
    #[must_use]
    pub fn webhook_health(&self, path: &str) -> Option<u16> {
        self.webhook.ports().and_then(|[_, health]| http_status::get(health, path))
    }

    /// What the webhook says there.
    ///
    /// # Errors
    /// When it does not answer, or with another status than 200.
    pub fn webhook_says(&self, path: &str) -> anyhow::Result<String> {
        let [_, health] = self.webhook.ports().context("the webhook was never started")?;
        http_status::text(health, path)
    }

    /// Where the webhook's output goes.
    #[must_use]
    pub fn webhook_log(&self) -> PathBuf {
        self.webhook.log()
    }

    /// Starts the controller and waits until it is ready. Fine when it runs already.
    ///
    /// # Errors
    /// When it does not become ready; the message ends with the tail of its log.
    pub fn start_controller(&self) -> anyhow::Result<()> {
        self.controller.start(controller_args)?;
        self.controller.wait_until_ready()
    }

    /// Starts the controller and returns at once, for whoever wants to end it while it starts. Fine when it runs already.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch_controller(&self) -> anyhow::Result<()> {
        self.controller.launch(controller_args)
    }

    /// Asks the controller to end and waits for that. Fine when it is stopped.
    pub fn stop_controller(&self) {
        self.controller.stop();
    }

    /// Ends the controller where it stands, as `kill -9` does. Fine when it is stopped.
    pub fn kill_controller(&self) {
        self.controller.kill();
    }

    /// The controller's process id while it runs.
    #[must_use]
    pub fn controller_pid(&self) -> Option<i32> {
        self.controller.pid()
    }

    /// The webhook's process id while it runs.
    #[must_use]
    pub fn webhook_pid(&self) -> Option<i32> {
        self.webhook.pid()
    }

    /// The controller's answer to a path that the kubelet asks, such as `/readyz`; nothing when nobody answers.
    #[must_use]
    pub fn controller_health(&self, path: &str) -> Option<u16> {
        self.controller.ports().and_then(|[health]| http_status::get(health, path))
    }

    /// What the controller says on `/metrics`.
    ///
    /// # Errors
    /// When it does not answer, or with another status than 200.
    pub fn controller_metrics(&self) -> anyhow::Result<String> {
        let [health] = self.controller.ports().context("the controller was never started")?;
        http_status::text(health, "/metrics")
    }

    /// Where the controller's output goes.
    #[must_use]
    pub fn controller_log(&self) -> PathBuf {
        self.controller.log()
    }
}

fn controller_args([health]: [u16; 1]) -> anyhow::Result<Vec<String>> {
    Ok(vec![
        format!("--namespace={NAMESPACE}"),
        format!("--health-listen=127.0.0.1:{health}"),
        format!("--identity={IDENTITY}"),
    ])
}
