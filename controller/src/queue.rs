//! What is to be looked at: each thing once, one worker on it at a time, now or later. (The scheduler of kube's own controllers,
//! which work on one kind each; ours work on several that concern each other.)

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use release_edge::follow::Place;
use release_edge::shutdown::Shutdown;
use release_shared::kinds::Kind;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// A ReleaseBinding: rendered into its Release, its status from that.
    Binding(Place),
    /// A Release: applied, observed, pruned; cleaned up when it is deleted.
    Release(Place),
    /// The ComponentReleases of a component that nothing needs any more.
    Collect(Place),
}

impl Task {
    /// For metrics and logs.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Binding(_) => Kind::ReleaseBinding,
            Self::Release(_) => Kind::Release,
            Self::Collect(_) => Kind::Component,
        }
    }

    /// Whose turn it is.
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Binding(place) | Self::Release(place) | Self::Collect(place) => place,
        }
    }
}

/// Where tasks are put.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    requests: mpsc::UnboundedSender<ScheduleRequest<Task>>,
    failures: Arc<Mutex<HashMap<Task, u32>>>,
    waiting: Arc<Waiting>,
}

/// The tasks whose time has come and that nobody works on yet.
#[derive(Debug)]
struct Waiting {
    tasks: Mutex<HashSet<Task>>,
    metrics: Arc<Metrics>,
}

impl Waiting {
    fn change(&self, kind: Kind, change: impl FnOnce(&mut HashSet<Task>) -> bool) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if change(&mut tasks) {
            self.metrics.set_queued(kind, tasks.iter().filter(|task| task.kind() == kind).count());
        }
    }
}

/// Where they come out.
pub(crate) type Requests = mpsc::UnboundedReceiver<ScheduleRequest<Task>>;

/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));

impl Queue {
    /// An empty queue.
    pub(crate) fn new(metrics: Arc<Metrics>) -> (Self, Requests) {
        let (requests, receiver) = mpsc::unbounded();
        let waiting = Arc::new(Waiting { tasks: Mutex::default(), metrics });
        (Self { requests, failures: Arc::default(), waiting }, receiver)
    }

    /// To be looked at now.
    pub(crate) fn add(&self, task: Task) {
        self.waiting.change(task.kind(), |tasks| tasks.insert(task.clone()));
        self.add_after(task, Duration::ZERO);
    }

    fn begun(&self, task: &Task) {
        self.waiting.change(task.kind(), |tasks| tasks.remove(task));
    }

    /// To be looked at after a while, unless it is looked at earlier.
    pub(crate) fn add_after(&self, task: Task, pause: Duration) {
        // Nobody listens any more only when the program ends.
        let _ = self.requests.unbounded_send(ScheduleRequest { message: task, run_at: Instant::now() + pause });
    }

    /// To be looked at again after a failure, each time later.
    pub(crate) fn add_failed(&self, task: Task, told: Option<Duration>) {
        let pause = {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            let count = failures.entry(task.clone()).or_default();
            *count = count.saturating_add(1);
            PAUSES.0.saturating_mul(1 << (*count - 1).min(12)).min(PAUSES.1)
        };
        self.add_after(task, told.unwrap_or(pause));
    }

    /// It went well: the next failure is the first again.
    pub(crate) fn forget_failures(&self, task: &Task) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
    }
}

/// Works on the queue until told to stop, and then until what is under way is done.
pub(crate) async fn work<F, Fut>(queue: &Queue, requests: Requests, workers: usize, shutdown: &Shutdown, look: F)
where
    F: Fn(Task) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut scheduler = std::pin::pin!(scheduler(requests));
    let mut under_way = HashSet::new();
    let mut running = JoinSet::new();
    loop {
        let is_full = under_way.len() >= workers;
        tokio::select! {
            biased;
            () = shutdown.draining() => break,
            Some(done) = running.join_next(), if !running.is_empty() => finish(done, &mut under_way),
            Some(task) = async { scheduler.as_mut().hold_unless(|task| !is_full && !under_way.contains(task)).next().await } => {
                queue.begun(&task);
                under_way.insert(task.clone());
                let work = look(task.clone());
                running.spawn(async move { work.await; task });
            }
        }
    }
    while let Some(done) = running.join_next().await {
        finish(done, &mut under_way);
    }
}

fn finish(done: Result<Task, tokio::task::JoinError>, under_way: &mut HashSet<Task>) {
    match done {
        Ok(task) => drop(under_way.remove(&task)),
        // A panic has ended the program; in a test, which goes on after one, it must not go on with a task that is stuck.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
