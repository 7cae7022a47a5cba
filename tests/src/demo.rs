//! The main job end to end, told as a story: each command as typed, its real output, and a check that it is what the story
//! says.

mod story;

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::cli::{Cli, Outcome};
use crate::controlplane::{ControlPlane, Options};
use crate::install::Installation;
use crate::{binaries, programs};

pub use story::story;

/// The namespace in which the story plays.
pub const NAMESPACE: &str = "acme";

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Person {
    /// The cluster's administrator, who sets the stage and is not needed after that.
    Admin,
    /// Who runs the platform: may say where releases go.
    Petra,
    /// A developer: may cut releases and promote them.
    Dana,
    /// Another developer.
    Omar,
}

impl Person {
    /// The name by which the cluster knows them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Petra => "petra@acme.example",
            Self::Dana => "dana@acme.example",
            Self::Omar => "omar@acme.example",
        }
    }
}

/// One command of the story, and how it must go.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it is about; empty where it goes on with the one before.
    pub title: &'static str,
    /// Who types.
    pub who: Person,
    /// What they type, for a shell.
    pub types: &'static str,
    /// The exit code.
    pub ends: i32,
    /// What stdout and stderr together must contain.
    pub shows: &'static [&'static str],
}

/// Brings everything up, tells the story, and takes everything down again.
///
/// # Errors
/// When a step is not what the story says.
pub fn run() -> anyhow::Result<()> {
    let started = Instant::now();
    say("Starting a Kubernetes control plane on this machine …")?;
    binaries::find_or_build()?;
    let control_plane = ControlPlane::start(&Options::default())?;
    let _installed = Installation::install(&control_plane)?;
    let took = started.elapsed().as_secs_f32();
    say(&format!(
        "It is up, with the release webhook in its path and the release controller at work, after {took:.1} s."
    ))?;
    tell(&control_plane, say)?;
    say(
        "\nThe end. To go on yourself: `make up` leaves such a cluster running and prints what to export; README.md has",
    )?;
    say("a first release in five commands, and `kubectl release --help` the rest. Taking everything down …")
}

/// Tells the story in a control plane in which the project is installed.
///
/// # Errors
/// When a step is not what the story says; the message shows the step and its whole output.
pub fn tell(control_plane: &ControlPlane, mut say: impl FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cast = cast(control_plane)?;
    for step in story() {
        if !step.title.is_empty() {
            say(&format!("\n{}", heading(step.title)))?;
        }
        say(&prompt(step.who, step.types))?;
        let outcome = play(control_plane, &cast, &step)?;
        say(outcome.stdout().trim_end())?;
        if step.ends != 0 {
            say(&format!("(exit code {})", step.ends))?;
        }
        check(&step, &outcome)?;
    }
    Ok(())
}

fn cast(control_plane: &ControlPlane) -> anyhow::Result<HashMap<Person, PathBuf>> {
    let people = [Person::Petra, Person::Dana, Person::Omar];
    let others = people.into_iter().map(|person| Ok((person, control_plane.user(person.name(), &[])?)));
    let admin = [Ok((Person::Admin, control_plane.admin_kubeconfig().to_owned()))];
    admin.into_iter().chain(others).collect()
}

fn play(control_plane: &ControlPlane, cast: &HashMap<Person, PathBuf>, step: &Step) -> anyhow::Result<Outcome> {
    let kubeconfig = cast.get(&step.who).context("a person who is not in the cast")?;
    let shell = Cli::new(control_plane, "sh").user(kubeconfig).namespace(NAMESPACE);
    // Both streams as one, in the order in which a terminal would show them.
    shell.folder(programs::repository()).args(["-c", &format!("exec 2>&1\n{}", step.types)]).output()
}

fn check(step: &Step, outcome: &Outcome) -> anyhow::Result<()> {
    if outcome.code() != Some(step.ends) {
        bail!("the story says exit code {}\n{outcome}", step.ends);
    }
    // A table's columns are as wide as their cells: a single space in an expectation stands for any number of them.
    let folded = fold(outcome.stdout());
    match step.shows.iter().find(|part| !folded.contains(&fold(part))) {
        Some(part) => bail!("the story says that this shows {part:?}\n{outcome}"),
        None => Ok(()),
    }
}

fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn heading(title: &str) -> String {
    if io::stdout().is_terminal() { format!("\u{1b}[1m# {title}\u{1b}[0m") } else { format!("# {title}") }
}

fn prompt(who: Person, types: &str) -> String {
    let name = who.name().split('@').next().unwrap_or_default();
    if io::stdout().is_terminal() {
        format!("\u{1b}[36m{name}$\u{1b}[0m \u{1b}[1m{types}\u{1b}[0m")
    } else {
        format!("{name}$ {types}")
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("writing to stdout")
}
