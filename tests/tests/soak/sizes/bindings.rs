//! Thousands of bindings in one namespace, whose promotions are refused all at once while they change: nobody has a namespace of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hyper::body::Bytes;
use release_tests::{ControlPlane, Installation, Namespace, Options};
use serde_json::{Value, json};

use super::super::caller::{Answer, Caller, callers};
use super::super::report::{Report, mebibytes, scaled};
use crate::cluster::objects::{Shop, binding, created, with};
use crate::cluster::person::Person;
use crate::cluster::webhook_certificates::replica::{Replica, Settings};
use crate::cluster::webhook_connections::{review, trusted};

const BINDINGS: usize = 5_000;
/// How many are written at the same time.
const WRITERS: usize = 8;
/// How many promotions are asked for at the same time: more than have a place to look something up.
const ASKING: usize = 64;
/// For how long, in seconds.
const ASKING_FOR: usize = 60;
/// What the webhook may have, in bytes: a third of what a pod has.
const MOST: usize = 64 << 20;
/// Until a webhook is ready that has all of them to read.
const LIMIT: Duration = Duration::from_secs(60);

/// A binding of a component of its own, without a release.
fn of_many(at: usize) -> Value {
    with(&binding(&format!("many-{at}"), "dev", ""), |binding| {
        binding["spec"].as_object_mut().unwrap().remove("releaseName");
    })
}

/// Does it for each number, by several threads.
fn in_parallel(person: &Person<'_>, numbers: usize, act: impl Fn(&Person<'_>, usize) + Sync) {
    let next = AtomicUsize::new(0);
    let act = &act;
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers {
                        return;
                    }
                    act(person, number);
                }
            });
        }
    });
}

/// What the controller would say of a binding: another release has run each time, and nine before.
fn status(turn: usize) -> Value {
    let outcome = |number: usize| {
        let then = "2026-01-01T00:00:00Z";
        json!({ "revision": number + 1, "release": format!("many-gu7e7tnclodlp7po-{number}"), "firstHealthyAt": then })
    };
    json!({ "health": "Healthy", "outcomes": (turn..turn + 10).map(outcome).collect::<Vec<_>>() })
}

/// Counts of those who ask.
#[derive(Default)]
struct Asking {
    is_over: AtomicBool,
    refused: AtomicUsize,
    told_to_wait: AtomicUsize,
}

/// Wants to promote what has run nowhere, again and again.
async fn insist(caller: Caller, review: Bytes, asking: Arc<Asking>) -> anyhow::Result<()> {
    let mut connection = caller.open().await?;
    while !asking.is_over.load(Ordering::Relaxed) {
        match connection.ask(review.clone()).await? {
            Answer::Review(is_allowed) => {
                ensure!(!is_allowed, "it was let through");
                asking.refused.fetch_add(1, Ordering::Relaxed);
            }
            Answer::Later => {
                asking.told_to_wait.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Answer::Other(status) => anyhow::bail!("an answer of {status}"),
        }
        if !connection.is_open().await {
            connection = caller.open().await?;
        }
    }
    Ok(())
}

/// Starts one beside them, and says what that took.
fn start(report: &Report, settings: &Settings<'_>) -> anyhow::Result<Replica> {
    let start = Instant::now();
    let replica = settings.launch()?;
    while !replica.is_ready() {
        ensure!(start.elapsed() < LIMIT, "it is not ready: {:?}", replica.health("/readyz?verbose"));
        thread::sleep(Duration::from_millis(20));
    }
    let lists = replica.figure(r#"release_webhook_api_requests_total{verb="list",code="200"}"#)?;
    let (ready, peak) = (start.elapsed(), mebibytes(replica.peak()?));
    report.say(format!("ready after {ready:.1?} and {lists} pages; peak {peak}"));
    Ok(replica)
}

pub(super) fn refused_promotions_in_a_large_namespace_fit_into_a_pod(_: &Namespace<'_>) -> anyhow::Result<()> {
    let own = ControlPlane::start(&Options { nodes: 0, ..Options::default() })?;
    let _installation = Installation::without_controller(&own)?;
    let report = Report::begin("bindings");
    let namespace = Namespace::create(&own, "bindings")?;
    let shop = Shop::open(&namespace, "enforce")?;
    let number = scaled(BINDINGS, 200)?;
    in_parallel(&shop.jane, number, |jane, at| drop(created(jane, &of_many(at))));
    report.say(format!("{number} ReleaseBindings"));

    let replica = start(&report, &Settings::new(&own, "bindings", &[])?)?;
    let caller = Caller::new(&trusted(&namespace)?, replica.address);
    let refused = Bytes::from(review(|request| {
        request["kind"]["kind"] = "ReleaseBinding".into();
        request["namespace"] = namespace.name().into();
        request["name"] = "web-production".into();
        request["object"] = binding("web", "production", "web-1");
    }));
    let asking = Arc::<Asking>::default();
    let all: Vec<_> = callers().block_on(async {
        (0..ASKING).map(|_| tokio::spawn(insist(caller.clone(), refused.clone(), Arc::clone(&asking)))).collect()
    });
    let length = Duration::from_secs(u64::try_from(scaled(ASKING_FOR, 10)?)?);
    let (start, changed) = (Instant::now(), AtomicUsize::new(0));
    while start.elapsed() < length {
        in_parallel(&shop.admin, number.min(200), |admin, _| {
            let turn = changed.fetch_add(1, Ordering::Relaxed);
            admin.merge_status(&of_many(turn % number), &status(turn)).unwrap();
        });
        ensure!(replica.is_ready(), "it is not ready: {:?}", replica.health("/readyz?verbose"));
    }
    asking.is_over.store(true, Ordering::Relaxed);
    for one in all {
        callers().block_on(one).context("somebody panicked")??;
    }
    let [refused, told_to_wait] = [&asking.refused, &asking.told_to_wait].map(|count| count.load(Ordering::Relaxed));
    let (changed, peak) = (changed.into_inner(), replica.peak()?);
    report.say(format!(
        "{refused} promotions refused by {ASKING} at once ({told_to_wait} told to come again), {changed} bindings changed meanwhile; \
         peak {} of {}",
        mebibytes(peak),
        mebibytes(MOST)
    ));
    ensure!(refused >= ASKING, "only {refused} were answered");
    ensure!(peak < MOST, "it had {}", mebibytes(peak));
    Ok(())
}
