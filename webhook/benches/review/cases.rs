//! What is measured: each case has a size, a goal, and something to run.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use data_encoding::BASE64;
use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::{Evidence, History, PrivateKey, PublicKeys, Signer, examine, key_id};
use release_shared::validate::Verdicts;
use release_shared::world::World;
use release_webhook::review::{Context, Mode, answer};
use serde_json::{Value, json};

use super::objects::{self, NAMESPACE};

/// Something to measure.
pub(crate) struct Case {
    /// The part of the table that it belongs to.
    pub(crate) part: &'static str,
    /// What it is.
    pub(crate) name: String,
    /// Bytes of the object.
    pub(crate) size: usize,
    /// At most so many microseconds of CPU, where there is a goal.
    pub(crate) goal: Option<f64>,
    work: Work,
}

enum Work {
    Review { mode: Mode, body: Vec<u8>, world: Box<World>, now: Timestamp },
    Verify { object: Value },
}

impl Case {
    /// Its name in criterion's tree.
    pub(crate) fn group(&self) -> String {
        format!("{} {}", self.part, self.name).replace(['/', ' '], "_")
    }

    /// The review's bytes; none where there is no review.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        match &self.work {
            Work::Review { body, .. } => Some(body),
            Work::Verify { .. } => None,
        }
    }

    fn is_allowed(&self) -> bool {
        String::from_utf8_lossy(&self.run()).contains("\"allowed\":true")
    }

    /// Does it once.
    pub(crate) fn run(&self) -> Vec<u8> {
        match &self.work {
            Work::Review { mode, body, world, now } => review(*mode, body, world, *now),
            Work::Verify { object } => verify(object),
        }
    }
}

fn review(mode: Mode, body: &[u8], world: &World, now: Timestamp) -> Vec<u8> {
    answer(mode, body, &Context { world, now, signer: Some(&SIGNER), speakers: &[], verdicts: &Verdicts::new() })
}

/// One key, which signs.
static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let key = PrivateKey::from_seed(&[7; 32]);
    let keys = BTreeMap::from([(key_id(&key.public(), now(0)), key)]);
    Signer::new(keys, PublicKeys::default()).unwrap_or_else(|| unreachable!("there is a key"))
});

/// What is said of a history with all its signatures: nothing.
fn verify(object: &Value) -> Vec<u8> {
    let evidence = Evidence { keys: Some(SIGNER.public()), ..Evidence::default() };
    let said = examine(Kind::ReleaseBinding, object, &evidence);
    said.iter().map(|finding| format!("{finding}\n")).collect::<String>().into_bytes()
}

/// All cases, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    let sizes = [(10_000, Some(25.0)), (100_000, Some(250.0)), (1_000_000, None), (3_000_000, Some(10_000.0))];
    let mut cases: Vec<_> = sizes.into_iter().flat_map(|(size, goal)| reviews(size, goal)).collect();
    cases.extend(histories());
    cases.extend([2_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 3_000_000].into_iter().flat_map(curve));
    cases.extend(worst());
    cases
}

fn label(size: usize) -> String {
    if size >= 1_000_000 { format!("{} MB", size / 1_000_000) } else { format!("{} KB", size / 1000) }
}

fn reviews(size: usize, goal: Option<f64>) -> Vec<Case> {
    let new = objects::release(size);
    let mut changed = new.clone();
    changed["spec"]["resources"][0]["object"]["spec"]["template"]["spec"]["containers"][0]["image"] =
        "registry.example.com/shop/web:1.5.0".into();
    let stamped = stamped(&new, None);
    let changed = with_annotations(&changed, &stamped);
    let what = [("CREATE", new, None), ("UPDATE", changed, Some(&stamped))];
    what.iter()
        .flat_map(|(operation, new, old)| both_hooks(&format!("{operation} {}", label(size)), new, *old, goal))
        .collect()
}

/// A change as the API server sends it to both hooks.
fn both_hooks(name: &str, new: &Value, old: Option<&Value>, goal: Option<f64>) -> [Case; 2] {
    let after = stamped(new, old);
    [("/mutate", Mode::Mutate, new), ("/validate", Mode::Validate, &after)]
        .map(|(hook, mode, new)| case("review", format!("{name} {hook}"), mode, new, old, goal))
}

fn case(part: &'static str, name: String, mode: Mode, new: &Value, old: Option<&Value>, goal: Option<f64>) -> Case {
    let work = Work::Review { mode, body: body(new, old), world: Box::new(objects::world()), now: now(0) };
    let case = Case { part, name, size: new.to_string().len(), goal, work };
    let is_small = case.size < release_shared::validate::MAX_SIZE;
    assert!(part == "worst" || case.is_allowed() || !is_small, "{}", String::from_utf8_lossy(&case.run()));
    case
}

/// A binding without a history and with one of 30 records, and how long it takes to verify those.
fn histories() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut last = objects::binding();
    for revision in 0..=30 {
        let mut next = last.clone();
        next["spec"]["componentTypeEnvironmentConfigs"]["replicas"] = (revision + 3).into();
        next["spec"]["releaseName"] = format!("web-{}", revision % 2 + 1).into();
        next["metadata"]["annotations"][names::REASON] = format!("SHOP-{revision}: more room for the sale").into();
        let old = (revision > 0).then_some(&last);
        if revision == 0 || revision == 30 {
            cases.extend(both_hooks(&format!("binding with {revision} records"), &next, old, None));
        }
        if revision < 30 {
            last = stamped_at(&next, old, now(revision));
        }
    }
    let history = last["metadata"]["annotations"][names::HISTORY].as_str().unwrap_or_default();
    let records = History::parse(history).map_or(0, |history| history.records().count());
    let (name, size) = (format!("verify {records} records"), history.len());
    assert_eq!(String::from_utf8_lossy(&verify(&last)), "", "the history holds together");
    cases.push(Case { part: "record", name, size, goal: Some(5_000.0), work: Work::Verify { object: last } });
    cases
}

fn curve(size: usize) -> Option<Case> {
    let new = objects::release(size);
    Some(case("curve", format!("CREATE {}", label(size)), Mode::Mutate, &new, None, None))
}

/// What somebody may send who means harm.
fn worst() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in [300_000, 3_000_000] {
        let new = objects::faulty(size);
        let mut old = new.clone();
        old["spec"]["interval"] = "1h".into();
        cases.push(case("worst", format!("CREATE faults {}", label(size)), Mode::Mutate, &new, None, None));
        cases.push(case("worst", format!("UPDATE faults {}", label(size)), Mode::Mutate, &new, Some(&old), None));
    }
    for depth in [10_000, 100_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = body(&json!({"spec": "NESTED"}), None);
        let text = String::from_utf8_lossy(&text).replace("\"NESTED\"", &nested);
        let work = Work::Review {
            mode: Mode::Mutate,
            body: text.into_bytes(),
            world: Box::new(objects::world()),
            now: now(0),
        };
        cases.push(Case {
            part: "worst",
            name: format!("{depth} nested arrays"),
            size: nested.len(),
            goal: None,
            work,
        });
    }
    cases
}

fn now(minute: i64) -> Timestamp {
    Timestamp::from_second(1_767_351_600 + 60 * minute).unwrap_or_default()
}

/// A review with its fields in the order in which the API server writes them.
fn body(new: &Value, old: Option<&Value>) -> Vec<u8> {
    let kind = new["kind"].as_str().unwrap_or("Release");
    let version = json!({"group": "openchoreo.dev", "version": "v1alpha1", "kind": kind});
    let resource = json!({"group": "openchoreo.dev", "version": "v1alpha1", "resource": format!("{}s", kind.to_ascii_lowercase())});
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    let user = json!({"username": "jane@example.com", "uid": "u-1", "groups": ["developers", "system:authenticated"], "extra": {}});
    let old = old.map_or("null".to_owned(), Value::to_string);
    // Go escapes these three in every text.
    let [new, old] =
        [new.to_string(), old].map(|text| text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"));
    let name = "web-dev";
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","kind":{version},"resource":{resource},"requestKind":{version},"requestResource":{resource},"name":"{name}","namespace":"{NAMESPACE}","operation":"{operation}","userInfo":{user},"object":{new},"oldObject":{old},"dryRun":false,"options":{{"kind":"UpdateOptions","apiVersion":"meta.k8s.io/v1","fieldManager":"kubectl-edit"}}}}}}"#
    )
    .into_bytes()
}

/// The object as the API server has it after `/mutate`.
fn stamped(new: &Value, old: Option<&Value>) -> Value {
    stamped_at(new, old, now(0))
}

fn stamped_at(new: &Value, old: Option<&Value>, now: Timestamp) -> Value {
    let reply = review(Mode::Mutate, &body(new, old), &objects::world(), now);
    let reply: Value = serde_json::from_slice(&reply).unwrap_or_default();
    let patch = reply["response"]["patch"].as_str().and_then(|patch| BASE64.decode(patch.as_bytes()).ok());
    let patch: Option<json_patch::Patch> = patch.and_then(|patch| serde_json::from_slice(&patch).ok());
    let mut object = new.clone();
    if let Some(patch) = patch {
        let _ = json_patch::patch(&mut object, &patch);
    }
    object
}

fn with_annotations(object: &Value, from: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["annotations"] = from["metadata"]["annotations"].clone();
    object
}
