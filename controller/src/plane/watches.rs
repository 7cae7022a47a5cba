//! What is watched: one kind in one namespace, for as long as a Release needs it.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DynamicObject;
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource};
use release_edge::follow::{Follower, follow};
use release_shared::health::needs_object;
use release_shared::names;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Plane;
use super::followers::{Metadata, Objects, Pods, Progress, ReplicaSets, State, Tell, Warnings};
use crate::queue::Task;
use crate::request::Later;

/// What is watched in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// The objects of a kind that we applied.
    Objects(ApiResource),
    /// All pods.
    Pods,
    /// All ReplicaSets: they stand between Deployments and pods.
    ReplicaSets,
    /// All warnings.
    Warnings,
}

/// One kind in one namespace; none = the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Watched {
    /// What is watched.
    pub(crate) subject: Subject,
    /// Where.
    pub(crate) namespace: Option<String>,
}

impl std::fmt::Display for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match &self.subject {
            Subject::Objects(resource) => resource.plural.as_str(),
            Subject::Pods => "pods",
            Subject::ReplicaSets => "replicasets",
            Subject::Warnings => "events",
        };
        match &self.namespace {
            Some(namespace) => write!(f, "{what} in namespace {namespace}"),
            None => f.write_str(what),
        }
    }
}

struct Running {
    task: AbortHandle,
    state: watch::Receiver<State>,
    users: HashSet<String>,
}

/// How long a Release waits for its watches before it says what they wait for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Watches {
    client: Client,
    tell: Tell,
    running: Mutex<HashMap<Watched, Running>>,
}

impl Watches {
    pub(super) fn new(client: Client, tell: Tell) -> Self {
        Self { client, tell, running: Mutex::default() }
    }

    /// Watches all of these for `user`, and nothing else for it.
    fn keep(&self, user: &str, task: &Task, wanted: &[Watched]) -> Vec<(Watched, watch::Receiver<State>)> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|watched, entry| {
            if !wanted.contains(watched) {
                entry.users.remove(user);
            }
            let needed = !entry.users.is_empty();
            if !needed {
                entry.task.abort();
            }
            needed || wanted.contains(watched)
        });
        let mut states = Vec::with_capacity(wanted.len());
        for watched in wanted {
            let entry = running.entry(watched.clone()).or_insert_with(|| self.start(watched, task));
            entry.users.insert(user.to_owned());
            states.push((watched.clone(), entry.state.clone()));
        }
        states
    }

    /// `user` needs nothing any more.
    pub(super) fn leave(&self, user: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, entry| {
            entry.users.remove(user);
            if entry.users.is_empty() {
                entry.task.abort();
            }
            !entry.users.is_empty()
        });
    }

    fn start(&self, watched: &Watched, task: &Task) -> Running {
        let (state, receiver) = watch::channel(State::Starting);
        let (client, namespace, kind) = (self.client.clone(), watched.namespace.as_deref(), watched.to_string());
        let progress = Progress::new(&self.tell, watched, task, state);
        let all = Config::default();
        let task = match watched.subject.clone() {
            Subject::Objects(resource) => {
                let ours = all.labels(&format!("{}={}", names::MANAGED_BY_LABEL, names::CONTROLLER_MANAGER));
                let follower = Objects::new(progress, resource.clone());
                if needs_object(&resource.group, &resource.kind) {
                    run(api::<DynamicObject>(client, namespace, &resource), ours, kind, follower)
                } else {
                    run(api::<Metadata>(client, namespace, &resource), ours, kind, follower)
                }
            }
            Subject::Pods => {
                let resource = ApiResource::erase::<Pod>(&());
                run(api::<DynamicObject>(client, namespace, &resource), all, kind, Pods::new(progress))
            }
            Subject::ReplicaSets => {
                let resource = ApiResource::erase::<ReplicaSet>(&());
                run(api::<Metadata>(client, namespace, &resource), all, kind, ReplicaSets::new(progress))
            }
            Subject::Warnings => {
                let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Event>(&());
                let warnings = all.fields("type=Warning");
                run(api::<DynamicObject>(client, namespace, &resource), warnings, kind, Warnings::new(progress))
            }
        };
        Running { task, state: receiver, users: HashSet::new() }
    }
}

fn run<K>(api: Api<K>, selection: Config, kind: String, follower: impl Follower<K> + 'static) -> AbortHandle
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    tokio::spawn(async move { follow(api, selection, &kind, follower).await }).abort_handle()
}

impl Plane {
    /// Watches all of these for `user`, and waits until each has seen what is there; those that the API server refuses, each with why.
    /// `task` is looked at when that changes later.
    ///
    /// # Errors
    /// The API server does not answer, which says nothing about what is there.
    pub(crate) async fn watch(
        &self,
        user: &str,
        task: &Task,
        wanted: &[Watched],
    ) -> Result<HashMap<Watched, String>, Later> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut unseen = HashMap::new();
        for (watched, mut state) in self.watches.keep(user, task, wanted) {
            let settled = tokio::time::timeout_at(deadline, state.wait_for(|state| *state != State::Starting)).await;
            let settled = settled.map(|state| state.map(|state| state.clone()));
            match settled {
                Ok(Ok(State::Synced)) => {}
                Ok(Ok(State::Failed(why))) => drop(unseen.insert(watched, why)),
                Ok(Ok(State::Starting) | Err(_)) | Err(_) => {
                    return Err(Later { why: format!("{watched} cannot be watched yet"), wait: None });
                }
            }
        }
        Ok(unseen)
    }
}

fn api<K>(client: Client, namespace: Option<&str>, resource: &ApiResource) -> Api<K>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}
