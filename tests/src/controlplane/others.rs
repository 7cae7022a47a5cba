//! The servers that have no state of their own: whatever they know is the API server's.

use std::sync::{Mutex, PoisonError};

use crate::process::Recorded;
use crate::server::Server;
use crate::watchdog::Group;

/// How each is called, and the process that it is now.
pub(super) struct Others(Mutex<Vec<(Server, Recorded)>>);

impl Others {
    /// Starts them, and does not wait for them: they show in what they do.
    pub(super) fn start(group: &Group, servers: impl IntoIterator<Item = Server>) -> anyhow::Result<Self> {
        let start = |server: Server| {
            let process = group.serve(server.name, &server.command)?;
            Ok((server, process))
        };
        Ok(Self(Mutex::new(servers.into_iter().map(start).collect::<anyhow::Result<_>>()?)))
    }

    /// Ends them and starts them anew.
    pub(super) fn start_again(&self, group: &Group) -> anyhow::Result<()> {
        for (server, process) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            group.stop_server(process);
            *process = group.serve(server.name, &server.command)?;
        }
        Ok(())
    }
}
