//! What `release-load` is asked for, and what it says. The program itself is [`main`].
//!
//! It runs as a process of its own, optimised, so that what it takes is not counted to the server: [`calls`] asks one server the same
//! question again and again, [`creates`] creates objects in several ways in turn, [`first`] waits for the first good answer of a server
//! that starts, [`send`] sends one request, and [`floor`] is a server that only allows.

pub mod calls;
pub mod creates;
pub mod first;
pub mod floor;
pub mod send;

mod connection;
mod usage;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A server, and how to be trusted by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificates of the authorities that vouch for it, PEM.
    pub authority: String,
    /// For a server that wants to know who calls.
    pub identity: Option<Identity>,
}

/// Who calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// A client certificate, PEM.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: String,
}

/// Calls servers, or is the smallest one.
///
/// All but `floor` read what to do from stdin and write what came of it to stdout, both as JSON.
#[derive(Debug, Parser)]
#[command(name = "release-load")]
enum Args {
    /// Asks one server the same question again and again
    Calls,
    /// Creates objects through an API server, each way in turn
    Creates,
    /// Waits for the first good answer of a server that starts
    First,
    /// Sends one request
    Send,
    /// Answers every admission review with `allowed`, until it is ended
    Floor(floor::Args),
}

/// The program.
pub fn main() -> ExitCode {
    let done = match Args::parse() {
        Args::Calls => work(calls::run),
        Args::Creates => work(creates::run),
        Args::First => work(first::run),
        Args::Send => work(send::run),
        Args::Floor(args) => floor::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work<J: DeserializeOwned, R: Serialize>(run: impl FnOnce(&J) -> anyhow::Result<R>) -> anyhow::Result<()> {
    let job = serde_json::from_reader(io::stdin().lock()).context("reading what to do")?;
    let report = serde_json::to_string(&run(&job)?)?;
    writeln!(io::stdout(), "{report}").context("writing to stdout")
}
