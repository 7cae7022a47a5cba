//! What was to be reached.

use serde::Serialize;

use super::direct::{self, Case, KEPT_UP, Load, MANY, SIZE};
use super::figures::{Figures, bytes, seconds};
use super::grid;
use super::reviews::{HOOKS, Operation};
use super::servers::Who;
use super::start::Start;
use super::through::{self, Way, added};
use super::told::{Told, percent};

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    what: String,
    ours: f64,
    /// Who ours is compared with, and what they take; nothing where the goal is a figure.
    beside: Option<(&'static str, f64)>,
    /// The most that ours may be: a part of theirs, or a figure.
    most: f64,
    met: bool,
    #[serde(skip)]
    show: fn(f64) -> String,
}

impl Goal {
    /// At most this.
    fn most(what: &str, ours: f64, most: f64, show: fn(f64) -> String) -> Self {
        Self { what: what.to_owned(), ours, beside: None, most, met: ours <= most, show }
    }

    /// At most this part of what somebody else takes.
    fn part(what: String, ours: f64, (who, theirs): (&'static str, f64), most: f64) -> Self {
        Self { what, ours, beside: Some((who, theirs)), most, met: ours <= most * theirs, show: seconds }
    }

    fn cells(&self) -> [String; 7] {
        let or_dash = |cell: Option<String>| cell.unwrap_or_else(|| "-".to_owned());
        [
            self.what.clone(),
            if self.met { "met" } else { "MISSED" }.to_owned(),
            (self.show)(self.ours),
            or_dash(self.beside.map(|(_, theirs)| (self.show)(theirs))),
            or_dash(self.beside.map(|(who, _)| who.to_owned())),
            or_dash(self.beside.map(|(_, theirs)| format!("{:.3}×", self.ours / theirs))),
            if self.beside.is_some() {
                format!("≤ {}×", self.most)
            } else {
                format!("≤ {}", (self.show)(self.most))
            },
        ]
    }
}

/// All of them, with what was measured.
pub(crate) fn all(starts: &[Start], direct: &[direct::Line], through: &[through::Line], told: &[Told]) -> Vec<Goal> {
    let mut goals: Vec<Goal> =
        [cpu(direct), latency(direct), alone(direct), write(through), late(told), failed(direct, through)]
            .into_iter()
            .flatten()
            .collect();
    goals.extend(starts.iter().filter(|start| start.who == Who::Ours).flat_map(own));
    // What was not measured has no verdict.
    goals.retain(|goal| !goal.ours.is_nan());
    goals
}

fn figures<'a>(lines: &'a [direct::Line], load: Load, size: usize, who: Who, hook: &str) -> Option<&'a Figures> {
    figures_of(lines, Case { load, operation: Operation::Create, size }, who, hook)
}

fn figures_of<'a>(lines: &'a [direct::Line], case: Case, who: Who, hook: &str) -> Option<&'a Figures> {
    let line = lines.iter().find(|line| line.case == case && line.who == who && line.hook == hook);
    line.map(|line| &line.figures)
}

/// CPU time for each call, beside the peer's.
fn cpu(lines: &[direct::Line]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (size, name, most) in [(SIZE, "10 KB", 0.1), (1_000_000, "1 MB", 0.05)] {
        for hook in HOOKS {
            let cpu = |who: Who| {
                figures(lines, Load::Closed { connections: 8 }, size, who, hook).map_or(f64::NAN, |figures| figures.cpu)
            };
            let what = format!("CPU per call, {name}, /{hook}");
            goals.push(Goal::part(what, cpu(Who::Ours), ("peer", cpu(Who::Peer)), most));
        }
    }
    goals
}

/// The slowest of a hundred, beside the floor's.
fn latency(lines: &[direct::Line]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for rate in KEPT_UP {
        for hook in HOOKS {
            let p99 = |who: Who, hook: &str| {
                figures(lines, Load::Open { rate }, SIZE, who, hook).map_or(f64::NAN, |figures| figures.p99)
            };
            let floor = p99(Who::Floor, "validate");
            goals.push(Goal::part(
                format!("p99 at {rate} calls/s, /{hook}"),
                p99(Who::Ours, hook),
                ("floor", floor),
                1.3,
            ));
        }
    }
    goals
}

/// What is to be reached whatever others take: under as many calls as one replica can be in need of, and of the largest review.
fn alone(lines: &[direct::Line]) -> Vec<Goal> {
    let goals = HOOKS.into_iter().flat_map(|hook| {
        let busy = figures(lines, Load::Open { rate: MANY }, SIZE, Who::Ours, hook).map_or(f64::NAN, |line| line.p99);
        let large = figures_of(lines, Case::LARGEST, Who::Ours, hook).map_or(f64::NAN, |line| line.p50);
        [
            Goal::most(&format!("p99 at {MANY} calls/s, /{hook}"), busy, 0.001, seconds),
            Goal::most(&format!("an UPDATE of 3 MB, /{hook}"), large, 0.015, seconds),
        ]
    });
    goals.collect()
}

/// What both hooks add to a create.
fn write(lines: &[through::Line]) -> Vec<Goal> {
    let ours = added(lines, Way::Ours);
    let what = || "added to a create of 10 KB, both hooks".to_owned();
    vec![
        Goal::part(what(), ours, ("floor", added(lines, Way::Floor)), 1.2),
        Goal::part(what(), ours, ("floor with our patch", added(lines, Way::Patching)), 1.2),
        Goal::part(what(), ours, ("both policies in CEL", added(lines, Way::Mutating)), 1.0),
    ]
}

/// Calls that took more than 5 ms, by the API server's own metric.
fn late(told: &[Told]) -> Vec<Goal> {
    let ours = told.iter().filter(|told| told.who == Who::Ours);
    ours.map(|told| {
        Goal::most(&format!("later than 5 ms to the API server, /{}", told.hook), told.late(), 0.001, percent)
    })
    .collect()
}

/// No call may fail, under any load.
fn failed(direct: &[direct::Line], through: &[through::Line]) -> Vec<Goal> {
    let direct = direct.iter().filter(|line| line.who == Who::Ours).map(|line| line.figures.failed);
    let through = through.iter().filter(|line| line.way == Way::Ours).map(|line| line.failed);
    let failed: Vec<usize> = direct.chain(through).collect();
    let of_all = || Goal::most("failed calls", failed.iter().sum::<usize>() as f64, 0.0, |calls| format!("{calls:.0}"));
    if failed.is_empty() { Vec::new() } else { vec![of_all()] }
}

fn own(start: &Start) -> [Goal; 4] {
    [
        Goal::most("memory, idle", start.idle, 15e6, bytes),
        Goal::most("memory, peak under 1 MB × 8", start.peak, 64e6, bytes),
        Goal::most("start to first answer", start.first_answer, 0.1, seconds),
        Goal::most("start to ready", start.ready, 0.1, seconds),
    ]
}

pub(crate) fn text(goals: &[Goal]) -> String {
    let headings = ["GOAL", "VERDICT", "OURS", "BESIDE", "WHOSE", "RATIO", "TO REACH"];
    grid::text(headings, 1, goals.iter().map(Goal::cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_without_figures_is_missed() {
        assert!(Goal::most("x", 14.9e6, 15e6, bytes).met);
        assert!(Goal::part("x".to_owned(), 1.0, ("peer", 10.0), 0.1).met);
        assert!(!Goal::part("x".to_owned(), 1.1, ("peer", 10.0), 0.1).met);
        assert!(!Goal::part("x".to_owned(), 1.0, ("peer", f64::NAN), 0.1).met);
        assert!(!Goal::most("x", f64::NAN, 15e6, bytes).met);
    }
}
