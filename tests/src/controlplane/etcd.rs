//! The API server's store as a process, which may be away for a while and come back where it was.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::servers;
use crate::binaries::Binaries;
use crate::http_status;
use crate::process::Recorded;
use crate::server::{self, LIMIT, Server, tail};
use crate::wait;
use crate::watchdog::Group;
use anyhow::Context;

/// How it is called, and the process that it is now.
pub(super) struct Etcd {
    server: Server,
    process: Mutex<Recorded>,
}

impl Etcd {
    /// Starts it on ports that nobody else has and waits until it is healthy.
    pub(super) fn start(group: &Group, binaries: &Binaries, folder: &Path) -> anyhow::Result<Self> {
        let (server, process) = server::start(group, || servers::etcd(binaries, folder), |etcd| Ok(is_healthy(etcd)))?;
        Ok(Self { server, process: Mutex::new(process) })
    }

    /// Where it is asked.
    pub(super) fn port(&self) -> u16 {
        self.server.ports[0]
    }

    /// Stops it. Fine when it is stopped.
    pub(super) fn stop(&self, group: &Group) {
        group.stop_server(&self.process.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Starts it again with all that it had, and waits until it is healthy. Fine when it runs.
    pub(super) fn start_again(&self, group: &Group) -> anyhow::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if !process.is_running() {
            *process = group.serve(self.server.name, &self.server.command)?;
            wait::until("etcd is healthy again", LIMIT, || Ok(is_healthy(&self.server).then_some(())))
                .with_context(|| tail(group, self.server.name))?;
        }
        Ok(())
    }
}

fn is_healthy(etcd: &Server) -> bool {
    http_status::get(etcd.ports[0], "/health") == Some(200)
}
