//! `release-bench webhook`: ours, one on controller-runtime and one that only allows (the floor), side by side.
//!
//! The questions are those that the API server asks (`reviews`); `servers` are who is asked. `start` is how they start and what memory
//! they take, `direct` is load without an API server in between, `through` is what they add to a write, and `told` what the API
//! server itself says of that. `goals` says what was to be
//! reached. Whoever is compared takes turns within each round, and each figure is the median of its rounds.

mod direct;
mod figures;
mod goals;
mod grid;
mod place;
mod policies;
mod reviews;
mod routes;
mod scale;
mod servers;
mod start;
mod through;
mod told;

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use release_tests::{ControlPlane, Installation, Options, programs};
use serde_json::json;

use self::place::Place;
use self::reviews::Reviews;
use self::scale::Scale;
use self::servers::Servers;
use crate::machine::Machine;
use crate::run::say;

/// Measures everything and prints the tables.
pub(crate) fn run(quick: bool, only: Option<&str>, json: Option<&Path>) -> anyhow::Result<()> {
    ensure!(
        quick || !programs::folder()?.ends_with("debug"),
        "there are no release builds: run `make bench-webhook`, or name their folder in RELEASE_BIN_DIR"
    );
    let scale = Scale { only: only.map(str::to_owned), ..if quick { Scale::QUICK } else { Scale::WHOLE } };
    say("building the peer, and starting a control plane with the project in it")?;
    let peer = release_tests::binaries::peers::webhook()?;
    let control_plane = ControlPlane::start(&Options { nodes: 0, ..Options::default() })?;
    let installation = Installation::without_controller(&control_plane)?;
    let machine = Machine::look(&control_plane)?;
    print(&format!("{machine}the peer         controller-runtime {}\n", servers::peer_version()?))?;

    let place = Place::new(&control_plane)?;
    let namespaces = routes::Namespaces::furnish(&control_plane)?;
    let servers = Servers::new(&place, &installation, peer)?;
    let reviews = Reviews::new(&servers, &namespaces)?;
    let starts = start::measure(&servers, &reviews, &scale)?;
    print(&format!("\n{}", start::text(&starts)))?;
    let running = servers.run()?;
    let direct = direct::measure(&place, &running, &reviews, &scale)?;
    print(&format!("\n{}", direct::text(&direct)))?;
    let (through, told) = through::measure(&servers, &reviews, &namespaces, &running, &scale)?;
    print(&format!("\n{}\n{}", through::text(&through), told::text(&told)))?;
    let goals = goals::all(&starts, &direct, &through, &told);
    print(&format!("\n{}", goals::text(&goals)))?;

    if let Some(path) = json {
        let all = json!({
            "machine": machine.json(), "quick": quick, "start": starts, "direct": direct, "through": through, "told": told,
            "goals": goals,
        });
        let text = serde_json::to_string_pretty(&all)?;
        fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn print(text: &str) -> anyhow::Result<()> {
    write!(io::stdout(), "{text}").context("writing to stdout")
}
