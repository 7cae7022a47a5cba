//! Everything, in order: what is started, what is measured, what is printed.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use release_tests::{ControlPlane, Installation, Options, programs};

use crate::machine::Machine;
use crate::stage::Stage;
use crate::{cut, reads, size, table, webhook};

/// Measures everything and prints the table.
pub(crate) fn run(json: Option<&Path>) -> anyhow::Result<()> {
    let folder = programs::folder()?;
    ensure!(
        !folder.ends_with("debug"),
        "{} holds no release builds: run `make bench`, or name their folder in RELEASE_BIN_DIR",
        folder.display()
    );
    say("starting a control plane with the project in it")?;
    // Without nodes no pod ever starts: whatever an apply sets off would run beside the next measurement.
    let control_plane = ControlPlane::start(&Options { nodes: 0, ..Options::default() })?;
    let installation = Installation::install(&control_plane)?;
    let stage = Stage::set(&control_plane, &installation)?;
    let machine = Machine::look(&control_plane)?;
    write!(io::stdout(), "{machine}").context("writing to stdout")?;

    let idle = webhook::Idle::look(&stage)?;
    let mut rows = reads::version(&stage)?;
    for components in [4, 100] {
        rows.extend(reads::with_bindings(&stage, components)?);
    }
    rows.extend(cut::rows(&stage)?);
    rows.extend(webhook::rows(&stage, &idle)?);
    rows.extend(size::rows(&stage)?);

    write!(io::stdout(), "\n{}", table::text(&rows)).context("writing to stdout")?;
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&table::json(&machine, &rows))?;
        fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Tells whoever waits what is going on.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stderr(), "{text} …").context("writing to stderr")
}
