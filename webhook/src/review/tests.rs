use data_encoding::BASE64;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::violation::RestsOn;
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
    serde_json::from_slice(&reply(mode, body, &World::default()).body()).unwrap()
}

fn reply(mode: Mode, body: &[u8], world: &World) -> Reply {
    let now = "2026-01-02T12:00:00Z".parse().unwrap();
    match decode(body) {
        Ok(request) => review(mode, &request, &Context { world, now }),
        Err(reply) => *reply,
    }
}

/// The reply to a request in a namespace with these objects, and what it rests on.
fn ask_in(world: &World, mode: Mode, request: &Value) -> (Value, Vec<RestsOn>) {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let reply = reply(mode, &serde_json::to_vec(&review).unwrap(), world);
    (serde_json::from_slice(&reply.body()).unwrap(), reply.unconfirmed().cloned().collect())
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

fn deletion(object: &Value, name: &str) -> Value {
    let mut request = request(object, Some(object));
    request["operation"] = "DELETE".into();
    request["object"] = Value::Null;
    request["name"] = name.into();
    request
}

#[test]
fn a_release_that_is_pinned_is_not_deleted() {
    let owner = json!({"projectName": "shop", "componentName": "web"});
    let snapshot = json!({"kind": "ComponentRelease", "metadata": {"name": "web-1"}, "spec": {"owner": owner}});
    let pin = json!({"kind": "ReleaseBinding", "spec": {"owner": owner, "environment": "dev", "releaseName": "web-1"}});
    let mut world = World::new("acme");
    world.put(Kind::ReleaseBinding, "web-dev", Some(&pin));
    let (reply, rests_on) = ask_in(&world, Mode::Validate, &deletion(&snapshot, "web-1"));
    insta::assert_json_snapshot!(reply["response"]);
    let binding = RestsOn::Object(Kind::ReleaseBinding, "web-dev".into());
    assert_eq!(rests_on, [binding], "which may be gone by now");

    assert_eq!(ask_in(&world, Mode::Validate, &deletion(&snapshot, "web-2")).0["response"]["allowed"], true);
    assert_eq!(ask_in(&world, Mode::Validate, &deletion(&pin, "web-dev")).0["response"]["allowed"], true);
    // As the look at the API server leaves it.
    world.put(Kind::ReleaseBinding, "web-dev", None);
    let (reply, rests_on) = ask_in(&world, Mode::Validate, &deletion(&snapshot, "web-1"));
    assert_eq!((&reply["response"]["allowed"], rests_on.len()), (&json!(true), 0));
}

#[test]
fn what_an_environment_does_not_let_in_is_refused_by_both_hooks() {
    let mut world = World::new("acme");
    world.put(Kind::Environment, "dev", Some(&json!({})));
    let mut object = release();
    object["spec"]["resources"] = json!([
        {"id": "a", "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "elsewhere"}}},
        {"id": "b", "object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}}}
    ]);
    for mode in [Mode::Mutate, Mode::Validate] {
        let (reply, rests_on) = ask_in(&world, mode, &request(&object, None));
        let status = &reply["response"]["status"];
        if mode == Mode::Mutate {
            assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")));
        }
        let causes: Vec<_> =
            status["details"]["causes"].as_array().unwrap().iter().map(|cause| &cause["reason"]).collect();
        assert!(causes.starts_with(&[&json!("OutsideNamespace"), &json!("ClusterKind")]), "{causes:?}");
        assert!(rests_on.contains(&RestsOn::Object(Kind::Environment, "dev".into())));
    }
    // The namespace of an environment that lists none follows from the request's.
    let own = release_shared::fence::generated_namespace("acme", "shop", "dev");
    object["spec"]["resources"][0]["object"]["metadata"]["namespace"] = own.into();
    object["spec"]["resources"].as_array_mut().unwrap().pop();
    assert_eq!(ask_in(&world, Mode::Mutate, &request(&object, None)).0["response"]["allowed"], true);
    let listed = json!({"metadata": {"annotations": {names::NAMESPACES: "{project}-dev"}}});
    world.put(Kind::Environment, "dev", Some(&listed));
    assert_eq!(ask_in(&world, Mode::Mutate, &request(&object, None)).0["response"]["allowed"], false);
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
