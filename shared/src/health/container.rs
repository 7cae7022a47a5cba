use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::object::text;

use super::live::time;
use super::words::message;

/// What is looked at of a container that has something to tell: one that is not plainly running, or that ended badly before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Whether it is an init container.
    pub is_init: bool,
    /// Whether it is ready.
    pub is_ready: bool,
    /// How often it was started again.
    pub restarts: i64,
    /// What it does now.
    pub state: ContainerState,
    /// How it ended last.
    pub exit: Option<Exit>,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// It waits to be started.
    Waiting {
        /// For what, in one word of the kubelet.
        reason: String,
        /// The same in words; empty where they say no more.
        message: String,
        /// Its image, where the reason may be about that.
        image: String,
    },
    /// It runs.
    Running {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// It ended, as [`ContainerView::exit`] says.
    Terminated,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code.
    pub code: i64,
    /// Why, in one word of the runtime: `Error`, `OOMKilled`, …
    pub reason: String,
    /// Why it could not be started. Of a container that has run nothing is kept here: this is where its own last words stand, and
    /// no log text is ever shown.
    pub not_started: Option<String>,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What the runtimes say where a container's process could not even be started (CRI-O and dockershim, containerd).
const NOT_STARTED: [&str; 2] = ["ContainerCannotRun", "StartError"];
/// What a container waits for in the ordinary course of things.
const ORDINARY: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

impl ContainerView {
    /// The view of an entry of `containerStatuses` or `initContainerStatuses`; none where it has nothing to tell.
    pub(super) fn read(status: &Value, is_init: bool) -> Option<Self> {
        let ended = status.pointer("/state/terminated").filter(|ended| ended.is_object());
        let exit = ended.or_else(|| status.pointer("/lastState/terminated")).and_then(Exit::read);
        let view = Self {
            name: text(status, "/name").unwrap_or_default().to_owned(),
            is_init,
            is_ready: status.get("ready") == Some(&Value::Bool(true)),
            restarts: status.get("restartCount").and_then(Value::as_i64).unwrap_or(0),
            state: if ended.is_some() { ContainerState::Terminated } else { ContainerState::read(status) },
            exit,
        };
        view.tells_something().then_some(view)
    }

    fn tells_something(&self) -> bool {
        match &self.state {
            ContainerState::Waiting { reason, .. } => !ORDINARY.contains(&reason.as_str()),
            ContainerState::Terminated => self.exit.as_ref().is_some_and(|exit| exit.code != 0),
            ContainerState::Running { .. } if self.is_init => self.exit.as_ref().is_some_and(|exit| exit.code != 0),
            ContainerState::Running { .. } => !self.is_ready || self.exit.as_ref().is_some_and(|exit| exit.code != 0),
        }
    }

    /// Since when it has been started again and again, as far as one can tell; `earliest` is when it was well for the last time. A
    /// status knows the last run and the number of restarts only: earlier runs are taken to be as long as the last, and the pauses
    /// between them to be the kubelet's: none, 10 s, 20 s, 40 s … up to 5 minutes.
    pub(super) fn in_a_loop_since(&self, earliest: Option<Timestamp>) -> Option<Timestamp> {
        let Some((started, exit)) = self.exit.as_ref().and_then(|exit| Some((exit.started_at?, exit))) else {
            return earliest;
        };
        let is_running = matches!(self.state, ContainerState::Running { .. });
        let runs_before = self.restarts.saturating_sub(i64::from(is_running)).clamp(0, 1000);
        let run = exit.finished_at.map_or(0, |finished| finished.duration_since(started).as_secs().max(0));
        let pauses: i64 = (1..runs_before).map(|pause| 10 << (pause - 1).min(5)).map(|pause: i64| pause.min(300)).sum();
        let seconds = run.saturating_mul(runs_before).saturating_add(pauses);
        let begin = started.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN);
        Some(earliest.map_or(begin, |earliest| earliest.max(begin)))
    }

    /// `container app`, `init container migrate`.
    pub(super) fn label(&self) -> String {
        format!("{} {}", if self.is_init { "init container" } else { "container" }, self.name)
    }
}

impl ContainerState {
    fn read(status: &Value) -> Self {
        if let Some(running) = status.pointer("/state/running").filter(|running| running.is_object()) {
            return Self::Running { since: time(running, "/startedAt") };
        }
        let reason = text(status, "/state/waiting/reason").unwrap_or_default();
        let words = match reason {
            // The kubelet puts what the hook printed here, and leaves it out of its events for the secrets that may be in it.
            // (`startContainer` in `kuberuntime_container.go`)
            "PostStartHookError" => "its postStart hook fails",
            _ => text(status, "/state/waiting/message").unwrap_or_default(),
        };
        let image = text(status, "/image").unwrap_or_default();
        Self::Waiting { reason: reason.to_owned(), message: message(words), image: message(image) }
    }
}

impl Exit {
    fn read(terminated: &Value) -> Option<Self> {
        let reason = text(terminated, "/reason").unwrap_or_default();
        let words = text(terminated, "/message").filter(|_| NOT_STARTED.contains(&reason));
        Some(Self {
            code: terminated.get("exitCode")?.as_i64()?,
            reason: reason.to_owned(),
            not_started: words.map(message),
            started_at: time(terminated, "/startedAt"),
            finished_at: time(terminated, "/finishedAt"),
        })
    }

    /// `code 137 (OOMKilled)`.
    pub(super) fn code_words(&self) -> String {
        match self.reason.as_str() {
            "" | "Error" => format!("code {}", self.code),
            reason => format!("code {} ({reason})", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_begin_of_a_loop_is_worked_out_from_the_last_run() {
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let view = |restarts: i64, state: ContainerState, run: (i64, i64)| ContainerView {
            name: "app".to_owned(),
            is_init: false,
            is_ready: false,
            restarts,
            state,
            exit: Some(Exit {
                code: 1,
                reason: String::new(),
                not_started: None,
                started_at: Some(at(run.0)),
                finished_at: Some(at(run.1)),
            }),
        };
        let running = || ContainerState::Running { since: None };
        // Runs of 5 s: 0–5, 5–10 (no pause), 20–25 (10 s), 45–50 (20 s), 90–95 (40 s).
        let cases = [
            (view(0, ContainerState::Terminated, (0, 5)), 0),
            (view(1, running(), (0, 5)), 0),
            (view(1, ContainerState::Terminated, (5, 10)), 0),
            (view(2, running(), (5, 10)), 0),
            (view(2, ContainerState::Terminated, (20, 25)), 0),
            (view(3, running(), (20, 25)), 0),
            (view(3, ContainerState::Terminated, (45, 50)), 0),
            (view(4, ContainerState::Terminated, (90, 95)), 0),
        ];
        for (view, begin) in cases {
            assert_eq!(view.in_a_loop_since(None), Some(at(begin)), "{view:?}");
            assert_eq!(view.in_a_loop_since(Some(at(begin + 3))), Some(at(begin + 3)), "{view:?}");
        }
        let endless = view(i64::MAX, ContainerState::Terminated, (0, 5));
        assert_eq!(endless.in_a_loop_since(Some(at(-60))), Some(at(-60)));
    }

    #[test]
    fn last_words_of_a_process_are_not_kept() {
        let ended =
            |reason: &str| json!({"state": {"terminated": {"exitCode": 1, "reason": reason, "message": "words"}}});
        let kept = |status: &Value| ContainerView::read(status, false).unwrap().exit.unwrap().not_started;
        assert_eq!(kept(&ended("Error")), None);
        assert_eq!(kept(&ended("StartError")).as_deref(), Some("words"));
    }

    #[test]
    fn a_container_that_is_fine_is_not_kept() {
        for status in [
            json!({"name": "app", "ready": true, "state": {"running": {}}}),
            json!({"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}),
            json!({"name": "app", "state": {"terminated": {"exitCode": 0}}}),
            json!({"name": "app"}),
        ] {
            assert_eq!(ContainerView::read(&status, false), None, "{status}");
        }
    }
}
