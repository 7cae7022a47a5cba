//! Who holds on to connections, as many as there may be, and says no more than half of something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::body::Bytes;
use release_tests::{Namespace, fixture};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CONNECTIONS, PEOPLE, few_files, finish};
use crate::cluster::webhook_connections::trusted;
use crate::soak::caller::{Caller, callers, need_files};
use crate::soak::load::Load;
use crate::soak::report::{Report, scaled};

/// For how long they come again, in seconds.
const HOARD_FOR: usize = 40;

/// What is said, and when.
#[derive(Clone)]
pub(super) enum Said {
    /// In place of a handshake.
    First(Bytes),
    /// After one.
    Then(Bytes),
}

/// Counts of those who hold on to connections.
#[derive(Default)]
struct Hoard {
    is_over: AtomicBool,
    opened: AtomicUsize,
    refused: AtomicUsize,
}

impl Hoard {
    async fn say(&self, caller: &Caller, said: &Said) -> anyhow::Result<()> {
        match said {
            Said::First(said) => self.hold(TcpStream::connect(caller.address).await?, said).await,
            Said::Then(said) => self.hold(caller.shake().await?, said).await,
        }
        Ok(())
    }

    /// Says something, and nothing more until the connection is closed.
    async fn hold(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, said: &Bytes) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let mut rest = Vec::new();
        let held = async {
            stream.write_all(said).await?;
            stream.flush().await?;
            stream.read_to_end(&mut rest).await
        };
        // How it ends does not matter.
        let _ = tokio::time::timeout(Duration::from_secs(20), held).await;
    }
}

/// Says the same on one connection after the other.
async fn hoard(caller: Caller, said: Said, hoard: Arc<Hoard>) {
    while !hoard.is_over.load(Ordering::Relaxed) {
        if hoard.say(&caller, &said).await.is_err() {
            hoard.refused.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// So many of them, while people write.
pub(super) fn keep_nobody_out(
    namespace: &Namespace<'_>,
    subject: &'static str,
    number: usize,
    said: &Said,
) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let report = Report::begin(subject);
    let seconds = scaled(HOARD_FOR, 15)?;
    need_files(number + 1000)?;
    let fleet = few_files(namespace)?;
    let replica = &fleet.replicas[0];
    let caller = Caller::new(&trusted(namespace)?, replica.address);
    let start = Instant::now();
    let load = Load::start(namespace, PEOPLE)?;
    let hoards = Arc::<Hoard>::default();
    let all: Vec<_> = callers().block_on(async {
        (0..number).map(|_| tokio::spawn(hoard(caller.clone(), said.clone(), Arc::clone(&hoards)))).collect()
    });
    let mut most = 0_f64;
    while start.elapsed() < Duration::from_secs(u64::try_from(seconds)?) {
        thread::sleep(Duration::from_millis(500));
        most = most.max(replica.figure("release_webhook_connections")?);
        ensure!(replica.is_ready(), "it is not ready");
    }
    hoards.is_over.store(true, Ordering::Relaxed);
    all.iter().for_each(tokio::task::JoinHandle::abort);
    ensure!(most <= CONNECTIONS, "{most} connections were open");
    let (opened, refused) = (hoards.opened.load(Ordering::Relaxed), hoards.refused.load(Ordering::Relaxed));
    ensure!(opened > number / 2, "only {opened} of {number} came to say something");
    let evicted = replica.figure("release_webhook_connections_evicted_total")?;
    let what = format!(
        "{number} of them, {seconds} s long: {opened} opened, {refused} not let in, {most} at once, {evicted} gave way"
    );
    finish(&report, &fleet, load, start, &what)
}
