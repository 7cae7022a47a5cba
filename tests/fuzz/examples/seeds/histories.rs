//! Signed histories, and what somebody without the key may try with them.

use release_fuzz::genuine;
use release_shared::names;
use serde_json::{Value, json};

use super::Seeds;

/// A name, and what is done to the text of a history.
type Trick = (&'static str, fn(&str) -> String);

const TRICKS: [Trick; 12] = [
    ("edited-reason", |text| text.replacen("SHOP-2", "SHOP-3", 1)),
    ("edited-user", |text| text.replacen("\"jane\"", "\"joan\"", 1)),
    ("flipped-signature", |text| text.replacen("\"sig\":\"", "\"sig\":\"A", 1)),
    ("unsigned", |text| text.replacen("\"sig\"", "\"gis\"", 1)),
    ("unsigned-and-renamed-key", |text| text.replacen("\"key\"", "\"yek\"", 1)),
    ("key-twice", |text| text.replacen("\"by\":", "\"by\":\"joan\",\"by\":", 1)),
    ("signature-twice", |text| text.replacen("\"sig\":", "\"sig\":\"\",\"sig\":", 1)),
    ("float-revision", |text| text.replacen("\"revision\":1,", "\"revision\":1.0,", 1)),
    ("escaped-key", |text| text.replacen("\"hash\"", "\"h\\u0061sh\"", 1)),
    ("null-element", |text| text.replacen('[', "[null,", 1)),
    ("one-taken-out", |text| without_second(text)),
    ("cut-short", |text| text[..text.len() / 2].to_owned()),
];

pub(crate) fn seeds() -> Seeds {
    let objects = genuine();
    let mut seeds: Seeds = objects
        .iter()
        .enumerate()
        .map(|(at, object)| (format!("genuine-{at}.json"), object.to_string().into()))
        .collect();
    let of_production = objects[1]["metadata"]["annotations"][names::HISTORY].as_str().unwrap_or_default();
    seeds.push(("history-alone".into(), of_production.into()));
    seeds.push(("of-another-object.json".into(), with_history(&objects[0], of_production)));
    for (name, trick) in TRICKS {
        for (at, object) in objects.iter().enumerate().take(2) {
            let text = object["metadata"]["annotations"][names::HISTORY].as_str().unwrap_or_default();
            seeds.push((format!("{name}-{at}.json"), with_history(object, &trick(text))));
        }
    }
    seeds.push(("empty-history.json".into(), with_history(&objects[0], "[]")));
    seeds.push(("huge-revisions.json".into(), with_history(&objects[0], &huge())));
    seeds.push(("anchored.json".into(), anchored(&objects[0])));
    seeds
}

fn with_history(object: &Value, text: &str) -> Vec<u8> {
    let mut object = object.clone();
    object["metadata"]["annotations"][names::HISTORY] = text.into();
    object.to_string().into()
}

fn without_second(text: &str) -> String {
    let mut elements: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    elements.remove(1);
    json!(elements).to_string()
}

fn huge() -> String {
    let most = u64::MAX;
    json!([{"dropped": {"from": 0, "to": most}, "hash": "h"}, {"revision": most, "content": "c", "by": "jane", "at": "", "action": "Update"}])
        .to_string()
}

fn anchored(object: &Value) -> Vec<u8> {
    let mut object = object.clone();
    object["status"] = json!({"record": {"revision": 5, "hash": "of-another"}});
    object.to_string().into()
}
