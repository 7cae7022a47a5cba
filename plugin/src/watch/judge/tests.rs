use serde_json::json;

use super::*;

/// Revision 4 of a binding whose spec has changed twice, with this status.
fn binding(status: &Value) -> Value {
    json!({
        "metadata": {"uid": "u", "generation": 2, "annotations": {
            names::REVISION: "4", names::CHANGED_BY: "dana", names::CHANGED_AT: "noon"
        }},
        "spec": {"environment": "dev", "state": "Active"},
        "status": status
    })
}

fn release(from: &str, status: &Value) -> Value {
    let mut release = json!({"metadata": {"generation": 1}, "status": status});
    release["status"]["renderedFrom"] = from.into();
    release
}

fn written() -> Written {
    Written::of(&binding(&json!({})))
}

fn told(judgement: &Judgement) -> (Phase, &str) {
    (judgement.phase, &judgement.message)
}

#[test]
fn a_change_is_what_its_own_outcome_says() {
    use Phase::{Degraded, Done, Waiting};
    let outcome =
        |revision: u64, health: &str| json!({"revision": revision, "lastHealth": health, "cause": "no image"});
    let this = release("u/4", &json!({"health": "Progressing", "resources": [{"healthStatus": "Healthy"}, {}]}));
    let before = release("u/3", &json!({"health": "Healthy"}));
    let synced = |reason: &str| json!([{"type": "ReleaseSynced", "status": "False", "reason": reason, "message": "there is no Environment"}]);
    for (what, status, release, phase, message, heard) in [
        ("nothing", json!({}), None, Waiting, "revision 4 waits for a controller", false),
        (
            "the revision before was fine, and a restart changes no generation",
            json!({"observedGeneration": 2, "health": "Healthy", "outcomes": [outcome(3, "Healthy")]}),
            Some(&before),
            Waiting,
            "revision 4 waits for a controller",
            false,
        ),
        (
            "it was seen, and the Release still speaks of the one before",
            json!({"observedGeneration": 2, "health": "Healthy", "outcomes": [{"revision": 4}]}),
            Some(&before),
            Waiting,
            "revision 4 is on its way",
            true,
        ),
        (
            "the Release has it",
            json!({"observedGeneration": 2, "health": "Progressing", "outcomes": [{"revision": 4}]}),
            Some(&this),
            Waiting,
            "revision 4 is Progressing: 1 of 2 objects are healthy",
            true,
        ),
        (
            "it is unhealthy for now",
            json!({"observedGeneration": 2, "outcomes": [outcome(4, "Progressing")]}),
            Some(&this),
            Waiting,
            "revision 4 is Progressing: no image",
            true,
        ),
        ("healthy", json!({"outcomes": [outcome(4, "Healthy")]}), None, Done, "revision 4 is Healthy", true),
        (
            "scaled to zero",
            json!({"outcomes": [{"revision": 4, "lastHealth": "Suspended"}]}),
            None,
            Done,
            "revision 4 is Suspended",
            true,
        ),
        (
            "degraded",
            json!({"outcomes": [outcome(4, "Degraded")]}),
            Some(&this),
            Degraded,
            "revision 4 is Degraded: no image",
            true,
        ),
        (
            "degraded by the binding's own word, and the Release is of this revision",
            json!({"observedGeneration": 2, "health": "Degraded", "cause": "crash", "outcomes": [{"revision": 4}]}),
            Some(&this),
            Degraded,
            "revision 4 is Degraded: crash",
            true,
        ),
        (
            "degraded is still the revision before",
            json!({"observedGeneration": 2, "health": "Degraded", "cause": "crash", "outcomes": [{"revision": 4}]}),
            Some(&before),
            Waiting,
            "revision 4 is on its way",
            true,
        ),
        (
            "what is missing may come",
            json!({"observedGeneration": 2, "health": "Unknown", "outcomes": [{"revision": 4}], "conditions": synced("EnvironmentNotFound")}),
            Some(&before),
            Waiting,
            "revision 4 is Unknown: there is no Environment",
            true,
        ),
        (
            "what cannot be rendered stays so",
            json!({"observedGeneration": 2, "health": "Degraded", "cause": "line 3", "outcomes": [{"revision": 4}], "conditions": synced("RenderingFailed")}),
            None,
            Degraded,
            "revision 4 is Degraded: line 3",
            true,
        ),
    ] {
        let judgement = change(&written(), Some(&binding(&status)), release);
        assert_eq!(told(&judgement), (phase, message), "{what}");
        assert_eq!(judgement.heard, heard, "{what}");
    }
}

#[test]
fn what_could_not_be_applied_is_told() {
    let failed = json!([{"type": "ResourcesApplied", "status": "False", "reason": "ApplyFailed", "message": "quota"}]);
    let release = release("u/4", &json!({"health": "Progressing", "conditions": failed}));
    let status = json!({"observedGeneration": 2, "health": "Progressing", "outcomes": [{"revision": 4}]});
    let judgement = change(&written(), Some(&binding(&status)), Some(&release));
    assert_eq!(told(&judgement), (Phase::Waiting, "revision 4 is Progressing: quota"));
}

#[test]
fn somebody_else_may_be_first() {
    let mut later = binding(&json!({"outcomes": [{"revision": 4, "lastHealth": "Progressing", "endedBy": 5}]}));
    later["metadata"]["annotations"][names::REVISION] = "5".into();
    let judgement = change(&written(), Some(&later), None);
    let message = "dana put revision 5 in its place at noon before revision 4 was settled";
    assert_eq!(told(&judgement), (Phase::Superseded, message));

    later["status"]["outcomes"][0]["lastHealth"] = "Healthy".into();
    let judgement = change(&written(), Some(&later), None);
    assert_eq!(judgement.phase, Phase::Done, "it had been healthy before that");

    let message = "it was deleted before revision 4 was settled";
    assert_eq!(told(&change(&written(), None, None)), (Phase::Superseded, message));
    let mut other = binding(&json!({}));
    other["metadata"]["uid"] = "another".into();
    assert_eq!(told(&change(&written(), Some(&other), None)), (Phase::Superseded, message));
}

#[test]
fn without_records_the_generation_counts() {
    let mut bare = binding(&json!({"observedGeneration": 1, "health": "Healthy"}));
    bare["metadata"]["annotations"] = json!({});
    let written = Written::of(&bare);
    let judged = |binding: &Value| change(&written, Some(binding), None);
    assert_eq!(told(&judged(&bare)), (Phase::Waiting, "the change waits for a controller"));
    bare["status"]["observedGeneration"] = 2.into();
    assert_eq!(told(&judged(&bare)), (Phase::Done, "the change is Healthy"));
    bare["status"]["health"] = "Progressing".into();
    assert_eq!(told(&judged(&bare)), (Phase::Waiting, "the change is Progressing"));
    bare["metadata"]["generation"] = 3.into();
    let message = "somebody changed it before the change was settled";
    assert_eq!(told(&judged(&bare)), (Phase::Superseded, message));
}

#[test]
fn what_is_undeployed_is_settled_when_its_release_is_gone() {
    let ready = json!([{"type": "Ready", "status": "False", "reason": "ResourcesUndeployed"}]);
    let undeployed = |observed: i64, conditions: &Value| {
        let status = json!({"observedGeneration": observed, "health": "Suspended", "conditions": conditions});
        let mut binding = binding(&status);
        binding["spec"]["state"] = "Undeploy".into();
        binding
    };
    let finalizing = json!([{"type": "Finalizing", "status": "True", "message": "2 left"}]);
    let leaving = release("u/3", &json!({"inventory": [{}, {}], "conditions": finalizing}));
    for (binding, release, phase, message) in [
        (undeployed(1, &ready), None, Phase::Waiting, "revision 4 waits for the controller"),
        (undeployed(2, &json!([])), None, Phase::Waiting, "revision 4 waits for the controller"),
        (
            undeployed(2, &ready),
            Some(&leaving),
            Phase::Waiting,
            "revision 4 removes what is live: 2 objects may still be there (2 left)",
        ),
        (undeployed(2, &ready), None, Phase::Done, "revision 4 is undeployed, its objects are gone"),
    ] {
        assert_eq!(told(&change(&written(), Some(&binding), release)), (phase, message));
    }
}

#[test]
fn a_release_by_hand_is_what_its_status_says() {
    let by_hand = |status: &Value| json!({"metadata": {"generation": 2, "annotations": {names::REVISION: "3"}}, "status": status});
    for (status, phase, message) in [
        (json!({"observedGeneration": 1, "health": "Healthy"}), Phase::Waiting, "revision 3 waits for a controller"),
        (json!({"observedGeneration": 2}), Phase::Waiting, "revision 3 is on its way"),
        (json!({"observedGeneration": 2, "health": "Healthy"}), Phase::Done, "revision 3 is Healthy"),
        (
            json!({"observedGeneration": 2, "health": "Degraded", "cause": "crash"}),
            Phase::Degraded,
            "revision 3 is Degraded: crash",
        ),
    ] {
        assert_eq!(told(&direct(Some(&by_hand(&status)))), (phase, message));
    }
    assert_eq!(told(&direct(None)), (Phase::Done, "it is gone"));
    let mut deleted = by_hand(&json!({"observedGeneration": 2, "health": "Healthy", "inventory": [{}]}));
    deleted["metadata"]["deletionTimestamp"] = "now".into();
    let message = "it is being deleted: 1 object may still be there";
    assert_eq!(told(&direct(Some(&deleted))), (Phase::Waiting, message));
}

#[test]
fn what_is_deleted_is_gone_with_its_release() {
    let (pin, live) = (binding(&json!({})), release("u/4", &json!({})));
    let phase = |binding: Option<&Value>, release: Option<&Value>| deletion(binding, release).phase;
    assert_eq!(phase(Some(&pin), Some(&live)), Phase::Waiting);
    assert_eq!(phase(Some(&pin), None), Phase::Waiting);
    assert_eq!(
        told(&deletion(None, Some(&live))),
        (Phase::Waiting, "its live objects are being removed: the Release is still there")
    );
    assert_eq!(phase(None, None), Phase::Done);
}
