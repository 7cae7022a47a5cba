//! Tells in the namespace of a deletion that no record speaks of: an Event, after the answer was given and when the object is gone.
//! The object's history went with it; the Event, the log and the audit log say who it was.
//!
//! Whoever reaches the port may send reviews, so none is believed. Before the answer it is looked whether the object is there, under that
//! UID and without a record of its end; after it, whether it is gone. Nothing but the user's name in an Event is a caller's word.

mod write;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use release_edge::kind::resource;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::annotation;
use release_shared::validate::is_unrecorded_deletion;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::lookups::Lookups;

/// How many deletions may wait to be told of. Beyond that the one that has waited longest gives way: what is really deleted is gone at the
/// first look, mostly.
const WAITING: usize = 256;
/// How many requests there may be at once after the answers. No review waits for these, and they take no place of those for which one does.
const AT_ONCE: usize = 8;
/// How long each of them may take.
const LIMIT: Duration = Duration::from_secs(10);
/// When it is looked whether the object is really gone: somebody else may have refused its deletion.
const LOOKS: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(2), Duration::from_secs(8)];
/// How many are named who are said to have deleted the same object.
const MOST_NAMED: usize = 3;

/// An object that is deleted with its history and without a record of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unrecorded {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// The last that its history told of.
    pub(crate) revision: String,
    /// Who deletes it.
    pub(crate) user: String,
}

/// Where deletions are handed over. Nobody waits until they are told of.
#[derive(Clone)]
pub(crate) struct Events {
    queue: mpsc::Sender<Unrecorded>,
    objects: Arc<Objects>,
    dropped: Arc<AtomicU64>,
}

impl Events {
    /// Begins to tell. The task ends when the last handle is gone and all is told.
    pub(crate) fn start(client: Client, instance: String) -> (Self, JoinHandle<()>) {
        let (queue, deletions) = mpsc::channel(WAITING);
        let objects = Arc::new(Objects { client, requests: Semaphore::new(AT_ONCE) });
        let events = Self { queue, objects, dropped: Arc::default() };
        let waiting = Waiting {
            objects: events.objects.clone(),
            instance,
            dropped: events.dropped.clone(),
            all: VecDeque::new(),
        };
        (events, tokio::spawn(waiting.tell(deletions)))
    }

    /// Looks at the object of a deletion that is about to be let through, until this moment at most, and hands over what was seen of it,
    /// if it is as the review has it.
    pub(crate) async fn witness(&self, lookups: &Lookups, said: &Unrecorded, until: Instant) {
        let look = lookups.ask(self.objects.get(said));
        match lookups.find("whether the object of a deletion is there", until.into(), look).await {
            Some(there) => {
                if let Some(deletion) = there.and_then(|there| seen(said, &there)) {
                    self.hand_over(deletion);
                }
            }
            None => self.untold(said, "the API server did not say whether the object is there"),
        }
    }

    fn hand_over(&self, deletion: Unrecorded) {
        if let Err(error) = self.queue.try_send(deletion) {
            let (mpsc::error::TrySendError::Full(lost) | mpsc::error::TrySendError::Closed(lost)) = error;
            self.untold(&lost, "too many are waiting");
        }
    }

    fn untold(&self, lost: &Unrecorded, why: &str) {
        untold(&self.dropped, lost, why);
    }
}

fn untold(dropped: &AtomicU64, lost: &Unrecorded, why: &str) {
    let dropped = dropped.fetch_add(1, Ordering::Relaxed) + 1;
    let Unrecorded { kind, namespace, name, user, .. } = lost;
    tracing::warn!(kind = kind.as_str(), namespace, name, user, why, dropped, "no Event is written of a deletion");
}

/// What is told of a deletion by what is there: nothing where that is another object, one that is ending already, or one whose history
/// says that it goes.
fn seen(said: &Unrecorded, there: &PartialObjectMeta<DynamicObject>) -> Option<Unrecorded> {
    let object = serde_json::to_value(there).ok()?;
    let is_it = there.metadata.uid.as_deref() == Some(&said.uid) && is_unrecorded_deletion(said.kind, &object);
    let revision = || annotation(&object, names::REVISION).unwrap_or("0").to_owned();
    is_it.then(|| Unrecorded { revision: revision(), ..said.clone() })
}

/// The API server, asked for a few things at once.
struct Objects {
    client: Client,
    requests: Semaphore,
}

impl Objects {
    /// Asks in turn, after the answer.
    async fn ask<T>(&self, question: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
        let _turn = self.requests.acquire().await;
        tokio::time::timeout(LIMIT, question).await.unwrap_or_else(|late| Err(kube::Error::Service(late.into())))
    }

    /// What there is of the object's name.
    async fn get(&self, deletion: &Unrecorded) -> kube::Result<Option<PartialObjectMeta<DynamicObject>>> {
        let Unrecorded { kind, namespace, name, .. } = deletion;
        let objects = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &resource(*kind));
        objects.get_metadata_opt(name).await
    }

    /// Whether the object is gone, or only something of its own holds it.
    async fn is_gone(&self, deletion: &Unrecorded) -> kube::Result<bool> {
        Ok(self.ask(self.get(deletion)).await?.is_none_or(|there| {
            there.metadata.uid.as_deref() != Some(&deletion.uid) || there.metadata.deletion_timestamp.is_some()
        }))
    }
}

/// Who is said to have deleted an object: one, mostly. Without authentication of callers anybody may be named.
type Users = Arc<Mutex<Vec<String>>>;

/// The deletions that are to be told of, the oldest first.
struct Waiting {
    objects: Arc<Objects>,
    instance: String,
    dropped: Arc<AtomicU64>,
    all: VecDeque<Pending>,
}

/// A deletion that waits until its object is gone.
struct Pending {
    deletion: Unrecorded,
    users: Users,
    task: AbortHandle,
}

impl Waiting {
    async fn tell(mut self, mut deletions: mpsc::Receiver<Unrecorded>) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                deletion = deletions.recv() => match deletion {
                    Some(deletion) => self.add(deletion, &mut tasks),
                    None => break,
                },
                Some(_) = tasks.join_next() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// An object has one place, however often its deletion is told of.
    fn add(&mut self, deletion: Unrecorded, tasks: &mut JoinSet<()>) {
        self.all.retain(|pending| !pending.task.is_finished());
        if let Some(known) = self.all.iter().find(|pending| pending.deletion.uid == deletion.uid) {
            let mut users = known.users.lock().unwrap_or_else(PoisonError::into_inner);
            // One more than are named says that there are more.
            if users.len() <= MOST_NAMED && !users.contains(&deletion.user) {
                users.push(deletion.user);
            }
            return;
        }
        if self.all.len() >= WAITING
            && let Some(oldest) = self.all.pop_front()
        {
            oldest.task.abort();
            untold(&self.dropped, &oldest.deletion, "too many are waiting");
        }
        let users = Users::new(Mutex::new(vec![deletion.user.clone()]));
        let told = tell(self.objects.clone(), self.instance.clone(), deletion.clone(), users.clone());
        self.all.push_back(Pending { deletion, users, task: tasks.spawn(told) });
    }
}

async fn tell(objects: Arc<Objects>, instance: String, deletion: Unrecorded, users: Users) {
    for pause in LOOKS {
        tokio::time::sleep(pause).await;
        match objects.is_gone(&deletion).await {
            Ok(true) => {
                let users = users.lock().unwrap_or_else(PoisonError::into_inner).clone();
                return write::write(&objects, &instance, &deletion, &users).await;
            }
            Ok(false) => {}
            Err(error) => tracing::debug!(error = %error, "it could not be looked whether an object is gone"),
        }
    }
    tracing::debug!(name = deletion.name, "an object is still there: no Event is written");
}

#[cfg(test)]
mod tests;
