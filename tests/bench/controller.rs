//! The controller: many pins at once, at rest, how soon it sees things, and one promotion beside kubectl.

mod application;
mod calls;
mod follow;
mod promotion;
mod reaction;
mod rest;
mod storm;

use std::time::Duration;

use crate::row::Row;
use crate::run::say;
use crate::stage::Stage;

/// The system whose API this is, measured on a machine like this one: OpenChoreo v1.2.3, with its manager, gateway and agent.
const KNOWN: &str = "OpenChoreo v1.2.3, a known figure";

pub(crate) fn rows(stage: &Stage<'_>, rest: Duration) -> anyhow::Result<Vec<Row>> {
    say("measuring 50 pins at once")?;
    let (town, mut rows) = storm::rows(stage)?;
    say(&format!("watching the controller at rest for {rest:?}"))?;
    rows.extend(rest::rows(stage, &town, rest)?);
    say("measuring how soon it sees things")?;
    rows.extend(reaction::rows(stage, &town)?);
    say("measuring promotions")?;
    rows.extend(promotion::rows(stage)?);
    Ok(rows)
}
