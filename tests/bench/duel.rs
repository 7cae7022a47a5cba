//! Two command lines in turn, so that whatever else the machine does meets both.

use std::thread;
use std::time::Duration;

use crate::audit::AuditLog;
use crate::contestant::{Contestant, Run};
use crate::row::{Goal, Row, Unit};

/// Ours and a peer's.
pub(crate) struct Duel<'a> {
    /// Ours.
    pub(crate) ours: Contestant<'a>,
    /// The peer's.
    pub(crate) peer: Contestant<'a>,
    /// How often each runs, after one run that does not count: it fills caches, kubectl's discovery cache among them.
    pub(crate) rounds: usize,
    /// Before each run, for the API server to be done with what the last one set off.
    pub(crate) pause: Duration,
}

impl Duel<'_> {
    /// Lets them run: ours, the peer's, ours, the peer's …
    pub(crate) fn run(&self) -> anyhow::Result<Compared> {
        let audit_log = AuditLog::of(self.ours.namespace.control_plane());
        let mut runs: [Vec<Run>; 2] = Default::default();
        let mut mark = audit_log.end()?;
        for round in 0..=self.rounds {
            for (contestant, runs) in [&self.ours, &self.peer].into_iter().zip(&mut runs) {
                thread::sleep(self.pause);
                let run = contestant.run(round)?;
                runs.extend((round > 0).then_some(run));
            }
            if round == 0 {
                mark = audit_log.settled()?;
            }
        }
        audit_log.settled()?;
        let taken = |contestant: &Contestant<'_>, runs: &[Run]| -> anyhow::Result<Taken> {
            let mut calls = audit_log.calls(mark, &contestant.user.name)?;
            let each = calls.len() as f64 / self.rounds as f64;
            let last_calls = calls.split_off(calls.len() - calls.len() / self.rounds);
            Ok(Taken { median: median(runs), calls: each, last_calls })
        };
        let [ours, peer] = &runs;
        Ok(Compared {
            what: self.ours.name.clone(),
            beside: self.peer.name.clone(),
            ours: taken(&self.ours, ours)?,
            peer: taken(&self.peer, peer)?,
        })
    }
}

/// How a duel ended.
pub(crate) struct Compared {
    what: String,
    beside: String,
    ours: Taken,
    peer: Taken,
}

/// What one of the two took.
struct Taken {
    median: Run,
    /// For each run.
    calls: f64,
    /// Those of the last run.
    last_calls: Vec<String>,
}

impl Compared {
    /// CPU time, with a goal for its ratio; wall time; memory.
    pub(crate) fn rows(&self, goal: Option<Goal>) -> Vec<Row> {
        vec![
            self.row("CPU time", Unit::Seconds, |taken| taken.median.cpu).with_goal(goal),
            self.row("wall time", Unit::Seconds, |taken| taken.median.wall),
            self.row("peak memory", Unit::Bytes, |taken| taken.median.peak),
        ]
    }

    /// API calls, from the audit log.
    pub(crate) fn calls(&self, goal: Option<Goal>) -> Row {
        let row = self.row("API calls", Unit::Count, |taken| taken.calls).with_goal(goal);
        row.showing(&self.ours.last_calls)
    }

    fn row(&self, measure: &'static str, unit: Unit, value: impl Fn(&Taken) -> f64) -> Row {
        Row::new(&self.what, measure, unit, value(&self.ours)).beside(&self.beside, value(&self.peer))
    }
}

/// Of each figure by itself.
fn median(runs: &[Run]) -> Run {
    let of = |value: fn(&Run) -> f64| median_of(runs.iter().map(value));
    Run { cpu: of(|run| run.cpu), wall: of(|run| run.wall), peak: of(|run| run.peak) }
}

/// The middle one; of an even number, the upper of the two in the middle. Zero of nothing.
pub(crate) fn median_of(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
