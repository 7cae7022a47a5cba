//! A load that stays the same takes no more and more memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hyper::body::Bytes;
use release_tests::growth::growth;
use release_tests::{Namespace, block_on, fixture, trials};

use super::caller::{Answer, Caller};
use super::fleet::Fleet;
use super::load::Load;
use super::report::{Report, mebibytes, scaled};
use crate::cluster::webhook_connections::{review, trusted};

trials! { admission: memory_does_not_grow_under_a_steady_load }

/// Who writes.
const PEOPLE: usize = 8;
/// Who comes for one call each time, with a connection for it.
const VISITORS: usize = 2;
/// For how long, in seconds.
const LENGTH: usize = 300;
const SAMPLES: u32 = 50;
/// By how much the end may lie above the beginning, in bytes. The allocator and the last large body move it by a MiB or two; a leak of 32
/// bytes a call comes to more than this within the 300,000 calls that five minutes have on a small machine.
const SLACK: usize = 4 << 20;

/// Whoever makes a connection for one call, again and again.
async fn come_and_go(
    caller: Caller,
    review: Bytes,
    is_over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
) -> anyhow::Result<()> {
    while !is_over.load(Ordering::Relaxed) {
        let answer = caller.open().await?.ask(review.clone()).await?;
        ensure!(matches!(answer, Answer::Review(true)), "a review is refused");
        calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn memory_does_not_grow_under_a_steady_load(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let report = Report::begin("memory");
    let length = Duration::from_secs(u64::try_from(scaled(LENGTH, 20)?)?);
    let fleet = Fleet::start(namespace, 1, &[])?;
    let replica = &fleet.replicas[0];
    let caller = Caller::new(&trusted(namespace)?, replica.address);
    let (is_over, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let load = Load::start(namespace, PEOPLE)?;
    let review = Bytes::from(review(|_| {}));
    let visitors: Vec<_> = block_on(async {
        let visit = || come_and_go(caller.clone(), review.clone(), Arc::clone(&is_over), Arc::clone(&calls));
        (0..VISITORS).map(|_| tokio::spawn(visit())).collect()
    });
    let (start, mut samples) = (Instant::now(), Vec::new());
    for at in 1..=SAMPLES {
        thread::sleep((start + length * at / SAMPLES).saturating_duration_since(Instant::now()));
        samples.push(replica.memory()?);
    }
    is_over.store(true, Ordering::Relaxed);
    for visitor in visitors {
        block_on(visitor).context("a visitor panicked")?.context("a visitor")?;
    }
    let summary = load.stop()?;
    let grown = growth(&samples);
    let shown: Vec<_> = samples.iter().map(|bytes| format!("{:.1}", *bytes as f64 / f64::from(1 << 20))).collect();
    report.say(format!("MiB every {:.1?}: {}", length / SAMPLES, shown.join(" ")));
    let calls = calls.load(Ordering::Relaxed);
    report.say(format!("grown by {} in {length:?}: {}, {calls} visits", mebibytes(grown), summary.told()));
    summary.explained(start).iter().for_each(|line| report.say(format!("  {line}")));
    ensure!(summary.failures.is_empty(), "{} of {} writes failed", summary.failures.len(), summary.writes);
    ensure!(grown <= SLACK, "the last fifth lies {} above the second", mebibytes(grown));
    Ok(())
}
