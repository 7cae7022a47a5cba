//! One server: how it is called, and how it is brought up on ports that nobody else has.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::process::Recorded;
use crate::watchdog::Group;
use crate::{port, wait};

/// Until it is ready, on a machine that is busy with other things as well.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// How often a server that lost the race for its port gets another one.
const ATTEMPTS: usize = 5;

/// How much of a log an error quotes.
const QUOTED_LINES: usize = 25;

/// A server about to be started.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    /// Where it will listen; the first is the one to speak to.
    pub(crate) ports: Vec<u16>,
}

impl Server {
    /// `HOME` is the instance's folder: kwok and others look there for configuration, and the user's is none of theirs.
    pub(crate) fn new(name: &'static str, program: &Path, home: &Path, args: impl IntoIterator<Item = String>) -> Self {
        let mut command = Command::new(program);
        command.args(args).env("HOME", home).current_dir(home);
        Self { name, command, ports: Vec::new() }
    }
}

/// Starts a server and waits until it answers. Ports are chosen before the server takes them, so somebody else may be
/// faster: then it is started again on others.
pub(crate) fn start(
    group: &Group,
    make: impl Fn() -> anyhow::Result<Server>,
    is_ready: impl Fn(&Server) -> anyhow::Result<bool>,
) -> anyhow::Result<(Server, Recorded)> {
    for _ in 0..ATTEMPTS {
        let server = make()?;
        let process = group.serve(server.name, &server.command)?;
        let what = format!("{} is ready", server.name);
        let outcome = wait::until(&what, LIMIT, || {
            let ready = is_ready(&server)?;
            Ok((ready || !process.is_running()).then_some(()))
        });
        outcome.with_context(|| tail(group, server.name))?;
        if process.is_running() {
            return Ok((server, process));
        }
        if !server.ports.iter().any(|&port| port::is_taken(port)) {
            bail!("{} ended by itself\n{}", server.name, tail(group, server.name));
        }
        group.stop_server(&process);
    }
    bail!("lost the race for a free port {ATTEMPTS} times")
}

/// The end of a server's log, introduced for a reader.
pub(crate) fn tail(group: &Group, name: &str) -> String {
    let text = fs::read_to_string(group.log(name)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(QUOTED_LINES);
    format!("the log of {name} ends with:\n{}", lines[from..].join("\n"))
}
