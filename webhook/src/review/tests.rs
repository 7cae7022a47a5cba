use data_encoding::BASE64;
use serde_json::{Value, json};

use super::*;

fn release() -> Value {
    json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "Release", "metadata": {"name": "web-dev", "namespace": "acme"},
        "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environmentName": "dev", "resources": []}
    })
}

fn ask(mode: Mode, request: &Value) -> Value {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    ask_bytes(mode, &serde_json::to_vec(&review).unwrap())
}

fn ask_bytes(mode: Mode, body: &[u8]) -> Value {
    let now = "2026-01-02T12:00:00Z".parse().unwrap();
    let reply = match decode(body) {
        Ok(request) => review(mode, &request, &Context { world: &World::default(), now }),
        Err(reply) => *reply,
    };
    serde_json::from_slice(&reply.body()).unwrap()
}

fn request(object: &Value, old: Option<&Value>) -> Value {
    json!({
        "uid": "11", "kind": {"group": "openchoreo.dev", "version": "v1alpha1", "kind": object["kind"]},
        "resource": {"group": "openchoreo.dev", "version": "v1alpha1", "resource": "releases"},
        "name": "web-dev", "namespace": "acme", "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
        "userInfo": {"username": "jane"}, "object": object, "oldObject": old, "dryRun": false,
        "options": {"fieldManager": "kubectl-create"}
    })
}

/// The object as the API server persists it after a reply.
fn patched(object: &Value, reply: &Value) -> Value {
    let mut object = object.clone();
    if let Some(patch) = reply["response"]["patch"].as_str() {
        let patch: json_patch::Patch = serde_json::from_slice(&BASE64.decode(patch.as_bytes()).unwrap()).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    }
    object
}

#[test]
fn a_release_gets_its_defaults_and_its_stamp() {
    let reply = ask(Mode::Mutate, &request(&release(), None));
    assert_eq!(reply["response"]["allowed"], true);
    assert_eq!(reply["response"]["uid"], "11");
    let object = patched(&release(), &reply);
    assert_eq!((&object["spec"]["interval"], &object["spec"]["progressingInterval"]), (&json!("5m"), &json!("10s")));
    assert_eq!(object["metadata"]["annotations"]["release.openchoreo.dev/changed-by"], "jane");
    let check = ask(Mode::Validate, &request(&object, None));
    assert_eq!(check["response"]["allowed"], true, "{check}");
    assert!(check["response"]["patch"].is_null(), "a validating hook may not patch");
    assert!(check["response"]["auditAnnotations"]["record-0"].is_string());
}

#[test]
fn what_is_missing_is_a_warning() {
    let reply = ask(Mode::Mutate, &request(&release(), None));
    insta::assert_json_snapshot!(reply["response"]["warnings"]);
}

#[test]
fn a_second_call_changes_nothing() {
    let object = patched(&release(), &ask(Mode::Mutate, &request(&release(), None)));
    let again = ask(Mode::Mutate, &request(&object, None));
    assert!(again["response"]["patch"].is_null(), "{again}");
}

#[test]
fn a_denial_has_all_causes() {
    let mut object = release();
    object["spec"]["owner"] = json!({});
    object["spec"]["interval"] = "5 minutes".into();
    let reply = ask(Mode::Mutate, &request(&object, None));
    insta::assert_json_snapshot!(reply["response"]);
}

#[test]
fn what_nobody_stamped_is_refused_by_the_second_hook() {
    let mut object = release();
    object["spec"]["interval"] = "5m".into();
    object["spec"]["progressingInterval"] = "10s".into();
    let reply = ask(Mode::Validate, &request(&object, None));
    assert_eq!(reply["response"]["allowed"], false);
    assert_eq!(reply["response"]["status"]["details"]["causes"][0]["reason"], "StampMismatch");
}

#[test]
fn deletion_is_let_through() {
    let mut request = request(&release(), Some(&release()));
    request["operation"] = "DELETE".into();
    request["object"] = Value::Null;
    let reply = ask(Mode::Validate, &request);
    assert_eq!(reply["response"]["allowed"], true);
}

#[test]
fn what_cannot_be_read_can_still_be_deleted_and_let_go_of() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let body = |change: fn(&mut Value)| {
        let mut request = request(&release(), Some(&release()));
        change(&mut request);
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        review.to_string().replace("\"resources\":[]", &format!("\"resources\":{deep}"))
    };
    for (what, body, allowed) in [
        ("deletion", body(|request| request["operation"] = "DELETE".into()), true),
        ("a finalizer", body(|request| request["object"]["metadata"]["finalizers"] = json!([])), true),
        ("an annotation", body(|request| request["object"]["metadata"]["annotations"] = json!({"a": "b"})), false),
        ("the spec", body(|request| request["object"]["spec"]["interval"] = "1m".into()), false),
    ] {
        assert_eq!(ask_bytes(Mode::Mutate, body.as_bytes())["response"]["allowed"], allowed, "{what}");
    }
}

#[test]
fn kinds_that_are_not_ours_are_let_through() {
    let mut request = request(&release(), None);
    request["kind"] = json!({"group": "", "version": "v1", "kind": "Pod"});
    assert_eq!(ask(Mode::Mutate, &request)["response"]["allowed"], true);
}

#[test]
fn whatever_is_wrong_with_a_body_the_reply_carries_the_uid() {
    let good = serde_json::to_vec(
        &json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request(&release(), None)}),
    );
    let good = String::from_utf8(good.unwrap()).unwrap();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (what, body) in [
        ("nesting", good.replace("\"resources\":[]", &format!("\"resources\":{deep}"))),
        ("a huge number", good.replace("\"resources\":[]", "\"resources\":1e999")),
        ("another version", good.replace("admission.k8s.io/v1", "admission.k8s.io/v2")),
        ("the end cut off", good[..good.len() - 20].to_owned()),
        ("a number for the operation", good.replace("\"CREATE\"", "5")),
    ] {
        // serde_json sorts the keys of this test's envelope; the API server writes the uid first.
        let body = body.replace("\"request\":{", "\"request\":{\"uid\":\"11\",").replacen(
            ",\"uid\":\"11\",\"userInfo\"",
            ",\"userInfo\"",
            1,
        );
        let reply = ask_bytes(Mode::Mutate, body.as_bytes());
        assert_eq!(
            (&reply["response"]["uid"], &reply["response"]["allowed"]),
            (&json!("11"), &json!(false)),
            "{what}: {reply}"
        );
        assert_eq!(reply["response"]["status"]["code"], 422, "{what}");
    }
    for body in ["", "{}", "[]", "null", "\u{0}"] {
        let reply = ask_bytes(Mode::Mutate, body.as_bytes());
        assert_eq!(reply["response"]["allowed"], false, "{body}");
    }
    let large = too_large(good.replace("\"request\":{", "\"request\":{\"uid\":\"11\",").as_bytes(), 7);
    assert_eq!(serde_json::from_slice::<Value>(&large.body()).unwrap()["response"]["uid"], "11");
}
