//! What the pods of a workload say of it.

use jiff::Timestamp;

use crate::kinds::Health;

use super::Around;
use super::assessment::{Assessment, DEADLINE, MINUTE, after, earlier};
use super::pod_view::{Phase, PodView};
use super::trouble::{Patience, Trouble};

/// How far the rollout of a workload is: what its pods may still be forgiven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// On its way, and the workload's own controller watches the clock.
    Watched,
    /// That controller has lost patience.
    Overdue,
    /// On its way, and nobody else watches the clock.
    Unwatched,
    /// It was complete; at that time, if known. A pod that was ready then has nothing to wait for any more.
    Settled(Option<Timestamp>),
}

/// What the pods say.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) assessment: Assessment,
    /// Whether the cause says more than the number of ready replicas does.
    pub(super) says_why: bool,
}

/// How bad a trouble is at a stage, and when it gets worse.
pub(super) fn severity(trouble: &Trouble, pod: &PodView, stage: Stage, now: Timestamp) -> (Health, Option<Timestamp>) {
    let was_well = pod.was_ready
        || matches!(stage, Stage::Settled(Some(at)) if pod.created_at.is_some_and(|created| created < at));
    let is_at_once = match trouble.patience {
        Patience::None => true,
        Patience::Endless => false,
        Patience::Deadline | Patience::Minute => {
            stage == Stage::Overdue || matches!(stage, Stage::Settled(_)) && was_well
        }
    };
    let end = match trouble.patience {
        Patience::Minute => Some(trouble.since.map_or(now, |since| after(since, MINUTE))),
        Patience::Deadline if stage != Stage::Watched => trouble.since.map(|since| after(since, DEADLINE)),
        Patience::Deadline | Patience::Endless | Patience::None => None,
    };
    match end {
        _ if is_at_once => (Health::Degraded, trouble.ends_at),
        Some(end) if end <= now => (Health::Degraded, trouble.ends_at),
        end => (Health::Progressing, earlier(end, trouble.ends_at)),
    }
}

/// The pods that count.
fn living<'a>(around: &Around<'a>) -> impl Iterator<Item = &'a PodView> {
    around.pods.iter().copied().filter(|pod| !pod.is_deleting && !pod.is_finished())
}

/// Pods that fail alike.
struct Group<'a> {
    first: &'a PodView,
    count: usize,
    trouble: Trouble,
    health: Health,
}

/// What the pods of a workload say; nothing if all of them are well.
pub(super) fn listen(around: &Around<'_>, stage: Stage) -> Option<Said> {
    let mut pods: Vec<_> = living(around).collect();
    pods.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut recheck_at = None;
    for &pod in &pods {
        let Some(trouble) = Trouble::of(pod, around.events, around.now) else { continue };
        let (health, turns_at) = severity(&trouble, pod, stage, around.now);
        recheck_at = earlier(recheck_at, turns_at);
        let alike = |group: &&mut Group<'_>| group.health == health && group.trouble.what.is_like(&trouble.what);
        match groups.iter_mut().find(alike) {
            None => groups.push(Group { first: pod, count: 1, trouble, health }),
            Some(group) => {
                group.count += 1;
                if trouble.what.weight() > group.trouble.what.weight() {
                    group.trouble = trouble;
                }
            }
        }
    }
    // The first of those that are as bad, so that the words do not jump.
    let rank = |group: &Group<'_>| (group.health, group.trouble.what.says_why(), group.count);
    let worst = groups.iter().reduce(|one, other| if rank(other) > rank(one) { other } else { one })?;
    let is_over = worst.health == Health::Degraded;
    let words = worst.trouble.what.of_pods(&worst.first.name, worst.count, pods.len(), is_over);
    let assessment = Assessment::new(worst.health, &words).recheck(recheck_at);
    Some(Said { assessment, says_why: worst.trouble.what.says_why() })
}

/// Whether every pod is ready or was so once: a rollout that was never complete has one that was not. For workloads whose status does
/// not say.
pub(super) fn were_all_ready(around: &Around<'_>) -> bool {
    living(around).all(|pod| pod.is_ready || pod.was_ready)
}

/// The worse of what a workload's own status and its pods say. Of two that are as bad the pods know why.
pub(super) fn combine(own: Assessment, around: &Around<'_>, stage: Stage) -> Assessment {
    let Some(Said { assessment: pods, says_why }) = listen(around, stage) else {
        return with_failed(own, around, stage);
    };
    let recheck_at = earlier(own.recheck_at, pods.recheck_at);
    if pods.health > own.health || pods.health == own.health && says_why {
        Assessment { recheck_at, ..pods }
    } else {
        with_failed(Assessment { recheck_at, ..own }, around, stage)
    }
}

/// Adds how the last pod failed for good, where something is missing and no pod that lives says why. A failed pod stays where it is
/// for long and is not held against its successors: it says nothing once one of them is ready, and after a complete rollout it counts
/// until there is one.
fn with_failed(own: Assessment, around: &Around<'_>, stage: Stage) -> Assessment {
    let Some((failed, words)) = last_failed(around).filter(|_| own.health > Health::Suspended) else { return own };
    let successors = || living(around).filter(|pod| pod.created_at > failed.created_at);
    if successors().any(|pod| pod.is_ready) {
        return own;
    }
    let is_alone = matches!(stage, Stage::Settled(_)) && successors().next().is_none();
    let health = if is_alone { Health::Degraded } else { own.health };
    let cause = own.cause.unwrap_or_default();
    Assessment::new(health, &format!("{cause}; pod {} {words}", failed.name)).recheck(own.recheck_at)
}

/// The pod that failed last, and how.
pub(super) fn last_failed<'a>(around: &Around<'a>) -> Option<(&'a PodView, String)> {
    let failed = around.pods.iter().copied().filter(|pod| pod.phase == Phase::Failed && !pod.is_deleting);
    let last = failed.max_by(|one, other| (one.created_at, &one.name).cmp(&(other.created_at, &other.name)))?;
    Some((last, failure(last)))
}

/// How a pod failed for good: `failed: container app exited with code 1`, `was evicted: The node was low on resource: memory.`
pub(super) fn failure(pod: &PodView) -> String {
    let exit = pod.containers.iter().find_map(|container| Some((container, container.exit.as_ref()?)));
    match (&pod.failure, exit) {
        (Some(words), _) if words.starts_with("evicted") => format!("was {words}"),
        (Some(words), _) => format!("failed: {words}"),
        (None, Some((container, exit))) => match &exit.not_started {
            Some(said) => format!("failed: {} could not be started: {said}", container.label()),
            None => format!("failed: {} exited with {}", container.label(), exit.code_words()),
        },
        (None, None) => "failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::tests::{
        CRASHING, EVICTED, NO_IMAGE, NOT_READY_ANY_MORE, NOT_READY_YET, READY, STARTING, now, read, words,
    };

    fn pods(documents: &[String]) -> Vec<PodView> {
        read(&documents.join("\n---\n")).iter().filter_map(PodView::read).collect()
    }

    fn said(documents: &[String], stage: Stage) -> Option<(String, bool)> {
        let pods = pods(documents);
        let pods: Vec<_> = pods.iter().collect();
        let said = listen(&Around { pods: &pods, events: &[], now: now() }, stage)?;
        Some((words(&said.assessment), said.says_why))
    }

    /// The same pod under another name, and what `change` makes of it.
    fn another(pod: &str, name: &str, change: (&str, &str)) -> String {
        let start = pod.find("name: web-").unwrap();
        format!("{}name: {name}{}", &pod[..start], &pod[start + "name: web-1".len()..]).replace(change.0, change.1)
    }

    #[test]
    fn pods_that_fail_alike_are_said_once() {
        let image = ("p4", "p");
        let cases: [(&[String], &str); 9] = [
            (&[NO_IMAGE.to_owned()], "Degraded: image shop:2 cannot be pulled: not found"),
            (&[NO_IMAGE.to_owned(), READY.to_owned()], "Degraded: pod web-4: image shop:2 cannot be pulled: not found"),
            (
                &[
                    NO_IMAGE.to_owned(),
                    another(NO_IMAGE, "b", ("message: 'not found'", "x: y")),
                    another(NO_IMAGE, "a", ("message: 'not found'", "x: y")),
                ],
                "Degraded: 3 pods: image shop:2 cannot be pulled: not found",
            ),
            (
                &[
                    NO_IMAGE.to_owned(),
                    another(NO_IMAGE, "z", ("shop:2", "shop:3")),
                    another(NO_IMAGE, "x", ("shop:2", "shop:3")),
                ],
                "Degraded: 2 pods: image shop:3 cannot be pulled: not found",
            ),
            (
                &[NO_IMAGE.to_owned(), another(NO_IMAGE, "a", ("shop:2", "shop:3"))],
                "Degraded: pod a: image shop:3 cannot be pulled: not found",
            ),
            (
                &[CRASHING.to_owned(), another(CRASHING, "a", ("restartCount: 2", "restartCount: 1"))],
                "Progressing: 2 pods: container app exits with code 1, restarted 2 times @20",
            ),
            (
                &[CRASHING.to_owned(), NO_IMAGE.to_owned()],
                "Degraded: pod web-4: image shop:2 cannot be pulled: not found @20",
            ),
            (&[STARTING.to_owned(), another(STARTING, "a", image)], "Progressing: 2 pods are starting @580"),
            (
                &[NOT_READY_YET.to_owned(), another(NOT_READY_YET, "a", image), READY.to_owned()],
                "Progressing: 2 pods are not ready @580",
            ),
        ];
        for (documents, expected) in cases {
            assert_eq!(
                said(documents, Stage::Unwatched).map(|said| said.0).as_deref(),
                Some(expected),
                "{documents:?}"
            );
            let mut reversed = documents.to_vec();
            reversed.reverse();
            assert_eq!(said(&reversed, Stage::Unwatched), said(documents, Stage::Unwatched), "order does not matter");
        }
    }

    const NO_CONFIG: &str = "{kind: Pod, metadata: {name: web-1, creationTimestamp: T-20}, status: {phase: Pending, \
        containerStatuses: [{name: app, state: {waiting: {reason: CreateContainerConfigError, message: 'configmap \"x\" not found'}}}]}}";
    const NO_CONTAINER: &str = "{kind: Pod, metadata: {name: web-1, creationTimestamp: T-20}, status: {phase: Pending, \
        containerStatuses: [{name: app, state: {waiting: {reason: CreateContainerError, message: name is reserved}}}]}}";

    #[test]
    fn stages_differ_in_what_they_forgive() {
        let settled = Stage::Settled(None);
        let cases = [
            (STARTING, Stage::Watched, "Progressing: pod web-3 is starting"),
            (STARTING, Stage::Overdue, "Degraded: pod web-3 does not start"),
            (STARTING, Stage::Unwatched, "Progressing: pod web-3 is starting @580"),
            (STARTING, settled, "Progressing: pod web-3 is starting @580"),
            (NOT_READY_ANY_MORE, Stage::Watched, "Progressing: pod web-1 is not ready"),
            (NOT_READY_ANY_MORE, Stage::Overdue, "Degraded: pod web-1 is not ready"),
            (NOT_READY_ANY_MORE, Stage::Unwatched, "Progressing: pod web-1 is not ready @595"),
            (NOT_READY_ANY_MORE, settled, "Degraded: pod web-1 is not ready"),
            (NOT_READY_YET, settled, "Progressing: pod web-2 is not ready @580"),
            (NOT_READY_YET, Stage::Settled(Some(now())), "Degraded: pod web-2 is not ready"),
            (CRASHING, Stage::Watched, "Progressing: container app exits with code 1, restarted 2 times @20"),
            (CRASHING, Stage::Overdue, "Degraded: container app exits with code 1, restarted 2 times"),
            (NO_IMAGE, Stage::Watched, "Degraded: image shop:2 cannot be pulled: not found"),
            (NO_CONFIG, Stage::Watched, "Degraded: container app cannot be started: configmap \"x\" not found"),
            (NO_CONTAINER, Stage::Watched, "Progressing: container app cannot be started: name is reserved @40"),
        ];
        for (pod, stage, expected) in cases {
            let said = said(&[pod.to_owned()], stage).map(|said| said.0);
            assert_eq!(said.as_deref(), Some(expected), "{stage:?} {pod}");
        }
    }

    #[test]
    fn what_leaves_and_what_has_ended_says_nothing() {
        let leaving = NO_IMAGE.replace("creationTimestamp", "deletionTimestamp: T-1, creationTimestamp");
        let done = NO_IMAGE.replace("Pending", "Succeeded");
        for pod in [READY.to_owned(), leaving, done, EVICTED.to_owned()] {
            assert_eq!(said(std::slice::from_ref(&pod), Stage::Settled(None)), None, "{pod}");
        }
    }

    #[test]
    fn several_without_a_node_are_counted() {
        let unscheduled = "{kind: Pod, metadata: {name: web-1, creationTimestamp: T-70}, status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: '0/2 nodes are available: 2 Insufficient cpu.', lastTransitionTime: T-70}]}}";
        let two = [unscheduled.to_owned(), another(unscheduled, "web-2", ("x", "x"))];
        let expected = "cannot be scheduled: 0/2 nodes are available: 2 Insufficient cpu.";
        assert_eq!(said(&two[..1], Stage::Watched), Some((format!("Degraded: pod web-1 {expected}"), true)));
        assert_eq!(said(&two, Stage::Watched), Some((format!("Degraded: 2 pods {expected}"), true)));
    }
}
