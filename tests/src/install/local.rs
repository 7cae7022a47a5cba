//! One of the project's programs as a local process, with the rights of its own service account.

use std::cell::Cell;
use std::env;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};

use super::NAMESPACE;
use crate::controlplane::ControlPlane;
use crate::process::Recorded;
use crate::server::{self, Server};
use crate::{http_status, port, programs, wait};

/// A program, its service account and its log, all three of one name.
pub(super) struct Local<'a, const PORTS: usize> {
    control_plane: &'a ControlPlane,
    name: &'static str,
    kubeconfig: PathBuf,
    state: Mutex<State<PORTS>>,
}

/// The ports stay the same over a restart, so that nobody need learn new ones.
struct State<const PORTS: usize> {
    process: Option<Recorded>,
    ports: Option<[u16; PORTS]>,
}

impl<'a, const PORTS: usize> Local<'a, PORTS> {
    /// Not running yet. The account must exist.
    pub(super) fn new(control_plane: &'a ControlPlane, name: &'static str) -> anyhow::Result<Self> {
        let kubeconfig = control_plane.service_account(NAMESPACE, name)?;
        let state = State { process: None, ports: None };
        Ok(Self { control_plane, name, kubeconfig, state: Mutex::new(state) })
    }

    /// Starts it, unless it runs already, and waits until it says that it is ready. The last of its ports is the one that
    /// it says so on.
    pub(super) fn start(&self, args: impl Fn([u16; PORTS]) -> anyhow::Result<Vec<String>>) -> anyhow::Result<()> {
        let mut state = self.state();
        if state.process.as_ref().is_some_and(Recorded::is_running) {
            return Ok(());
        }
        self.bury(&mut state);
        let known = Cell::new(state.ports);
        let (server, process) = server::start(
            self.control_plane.group(),
            || self.server(known.take().map_or_else(free, Ok)?, &args),
            |server| Ok(is_ready(server.ports.last().copied())),
        )?;
        state.process = Some(process);
        state.ports = server.ports.try_into().ok();
        Ok(())
    }

    /// Starts it, unless it runs already, and does not wait for anything.
    pub(super) fn launch(&self, args: impl Fn([u16; PORTS]) -> anyhow::Result<Vec<String>>) -> anyhow::Result<()> {
        let mut state = self.state();
        if state.process.as_ref().is_some_and(Recorded::is_running) {
            return Ok(());
        }
        self.bury(&mut state);
        let ports = state.ports.map_or_else(free, Ok)?;
        let server = self.server(ports, &args)?;
        state.process = Some(self.control_plane.group().serve(server.name, &server.command)?);
        state.ports = Some(ports);
        Ok(())
    }

    /// Waits until it says that it is ready.
    pub(super) fn wait_until_ready(&self) -> anyhow::Result<()> {
        let (process, ports) = {
            let state = self.state();
            (state.process.clone(), state.ports)
        };
        let tail = || server::tail(self.control_plane.group(), self.name);
        let ready = wait::until(&format!("{} is ready", self.name), server::LIMIT, || {
            if !process.as_ref().is_some_and(Recorded::is_running) {
                bail!("{} ended by itself", self.name);
            }
            Ok(is_ready(ports.and_then(|ports| ports.last().copied())).then_some(()))
        });
        ready.with_context(tail)
    }

    /// Asks it to end and waits for that. Fine when it does not run.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        self.bury(&mut state);
    }

    /// Ends it without asking, as `kill -9` does. Fine when it does not run.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        if let Some(process) = &state.process {
            process.stop_within(Duration::ZERO);
        }
        self.bury(&mut state);
    }

    /// Its ports, once it was started.
    pub(super) fn ports(&self) -> Option<[u16; PORTS]> {
        self.state().ports
    }

    /// Its process id while it runs.
    pub(super) fn pid(&self) -> Option<i32> {
        self.state().process.as_ref().filter(|process| process.is_running()).map(|process| process.pid)
    }

    /// Where its output goes.
    pub(super) fn log(&self) -> PathBuf {
        self.control_plane.group().log(self.name)
    }

    fn server(
        &self,
        ports: [u16; PORTS],
        args: impl Fn([u16; PORTS]) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<Server> {
        let program = programs::find(self.name)?;
        let mut server = Server::new(self.name, &program, self.control_plane.folder(), args(ports)?);
        server.command.env("KUBECONFIG", &self.kubeconfig);
        let filter = format!("{}_LOG", self.name.to_ascii_uppercase().replace('-', "_"));
        server.command.envs(env::var_os("RUST_LOG").map(|value| (filter, value)));
        Ok(Server { ports: ports.to_vec(), ..server })
    }

    /// Stops what still runs, and lets the system forget what does not.
    fn bury(&self, state: &mut State<PORTS>) {
        if let Some(process) = state.process.take() {
            self.control_plane.group().stop_server(&process);
        }
    }

    /// A test that panicked with the lock held must not keep the next one from starting the program.
    fn state(&self) -> MutexGuard<'_, State<PORTS>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_ready(port: Option<u16>) -> bool {
    port.and_then(|port| http_status::get(port, "/readyz")) == Some(200)
}

fn free<const PORTS: usize>() -> anyhow::Result<[u16; PORTS]> {
    let mut ports = [0; PORTS];
    for port in &mut ports {
        *port = port::free()?;
    }
    Ok(ports)
}
