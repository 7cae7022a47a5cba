//! Connections that were not used for a while are used again: those of an API server, which keeps them for 90 s, and longer ones.

use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use hyper::body::Bytes;
use release_tests::{Namespace, block_on, fixture, trials};

use super::caller::{Answer, Caller};
use super::fleet::Fleet;
use super::report::{Report, mebibytes, scaled};
use crate::cluster::objects::{Shop, release};
use crate::cluster::webhook_connections::{review, trusted};

trials! { admission: idle_connections_are_used_again_and_no_call_fails }

/// How long the longest is idle, in seconds.
const LONGEST: usize = 95;
/// Between writes through the API server, in seconds. It drops a connection that was idle for 90 s, and a call must not meet that: so before
/// it, at that moment, and after it. (client-go `transport/cache.go`, `IdleConnTimeout`)
const PAUSES: [f64; 10] = [0.0, 1.0, 9.0, 85.0, 88.0, 89.5, 90.0, 90.5, 92.0, 95.0];
const CONNECTIONS: u32 = 200;
/// How many people write at the same moment, so that the API server has as many connections. It keeps 25.
const PEOPLE: usize = 24;

fn idle_connections_are_used_again_and_no_call_fails(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let report = Report::begin("idle");
    let longest = Duration::from_secs(u64::try_from(scaled(LONGEST, 5)?.min(LONGEST))?);
    let pauses = PAUSES.map(|pause| longest.mul_f64(pause / LONGEST as f64));
    let fleet = Fleet::start(namespace, 1, &[])?;
    let caller = Caller::new(&trusted(namespace)?, fleet.replicas[0].address);
    let body = Bytes::from(review(|_| {}));
    let callers: Vec<_> = block_on(async {
        let call = |number: u32| {
            let pause = longest * number / (CONNECTIONS - 1);
            tokio::spawn(idle(caller.clone(), body.clone(), pause))
        };
        (0..CONNECTIONS).map(call).collect()
    });
    let shop = Shop::people(namespace)?;
    let mut failures = Vec::new();
    for pause in pauses {
        thread::sleep(pause);
        failures.extend(burst(&shop).into_iter().map(|why| format!("through the API server after {pause:?}: {why}")));
    }
    for caller in callers {
        let told = block_on(caller).context("a caller panicked")?;
        failures.extend(told.err().map(|error| format!("{error:#}")));
    }
    let peak = mebibytes(fleet.peak()?);
    report.say(format!(
        "{CONNECTIONS} connections idle for 0–{} s and {PEOPLE} writes at once after {pauses:.1?}: {} failures; peak {peak}",
        longest.as_secs(),
        failures.len()
    ));
    ensure!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// A call, a pause, and another call on the same connection.
async fn idle(caller: Caller, review: Bytes, pause: Duration) -> anyhow::Result<()> {
    let mut connection = caller.open().await?;
    for turn in ["first", "second"] {
        let answer = connection.ask(review.clone()).await;
        let answer = answer.with_context(|| format!("the {turn} call, with {pause:?} between"))?;
        ensure!(matches!(answer, Answer::Review(true)), "the {turn} call is refused");
        if turn == "first" {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

fn burst(shop: &Shop<'_>) -> Vec<String> {
    let write = || shop.jane.in_dry_run().create(&release("probe")).err().map(|status| status.message);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..PEOPLE).map(|_| scope.spawn(write)).collect();
        writers.into_iter().filter_map(|writer| writer.join().unwrap()).collect()
    })
}
