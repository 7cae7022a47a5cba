//! People who write through the API server all the time, and never twice: every failure counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use http::Request;
use kube::Client;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::controlplane::client;
use release_tests::{Namespace, block_on};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::objects::{created, release, with};
use super::person::Person;

/// How many hooks are asked about a write.
pub(crate) const HOOKS: usize = 2;

/// A write that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) at: Instant,
    pub(crate) why: String,
}

/// Writers that write until they are stopped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    writes: AtomicUsize,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    times: Vec<Duration>,
    failures: Vec<Failure>,
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Load {
    /// So many people, each with a connection to the API server and a Release of their own.
    pub(crate) fn start(namespace: &Namespace<'_>, people: usize) -> anyhow::Result<Self> {
        let kubeconfig = namespace.user("lena", &["release-developer"])?;
        let admin = Person::admin(namespace);
        let shared = Arc::<Shared>::default();
        let mut writers = Vec::new();
        for number in 0..people {
            let mine = with(&release(&format!("load-{number}")), |release| {
                release["spec"]["environmentName"] = format!("load-{number}").into();
            });
            created(&admin, &mine);
            let path = format!(
                "/apis/{}/namespaces/{}/{}/load-{number}",
                names::API_VERSION,
                namespace.name(),
                Kind::Release.plural()
            );
            let writer = Writer { client: client(&kubeconfig)?, path, applied: mine, shared: Arc::clone(&shared) };
            block_on(writer.until_allowed())?;
            writers.push(writer);
        }
        let writers = block_on(async { writers.into_iter().map(|writer| tokio::spawn(writer.write())).collect() });
        Ok(Self { shared, writers })
    }

    /// How many writes were answered so far, rightly or wrongly.
    pub(crate) fn writes(&self) -> usize {
        self.shared.writes.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> Vec<Failure> {
        self.shared.told().failures.clone()
    }

    /// Waits until so many writes more were answered.
    pub(crate) fn until_more(&self, writes: usize) -> anyhow::Result<()> {
        let before = self.writes();
        let what = format!("{writes} more writes");
        release_tests::wait::until(&what, Duration::from_secs(120), || {
            Ok((self.writes() >= before + writes).then_some(()))
        })
    }

    /// Ends it; what came of it.
    pub(crate) fn stop(mut self) -> anyhow::Result<Summary> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for writer in self.writers.drain(..) {
            block_on(writer).context("a writer panicked")?;
        }
        let told = std::mem::take(&mut *self.shared.told());
        Ok(Summary { writes: self.writes(), failures: told.failures, latencies: latencies(told.times) })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.writers.iter().for_each(JoinHandle::abort);
    }
}

/// What came of a load.
pub(crate) struct Summary {
    pub(crate) writes: usize,
    pub(crate) failures: Vec<Failure>,
    pub(crate) latencies: String,
}

impl Summary {
    /// What is said of every load.
    pub(crate) fn told(&self) -> String {
        let Self { writes, failures, latencies } = self;
        format!("{writes} writes = {} calls, {} failures; {latencies}", writes * HOOKS, failures.len())
    }

    /// The failures by their text, most frequent first, with when the first and the last came.
    pub(crate) fn explained(&self, since: Instant) -> Vec<String> {
        let mut kinds: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
        for failure in &self.failures {
            kinds.entry(without_numbers(&failure.why)).or_default().push(failure.at);
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, times)| std::cmp::Reverse(times.len()));
        let seconds = |at: Option<&Instant>| at.map_or(0.0, |at| at.saturating_duration_since(since).as_secs_f64());
        let line = |(why, times): (String, Vec<Instant>)| {
            let (first, last) = (seconds(times.iter().min()), seconds(times.iter().max()));
            format!("{}× {first:.1}–{last:.1} s after: {why}", times.len())
        };
        kinds.into_iter().map(line).collect()
    }
}

/// What the API server says, or what came instead of its answer.
fn words(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => format!("{:#}", anyhow::Error::from(other)),
    }
}

/// Ports and the like differ between failures of one kind.
fn without_numbers(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if shown.ends_with('#') => {}
            '0'..='9' => shown.push('#'),
            other => shown.push(other),
        }
    }
    shown
}

/// One of the people.
struct Writer {
    client: Client,
    path: String,
    applied: Value,
    shared: Arc<Shared>,
}

impl Writer {
    /// A role that was just given is known to the API server a little later.
    async fn until_allowed(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while let Err(error) = self.turn(0).await {
            anyhow::ensure!(start.elapsed() < Duration::from_secs(60), "the first write: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn write(self) {
        for turn in 1.. {
            if self.shared.is_over.load(Ordering::Relaxed) {
                break;
            }
            let start = Instant::now();
            let told = self.turn(turn).await;
            self.shared.writes.fetch_add(1, Ordering::Relaxed);
            self.shared.told().times.push(start.elapsed());
            if let Err(error) = told {
                self.shared.told().failures.push(Failure { at: Instant::now(), why: words(error) });
                // Nobody answers at once while nothing is there.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// A merge patch or a server-side apply, in turns. Nothing is kept: a record would be made of each.
    async fn turn(&self, turn: usize) -> kube::Result<Value> {
        let labels = json!({ "turn": turn.to_string() });
        let (query, kind, body) = if turn.is_multiple_of(2) {
            ("", "application/merge-patch+json", json!({ "metadata": { "labels": labels } }))
        } else {
            let applied = with(&self.applied, |object| object["metadata"]["labels"] = labels);
            ("&fieldManager=load&force=true", "application/apply-patch+yaml", applied)
        };
        let request = Request::patch(format!("{}?dryRun=All{query}", self.path)).header("Content-Type", kind);
        let request = request.body(body.to_string().into_bytes()).map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }
}

/// Median, 99th of a hundred and largest, in milliseconds.
pub(crate) fn latencies(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let Some(last) = times.last() else { return "none".to_owned() };
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    format!("p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms", at(0.5), at(0.99), last.as_secs_f64() * 1e3)
}
