//! Pods, ReplicaSets and warnings, joined to live objects by ownerReferences.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};

use release_shared::health::{EventView, PodView};
use release_shared::object::{annotation, controlling_owner, text};
use serde_json::Value;

use super::{EVENTS, Inner, Live, LiveObjects, ReplicaSet};
use crate::queue::Task;

/// What the Deployment controller counts its rollouts with, on Deployments and their ReplicaSets.
const ROLLOUT: &str = "deployment.kubernetes.io/revision";

impl LiveObjects {
    /// A watch sees a pod that is there, or has changed.
    pub(crate) fn put_pod(&self, watch: u64, pod: PodView) {
        self.write(|inner| {
            insert(&mut inner.around_seen_by, &pod.uid, watch);
            let owner = pod.owner.as_ref().map(|owner| owner.uid.clone());
            let uid = pod.uid.clone();
            if inner.pods.get(&uid) == Some(&pod) {
                return;
            }
            // A pod that somebody relabelled, to look into it, speaks for its workload no more.
            if let Some(before) = inner.pods.insert(uid.clone(), pod).and_then(|before| before.owner)
                && owner.as_ref() != Some(&before.uid)
            {
                take(&mut inner.pods_by_owner, &before.uid, &uid);
                self.tell(inner, &before.uid);
            }
            if let Some(owner) = owner {
                insert(&mut inner.pods_by_owner, &owner, uid);
                self.tell(inner, &owner);
            }
        });
    }

    /// A pod is gone.
    pub(crate) fn remove_pod(&self, uid: &str) {
        self.write(|inner| self.drop_pod(inner, uid));
    }

    /// A watch that saw a pod has ended.
    pub(crate) fn forget_pod(&self, watch: u64, uid: &str) {
        self.write(|inner| {
            if inner.was_the_last(watch, uid) {
                self.drop_pod(inner, uid);
            }
        });
    }

    fn drop_pod(&self, inner: &mut Inner, uid: &str) {
        inner.around_seen_by.remove(uid);
        inner.events.remove(uid);
        if let Some(owner) = inner.pods.remove(uid).and_then(|pod| pod.owner) {
            take(&mut inner.pods_by_owner, &owner.uid, uid);
            self.tell(inner, &owner.uid);
        }
    }

    /// A watch sees a ReplicaSet that is there, or has changed.
    pub(crate) fn put_replica_set(&self, watch: u64, object: &Value) {
        let owner = controlling_owner(object).and_then(|owner| text(owner, "/uid"));
        let (Some(uid), Some(owner)) = (text(object, "/metadata/uid"), owner) else { return };
        let set = ReplicaSet {
            name: text(object, "/metadata/name").unwrap_or_default().to_owned(),
            owner: owner.to_owned(),
            revision: annotation(object, ROLLOUT).map(str::to_owned),
        };
        self.write(|inner| {
            insert(&mut inner.around_seen_by, uid, watch);
            if inner.replica_sets.get(uid) == Some(&set) {
                return;
            }
            insert(&mut inner.sets_by_owner, owner, uid.to_owned());
            inner.replica_sets.insert(uid.to_owned(), set);
            self.tell(inner, owner);
        });
    }

    /// A ReplicaSet is gone.
    pub(crate) fn remove_replica_set(&self, uid: &str) {
        self.write(|inner| inner.drop_replica_set(uid));
    }

    /// A watch that saw a ReplicaSet has ended.
    pub(crate) fn forget_replica_set(&self, watch: u64, uid: &str) {
        self.write(|inner| {
            if inner.was_the_last(watch, uid) {
                inner.drop_replica_set(uid);
            }
        });
    }

    /// A watch sees a warning that was given. `uid` is the event's own.
    pub(crate) fn put_event(&self, watch: u64, uid: &str, event: EventView) {
        self.write(|inner| {
            insert(&mut inner.around_seen_by, uid, watch);
            let about = event.uid.clone();
            let events = inner.events.entry(about.clone()).or_default();
            events.retain(|(known, view)| known != uid && view.reason != event.reason);
            events.push((uid.to_owned(), event));
            if events.len() > EVENTS {
                events.remove(0);
            }
            self.tell_about(inner, &about);
        });
    }

    /// An event has expired. What it was about may be gone for long, or was never ours.
    pub(crate) fn remove_event(&self, about: &str, uid: &str) {
        self.write(|inner| {
            inner.drop_event(about, uid);
            self.tell_about(inner, about);
        });
    }

    /// A watch that saw an event has ended.
    pub(crate) fn forget_event(&self, watch: u64, about: &str, uid: &str) {
        self.write(|inner| {
            if inner.was_the_last(watch, uid) {
                inner.drop_event(about, uid);
            }
        });
    }

    fn tell_about(&self, inner: &Inner, about: &str) {
        let owner = inner.pods.get(about).and_then(|pod| pod.owner.as_ref()).map(|owner| owner.uid.as_str());
        self.tell(inner, owner.unwrap_or(about));
    }

    /// The Release of what a pod or a ReplicaSet belongs to is to be looked at.
    fn tell(&self, inner: &Inner, owner: &str) {
        let workload = inner.replica_sets.get(owner).map_or(owner, |set| &set.owner);
        if let Some(release) = inner.releases.get(workload).or_else(|| inner.releases.get(owner)) {
            self.queue.add(Task::Release(release.clone()));
        }
    }
}

impl Inner {
    /// Whether this was the last of the watches that saw something.
    fn was_the_last(&mut self, watch: u64, uid: &str) -> bool {
        take(&mut self.around_seen_by, uid, &watch);
        !self.around_seen_by.contains_key(uid)
    }

    fn drop_replica_set(&mut self, uid: &str) {
        self.around_seen_by.remove(uid);
        self.events.remove(uid);
        if let Some(set) = self.replica_sets.remove(uid) {
            take(&mut self.sets_by_owner, &set.owner, uid);
        }
    }

    fn drop_event(&mut self, about: &str, uid: &str) {
        self.around_seen_by.remove(uid);
        if let Some(events) = self.events.get_mut(about) {
            events.retain(|(known, _)| known != uid);
            if events.is_empty() {
                self.events.remove(about);
            }
        }
    }

    /// The pods that speak for an object as it is meant to be: those of the rollout that is under way, not of the one before.
    pub(super) fn pods_of(&self, live: &Live) -> Vec<&PodView> {
        let owned = |owner: &str| -> Vec<&PodView> {
            let uids = self.pods_by_owner.get(owner).into_iter().flatten();
            uids.filter_map(|uid| self.pods.get(uid)).collect()
        };
        match text(&live.object, "/kind") {
            Some("Deployment") => {
                let rollout = annotation(&live.object, ROLLOUT);
                let sets = self.sets_of(live).filter(|(_, set)| set.revision.as_deref() == rollout);
                sets.flat_map(|(uid, _)| owned(uid)).collect()
            }
            Some("Pod") => self.pods.get(&live.uid).into_iter().collect(),
            Some("StatefulSet" | "DaemonSet") => {
                let pods = owned(&live.uid);
                let wanted = text(&live.object, "/status/updateRevision");
                let new = |pod: &&PodView| {
                    pod.template_hash.as_deref().is_some_and(|hash| wanted.is_some_and(|wanted| wanted.ends_with(hash)))
                };
                let current: Vec<_> = pods.iter().copied().filter(new).collect();
                if current.is_empty() { pods } else { current }
            }
            _ => owned(&live.uid),
        }
    }

    fn sets_of<'a>(&'a self, live: &Live) -> impl Iterator<Item = (&'a str, &'a ReplicaSet)> + use<'a> {
        let uids = self.sets_by_owner.get(&live.uid).into_iter().flatten();
        uids.filter_map(|uid| Some((uid.as_str(), self.replica_sets.get(uid)?)))
    }

    /// The warnings about an object, what stands between it and its pods, and these pods.
    pub(super) fn events_of(&self, live: &Live, pods: &[&PodView]) -> Vec<&EventView> {
        let rollout = annotation(&live.object, ROLLOUT);
        let sets = self.sets_of(live).filter(|(_, set)| set.revision.as_deref() == rollout).map(|(uid, _)| uid);
        let about = [live.uid.as_str()].into_iter().chain(sets).chain(pods.iter().map(|pod| pod.uid.as_str()));
        about.filter_map(|uid| self.events.get(uid)).flatten().map(|(_, event)| event).collect()
    }
}

fn insert<T: Ord>(index: &mut HashMap<String, BTreeSet<T>>, key: &str, value: T) {
    index.entry(key.to_owned()).or_default().insert(value);
}

fn take<T: Ord + Borrow<Q>, Q: Ord + ?Sized>(index: &mut HashMap<String, BTreeSet<T>>, key: &str, value: &Q) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}
