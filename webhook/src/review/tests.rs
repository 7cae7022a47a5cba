use data_encoding::BASE64;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::validate::Verdict;
use release_shared::violation::{Permission, RestsOn};
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
        Ok(request) => {
            let verdicts = Verdicts::new();
            review(mode, &request, &Context { world, signer: None, now, speakers: &[], verdicts: &verdicts })
        }
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
fn the_patch_applies_to_an_object_without_metadata() {
    for metadata in [None, Some(Value::Null), Some(json!("web-dev")), Some(json!({ "annotations": [] }))] {
        let mut object = release();
        object.as_object_mut().unwrap().remove("metadata");
        object.as_object_mut().unwrap().extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
        let reply = ask(Mode::Mutate, &request(&object, None));
        assert_eq!(reply["response"]["allowed"], true, "{reply}");
        let object = patched(&object, &reply);
        assert_eq!(object["metadata"]["annotations"]["release.openchoreo.dev/changed-by"], "jane");
        let again = ask(Mode::Mutate, &request(&object, None));
        assert!(again["response"]["patch"].is_null(), "{again}");
    }
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
fn of_very_many_faults_the_first_are_told_and_the_rest_counted() {
    let mut object = release();
    object["spec"]["resources"] = json!(vec![json!({"id": "a", "object": 5}); 1_000]);
    let body =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request(&object, None)});
    let reply = reply(Mode::Mutate, &serde_json::to_vec(&body).unwrap(), &World::default());
    assert_eq!(reply.codes(), "NotAnObject,DuplicateResourceId");
    let reply: Value = serde_json::from_slice(&reply.body()).unwrap();
    let status = &reply["response"]["status"];
    let causes = status["details"]["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 101);
    assert_eq!(causes[100]["message"], "1899 more are not shown: begin with these");
    assert!(status["message"].as_str().unwrap().ends_with("\n* 1899 more are not shown: begin with these"));
}

#[test]
fn what_is_too_large_is_told_what_the_rules_say_and_no_more() {
    let mut object = release();
    let data = json!({"a": "b".repeat(2_000_000)});
    object["spec"]["resources"] = json!([{"id": "a", "object": {"apiVersion": "v1", "data": data, "kind": "ConfigMap", "metadata": {"name": "a"}}}]);
    object["spec"]["unknown"] = json!(1);
    object["spec"]["owner"]["componentName"] = json!("A B");
    for mode in [Mode::Mutate, Mode::Validate] {
        let body =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request(&object, None)});
        let reply = reply(mode, &serde_json::to_vec(&body).unwrap(), &World::default());
        let codes = reply.codes();
        assert!(codes.contains("TooLarge") && codes.contains("InvalidName"), "{codes}");
        assert!(mode == Mode::Validate || !codes.contains("UnknownField"), "{codes}");
    }
}

#[test]
fn what_the_api_server_writes_is_read_in_outline() {
    let metadata = json!({"name": "a", "labels": {"app.kubernetes.io/name": "a"}});
    let mut new = release();
    new["spec"]["resources"] = json!([{"id": "a", "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b\n"}}}]);
    for old in [None, Some(&new)] {
        let body =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request(&new, old)});
        let body = body.to_string();
        let request = decode(body.as_bytes()).unwrap();
        assert_eq!(request.contents.as_ref().map(|(_, old)| old.is_some()), Some(old.is_some()));
        assert_eq!(request.whole().unwrap().new.as_ref(), Some(&new));
    }
}

#[test]
fn very_deep_nesting_is_refused_or_let_go_of() {
    let text = request(&json!({"kind": "Release", "spec": "NESTED"}), None).to_string();
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let review = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":REQUEST}"#;
    let body = review.replace("REQUEST", &text.replace("\"NESTED\"", &nested));
    let reply = ask_bytes(Mode::Mutate, body.as_bytes());
    assert_eq!((&reply["response"]["uid"], &reply["response"]["allowed"]), (&json!("11"), &json!(false)));
    assert_eq!(reply["response"]["status"]["details"]["causes"][0]["reason"], "Unreadable");
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
    for body in ["", "{}", "[]", "null", "\u{0}", r#"{"request":{"uid":""}}"#] {
        assert!(!reply(Mode::Mutate, body.as_bytes(), &World::default()).has_uid(), "{body}");
        let nothing = Context {
            world: &World::default(),
            signer: None,
            now: Timestamp::UNIX_EPOCH,
            speakers: &[],
            verdicts: &Verdicts::new(),
        };
        assert_eq!(answer(Mode::Mutate, body.as_bytes(), &nothing), b"", "{body}");
    }
    let large = too_large(good.replace("\"request\":{", "\"request\":{\"uid\":\"11\",").as_bytes(), 7);
    assert_eq!(serde_json::from_slice::<Value>(&large.body()).unwrap()["response"]["uid"], "11");
}

#[test]
fn every_operation_has_its_answer() {
    let change = |change: fn(&mut Value)| {
        let mut request = request(&release(), None);
        change(&mut request);
        ask(Mode::Mutate, &request)["response"].clone()
    };
    for (what, response, allowed) in [
        ("a connection", change(|request| request["operation"] = "CONNECT".into()), true),
        ("a connection without an object", change(|request| *request = connection(request)), true),
        ("a subresource", change(|request| request["subResource"] = "status".into()), true),
        ("no subresource", change(|request| request["subResource"] = "".into()), true),
        ("a deletion with an object", change(|request| request["operation"] = "DELETE".into()), true),
        ("a creation without an object", change(|request| request["object"] = Value::Null), false),
        ("an operation of another time", change(|request| request["operation"] = "RENAME".into()), false),
    ] {
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("11"), &json!(allowed)), "{what}: {response}");
        let patched = matches!(what, "no subresource");
        assert_eq!(!response["patch"].is_null(), patched, "{what}: {response}");
        if !allowed {
            assert_eq!((reasons(&response), &response["status"]["code"]), (vec!["Unreadable"], &json!(422)), "{what}");
        }
    }
}

fn connection(request: &Value) -> Value {
    let mut request = request.clone();
    request["operation"] = "CONNECT".into();
    request["object"] = Value::Null;
    request
}

/// Go takes the last of two; serde takes none. The API server sends no such thing.
#[test]
fn a_field_that_is_there_twice_is_answered() {
    let request = request(&release(), None).to_string();
    for (what, twice) in [
        ("the uid", request.replacen('{', r#"{"uid":"11","#, 1)),
        ("the operation", request.replacen('{', r#"{"uid":"11","operation":"DELETE","#, 1)),
        (
            "a field of the object",
            request.replace(r#""environmentName":"dev""#, r#""environmentName":"a","environmentName":"dev""#),
        ),
    ] {
        let body = format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{twice}}}"#);
        assert_eq!(ask_bytes(Mode::Mutate, body.as_bytes())["response"]["uid"], "11", "{what}");
    }
}

/// A request for a pin in a namespace, with what the review looks at besides.
fn pin(annotations: &Value) -> Value {
    json!({
        "apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding",
        "metadata": {"name": "web-dev", "namespace": "acme", "annotations": annotations},
        "spec": {"owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev"}
    })
}

fn policed(policy: &Value) -> World {
    let mut world = World::new("acme");
    world.put(Kind::Environment, "dev", Some(&json!({"metadata": {"annotations": policy}})));
    world
}

fn judged(mode: Mode, request: &Value, world: &World, speakers: &[String], verdicts: &Verdicts) -> (Value, Reply) {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let now = "2026-01-02T12:00:00Z".parse().unwrap();
    let body = serde_json::to_vec(&review).unwrap();
    let request = decode(&body).unwrap();
    let reply = super::review(mode, &request, &Context { world, signer: None, now, speakers, verdicts });
    (serde_json::from_slice::<Value>(&reply.body()).unwrap()["response"].clone(), reply)
}

fn records(object: &Value) -> Vec<Value> {
    let history = object["metadata"]["annotations"][names::HISTORY].as_str().unwrap();
    serde_json::from_str(history).unwrap()
}

fn reasons(response: &Value) -> Vec<&str> {
    let causes = response["status"]["details"]["causes"].as_array().unwrap();
    causes.iter().map(|cause| cause["reason"].as_str().unwrap()).collect()
}

#[test]
fn a_permission_is_asked_for_and_a_bypass_is_recorded() {
    let world = policed(&json!({names::FROZEN: "2026-01-02T13:00:00Z; inventory"}));
    let asked = Permission::on(Kind::Environment, "dev");
    let judge = |mode, object: &Value, verdicts: &Verdicts| judged(mode, &request(object, None), &world, &[], verdicts);

    let (response, reply) = judge(Mode::Mutate, &pin(&json!({})), &Verdicts::new());
    assert_eq!((reasons(&response), response["status"]["code"].as_u64()), (vec!["Frozen"], Some(403)));
    assert_eq!(reply.unasked(), [], "who does not ask is not asked about");

    let asking = pin(&json!({names::BYPASS: "1", names::REASON: "fire"}));
    for mode in [Mode::Mutate, Mode::Validate] {
        let (response, reply) = judge(mode, &asking, &Verdicts::new());
        assert_eq!((&response["allowed"], reply.unasked()), (&json!(false), std::slice::from_ref(&asked)));
        let (response, reply) = judge(mode, &asking, &Verdicts::from([(asked.clone(), Verdict::Refused)]));
        assert!(reasons(&response).contains(&"Frozen"), "{response}");
        assert_eq!((reply.unasked(), reply.bypassed()), (&[][..], None), "once is enough");
    }

    let permitted = Verdicts::from([(asked, Verdict::Permitted)]);
    let (response, reply) = judge(Mode::Mutate, &asking, &permitted);
    assert_eq!((&response["allowed"], reply.bypassed().as_deref()), (&json!(true), Some("Frozen")));
    let warned = response["warnings"].as_array().unwrap().iter().any(|warning| {
        warning
            .as_str()
            .unwrap()
            .starts_with("spec.environment: gone past, with the permission to bypass on environments/dev: ")
    });
    assert!(warned, "{response}");
    let stored = patched(&asking, &json!({"response": response}));
    assert_eq!(records(&stored)[0]["bypass"], true);
    let (response, _) = judge(Mode::Validate, &stored, &permitted);
    assert_eq!((&response["allowed"], &response["auditAnnotations"]["bypass"]), (&json!(true), &json!("Frozen")));
    let (response, _) = judge(Mode::Validate, &stored, &Verdicts::new());
    assert_eq!(reasons(&response), ["Frozen"], "the second hook judges the same way");
}

#[test]
fn what_is_frozen_is_deleted_with_a_permission_only() {
    let world = policed(&json!({names::FROZEN: "2026-01-02T13:00:00Z; inventory"}));
    let asked = Permission::on(Kind::Environment, "dev");
    let delete =
        |verdicts: &Verdicts| judged(Mode::Validate, &deletion(&pin(&json!({})), "web-dev"), &world, &[], verdicts);
    let (response, reply) = delete(&Verdicts::new());
    assert_eq!((reasons(&response), reply.unasked()), (vec!["Frozen"], std::slice::from_ref(&asked)));
    let told = delete(&Verdicts::from([(asked.clone(), Verdict::Refused)])).0;
    assert_eq!(told["status"]["message"], response["status"]["message"], "who deletes has asked for nothing");
    let (response, reply) = delete(&Verdicts::from([(asked, Verdict::Permitted)]));
    assert_eq!((&response["allowed"], &response["auditAnnotations"]["bypass"]), (&json!(true), &json!("Frozen")));
    assert_eq!((response["warnings"].as_array().unwrap().len(), reply.bypassed().as_deref()), (1, Some("Frozen")));
}

#[test]
fn a_history_keeps_what_its_environment_says() {
    let world = policed(&json!({names::HISTORY_RECORDS: "5", names::HISTORY_BYTES: "196608"}));
    let kept = |world: &World| {
        let mut stored: Option<Value> = None;
        for change in 0..8 {
            let mut object = stored.clone().unwrap_or_else(|| pin(&json!({})));
            object["metadata"]["annotations"][names::RESTARTED_AT] = change.to_string().into();
            let (response, _) = judged(Mode::Mutate, &request(&object, stored.as_ref()), world, &[], &Verdicts::new());
            object = patched(&object, &json!({"response": response}));
            let check = judged(Mode::Validate, &request(&object, stored.as_ref()), world, &[], &Verdicts::new()).0;
            assert_eq!(check["allowed"], true, "{check}");
            stored = Some(object);
        }
        records(&stored.unwrap()).iter().filter(|record| record.get("revision").is_some()).count()
    };
    assert_eq!(kept(&world), 5);
    assert_eq!(kept(&policed(&json!({}))), 8);
}

#[test]
fn an_account_that_may_speaks_for_a_person_and_others_are_told() {
    let said = pin(&json!({names::ON_BEHALF_OF: "dana@acme.example"}));
    let world = policed(&json!({}));
    let told = |speakers: &[String], new: &Value, old: Option<&Value>| {
        let (response, _) = judged(Mode::Mutate, &request(new, old), &world, speakers, &Verdicts::new());
        let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
        let warned = warnings.iter().any(|text| text.as_str().unwrap().contains("may speak for others"));
        (patched(new, &json!({"response": response})), warned)
    };
    let (stored, warned) = told(&["jane".to_owned()], &said, None);
    assert_eq!(
        (&records(&stored)[0]["by"], &records(&stored)[0]["onBehalfOf"]),
        (&json!("jane"), &json!("dana@acme.example"))
    );
    assert!(!warned);
    let (stored, warned) = told(&["omar".to_owned()], &said, None);
    assert_eq!((&records(&stored)[0]["by"], &records(&stored)[0]["onBehalfOf"]), (&json!("jane"), &Value::Null));
    assert!(warned);
    // What stood there before was said of an earlier change.
    let mut later = stored.clone();
    later["spec"]["state"] = "Undeploy".into();
    for speakers in [&["jane".to_owned()][..], &[]] {
        let (stored, warned) = told(speakers, &later, Some(&stored));
        assert_eq!((&records(&stored)[1]["onBehalfOf"], warned), (&Value::Null, false));
    }
    // One that is written into a record is held against its rules.
    let bad = pin(&json!({names::ON_BEHALF_OF: "dana\nomar"}));
    let (response, _) = judged(Mode::Mutate, &request(&bad, None), &world, &["jane".to_owned()], &Verdicts::new());
    assert_eq!(reasons(&response), ["ControlCharacter"]);
    assert!(told(&[], &bad, None).1, "from anybody else it is inert");
}

#[test]
fn a_deletion_that_nobody_recorded_is_named() {
    let mut object = patched(&release(), &ask(Mode::Mutate, &request(&release(), None)));
    object["metadata"]["uid"] = "u".into();
    // As the API server asks where a whole collection is deleted.
    let mut asked = deletion(&object, "");
    let answer = |asked: &Value| {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked});
        reply(Mode::Validate, &serde_json::to_vec(&review).unwrap(), &World::default())
    };
    let named = answer(&asked);
    let unrecorded = named.unrecorded().unwrap();
    assert_eq!(
        [&unrecorded.name, &unrecorded.uid, &unrecorded.revision, &unrecorded.user],
        ["web-dev", "u", "1", "jane"]
    );
    assert_eq!(named.facts().name, "web-dev");
    let body: Value = serde_json::from_slice(&named.body()).unwrap();
    assert_eq!(body["response"]["auditAnnotations"], json!({"bare": "jane", "deleted-revision": "1"}));

    asked["dryRun"] = true.into();
    let dry = answer(&asked);
    let body: Value = serde_json::from_slice(&dry.body()).unwrap();
    assert_eq!((dry.unrecorded(), &body["response"]["auditAnnotations"]["bare"]), (None, &Value::Null));
}

#[test]
fn an_environment_is_let_go_after_a_look_at_the_releases_in_it() {
    let environment = json!({"kind": "Environment", "metadata": {"name": "dev"}, "spec": {}});
    let mut world = World::new("acme");
    let ask = |world: &World| ask_in(world, Mode::Validate, &deletion(&environment, "dev"));
    assert_eq!(ask(&world).1, [RestsOn::ReleaseByHand("dev".into())]);
    world.by_hand.insert("dev".into(), Some("web-dev".into()));
    let (reply, rests_on) = ask(&world);
    let status = &reply["response"]["status"];
    assert_eq!((&status["code"], &status["details"]["causes"][0]["reason"]), (&json!(403), &json!("EnvironmentInUse")));
    assert_eq!(rests_on, []);
    world.by_hand.insert("dev".into(), None);
    let (reply, rests_on) = ask(&world);
    assert_eq!((&reply["response"]["allowed"], rests_on.len()), (&json!(true), 0));
}

/// What no API server sends is told so before it leads a look-up to somewhere else.
#[test]
fn a_review_of_what_cannot_be_where_it_is_said_to_be_is_unreadable() {
    for (field, value, operation, allowed) in [
        ("namespace", "release-system/secrets/release-record-keys", "CREATE", false),
        ("namespace", "..", "CREATE", false),
        ("namespace", "", "CREATE", false),
        ("namespace", "acme?x=y", "DELETE", false),
        ("namespace", "acme", "DELETE", true),
        ("name", "../../secrets/x", "DELETE", false),
        ("name", "web%2e", "UPDATE", false),
        ("name", "web.dev-1", "UPDATE", true),
        // The whole collection, whose objects have names; and a name that the server makes up.
        ("name", "", "DELETE", true),
        ("name", "", "CREATE", true),
    ] {
        let mut request = request(&release(), (operation != "CREATE").then_some(&release()));
        request["operation"] = operation.into();
        if operation == "DELETE" {
            request["object"] = Value::Null;
        }
        request[field] = value.into();
        let told = ask(Mode::Validate, &request);
        let causes = &told["response"]["status"]["details"]["causes"];
        let is_unreadable = causes[0]["reason"] == "Unreadable";
        assert_eq!(
            (is_unreadable, &told["response"]["uid"]),
            (!allowed, &json!("11")),
            "{operation} {field} {value}: {told}"
        );
    }
}
