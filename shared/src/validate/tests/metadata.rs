use serde_json::json;

use super::*;

#[test]
fn what_a_client_says_is_short_and_in_one_line() {
    let mut long = release(|_| {});
    long["metadata"]["annotations"] = json!({names::REASON: "x".repeat(513), names::LINK: "a\nb"});
    let codes: Vec<_> = codes(Kind::Release, "web-dev", &long, None).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["TooLong", "ControlCharacter"]);
}

#[test]
fn names_are_given_and_short() {
    let codes = |name: &str, object: &Value| codes(Kind::Release, name, object, None);
    let mut generated = release(|_| {});
    generated["metadata"] = json!({"generateName": "web-"});
    assert_eq!(codes("", &generated), [("metadata.generateName".into(), "GenerateName")]);
    assert_eq!(codes("", &release(|_| {})), [("metadata.name".into(), "Required")]);
    assert_eq!(codes(&"a".repeat(64), &release(|_| {})), [("metadata.name".into(), "InvalidName")]);
}
