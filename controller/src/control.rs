//! What is done while this replica holds the lease: follows our own kinds, and works on what changes.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Api, Client};
use release_edge::follow::{everything, follow};
use release_edge::kind::resource;
use release_edge::shutdown::Shutdown;
use release_shared::kinds::Kind;
use tokio::sync::watch;

use crate::args::Args;
use crate::events::Events;
use crate::live::LiveObjects;
use crate::metrics::{Metrics, Reconciled};
use crate::own::Own;
use crate::plane::Planes;
use crate::queue::{self, Queue, Task};
use crate::release::{Claims, Memories};
use crate::store::{Keep, KeepNamespaces, Store};
use crate::{binding, collect, release};

/// What the control loops begin with.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) args: Arc<Args>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: Shutdown,
}

/// What every look at a binding or a Release uses.
pub(crate) struct Control {
    pub(crate) args: Arc<Args>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) store: Arc<Store>,
    pub(crate) live: Arc<LiveObjects>,
    pub(crate) planes: Planes,
    pub(crate) own: Own,
    pub(crate) queue: Queue,
    pub(crate) events: Events,
    pub(crate) claims: Claims,
    pub(crate) memories: Memories,
    pub(crate) written: binding::Written,
}

/// The kinds that are followed; a DeploymentPipeline says nothing about what runs.
const FOLLOWED: [Kind; 6] =
    [Kind::Project, Kind::Environment, Kind::Component, Kind::ComponentRelease, Kind::ReleaseBinding, Kind::Release];

/// Works until it is told to stop.
///
/// # Errors
/// Where what is to be worked on cannot be seen.
pub(crate) async fn run(context: Context) -> anyhow::Result<()> {
    let Context { client, args, metrics, shutdown } = context;
    let (queue, requests) = Queue::new(Arc::clone(&metrics));
    let store = Arc::new(Store::new(queue.clone()));
    let live = Arc::new(LiveObjects::new(queue.clone()));
    tokio::select! {
        followed = follow_all(&client, &store) => followed.context("failed to follow our own kinds")?,
        () = shutdown.draining() => return Ok(()),
    }
    tracing::info!("everything has been seen once; the work begins");
    let control = Arc::new(Control {
        events: Events::new(client.clone(), &args.identity()?),
        planes: Planes::new(client.clone(), Arc::clone(&live), queue.clone(), Arc::clone(&metrics)),
        own: Own::new(client),
        args,
        metrics,
        store,
        live,
        claims: Claims::new(queue.clone()),
        queue,
        memories: Memories::default(),
        written: binding::Written::default(),
    });
    let workers = usize::from(control.args.workers);
    let look = |task: Task| {
        let control = Arc::clone(&control);
        async move { control.look(task).await }
    };
    let queue = control.queue.clone();
    queue::work(&queue, requests, workers, &shutdown, look).await;
    Ok(())
}

impl Control {
    /// Keeps the figures of Releases by health as they are.
    pub(crate) fn tell_healths(&self) {
        for (health, count) in self.store.count() {
            self.metrics.set_releases(health, count);
        }
    }

    async fn look(&self, task: Task) {
        let started = Instant::now();
        let result = match &task {
            Task::Binding(place) => binding::look(self, place).await,
            Task::Release(place) => release::look(self, place).await,
            Task::Collect(place) => collect::look(self, place).await,
        };
        let reconciled = if result.is_ok() { Reconciled::Done } else { Reconciled::Failed };
        self.metrics.reconciled(task.kind(), reconciled, started.elapsed());
        match result {
            Ok(()) => self.queue.forget_failures(&task),
            Err(later) => {
                let place = task.place();
                tracing::info!(
                    kind = task.kind().as_str(),
                    namespace = place.namespace,
                    name = place.name,
                    why = later.why,
                    "later"
                );
                self.queue.add_failed(task, later.wait);
            }
        }
    }
}

/// Begins to follow everything, and waits until all of it was seen once.
async fn follow_all(client: &Client, store: &Arc<Store>) -> Result<(), watch::error::RecvError> {
    let mut all = Vec::new();
    for kind in FOLLOWED {
        let (synced, seen) = watch::channel(false);
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(kind));
        let keep = Keep { store: Arc::clone(store), kind, synced };
        tokio::spawn(follow(api, everything(), kind.as_str(), keep));
        all.push(seen);
    }
    let (synced, seen) = watch::channel(false);
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
    let keep = KeepNamespaces { store: Arc::clone(store), synced };
    tokio::spawn(follow(api, watcher::Config::default(), "Namespace", keep));
    all.push(seen);
    for mut seen in all {
        seen.wait_for(|seen| *seen).await?;
    }
    Ok(())
}
