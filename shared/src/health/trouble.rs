//! What is wrong with one pod, and how that is said.

use jiff::{SignedDuration, Timestamp};

use super::assessment::{MINUTE, after};
use super::container::{ContainerState, ContainerView};
use super::event::{EventView, last_about};
use super::pod_view::{Phase, PodView};
use super::probe;

/// The warnings that may be about it.
pub(super) type Events<'a> = &'a [&'a EventView];

/// What is wrong with one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) what: What,
    /// How long it may last.
    pub(super) patience: Patience,
    /// Since when it lasts.
    pub(super) since: Option<Timestamp>,
    /// When it is over unless something happens.
    pub(super) ends_at: Option<Timestamp>,
}

/// How long a trouble may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Patience {
    /// For ever: it is over before it counts.
    Endless,
    /// For as long as a pod may take to become ready.
    Deadline,
    /// For a minute.
    Minute,
    /// Not at all: waiting does not help.
    None,
}

/// What it is, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A whole clause: `image shop:2 cannot be pulled: not found`.
    Clause {
        /// What it has in common with the same trouble of another pod.
        alike: String,
        words: String,
        /// How much it says, for which of several alike is quoted.
        weight: i64,
    },
    /// It cannot be given to a node, in the scheduler's words.
    Unschedulable(String),
    /// Somebody holds it back from being given to a node.
    Gated,
    /// It runs and is not ready: why, if anybody says.
    Unready(Option<String>),
    /// It was not ready yet, and nobody says anything.
    Starting,
}

impl What {
    fn clause(alike: &str, words: String) -> Self {
        Self::Clause { alike: alike.to_owned(), words, weight: 0 }
    }

    /// Whether two pods fail alike.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Clause { alike: one, .. }, Self::Clause { alike: other, .. }) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Whether it says more than the number of ready replicas does.
    pub(super) fn says_why(&self) -> bool {
        !matches!(self, Self::Starting | Self::Unready(None))
    }

    /// Which of several that are alike is quoted: the one that says most.
    pub(super) fn weight(&self) -> i64 {
        match self {
            Self::Clause { weight, .. } => *weight,
            Self::Unready(why) => i64::from(why.is_some()),
            Self::Unschedulable(_) | Self::Gated | Self::Starting => 0,
        }
    }

    /// Said of a pod that is the object itself.
    pub(super) fn alone(&self, is_over: bool) -> String {
        match self {
            Self::Clause { words, .. } => words.clone(),
            Self::Unready(Some(why)) => why.clone(),
            _ => self.predicate(true, is_over),
        }
    }

    /// Said of one or several pods of `all`; `name` is that of the first.
    pub(super) fn of_pods(&self, name: &str, pods: usize, all: usize, is_over: bool) -> String {
        let subject = if pods == 1 { format!("pod {name}") } else { format!("{pods} pods") };
        match self {
            Self::Clause { .. } | Self::Unready(Some(_)) if all == 1 => self.alone(is_over),
            Self::Clause { .. } | Self::Unready(Some(_)) => format!("{subject}: {}", self.alone(is_over)),
            _ => format!("{subject} {}", self.predicate(pods == 1, is_over)),
        }
    }

    fn predicate(&self, is_one: bool, is_over: bool) -> String {
        let verb = if is_one { "is" } else { "are" };
        match self {
            Self::Unschedulable(said) => format!("cannot be scheduled: {said}"),
            Self::Gated => format!("{verb} held back by a scheduling gate"),
            Self::Starting if is_over => format!("{} not start", if is_one { "does" } else { "do" }),
            Self::Starting => format!("{verb} starting"),
            Self::Clause { .. } | Self::Unready(_) => format!("{verb} not ready"),
        }
    }
}

impl Trouble {
    fn new(what: What, patience: Patience, since: Option<Timestamp>) -> Self {
        Self { what, patience, since, ends_at: None }
    }

    /// What is wrong with a pod; nothing with one that is ready, that is being deleted or that has finished.
    pub(super) fn of(pod: &PodView, events: Events<'_>, now: Timestamp) -> Option<Self> {
        if pod.is_deleting || pod.is_finished() {
            return None;
        }
        if let Some(unscheduled) = &pod.unscheduled {
            let (what, patience) = match unscheduled.is_gated {
                true => (What::Gated, Patience::Deadline),
                false => (What::Unschedulable(unscheduled.message.clone()), Patience::Minute),
            };
            return Some(Self::new(what, patience, unscheduled.since));
        }
        let of_containers = pod.containers.iter().filter_map(|container| of_container(container, pod, events, now));
        // Of several that may last as long, that of the first container: the others may only follow from it.
        let worst = of_containers.reduce(|one, other| if other.patience > one.patience { other } else { one });
        worst.or_else(|| unmade(pod, events, now)).or_else(|| unready(pod, events))
    }
}

/// For how long the kubelet may say nothing of a volume that it cannot mount: it tries again after at most two minutes.
/// (`pkg/util/goroutinemap/exponentialbackoff`)
const SILENCE: SignedDuration = SignedDuration::from_secs(150);

/// Why the kubelet has not got to the containers of a pod yet. Its last warning does not count for ever: an image may be on its way
/// since then.
fn unmade(pod: &PodView, events: Events<'_>, now: Timestamp) -> Option<Trouble> {
    if pod.phase != Phase::Pending || pod.is_ready || pod.is_set_up {
        return None;
    }
    let what_of = |event: &EventView| match event.reason.as_str() {
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => Some("volumes cannot be mounted"),
        "FailedCreatePodSandBox" | "NetworkNotReady" => Some("the sandbox cannot be created"),
        "FailedPrepareDynamicResources" => Some("devices cannot be prepared"),
        _ => None,
    };
    let event = last_about(events, &pod.uid, |event| what_of(event).is_some())?;
    let what = what_of(event)?;
    let what = What::clause(what, format!("{what}: {}", event.message));
    let ends_at = event.last_seen.map(|seen| after(seen, SILENCE));
    let trouble = Trouble::new(what, Patience::Minute, event.first_seen.or(pod.unready_since));
    ends_at.is_none_or(|end| now < end).then_some(Trouble { ends_at, ..trouble })
}

fn unready(pod: &PodView, events: Events<'_>) -> Option<Trouble> {
    if pod.is_ready {
        return None;
    }
    let runs = pod.containers.iter().any(|container| matches!(container.state, ContainerState::Running { .. }));
    let its_node = || {
        let is_gone = pod.phase == Phase::Unknown
            || last_about(events, &pod.uid, |event| event.reason == "NodeNotReady")
                .is_some_and(|event| event.last_seen >= pod.unready_since);
        is_gone.then(|| "the node is not ready".to_owned())
    };
    let what = if pod.was_ready || runs || pod.gate.is_some() || pod.phase == Phase::Unknown {
        What::Unready(pod.gate.clone().or_else(its_node).or_else(|| probe::of_unready(pod, events)))
    } else {
        What::Starting
    };
    Some(Trouble::new(what, Patience::Deadline, pod.unready_since))
}

fn of_container(container: &ContainerView, pod: &PodView, events: Events<'_>, now: Timestamp) -> Option<Trouble> {
    match &container.state {
        ContainerState::Waiting { reason, message, image } => {
            Some(waiting(container, [reason, message, image], pod, events))
        }
        ContainerState::Terminated => Some(crash(container, pod, events)),
        ContainerState::Running { since } => {
            let end = after((*since)?, MINUTE);
            let has_just_come_back = container.restarts > 0 && container.exit.is_some() && now < end;
            let is_on_trial = container.is_ready && container.restarts > 1;
            (has_just_come_back && (is_on_trial || !container.is_ready)).then(|| {
                let trouble = crash(container, pod, events);
                // It is ready for the moment; whether it stays so is seen after a minute.
                let patience = if is_on_trial { Patience::Endless } else { trouble.patience };
                Trouble { ends_at: Some(end), patience, ..trouble }
            })
        }
    }
}

fn waiting(
    container: &ContainerView,
    [reason, message, image]: [&String; 3],
    pod: &PodView,
    events: Events<'_>,
) -> Trouble {
    match reason.as_str() {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => {
            let said = match pull_words(message, image) {
                "" => events_words(pod, events, image),
                said => Some(said),
            };
            let words =
                format!("image {image} cannot be pulled{}", said.map_or(String::new(), |said| format!(": {said}")));
            let weight = i64::from(said.is_some());
            Trouble::new(
                What::Clause { alike: format!("image {image}"), words, weight },
                Patience::None,
                pod.unready_since,
            )
        }
        "CrashLoopBackOff" => crash(container, pod, events),
        _ => {
            let said = if message.is_empty() { reason } else { message };
            let words = format!("{} cannot be started: {said}", container.label());
            let patience = if reason == "CreateContainerConfigError" { Patience::None } else { Patience::Minute };
            Trouble::new(What::clause(&words, words.clone()), patience, pod.unready_since)
        }
    }
}

/// The words for an image that cannot be pulled, without the kubelet's state machine in front of them: those change with every try
/// (`ErrImagePull`, `ImagePullBackOff`), what the registry says does not.
fn pull_words<'a>(message: &'a str, image: &str) -> &'a str {
    let back_off = format!("Back-off pulling image \"{image}\"");
    let said = message.strip_prefix(&back_off).unwrap_or(message).trim_start_matches([':', ' ']);
    let said = said.strip_prefix("ErrImagePull: ").unwrap_or(said);
    registry_words(match said.strip_prefix("rpc error: code = ").and_then(|rest| rest.split_once(" desc = ")) {
        Some((_, said)) => said,
        None => said,
    })
}

/// What the registry says: containerd puts in front of it what it was doing, each time with the image's name.
fn registry_words(mut said: &str) -> &str {
    for doing in ["failed to pull and unpack image \"", "failed to resolve reference \""] {
        if let Some((image, rest)) = said.strip_prefix(doing).and_then(|rest| rest.split_once("\": ")) {
            said = rest.strip_prefix(image).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(rest);
        }
    }
    said
}

/// What an event says of the last try: kubelets before 1.31 say no more than that they back off in the status itself.
fn events_words<'a>(pod: &PodView, events: Events<'a>, image: &str) -> Option<&'a str> {
    let start = format!("Failed to pull image \"{image}\": ");
    let event = last_about(events, &pod.uid, |event| event.message.starts_with(&start))?;
    event.message.strip_prefix(&start).map(|said| pull_words(said, image))
}

/// A container that ends again and again.
fn crash(container: &ContainerView, pod: &PodView, events: Events<'_>) -> Trouble {
    let label = container.label();
    let exit = container.exit.as_ref();
    // 137 and 143 are what SIGKILL and SIGTERM leave behind: somebody ended it.
    let was_ended = exit.is_some_and(|exit| matches!(exit.code, 137 | 143) && exit.reason != "OOMKilled");
    let by_probe = was_ended.then(|| probe::that_ends(&container.name, pod, events)).flatten();
    let (alike, words) = match (exit, by_probe) {
        (None, _) => (format!("{label} ends"), format!("{label} ends again and again")),
        (Some(_), Some(probe)) => (format!("{label} is ended"), format!("{label} is ended: its {probe}")),
        (Some(exit), None) => match &exit.not_started {
            Some(said) => (format!("{label} starts"), format!("{label} cannot be started: {said}")),
            None => {
                let words = format!("{label} exits with {}", exit.code_words());
                (words.clone(), words)
            }
        },
    };
    let words = match container.restarts {
        ..=0 => words,
        1 => format!("{words}, restarted once"),
        restarts => format!("{words}, restarted {restarts} times"),
    };
    let what = What::Clause { alike, words, weight: container.restarts };
    Trouble::new(what, Patience::Minute, container.in_a_loop_since(pod.unready_since))
}

#[cfg(test)]
mod tests;
