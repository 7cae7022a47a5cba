//! One file a command: gather, plan, do, print.

mod create;
mod history;
mod init;
mod lint;
mod list;
mod pin;
mod promote;
mod status;
mod version;

use std::ffi::OsString;

use clap::Parser;
use jiff::Timestamp;

use crate::args::{Cli, Command, DryRun, Write};
use crate::cluster::{WriteOptions, Written};
use crate::connect::connect;
use crate::error::Error;
use crate::print::{line, object_name, objects};

/// Runs one command line.
pub(crate) fn main(words: impl IntoIterator<Item = OsString>) -> Result<(), Error> {
    let cli = Cli::try_parse_from(words).map_err(Error::CommandLine)?;
    // What needs no cluster starts no runtime.
    if let Command::Version(args) = &cli.command {
        return version::run(args);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Failed(format!("the program cannot start: {error}")))?;
    runtime.block_on(run(cli))
}

async fn run(cli: Cli) -> Result<(), Error> {
    let connection = &cli.connection;
    match &cli.command {
        Command::Init(args) => init::run(&connect(connection, "kubectl release init").await?, args).await,
        Command::Create(args) => create::run(&connect(connection, "kubectl release create").await?, args).await,
        Command::Promote(args) => promote::run(&connect(connection, "kubectl release promote").await?, args).await,
        Command::History(args) => {
            history::run(&connect(connection, "kubectl release history").await?, args, Timestamp::now()).await
        }
        Command::List(args) => {
            list::run(&connect(connection, "kubectl release list").await?, args, Timestamp::now()).await
        }
        Command::Status(args) => {
            status::run(&connect(connection, "kubectl release status").await?, args, Timestamp::now()).await
        }
        Command::Lint(args) => lint::run(args).await,
        Command::Version(args) => version::run(args),
    }
}

/// What became of one object of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Created,
    Configured,
    Unchanged,
}

impl Verb {
    /// By comparison, since a dry run leaves the resourceVersion as it is.
    fn of(written: &Written, before: Option<&serde_json::Value>) -> Self {
        match before {
            None if written.created => Self::Created,
            Some(before) if essence(before) == essence(&written.object) => Self::Unchanged,
            _ => Self::Configured,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// An object without what every write changes.
fn essence(object: &serde_json::Value) -> serde_json::Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
        metadata.retain(|key, _| !["managedFields", "resourceVersion", "generation"].contains(&key.as_str()));
    }
    object
}

/// An object with what became of it.
type Done = (serde_json::Value, Verb);

/// Prints what was done, one line an object as kubectl has it, and the sentence that says what it means.
fn report(done: &[Done], sentence: Option<&str>, write: &Write) -> Result<(), Error> {
    if let Some(format) = write.output {
        let all: Vec<_> = done.iter().map(|(object, _)| object.clone()).collect();
        return objects(&all, format);
    }
    let suffix = match write.dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    for (object, verb) in done {
        line(&format!("{} {}{suffix}", object_name(object), verb.as_str()))?;
    }
    sentence.map_or(Ok(()), line)
}

fn options(write: &Write) -> WriteOptions {
    WriteOptions { dry_run: write.dry_run == DryRun::Server, force: write.force_conflicts, quiet: false }
}

/// A component's release as people call it: `web v1.2 (web-abc)`, or `web-abc` where it has no version.
fn called(component: &str, version: Option<&str>, release: &str) -> String {
    version.map_or_else(|| release.to_owned(), |version| format!("{component} {version} ({release})"))
}
