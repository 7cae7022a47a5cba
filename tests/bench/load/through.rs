//! What a webhook or a policy adds to a write through the API server: one client, one create after the other.

use std::fs;

use anyhow::Context;
use release_load::creates::{Job, NAME, Report};
use release_load::send;
use release_shared::kinds::Kind;
use serde::Serialize;
use serde_json::Value;

use super::figures::{quantile, seconds};
use super::grid;
use super::place::Place;
use super::policies;
use super::reviews::{Operation, Reviews, release};
use super::routes::{self, Namespaces};
use super::scale::Scale;
use super::servers::{Running, Servers, Who};
use super::told::{Counts, Told};
use crate::objects::collection;
use crate::run::say;

/// Of the object, in bytes.
const SIZE: usize = 10_000;

/// Creates that do not count.
const WARM_UP: usize = 20;

/// The way of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Way {
    /// Nobody is asked.
    Bare,
    Ours,
    Peer,
    Floor,
    /// The floor, with the patch that ours answers with.
    Patching,
    /// Validating policies.
    Validating,
    /// Validating and mutating policies.
    Mutating,
}

const WAYS: [Way; 7] = [Way::Bare, Way::Ours, Way::Peer, Way::Floor, Way::Patching, Way::Validating, Way::Mutating];

/// In seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) way: Way,
    pub(crate) p50: f64,
    p99: f64,
    calls: usize,
    pub(crate) failed: usize,
    sample: Option<String>,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "no webhook, no policy",
            Self::Ours => "ours, both hooks",
            Self::Peer => "peer, both hooks",
            Self::Floor => "floor, both hooks",
            Self::Patching => "floor, both hooks, with our patch",
            Self::Validating => "validating policies in CEL",
            Self::Mutating => "validating and mutating policies in CEL",
        }
    }

    fn namespace<'a>(self, namespaces: &'a Namespaces<'_>) -> &'a str {
        let namespace = match self {
            Self::Bare => &namespaces.bare,
            Self::Ours => &namespaces.ours,
            Self::Peer => &namespaces.peer,
            Self::Floor => &namespaces.floor,
            Self::Patching => &namespaces.patching,
            Self::Validating => &namespaces.validating,
            Self::Mutating => &namespaces.mutating,
        };
        namespace.name()
    }
}

/// Lays the ways, and creates Releases on each in turn. With what the API server itself says of its calls meanwhile.
pub(crate) fn measure(
    servers: &Servers<'_>,
    reviews: &Reviews<'_>,
    namespaces: &Namespaces<'_>,
    running: &[Running],
    scale: &Scale,
) -> anyhow::Result<(Vec<Line>, Vec<Told>)> {
    if !scale.has("create") {
        return Ok((Vec::new(), Vec::new()));
    }
    say("measuring what they add to a create")?;
    let place = servers.place;
    let patching = servers.patching(&patch(place, reviews, running)?)?;
    routes::lay(&place.control_plane.client(), namespaces, running, &patching)?;
    policies::install(place.control_plane, namespaces)?;
    let job = Job {
        target: place.api_server()?,
        paths: WAYS.map(|way| collection(way.namespace(namespaces), Kind::Release)).into(),
        object: place.file("object.json", release(NAME, SIZE).to_string())?,
        rounds: scale.creates,
        warm_up: WARM_UP,
    };
    let client = place.control_plane.client();
    let before = Counts::look(&client)?;
    let reports: Vec<Report> = place.load("creates", &job).context("creating Releases")?;
    let told = Counts::look(&client)?.since(&before);
    Ok((WAYS.into_iter().zip(reports).map(|(way, report)| line(way, report)).collect(), told))
}

/// The patch that ours answers with, in base64.
fn patch(place: &Place<'_>, reviews: &Reviews<'_>, running: &[Running]) -> anyhow::Result<String> {
    let ours = running.iter().find(|server| server.who == Who::Ours).context("ours does not run")?;
    let answer = place.file("patch.json", "")?;
    let job = send::Job {
        target: ours.target.clone(),
        method: "POST".to_owned(),
        path: "/mutate".to_owned(),
        body: reviews.ask(SIZE, Operation::Create)?.of("mutate"),
        answer: answer.clone(),
    };
    place.load::<()>("send", &job).context("asking ours for its patch")?;
    let answer: Value = serde_json::from_slice(&fs::read(answer).context("reading its patch")?)?;
    Ok(answer["response"]["patch"].as_str().context("ours answers without a patch")?.to_owned())
}

fn line(way: Way, report: Report) -> Line {
    let Report { mut latencies, failed, sample } = report;
    latencies.sort_unstable();
    let (p50, p99) = (quantile(&latencies, 0.5), quantile(&latencies, 0.99));
    Line { way, p50, p99, calls: latencies.len() + failed, failed, sample }
}

/// What a way adds to the median create, in seconds.
pub(crate) fn added(lines: &[Line], way: Way) -> f64 {
    let p50 = |way: Way| lines.iter().find(|line| line.way == way).map_or(f64::NAN, |line| line.p50);
    p50(way) - p50(Way::Bare)
}

fn ratio(one: f64, other: f64) -> String {
    let ratio = one / other;
    if ratio.is_nan() { "-".to_owned() } else { format!("{ratio:.2}×") }
}

pub(crate) fn text(lines: &[Line]) -> String {
    let bare = lines.iter().find(|line| line.way == Way::Bare);
    let (p50, p99) = bare.map_or((f64::NAN, f64::NAN), |bare| (bare.p50, bare.p99));
    let cells = lines.iter().map(|line| {
        let (more, more_99) = (line.p50 - p50, line.p99 - p99);
        [
            line.way.name().to_owned(),
            seconds(line.p50),
            seconds(more),
            ratio(line.p50, p50),
            seconds(line.p99),
            seconds(more_99),
            ratio(line.p99, p99),
            line.calls.to_string(),
            line.failed.to_string(),
        ]
    });
    let headings = ["CREATE OF 10 KB BY THE API", "P50", "ADDED", "RATIO", "P99", "ADDED", "RATIO", "CALLS", "FAILED"];
    let table = grid::text(headings, 1, cells);
    let samples =
        lines.iter().filter_map(|line| Some(format!("failed: {}: {}\n", line.way.name(), line.sample.as_ref()?)));
    format!("{table}{}", samples.collect::<String>())
}
