//! The controller while nothing happens.

use std::thread;
use std::time::Duration;

use release_shared::names;
use release_tests::block_on;

use super::storm::{self, Town};
use super::{KNOWN, calls};
use crate::process::Process;
use crate::row::{Goal, Row, Unit};
use crate::stage::Stage;

/// How many releases are live.
const RELEASES: usize = 55;

/// How many calls the known system makes in this time, with as many releases.
const KNOWN_CALLS: f64 = 1192.0;
const KNOWN_FOR: Duration = Duration::from_secs(300);

pub(crate) fn rows(stage: &Stage<'_>, town: &Town<'_>, rest: Duration) -> anyhow::Result<Vec<Row>> {
    let (client, place) = (stage.control_plane.client(), town.namespace.name());
    block_on(storm::prepare(&client, place, storm::PINS..RELEASES))?;
    block_on(storm::pin(&client, place, storm::PINS..RELEASES))?;

    let mark = calls::silence(stage)?;
    let controller = Process::of(stage.control_plane, names::CONTROLLER_MANAGER)?;
    let before = controller.cpu()?;
    thread::sleep(rest);
    let (cpu, memory) = (controller.cpu()? - before, controller.memory()?.resident);
    let (standing, asked): (Vec<_>, Vec<_>) = calls::since(stage, mark)?.into_iter().partition(calls::is_standing);

    let what = format!("{RELEASES} releases at rest for {} s", rest.as_secs());
    let shown: Vec<String> = asked.iter().map(ToString::to_string).collect();
    let row = Row::new(&what, "API calls", Unit::Count, asked.len() as f64).with_goal(Some(Goal::Most(0.0)));
    let row = if rest == KNOWN_FOR { row.beside(KNOWN, KNOWN_CALLS) } else { row };
    Ok(vec![
        row.showing(&shown),
        Row::new(&what, "watches renewed, and the Lease", Unit::Count, standing.len() as f64),
        Row::new(&what, "CPU time, controller", Unit::Seconds, cpu),
        Row::new(&what, "memory, controller", Unit::Bytes, memory),
    ])
}
