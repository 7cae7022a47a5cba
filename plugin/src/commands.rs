//! One file a command: gather, plan, do, print.

mod configure;
mod create;
mod delete;
mod diff;
mod get;
mod history;
mod init;
mod lint;
mod list;
mod pin;
mod promote;
mod restart;
mod rollback;
mod state;
mod status;
mod tree;
mod version;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};
use jiff::Timestamp;

use crate::args::{Cli, Command, DryRun, Write};
use crate::cluster::{WriteOptions, Written};
use crate::connect::connect;
use crate::error::Error;
use crate::print::{line, object_name, objects};

/// Runs one command line.
pub(crate) fn main(words: impl IntoIterator<Item = OsString>) -> Result<(), Error> {
    let words: Vec<_> = words.into_iter().collect();
    let cli = Cli::try_parse_from(&words).map_err(|error| misspelt(error, &words))?;
    // What needs no cluster starts no runtime.
    if let Command::Version(args) = &cli.command {
        return version::run(args);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Failed(format!("the program cannot start: {error}")))?;
    runtime.block_on(run(cli))
}

/// What clap says of the words. Those of `diff` end with another code: 1 would say that there are differences.
fn misspelt(error: clap::Error, words: &[OsString]) -> Error {
    let lenient = Cli::command().ignore_errors(true).try_get_matches_from(words);
    let is_diff = lenient.is_ok_and(|matches| matches.subcommand_name() == Some("diff"));
    let error = Error::CommandLine(error);
    if is_diff { error.of_diff() } else { error }
}

async fn run(cli: Cli) -> Result<(), Error> {
    let connection = &cli.connection;
    match &cli.command {
        Command::Init(args) => init::run(&connect(connection, "kubectl release init").await?, args).await,
        Command::Create(args) => create::run(&connect(connection, "kubectl release create").await?, args).await,
        Command::Promote(args) => promote::run(&connect(connection, "kubectl release promote").await?, args).await,
        Command::Rollback(args) => rollback::run(&connect(connection, "kubectl release rollback").await?, args).await,
        Command::Configure(args) => {
            configure::run(&connect(connection, "kubectl release configure").await?, args).await
        }
        Command::Restart(args) => {
            restart::run(&connect(connection, "kubectl release restart").await?, args, Timestamp::now()).await
        }
        Command::Undeploy(args) => state::undeploy(&connect(connection, "kubectl release undeploy").await?, args).await,
        Command::Redeploy(args) => state::redeploy(&connect(connection, "kubectl release redeploy").await?, args).await,
        Command::Delete(args) => {
            delete::run(&connect(connection, "kubectl release delete").await?, args, Timestamp::now()).await
        }
        Command::History(args) => {
            history::run(&connect(connection, "kubectl release history").await?, args, Timestamp::now()).await
        }
        Command::List(args) => {
            list::run(&connect(connection, "kubectl release list").await?, args, Timestamp::now()).await
        }
        Command::Status(args) => {
            status::run(&connect(connection, "kubectl release status").await?, args, Timestamp::now).await
        }
        Command::Diff(args) => {
            let cluster = connect(connection, "kubectl release diff").await.map_err(Error::of_diff)?;
            diff::run(&cluster, args).await.map_err(Error::of_diff)
        }
        Command::Get(args) => get::run(&connect(connection, "kubectl release get").await?, args).await,
        Command::Tree(args) => {
            tree::run(&connect(connection, "kubectl release tree").await?, args, Timestamp::now()).await
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
    Deleted,
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
            Self::Deleted => "deleted",
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
    for (object, verb) in done {
        report_one(object, *verb, write)?;
    }
    sentence.map_or(Ok(()), line)
}

/// The line of one object.
fn report_one(object: &serde_json::Value, verb: Verb, write: &Write) -> Result<(), Error> {
    let suffix = match write.dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    line(&format!("{} {}{suffix}", object_name(object), verb.as_str()))
}

fn options(write: &Write) -> WriteOptions {
    WriteOptions { dry_run: write.dry_run == DryRun::Server, force: write.force_conflicts, quiet: false }
}

/// A component's release as people call it: `web v1.2 (web-abc)`, or `web-abc` where it has no version.
fn called(component: &str, version: Option<&str>, release: &str) -> String {
    version.map_or_else(|| release.to_owned(), |version| format!("{component} {version} ({release})"))
}
