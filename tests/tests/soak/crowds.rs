//! Crowds that mean no good, or mean too much at once: memory stays under what a pod has, and the API server's calls are answered.

mod hoard;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt};
use http::StatusCode;
use hyper::body::Bytes;
use release_tests::{Namespace, fixture, trials};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::hoard::{Said, keep_nobody_out};
use super::caller::{Answer, Caller, Connection, callers, need_files};
use super::fleet::Fleet;
use super::load::Load;
use super::report::{MEMORY, Report, latencies, mebibytes, scaled};
use crate::cluster::webhook_certificates::replica::Settings;
use crate::cluster::webhook_connections::{review, trusted};

trials! {
    admission:
    silent_connections_keep_nobody_out,
    slow_bodies_keep_nobody_out,
    unfinished_handshakes_keep_nobody_out,
    unfinished_heads_keep_nobody_out,
    announced_bodies_keep_nobody_out,
    large_reviews_keep_nobody_out,
}

/// Who writes through the API server meanwhile.
const PEOPLE: usize = 4;
const SILENT: usize = 10_000;
/// How many files a replica may have open, soft and hard: what many systems give, and less than the callers are.
const FILES: (u64, u64) = (1024, 4096);
/// How many connections it takes by default.
const CONNECTIONS: f64 = 1024.0;
const SLOW: usize = 1_000;
/// For how long they go on, in seconds.
const SLOW_FOR: usize = 60;
const HEADS: usize = 2_500;
/// Almost as large as a head may be, in bytes.
const HEAD_BYTES: usize = 16 * 1024 - 64;
const ANNOUNCED: usize = 5_000;
const LARGE: usize = 1_000;
/// As large as an object may be, in bytes.
const LARGE_BYTES: usize = 3 << 20;
/// How often an API server comes again when it is told to. (client-go `rest/request.go`, `maxRetries`)
const TRIES: usize = 11;

/// One replica that may have few files open, as where nobody has raised the limits.
fn few_files<'a>(namespace: &Namespace<'a>) -> anyhow::Result<Fleet<'a>> {
    Fleet::of(namespace, 1, Settings::new(namespace.control_plane(), "fleet", &[])?.with_files(FILES))
}

/// Ends the load and looks at both.
fn finish(report: &Report, fleet: &Fleet<'_>, load: Load, start: Instant, what: &str) -> anyhow::Result<()> {
    load.until_more(100)?;
    let summary = load.stop()?;
    let peak = fleet.peak()?;
    report.say(format!("{what}; meanwhile {}; peak {} of {}", summary.told(), mebibytes(peak), mebibytes(MEMORY)));
    summary.explained(start).iter().for_each(|line| report.say(format!("  {line}")));
    ensure!(summary.failures.is_empty(), "{} of {} writes failed", summary.failures.len(), summary.writes);
    ensure!(peak < MEMORY, "it had {}", mebibytes(peak));
    Ok(())
}

fn silent_connections_keep_nobody_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let report = Report::begin("silent");
    let number = scaled(SILENT, 2500)?;
    need_files(number + 1000)?;
    let fleet = few_files(namespace)?;
    let caller = Caller::new(&trusted(namespace)?, fleet.replicas[0].address);
    let start = Instant::now();
    let load = Load::start(namespace, PEOPLE)?;
    // Every other one shakes hands; the rest does not even do that.
    let silent = callers().block_on(async {
        let open = |turn: usize| {
            let caller = caller.clone();
            async move {
                match turn % 2 {
                    0 => caller.shake().await.map(|stream| Box::new(stream) as Box<dyn Send>),
                    _ => Ok(Box::new(TcpStream::connect(caller.address).await?) as Box<dyn Send>),
                }
            }
        };
        futures::stream::iter(0..number).map(open).buffer_unordered(64).collect::<Vec<_>>().await
    });
    let broken: Vec<_> = silent.iter().filter_map(|opened| opened.as_ref().err()).collect();
    let opened = start.elapsed();
    ensure!(broken.is_empty(), "{} were not let in: {:?}", broken.len(), broken.first());
    load.until_more(200)?;
    let replica = &fleet.replicas[0];
    let (open, evicted) =
        (replica.figure("release_webhook_connections")?, replica.figure("release_webhook_connections_evicted_total")?);
    let now = mebibytes(replica.memory()?);
    ensure!(replica.is_ready(), "it is not ready");
    ensure!(open <= CONNECTIONS, "{open} connections are open");
    let what =
        format!("{number} silent connections, opened in {opened:.1?}: {open} stay, {evicted} gave way, {now} then");
    finish(&report, &fleet, load, start, &what)?;
    drop(silent);
    Ok(())
}

/// Counts of people who send slowly.
#[derive(Default)]
struct Slow {
    is_over: AtomicBool,
    bodies: AtomicUsize,
    refused: AtomicUsize,
}

/// Announces a body, sends a few bytes of it each second, and does so again when it is cut off.
async fn drip(caller: Caller, size: usize, slow: Arc<Slow>) {
    let head = format!(
        "POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n{{\"kind\""
    );
    while !slow.is_over.load(Ordering::Relaxed) {
        let Ok(mut stream) = caller.shake().await else {
            slow.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let mut sent = stream.write_all(head.as_bytes()).await;
        slow.bodies.fetch_add(1, Ordering::Relaxed);
        while sent.is_ok() && !slow.is_over.load(Ordering::Relaxed) {
            // Whatever comes back is the end of this one.
            let mut answer = [0; 64];
            tokio::select! {
                _ = stream.read(&mut answer) => break,
                () = tokio::time::sleep(Duration::from_secs(1)) => sent = stream.write_all(b"x").await,
            }
            if sent.is_ok() {
                sent = stream.flush().await;
            }
        }
    }
}

fn slow_bodies_keep_nobody_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let report = Report::begin("slow bodies");
    let (number, seconds) = (scaled(SLOW, 600)?, scaled(SLOW_FOR, 15)?);
    need_files(number + 1000)?;
    let fleet = Fleet::start(namespace, 1, &[])?;
    let caller = Caller::new(&trusted(namespace)?, fleet.replicas[0].address);
    let start = Instant::now();
    let load = Load::start(namespace, PEOPLE)?;
    let slow = Arc::<Slow>::default();
    let drips: Vec<_> = callers().block_on(async {
        let size = |turn: usize| if turn.is_multiple_of(2) { 64 << 10 } else { LARGE_BYTES };
        (0..number).map(|turn| tokio::spawn(drip(caller.clone(), size(turn), Arc::clone(&slow)))).collect()
    });
    thread::sleep(Duration::from_secs(u64::try_from(seconds)?));
    ensure!(fleet.replicas[0].is_ready(), "it is not ready");
    slow.is_over.store(true, Ordering::Relaxed);
    for drip in drips {
        callers().block_on(drip).context("somebody slow panicked")?;
    }
    let (bodies, refused) = (slow.bodies.load(Ordering::Relaxed), slow.refused.load(Ordering::Relaxed));
    let what = format!("{number} who send slowly, {seconds} s long: {bodies} bodies begun, {refused} not let in");
    finish(&report, &fleet, load, start, &what)
}

fn unfinished_handshakes_keep_nobody_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    keep_nobody_out(namespace, "handshakes", scaled(HEADS, 1500)?, &Said::First(half_a_hello()))
}

/// A ClientHello of the greatest length that TLS implementations keep, in records of the greatest length, without its end.
fn half_a_hello() -> Bytes {
    let mut hello = vec![1, 0, 0xff, 0xff];
    hello.resize(61_000, 0);
    let record = |part: &[u8]| [&[0x16, 3, 1][..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
    hello.chunks(16 << 10).flat_map(record).collect()
}

fn unfinished_heads_keep_nobody_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let start = "POST /mutate HTTP/1.1\r\nHost: a\r\nX: ";
    let head = format!("{start}{}", "x".repeat(HEAD_BYTES - start.len()));
    keep_nobody_out(namespace, "heads", scaled(HEADS, 1500)?, &Said::Then(head.into()))
}

fn announced_bodies_keep_nobody_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let head = Bytes::from_static(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    keep_nobody_out(namespace, "announced", scaled(ANNOUNCED, 1500)?, &Said::Then(head))
}

/// What became of one large review.
enum Fate {
    Answered(usize),
    /// It was told to come again, each time.
    GivenUp,
    /// It was too slow for the webhook, as callers are that come all at once from one machine.
    CutOff,
}

/// Calls again as an API server does that is told to.
async fn insist(caller: Caller, mut connection: Connection, review: Bytes) -> anyhow::Result<(Fate, Duration)> {
    let start = Instant::now();
    for tries in 1..=TRIES {
        if !connection.is_open().await {
            let Ok(opened) = caller.open().await else { return Ok((Fate::CutOff, start.elapsed())) };
            connection = opened;
        }
        match connection.ask(review.clone()).await {
            Ok(Answer::Review(_)) => return Ok((Fate::Answered(tries), start.elapsed())),
            Ok(Answer::Later) => tokio::time::sleep(Duration::from_secs(1)).await,
            Ok(Answer::Other(StatusCode::REQUEST_TIMEOUT)) => return Ok((Fate::CutOff, start.elapsed())),
            Ok(Answer::Other(status)) => anyhow::bail!("try {tries}: {status}"),
            Err(error) if error.is::<hyper::Error>() => return Ok((Fate::CutOff, start.elapsed())),
            Err(error) => return Err(error.context(format!("try {tries}"))),
        }
    }
    Ok((Fate::GivenUp, start.elapsed()))
}

fn large_reviews_keep_nobody_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let report = Report::begin("large");
    let number = scaled(LARGE, 50)?;
    need_files(number + 1000)?;
    let fleet = Fleet::start(namespace, 1, &[])?;
    let caller = Caller::new(&trusted(namespace)?, fleet.replicas[0].address);
    let large = Bytes::from(review(|request| {
        request["object"]["spec"]["resources"][0]["object"]["data"] = json!({ "a": "x".repeat(LARGE_BYTES) });
    }));
    let start = Instant::now();
    let load = Load::start(namespace, PEOPLE)?;
    let opened = callers().block_on(
        futures::stream::iter(0..number).map(|_| caller.open()).buffer_unordered(64).try_collect::<Vec<_>>(),
    )?;
    let begun = Instant::now();
    let fates = callers().block_on(async {
        let insist = |connection| tokio::spawn(insist(caller.clone(), connection, large.clone()));
        futures::future::join_all(opened.into_iter().map(insist)).await
    });
    let took = begun.elapsed();
    let (mut times, mut tries, mut given_up, mut cut_off, mut broken) = (Vec::new(), 0, 0, 0, Vec::new());
    for fate in fates {
        match fate.context("a caller panicked")? {
            Ok((Fate::Answered(count), time)) => {
                tries += count;
                times.push(time);
            }
            Ok((Fate::GivenUp, _)) => {
                tries += TRIES;
                given_up += 1;
            }
            Ok((Fate::CutOff, _)) => cut_off += 1,
            Err(error) => broken.push(format!("{error:#}")),
        }
    }
    let answered = times.len();
    let what = format!(
        "{number} reviews of 3 MiB at once, in {took:.1?}: {answered} answered ({}), {given_up} told {TRIES} times to come \
         again, {tries} calls, {cut_off} cut off, {} broken",
        latencies(times),
        broken.len()
    );
    finish(&report, &fleet, load, start, &what)?;
    ensure!(broken.is_empty(), "{} broke: {:?}", broken.len(), broken.first());
    ensure!(answered > 0, "none was answered");
    ensure!(cut_off <= number / 10, "{cut_off} of {number} were cut off");
    Ok(())
}
