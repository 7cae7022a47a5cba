//! The body of a call of the webhook.

use data_encoding::BASE64;
use release_shared::validate::Verdicts;
use release_webhook::review::{Context, Mode, answer};
use serde_json::Value;

use crate::platform::{now, platform, signer};
use crate::uid;

/// Any bytes as a review, in both hooks.
pub fn review(data: &[u8]) {
    let seen = uid::look(data);
    for mode in [Mode::Mutate, Mode::Validate] {
        let reply = reply(mode, data);
        if reply.is_empty() {
            let unknown = seen.uids.iter().all(String::is_empty);
            assert!(unknown, "there is no reply to {:?}", seen.uids);
            continue;
        }
        let reply = parsed(&reply);
        if !seen.uids.is_empty() {
            let told = text(&reply, "/response/uid");
            assert!(seen.uids.iter().any(|uid| uid == told), "the reply has uid {told:?}, the review {:?}", seen.uids);
        }
        check_form(&reply, mode);
        if let Some(review) = serde_json::from_slice(data).ok().filter(|_| !seen.repeats) {
            check_meaning(&review, &reply, mode);
        }
    }
}

fn ask(mode: Mode, body: &[u8]) -> Value {
    parsed(&reply(mode, body))
}

fn parsed(reply: &[u8]) -> Value {
    serde_json::from_slice(reply).unwrap_or_else(|error| panic!("the reply is no JSON: {error}"))
}

/// The reply; empty where no request is found that it could be to, which the server answers with an HTTP error.
fn reply(mode: Mode, body: &[u8]) -> Vec<u8> {
    let verdicts = Verdicts::new();
    let context = Context { world: platform(), signer: Some(signer()), now: now(), speakers: &[], verdicts: &verdicts };
    let reply = answer(mode, body, &context);
    assert!(reply.len() <= 256 * 1024 + 8 * body.len(), "{} bytes in reply to {}", reply.len(), body.len());
    reply
}

/// The reply is one that the API server takes. (admission.k8s.io/v1, and `verifyAdmissionResponse` of k8s.io/apiserver)
pub(crate) fn check_form(reply: &Value, mode: Mode) {
    assert_eq!(text(reply, "/apiVersion"), "admission.k8s.io/v1");
    assert_eq!(text(reply, "/kind"), "AdmissionReview");
    assert!(reply["response"]["uid"].is_string(), "{reply}");
    let has = |key: &str| reply["response"].get(key).is_some();
    match reply["response"]["allowed"].as_bool() {
        Some(true) => assert!(!has("status"), "{reply}"),
        Some(false) => {
            assert!(!has("patch") && !has("patchType") && !has("auditAnnotations"), "{reply}");
            assert!(matches!(reply["response"]["status"]["code"].as_u64(), Some(403 | 409 | 422)), "{reply}");
            assert!(!text(reply, "/response/status/message").is_empty(), "{reply}");
            assert!(!reply["response"]["status"]["details"]["causes"].as_array().is_none_or(Vec::is_empty), "{reply}");
        }
        None => panic!("the reply neither allows nor refuses: {reply}"),
    }
    assert_eq!(has("patch"), has("patchType"));
    assert!(!has("patch") || (mode == Mode::Mutate && text(reply, "/response/patchType") == "JSONPatch"), "{reply}");
    for key in reply["response"]["auditAnnotations"].as_object().into_iter().flatten().map(|(key, _)| key) {
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{key}");
    }
}

/// The same question in the webhook's own words has the same answer. What `/mutate` makes of an object it leaves alone the next time,
/// and `/validate` accepts it.
fn check_meaning(review: &Value, reply: &Value, mode: Mode) {
    let written = ask(mode, &body(review));
    assert_eq!(outcome(&written), outcome(reply), "another spelling has another answer");
    if mode == Mode::Validate || reply["response"]["allowed"] != true {
        return;
    }
    let Some(patch) = reply.pointer("/response/patch").map(read_patch) else { return };
    let mut after = review.clone();
    let object = &mut after["request"]["object"];
    json_patch::patch(object, &patch).unwrap_or_else(|error| panic!("the patch does not apply: {error}"));
    let again = ask(Mode::Mutate, &body(&after));
    assert_eq!((&again["response"]["allowed"], again.pointer("/response/patch")), (&true.into(), None), "{again}");
    let checked = ask(Mode::Validate, &body(&after));
    // The API server takes out what its schema does not know before it asks again; nobody has done that here.
    let unknown = text(&checked, "/response/status/message").contains("is no field of");
    assert!(checked["response"]["allowed"] == true || unknown, "{checked}");
}

/// What a reply comes to, without the words that say where in the text something stands.
fn outcome(reply: &Value) -> (&Value, Option<Value>) {
    let response = &reply["response"];
    let patch = response.get("patch").map(|patch| serde_json::to_value(read_patch(patch)).unwrap_or_default());
    (&response["allowed"], patch)
}

fn read_patch(patch: &Value) -> json_patch::Patch {
    let patch = patch.as_str().and_then(|patch| BASE64.decode(patch.as_bytes()).ok()).unwrap_or_default();
    serde_json::from_slice(&patch).unwrap_or_else(|error| panic!("the patch is none: {error}"))
}

fn body(review: &Value) -> Vec<u8> {
    serde_json::to_vec(review).unwrap_or_else(|error| panic!("a value is always JSON: {error}"))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
