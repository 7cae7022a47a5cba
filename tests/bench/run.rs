//! Everything, in order: what is started, what is measured, what is printed.

use std::fs;
use std::io::{self, Write};

use anyhow::{Context, ensure};
use release_tests::{ControlPlane, Installation, Options, programs};

use crate::args::{Args, Part};
use crate::machine::Machine;
use crate::row::Row;
use crate::stage::Stage;
use crate::{controller, cut, reads, size, table, webhook};

/// Measures everything that was asked for and prints the table.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let folder = programs::folder()?;
    ensure!(
        !folder.ends_with("debug"),
        "{} holds no release builds: run `make bench`, or name their folder in RELEASE_BIN_DIR",
        folder.display()
    );
    let mut machine = None;
    let mut rows = Vec::new();
    for part in [Part::Clients, Part::Controller].into_iter().filter(|&part| args.only.is_none_or(|only| only == part))
    {
        say("starting a control plane with the project in it")?;
        let control_plane = ControlPlane::start(&Options { nodes: part.nodes(), ..Options::default() })?;
        let installation = Installation::install(&control_plane)?;
        if machine.is_none() {
            let seen = Machine::look(&control_plane)?;
            write!(io::stdout(), "{seen}").context("writing to stdout")?;
            machine = Some(seen);
        }
        let stage = Stage::set(&control_plane, &installation)?;
        rows.extend(match part {
            Part::Clients => clients(&stage)?,
            Part::Controller => controller::rows(&stage, args.rest)?,
        });
    }
    write!(io::stdout(), "\n{}", table::text(&rows)).context("writing to stdout")?;
    if let (Some(path), Some(machine)) = (&args.json, &machine) {
        let text = serde_json::to_string_pretty(&table::json(machine, &rows))?;
        fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// What people and the API server call.
fn clients(stage: &Stage<'_>) -> anyhow::Result<Vec<Row>> {
    // What it made of hundreds of bindings would run beside the next measurement.
    stage.installation.stop_controller();
    let idle = webhook::Idle::look(stage)?;
    let mut rows = reads::version(stage)?;
    for components in [4, 100] {
        rows.extend(reads::with_bindings(stage, components)?);
    }
    rows.extend(cut::rows(stage)?);
    rows.extend(webhook::rows(stage, &idle)?);
    rows.extend(size::rows(stage)?);
    Ok(rows)
}

/// Tells whoever waits what is going on.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stderr(), "{text} …").context("writing to stderr")
}
