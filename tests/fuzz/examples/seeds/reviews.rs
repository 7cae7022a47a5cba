//! Reviews: of the objects that the rules are tested with, and of what nobody should send.

use release_fuzz::{NAMESPACE, genuine};
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::corpus::{base, written};
use serde_json::{Value, json};

use super::Seeds;

/// How many of the cases that were written for rules are taken: one in so many.
const ONE_IN: usize = 12;

pub(crate) fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let mut add = |name: &str, review: &Value| seeds.push((format!("{name}.json"), review.to_string().into_bytes()));
    for kind in Kind::ALL {
        let name = kind.as_str().to_lowercase();
        let object = base::object(kind);
        add(&format!("create-{name}"), &review("CREATE", Some(&object), None));
        add(&format!("delete-{name}"), &review("DELETE", None, Some(&object)));
    }
    for written in written::cases().into_iter().step_by(ONE_IN) {
        let old = written.case.old.as_ref();
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        let name: String = written.case.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        add(&format!("rule-{name}"), &review(operation, Some(&written.case.new), old));
    }
    for (at, old) in genuine().iter().enumerate() {
        let mut new = old.clone();
        new["spec"]["releaseName"] = "web-9".into();
        add(&format!("recorded-{at}"), &review("UPDATE", Some(&new), Some(old)));
    }
    seeds.extend(broken());
    seeds
}

/// What only somebody sends who is not the API server.
fn broken() -> Seeds {
    let good = review("CREATE", Some(&base::object(Kind::Release)), None);
    let text = good.to_string();
    let with = |pointer: &str, value: Value| {
        let mut review = good.clone();
        *review.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        review.to_string()
    };
    let texts = [
        ("cut-short", text[..text.len() * 2 / 3].to_owned()),
        ("uid-last", r#"{"request":{"object":{"metadata":{"uid":"x"}},"uid":"a"},"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1""#.into()),
        ("uid-twice", text.replacen("\"uid\":", "\"uid\":\"b\",\"uid\":", 1)),
        ("uid-escaped", text.replacen("\"uid\":\"a", "\"u\\u0069d\":\"\\u0061", 1)),
        ("nested", with("/request/object/spec/resources", nested(200))),
        ("huge-number", text.replacen("\"resources\":[", "\"n\":1e999,\"resources\":[-0,18446744073709551616,", 1)),
        ("null-objects", with("/request/object", Value::Null)),
        ("no-request", with("/request", Value::Null)),
        ("other-version", with("/apiVersion", "admission.k8s.io/v1beta1".into())),
        ("other-kind", with("/request/kind", json!({"group": "apps", "version": "v1", "kind": "Deployment"}))),
        ("connect", with("/request/operation", "CONNECT".into())),
        ("subresource", text.replacen("\"operation\"", "\"subResource\":\"status\",\"operation\"", 1)),
        ("annotations-no-map", with("/request/object/metadata/annotations", json!(["a"]))),
        ("dry-run", with("/request/dryRun", true.into())),
        ("empty-object", with("/request/object", json!({}))),
        ("object-a-list", with("/request/object", json!([]))),
        ("empty", String::new()),
    ];
    let mut seeds: Seeds =
        texts.into_iter().map(|(name, text)| (format!("broken-{name}.json"), text.into_bytes())).collect();
    let mut bytes = text.into_bytes();
    if let Some(at) = bytes.windows(6).position(|part| part == b"corpus") {
        bytes[at] = 0xff;
    }
    seeds.push(("broken-no-utf8.json".into(), bytes));
    seeds
}

/// Lists inside lists, so many of them; serde reads no more than 128.
fn nested(depth: usize) -> Value {
    (0..depth.min(120)).fold(json!(1), |inner, _| json!([inner]))
}

/// A review as the API server writes it.
fn review(operation: &str, object: Option<&Value>, old: Option<&Value>) -> Value {
    let some = object.or(old).cloned().unwrap_or_default();
    let mut review = json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "a05ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": names::GROUP, "version": names::VERSION, "kind": some["kind"]},
            "name": some["metadata"]["name"], "namespace": NAMESPACE, "operation": operation,
            "userInfo": {"username": "jane", "groups": ["team"], "extra": {"a": ["b"]}},
            "object": object, "oldObject": old, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-create"}
        }
    });
    for key in ["object", "oldObject"] {
        if let Some(object) = review["request"].get_mut(key).filter(|object| object.is_object()) {
            object["metadata"]["namespace"] = NAMESPACE.into();
        }
    }
    review
}
