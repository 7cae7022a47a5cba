//! Whose an object is: the first Release that wants it has it, for as long as it lives.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use release_edge::follow::Place;

use super::plan::Plan;
use crate::control::Control;
use crate::live::Identity;
use crate::queue::{Queue, Task};
use crate::store::Release;

/// Who claims what. What is live already says so itself by its labels; this is for what is about to be.
pub(crate) struct Claims {
    inner: Mutex<Inner>,
    queue: Queue,
}

#[derive(Default)]
struct Inner {
    claims: HashMap<Identity, Claim>,
    /// Who has to be told when a Release gives up an object.
    waiting: HashMap<Place, HashSet<(Identity, Place)>>,
}

#[derive(Debug, Clone)]
struct Claim {
    uid: String,
    release: Place,
}

impl Claims {
    /// Nobody claims anything.
    pub(crate) fn new(queue: Queue) -> Self {
        Self { inner: Mutex::default(), queue }
    }

    /// Claims an object; who has it where that is somebody else.
    fn claim(&self, identity: &Identity, release: &Release, is_there: impl Fn(&Claim) -> bool) -> Result<(), Place> {
        let claims = &mut self.inner().claims;
        match claims.get(identity) {
            Some(claim) if claim.uid != release.uid && is_there(claim) => Err(claim.release.clone()),
            _ => {
                claims.insert(identity.clone(), Claim { uid: release.uid.clone(), release: release.place.clone() });
                Ok(())
            }
        }
    }

    /// A Release is looked at again when `holder` has given up what it wants.
    fn wait(&self, identity: Identity, holder: &Place, release: &Release) {
        self.inner().waiting.entry(holder.clone()).or_default().insert((identity, release.place.clone()));
    }

    /// A Release wants this no longer.
    pub(super) fn give_up(&self, identity: &Identity, release: &Release) {
        let inner = &mut *self.inner();
        if inner.claims.get(identity).is_some_and(|claim| claim.uid == release.uid) {
            inner.claims.remove(identity);
        }
        if let Some(waiting) = inner.waiting.get_mut(&release.place) {
            let told = waiting.extract_if(|(wanted, _)| wanted == identity);
            told.for_each(|(_, waits)| self.queue.add(Task::Release(waits)));
        }
    }

    /// A Release is gone.
    pub(crate) fn leave(&self, place: &Place, uid: &str) {
        let inner = &mut *self.inner();
        inner.claims.retain(|_, claim| claim.uid != uid);
        let told = inner.waiting.remove(place).into_iter().flatten();
        told.for_each(|(_, waits)| self.queue.add(Task::Release(waits)));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Claims every object of a plan; those that belong to another Release are refused.
pub(super) fn claim(control: &Control, release: &Release, mut plan: Plan) -> Plan {
    plan.refuse(|desired, _| {
        let identity = Identity::from(&desired.reference);
        let live = control.live.get(&identity).filter(|live| live.release_uid != release.uid);
        let by_label = live.filter(|live| control.store.has_release(&live.release, &live.release_uid));
        let holder = by_label.map(|live| live.release.clone()).or_else(|| {
            let is_there = |claim: &Claim| control.store.has_release(&claim.release, &claim.uid);
            control.claims.claim(&identity, release, is_there).err()
        })?;
        control.claims.wait(identity, &holder, release);
        Some(format!(
            "it belongs to Release {}/{}: give it another name, or take it out of that release",
            holder.namespace, holder.name
        ))
    });
    plan
}
