//! Load on the servers themselves.

use std::collections::BTreeMap;

use release_load::calls::{Job, Report};
use serde::Serialize;

use super::figures::{Figures, bytes, seconds, size};
use super::grid;
use super::place::Place;
use super::reviews::{Asked, FITTING, Operation, Reviews, SIZES};
use super::scale::Scale;
use super::servers::{Running, Who};
use crate::run::say;

/// How many connections a closed loop has.
const CONNECTIONS: [usize; 3] = [1, 8, 64];

/// How many any other load has.
const USUAL: usize = 8;

/// Above this size a review takes long, in bytes.
const LARGE: usize = 100_000;

/// What an open loop asks for in a second, and the size that it asks with.
const RATES: [usize; 3] = [1_000, 2_000, MANY];
pub(crate) const SIZE: usize = 10_000;

/// More than one replica is ever asked for, in a second.
pub(crate) const MANY: usize = 5_000;

/// Those of the rates that leave a small machine time to spare; at the others it shows who can keep up at all.
pub(crate) const KEPT_UP: [usize; 2] = [1_000, 2_000];

/// As large as an object may become in one request, which is limited to 3 MiB, in bytes. It is more than fits into the store, so ours
/// refuses it; what counts is what it takes to read that much and to say so.
const LARGEST: usize = 2_900_000;

/// How the load comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Load {
    /// Each connection asks again when it has its answer.
    Closed { connections: usize },
    /// The same with a connection for each call.
    Anew { connections: usize },
    /// So many calls in a second, whenever answers come.
    Open { rate: usize },
}

/// One load on all servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Case {
    pub(crate) load: Load,
    pub(crate) operation: Operation,
    /// Of the object, in bytes.
    pub(crate) size: usize,
}

/// What came of it for one server and hook.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    #[serde(flatten)]
    pub(crate) case: Case,
    pub(crate) who: Who,
    pub(crate) hook: &'static str,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

impl Case {
    /// The largest review, one at a time.
    pub(crate) const LARGEST: Self =
        Self { load: Load::Closed { connections: 1 }, operation: Operation::Update, size: LARGEST };

    fn all() -> Vec<Self> {
        let create = |load: Load, size: usize| Self { load, operation: Operation::Create, size };
        let closed = |connections: usize| Load::Closed { connections };
        let mut cases = Vec::new();
        for size in SIZES {
            cases.extend(CONNECTIONS.map(|connections| create(closed(connections), size)));
            cases.push(Self { operation: Operation::Update, ..create(closed(USUAL), size) });
        }
        cases.push(Self::LARGEST);
        cases.push(create(Load::Anew { connections: USUAL }, SIZE));
        cases.extend(RATES.map(|rate| create(Load::Open { rate }, SIZE)));
        cases
    }

    fn job(self, running: &Running, asked: &Asked, hook: &str, scale: &Scale) -> Job {
        let (connections, anew, rate, seconds) = match self.load {
            Load::Closed { connections } => (connections, false, None, scale.closed_seconds),
            Load::Anew { connections } => (connections, true, None, scale.closed_seconds),
            Load::Open { rate } => (USUAL, false, Some(rate as f64), scale.open_seconds),
        };
        Job {
            target: running.target.clone(),
            pid: running.process.pid,
            path: running.who.path(hook),
            review: asked.of(hook),
            or_refused: self.size > FITTING,
            connections,
            anew,
            rate,
            seconds,
        }
    }

    fn rounds(self, scale: &Scale) -> usize {
        match self.load {
            Load::Open { .. } => scale.open_rounds,
            // Where the peer takes ten seconds for a round, one is enough.
            Load::Closed { connections } if connections > USUAL && self.size > LARGE => 1,
            Load::Closed { .. } | Load::Anew { .. } => scale.closed_rounds,
        }
    }

    fn name(self) -> String {
        let Self { load, operation, size: bytes } = self;
        let operation = if operation == Operation::Update { ", UPDATE" } else { "" };
        match load {
            Load::Closed { connections } => format!("{} × {connections}{operation}", size(bytes)),
            Load::Anew { connections } => format!("{} × {connections}, anew", size(bytes)),
            Load::Open { rate } => format!("{}, {rate} calls/s", size(bytes)),
        }
    }
}

/// Every case, in which the servers take turns.
pub(crate) fn measure(
    place: &Place<'_>,
    running: &[Running],
    reviews: &Reviews<'_>,
    scale: &Scale,
) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for case in Case::all().into_iter().filter(|case| scale.has(&case.name())) {
        say(&format!("measuring {}", case.name()))?;
        let mut rounds: BTreeMap<(usize, &str), Vec<Figures>> = BTreeMap::new();
        for _ in 0..case.rounds(scale) {
            let asked = reviews.ask(case.size, case.operation)?;
            for (at, server) in running.iter().enumerate() {
                for &hook in server.who.hooks() {
                    let report: Report = place.load("calls", &case.job(server, &asked, hook, scale))?;
                    rounds.entry((at, hook)).or_default().push(Figures::of(report));
                }
            }
        }
        let line = |((at, hook), rounds): ((usize, &'static str), Vec<Figures>)| Line {
            case,
            who: running[at].who,
            hook,
            figures: Figures::median(&rounds),
        };
        lines.extend(rounds.into_iter().map(line));
    }
    Ok(lines)
}

pub(crate) fn text(lines: &[Line]) -> String {
    let cells = lines.iter().map(|line| {
        let Line { case, who, hook, figures } = line;
        let server = if *who == Who::Floor { who.name().to_owned() } else { format!("{} /{hook}", who.name()) };
        let unsent = if figures.unsent == 0 { String::new() } else { format!(" + {} unsent", figures.unsent) };
        [
            case.name(),
            server,
            format!("{:.0}", figures.throughput),
            seconds(figures.p50),
            seconds(figures.p99),
            seconds(figures.p999),
            seconds(figures.cpu),
            bytes(figures.peak),
            figures.calls.to_string(),
            format!("{}{unsent}", figures.failed),
        ]
    });
    let headings = [
        "LOAD (OBJECT × CONNECTIONS)",
        "SERVER",
        "CALLS/S",
        "P50",
        "P99",
        "P99.9",
        "CPU/CALL",
        "PEAK",
        "CALLS",
        "FAILED",
    ];
    let table = grid::text(headings, 2, cells);
    let samples = lines.iter().filter_map(|line| {
        let sample = line.figures.sample.as_ref()?;
        Some(format!("failed: {}, {} /{}: {sample}\n", line.case.name(), line.who.name(), line.hook))
    });
    format!("{table}{}", samples.collect::<String>())
}
