//! Whether an object has to be sent: pure.

use std::time::{Duration, Instant};

use release_shared::desired::Desired;
use release_shared::ownership::lost;
use serde_json::Value;

use crate::live::Live;
use crate::store::Release;

/// What was tried last with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// The hash of what was sent.
    pub(super) hash: String,
    /// The fields of it that were not ours before that, or were not after it.
    pub(super) lost: Vec<String>,
    /// Why it was not applied.
    pub(super) refused: Option<String>,
    /// Whose fields were in the way of putting back what somebody had changed.
    pub(super) drift: Option<Drift>,
    /// When.
    pub(super) at: Instant,
    /// How often in a row it was refused.
    pub(super) failures: u32,
    /// How often the same was sent again soon after it had been taken: somebody undoes it each time.
    pub(super) repeats: u32,
}

/// What somebody has changed by hand, and was left at that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drift {
    /// A sentence that names the fields and who has them now.
    pub(super) words: String,
    /// The edition of the live object that this speaks of.
    pub(super) edition: u64,
}

/// The longest pause after a refusal.
const LONGEST: Duration = Duration::from_secs(60);
/// What is sent again later than this is not undone by a program.
const SOON: Duration = Duration::from_secs(120);

fn growing(times: u32) -> Duration {
    let doubled = Duration::from_secs(1).saturating_mul(1 << times.saturating_sub(1).min(10));
    if times == 0 { Duration::ZERO } else { doubled.min(LONGEST) }
}

impl Attempt {
    /// How often the same was sent again after `before`, and soon, when it is sent once more.
    pub(super) fn repeats_after(before: Option<&Self>, hash: &str) -> u32 {
        let soon =
            before.filter(|before| before.hash == hash && before.refused.is_none() && before.at.elapsed() < SOON);
        soon.map_or(0, |before| before.repeats.saturating_add(1))
    }

    /// How long what was undone is left so: not at all the first time, then ever longer.
    pub(super) fn rests_for(&self) -> Option<Duration> {
        let rest = growing(self.repeats).saturating_sub(self.at.elapsed());
        (self.refused.is_none() && !rest.is_zero()).then_some(rest)
    }

    /// How long until a refused one is tried again.
    pub(super) fn retry_in(&self) -> Option<Duration> {
        self.refused.as_ref()?;
        Some(growing(self.failures.max(1)).saturating_sub(self.at.elapsed()))
    }
}

/// What to do with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It is as it was applied, or was refused a moment ago.
    Nothing,
    /// It is sent; these fields of it are not ours now.
    Apply { lost: Vec<String> },
    /// It is being deleted, and what comes after it has to wait; or somebody undoes it as often as it is sent.
    Wait,
    /// A Job that has run its course cannot be changed: it is deleted, and made anew when it is gone.
    Replace { uid: String },
}

/// The fields of an object that a person or another program has taken from us.
pub(super) fn taken(desired: &Desired, live: &Live) -> Vec<String> {
    let owned = live.fields.as_deref().and_then(|fields| serde_json::from_str::<Value>(fields).ok());
    let mut lost = lost(&desired.object, &owned.unwrap_or_default());
    // The autoscaler's number of replicas is right, whatever the release says.
    lost.retain(|path| !(live.autoscaled && path == "spec.replicas"));
    lost
}

/// What to do with an object that is wanted.
pub(super) fn step(desired: &Desired, live: Option<&Live>, attempt: Option<&Attempt>) -> Step {
    let attempt = attempt.filter(|attempt| attempt.hash == desired.hash);
    let is_patient = attempt.and_then(Attempt::retry_in).is_some_and(|pause| !pause.is_zero());
    let is_at_rest = attempt.and_then(Attempt::rests_for).is_some();
    let Some(live) = live else {
        if is_at_rest {
            return Step::Wait;
        }
        return if is_patient { Step::Nothing } else { Step::Apply { lost: Vec::new() } };
    };
    if live.deleting.is_some() {
        return Step::Wait;
    }
    let is_same = live.is_applied(desired);
    if !is_same && is_finished_job(desired, &live.object) {
        return Step::Replace { uid: live.uid.clone() };
    }
    let taken = taken(desired, live);
    // What was tried and came out like this (something else may change all that is written) would come out like this again. But who has
    // changed it may put it back, and keeps the field by that.
    let stands = |attempt: &Attempt| attempt.drift.as_ref().is_none_or(|drift| drift.edition == live.edition);
    let tried = attempt.is_some_and(|attempt| attempt.lost == taken && attempt.refused.is_none() && stands(attempt));
    if tried || is_patient || (is_same && taken.is_empty()) {
        Step::Nothing
    } else if is_at_rest {
        Step::Wait
    } else {
        Step::Apply { lost: taken }
    }
}

/// What of an object is sent: all of it, but for the number of replicas where the autoscaler has it. Left out while it is ours, it
/// would fall back to one.
pub(super) fn sent(desired: &Desired, live: Option<&Live>) -> Value {
    let mut object = desired.object.clone();
    if live.is_some_and(|live| live.autoscaled)
        && let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.remove("replicas");
    }
    object
}

/// Whether what somebody has taken of an object may be taken back: where the Environment says so, and from an object that is this
/// Release's. What it has only found there it never takes over by force.
pub(super) fn may_take_back(release: &Release, live: Option<&Live>, takes_back: bool) -> bool {
    takes_back && live.is_some_and(|live| live.release_uid == release.uid)
}

/// Whether a Job is done for good, well or not.
pub(super) fn is_finished_job(desired: &Desired, live: &Value) -> bool {
    is_job(desired) && has_finished(live.get("status"))
}

/// Whether it is a Job.
pub(super) fn is_job(desired: &Desired) -> bool {
    (desired.reference.group.as_str(), desired.reference.kind.as_str()) == ("batch", "Job")
}

/// Whether the status of a Job says that it is done.
pub(super) fn has_finished(status: Option<&Value>) -> bool {
    let conditions = status.and_then(|status| status.get("conditions")?.as_array()).into_iter().flatten();
    conditions.into_iter().any(|condition| {
        let is = |key: &str, values: &[&str]| {
            condition.get(key).and_then(Value::as_str).is_some_and(|value| values.contains(&value))
        };
        is("type", &["Complete", "Failed"]) && is("status", &["True"])
    })
}

#[cfg(test)]
mod tests {
    use release_edge::follow::Place;
    use release_shared::desired::{Origin, desired};
    use release_shared::fence::Scope;
    use serde_json::json;

    use super::*;

    fn job(image: &str) -> Desired {
        let origin = Origin { uid: "u", name: "r", namespace: "acme", restarted_at: None, default_namespace: "shop" };
        let object =
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {"image": image}});
        desired("job-migrate", &object, Scope::Namespaced, &origin).unwrap()
    }

    fn live(desired: &Desired, status: &Value) -> Live {
        let labels: Vec<_> =
            release_shared::names::RESERVED_LABELS.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
        let labels: serde_json::Map<_, _> = labels.into_iter().collect();
        let fields = json!({"f:metadata": {"f:labels": labels, "f:annotations": {"f:release.openchoreo.dev/applied-hash": {}}}, "f:spec": {"f:image": {}}});
        Live {
            uid: "live".into(),
            resource_version: 1,
            deleting: None,
            release_uid: "u".into(),
            release: Place { namespace: "acme".into(), name: "r".into() },
            applied_hash: Some(desired.hash.clone()),
            fields: Some(fields.to_string().into_boxed_str()),
            autoscaled: false,
            edition: 1,
            object: json!({"status": status}),
        }
    }

    fn attempt(desired: &Desired, refused: bool) -> Attempt {
        let refused = refused.then(|| "no".to_owned());
        let (hash, at) = (desired.hash.clone(), Instant::now());
        Attempt { hash, lost: Vec::new(), refused, drift: None, at, failures: 1, repeats: 0 }
    }

    #[test]
    fn what_is_as_it_was_applied_is_left_alone() {
        let one = job("a:1");
        assert_eq!(step(&one, Some(&live(&one, &json!({}))), None), Step::Nothing);
        assert_eq!(step(&one, None, None), Step::Apply { lost: Vec::new() });
        assert_eq!(step(&one, None, Some(&attempt(&one, true))), Step::Nothing, "refused a moment ago");
        assert_eq!(
            step(&job("a:2"), None, Some(&attempt(&one, true))),
            Step::Apply { lost: Vec::new() },
            "other content"
        );
    }

    #[test]
    fn what_somebody_took_is_tried_once() {
        let one = job("a:1");
        let mut drifted = live(&one, &json!({}));
        drifted.fields =
            drifted.fields.map(|fields| fields.replace("\"f:image\":{}", "\"f:other\":{}").into_boxed_str());
        let lost = vec!["spec.image".to_owned()];
        assert_eq!(step(&one, Some(&drifted), None), Step::Apply { lost: lost.clone() });
        let drift = Drift { words: "kubectl-edit".into(), edition: 1 };
        let tried = Attempt { lost: lost.clone(), drift: Some(drift), ..attempt(&one, false) };
        assert_eq!(step(&one, Some(&drifted), Some(&tried)), Step::Nothing);
        let put_back = Live { edition: 2, ..drifted };
        assert_eq!(step(&one, Some(&put_back), Some(&tried)), Step::Apply { lost });
    }

    #[test]
    fn what_is_undone_each_time_is_sent_ever_more_rarely() {
        let (one, two) = (job("a:1"), job("a:2"));
        let mut last = attempt(&one, false);
        assert!(matches!(step(&one, None, Some(&last)), Step::Apply { .. }), "deleted by hand: it is back at once");
        for (repeats, seconds) in [(1, 1), (2, 2), (3, 4)] {
            let again = Attempt::repeats_after(Some(&last), &one.hash);
            last = Attempt { repeats: again, ..attempt(&one, false) };
            assert_eq!(last.repeats, repeats);
            assert_eq!(step(&one, None, Some(&last)), Step::Wait);
            assert!(last.rests_for().is_some_and(|rest| rest <= Duration::from_secs(seconds)));
        }
        assert!(matches!(step(&two, None, Some(&last)), Step::Apply { .. }), "other content is sent at once");
        assert_eq!(Attempt::repeats_after(Some(&last), &two.hash), 0);
    }

    #[test]
    fn a_job_is_replaced_when_it_is_done() {
        let (one, two) = (job("a:1"), job("a:2"));
        let done = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        assert_eq!(step(&two, Some(&live(&one, &done)), None), Step::Replace { uid: "live".into() });
        assert!(matches!(step(&two, Some(&live(&one, &json!({}))), None), Step::Apply { .. }));
        assert_eq!(step(&one, Some(&live(&one, &done)), None), Step::Nothing);
        let going = Live { deleting: Some(Vec::new()), ..live(&one, &done) };
        assert_eq!(step(&two, Some(&going), None), Step::Wait);
    }

    #[test]
    fn an_autoscaled_number_of_replicas_is_not_sent() {
        let mut one = job("a:1");
        one.object["spec"]["replicas"] = 3.into();
        let autoscaled = Live { autoscaled: true, ..live(&one, &json!({})) };
        assert_eq!(sent(&one, Some(&autoscaled)).pointer("/spec/replicas"), None);
        assert_eq!(sent(&one, None).pointer("/spec/replicas"), Some(&json!(3)));
        assert_eq!(taken(&one, &autoscaled), Vec::<String>::new());
    }
}
