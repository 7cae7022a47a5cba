//! A Release: `plan → hold → watch → claim → inventory → apply → prune → observe → publish`. What decides is pure and stands in
//! `release_shared` or beside the step; here is the order.

mod apply;
mod claims;
mod decide;
mod delete;
mod observe;
mod plan;
mod publish;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use release_edge::follow::Place;
use release_shared::kinds::{Kind, ObjectRef};
use release_shared::names;
use release_shared::status::{self, Situation};

pub(crate) use claims::Claims;

use self::decide::Attempt;
use self::plan::Plan;
use crate::control::Control;
use crate::queue::Task;
use crate::request::{Later, Refusal};
use crate::store::Release;

/// What is remembered of a Release between two looks. Losing it costs a few requests and nothing else.
#[derive(Default)]
pub(crate) struct Memory {
    uid: String,
    /// By the id of the resource.
    attempts: HashMap<String, Attempt>,
    /// What is not wanted any more and could not be removed.
    left: Vec<apply::Left>,
    /// What was found to be right, by the id of the resource: the live object's resourceVersion, and the hash of what is wanted.
    right: HashMap<String, (u64, String)>,
    /// The revision in which each Job was last there or made, by the id of the resource.
    jobs: HashMap<String, Revision>,
    /// The plan of the same content.
    plan: Option<plan::Remembered>,
    /// When the status was written last.
    written: Option<Instant>,
}

/// Which revision a Release is: what it is rendered from, and its generation.
type Revision = (Option<String>, Option<i64>);

fn revision(release: &Release) -> Revision {
    (release.rendered_from.clone(), release.generation)
}

/// The memories of all Releases. One is taken out while its Release is looked at.
#[derive(Default)]
pub(crate) struct Memories(Mutex<HashMap<Place, Memory>>);

impl Memory {
    /// When something is to be tried again. What is due already waits for something else, such as the end of the object before it, and
    /// that is told: to look at it again at once would go on without end.
    fn next_try(&self) -> Option<Duration> {
        let pauses = self.attempts.values().filter_map(|attempt| attempt.retry_in().or_else(|| attempt.rests_for()));
        let left = self.left.iter().map(apply::Left::retry_in);
        pauses.chain(left).filter(|pause| !pause.is_zero()).min()
    }
}

impl Memories {
    /// That of a Release; and that of one before it that had its name, where nobody has looked since that went.
    fn take(&self, place: &Place, uid: &str) -> (Memory, Option<Memory>) {
        let new = || Memory { uid: uid.to_owned(), ..Memory::default() };
        match self.forget(place) {
            Some(memory) if memory.uid == uid => (memory, None),
            other => (new(), other),
        }
    }

    fn put(&self, place: &Place, memory: Memory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone(), memory);
    }

    fn forget(&self, place: &Place) -> Option<Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(place)
    }
}

/// Looks at a Release.
///
/// # Errors
/// The API server could not be reached, or somebody else was first: it is looked at again.
pub(crate) async fn look(control: &Control, place: &Place) -> Result<(), Later> {
    let Some(release) = control.store.release(place) else {
        leave(control, place, control.memories.forget(place));
        control.tell_healths();
        return Ok(());
    };
    let (mut memory, before) = control.memories.take(place, &release.uid);
    leave(control, place, before);
    let result = if release.deleting {
        delete::finalize(control, &release, &mut memory).await
    } else if is_bereft(control, &release) {
        // Its binding is gone: the garbage collector would come for it, and takes longer.
        let version = Some(release.resource_version.as_str());
        control.own.delete(Kind::Release, place, &release.uid, version).await.or_else(expected)
    } else {
        carry_out(control, &release, &mut memory).await
    };
    control.memories.put(place, memory);
    control.tell_healths();
    result
}

/// A Release that is gone claims and watches nothing any more.
fn leave(control: &Control, place: &Place, gone: Option<Memory>) {
    if let Some(memory) = gone {
        control.claims.leave(place, &memory.uid);
        control.planes.release_watches(&memory.uid, None);
    }
}

/// Whether a Release is rendered from a binding that is not there any more.
fn is_bereft(control: &Control, release: &Release) -> bool {
    let binding = control.store.binding(&release.place);
    release.binding_uid.as_ref().is_some_and(|uid| binding.is_none_or(|binding| binding.uid != *uid))
}

async fn carry_out(control: &Control, release: &Arc<Release>, memory: &mut Memory) -> Result<(), Later> {
    let release = &hold(control, release).await?;
    let mut plan = plan::plan(control, release, memory).await?;
    plan.watch(release).await?;
    if !plan.unseen.is_empty() {
        // The cluster may serve something else by now.
        memory.plan = None;
    }
    control.planes.release_watches(&release.uid, Some(&plan.plane));
    // Who does not know where its objects go would claim them there.
    let plan = if plan.blocked.is_none() { claims::claim(control, release, plan) } else { plan };

    let inventory = inventory(&release.status.inventory, &plan);
    let release = &if plan.blocked.is_none() && inventory != release.status.inventory {
        let begun = status::begun(&release.status, inventory.clone(), release.generation, Timestamp::now());
        publish::write(control, release, begun, memory).await?
    } else {
        Arc::clone(release)
    };
    let mut unreachable = None;
    if plan.blocked.is_none() {
        unreachable = apply::apply(control, release, &plan, memory).await;
    }
    let pruned = if plan.blocked.is_none() && unreachable.is_none() && !plan.is_refused() && !memory.is_refused() {
        apply::prune(control, release, &plan, memory).await?
    } else {
        memory.left.clear();
        Vec::new()
    };
    if let Some(later) = unreachable {
        memory.plan = None;
        return Err(later);
    }
    let now = Timestamp::now();
    let observed = observe::observe(control, release, &plan, memory, now);
    let left: Vec<_> = memory.left.iter().map(ToString::to_string).collect();
    let situation = Situation {
        generation: release.generation,
        rendered_from: release.rendered_from.as_deref(),
        blocked: plan.blocked.as_ref(),
        objects: &observed.objects,
        inventory: release.status.inventory.iter().filter(|entry| !pruned.contains(entry)).cloned().collect(),
        drift: &observed.drift,
        left: &left,
        now,
    };
    let next = publish::with_record(status::next(&release.status, &situation), release, now);
    publish::publish(control, release, next, memory).await?;
    again(control, release, &observed, memory, now);
    Ok(())
}

/// Our finalizer first, before anything is made that it has to wait for.
async fn hold(control: &Control, release: &Arc<Release>) -> Result<Arc<Release>, Later> {
    if release.is_held() {
        return Ok(Arc::clone(release));
    }
    let finalizers: Vec<_> = release.finalizers.iter().cloned().chain([names::FINALIZER.to_owned()]).collect();
    let version = control.own.set_finalizers(&release.place, &release.resource_version, &finalizers).await;
    let held = Release { resource_version: version?, finalizers, ..Release::clone(release) };
    control.store.put_release(held.clone());
    Ok(Arc::new(held))
}

/// What may be live from now on: what was, and what is meant to be, under the version of its API that names it now.
fn inventory(before: &[ObjectRef], plan: &Plan) -> Vec<ObjectRef> {
    let mut all = before.to_vec();
    for (desired, _) in plan.known() {
        match all.iter_mut().find(|known| known.is_same_as(&desired.reference)) {
            Some(known) => known.version.clone_from(&desired.reference.version),
            None => all.push(desired.reference.clone()),
        }
    }
    all
}

/// When to look again although nothing changes: what is tolerated for a while, what was refused, and the intervals.
fn again(control: &Control, release: &Release, observed: &observe::Seen, memory: &Memory, now: Timestamp) {
    let task = || Task::Release(release.place.clone());
    if let Some(at) = observed.recheck_at {
        let pause = at.duration_since(now).unsigned_abs() + Duration::from_millis(50);
        control.queue.add_after(task(), pause);
    }
    if let Some(pause) = memory.next_try() {
        control.queue.add_after(task(), pause);
    }
    let interval = if observed.is_settled { release.interval } else { release.progressing_interval };
    let interval = Duration::from_nanos(interval.as_nanos().unsigned_abs());
    if !interval.is_zero() {
        control.queue.add_after(task(), jittered(interval, &release.uid, now));
    }
}

/// 0–20 % later, so that what was begun together does not come back together.
fn jittered(interval: Duration, uid: &str, now: Timestamp) -> Duration {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (uid, now.as_millisecond()).hash(&mut hasher);
    let fraction = u32::try_from(hasher.finish() % 200).unwrap_or_default();
    interval + interval / 1000 * fraction
}

/// Somebody else was first, or it is gone: the watch tells, and it is looked at again then.
fn expected(refusal: Refusal) -> Result<(), Later> {
    match refusal {
        Refusal::Changed | Refusal::NotFound => Ok(()),
        refusal => Err(refusal.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_and_was_not_sent_is_not_looked_at_again_at_once() {
        let refused = |since: Duration| Attempt {
            hash: String::new(),
            lost: Vec::new(),
            refused: Some("no".into()),
            drift: None,
            at: Instant::now().checked_sub(since).unwrap(),
            failures: 1,
            repeats: 0,
        };
        let next_try = |since| {
            let attempts = HashMap::from([("deployment".to_owned(), refused(since))]);
            Memory { attempts, ..Memory::default() }.next_try()
        };
        assert!(next_try(Duration::ZERO).is_some());
        assert_eq!(next_try(Duration::from_secs(2)), None);
    }

    #[test]
    fn who_had_the_name_before_is_handed_over_to_be_cleared_away() {
        let (memories, place) = (Memories::default(), Place { namespace: "acme".into(), name: "web-dev".into() });
        let uids = |uid: &str| {
            let (memory, before) = memories.take(&place, uid);
            let found = (memory.uid.clone(), before.map(|before| before.uid));
            memories.put(&place, memory);
            found
        };
        assert_eq!(uids("one"), ("one".to_owned(), None));
        assert_eq!(uids("one"), ("one".to_owned(), None));
        assert_eq!(uids("two"), ("two".to_owned(), Some("one".to_owned())));
    }
}
