//! Records are signed: by keys that the webhook keeps and everybody can check, and whatever somebody writes around the webhook is found.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use data_encoding::BASE64;
use release_shared::names;
use release_shared::record::{PrivateKey, PublicKey, PublicKeys, Record, WEBHOOK_ANNOTATION_LIMIT, record_hash};
use release_tests::{Cli, Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::never_in_the_way::Away;
use super::objects::{Shop, annotation, binding, created, kind, name, records, release, with};
use super::person::{Person, causes};
use super::project::{MANIFESTS, Project};

trials! {
    admission:
    every_record_is_signed_and_anybody_may_check_it,
    what_is_written_around_the_webhook_is_found_and_named,
    a_history_that_was_set_back_is_found_by_what_others_remember,
    a_new_key_signs_at_once_and_the_retired_one_goes_on_verifying,
    keys_that_are_deleted_or_broken_stop_nothing,
    a_history_at_the_edge_is_stored_or_refused_in_our_words,
    a_long_history_tells_what_it_dropped,
}

const LIMIT: Duration = Duration::from_secs(60);
const SYSTEM: &str = "release-system";

/// What is kept under the name of the record keys: `secret` or `configmap`.
fn kept<'a>(namespace: &'a Namespace<'a>, kind: &str) -> Cli<'a> {
    namespace.kubectl(["-n", SYSTEM, "get", kind, names::RECORD_KEYS, "-o", "json"])
}

/// The public halves, as they are published.
pub(crate) fn public_keys(namespace: &Namespace<'_>) -> PublicKeys {
    let map: Value = kept(namespace, "configmap").run().expect_code(0).json();
    let entries = map["data"].as_object().cloned().unwrap_or_default();
    let key = |pem: &Value| PublicKey::from_pem(pem.as_str().unwrap()).unwrap();
    let named = entries.iter().map(|(id, pem)| (id.clone(), key(pem))).collect();
    PublicKeys { named, ..PublicKeys::default() }
}

fn last(object: &Value) -> Record {
    records(object).pop().unwrap()
}

/// What `history --verify` says of an object: the exit code, and the codes of its findings.
fn verified(person: &Person<'_>, object: &Value, more: &[&str]) -> (i32, Vec<String>) {
    let subject = format!("{}/{}", object["kind"].as_str().unwrap().to_ascii_lowercase(), name(object));
    let args = ["history", &subject, "--verify", "-o", "json"].into_iter().chain(more.iter().copied());
    let told = person.release(args).run();
    let list: Value = told.json();
    let findings = list["items"][0]["findings"].as_array().cloned().unwrap_or_default();
    let codes = findings.iter().map(|finding| finding["code"].as_str().unwrap_or_default().to_owned()).collect();
    (told.code().unwrap_or(-1), codes)
}

/// A Release of so many revisions, of a component that nothing else is known of.
fn release_of(shop: &Shop<'_>, name: &str, revisions: u32) -> Value {
    let alone =
        |release: &mut Value| release["spec"]["owner"] = json!({ "projectName": "alone", "componentName": name });
    let mut object = created(&shop.jane, &with(&release(name), alone));
    for revision in 2..=revisions {
        let change = json!({ "metadata": { "annotations": { names::REASON: format!("reason {revision}") } }, "spec": { "interval": format!("{revision}m") } });
        object = shop.jane.merge(&object, &change).unwrap();
    }
    object
}

fn every_record_is_signed_and_anybody_may_check_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let object = release_of(&shop, "web-dev", 3);
    let keys = public_keys(namespace);
    let is_known = |record: &Record| record.key.as_ref().is_some_and(|key| keys.named.contains_key(key));
    assert!(records(&object).iter().all(|record| is_known(record) && record.sig.is_some()));

    // Who has no right but to see releases, and has none to the Secret.
    assert_eq!(verified(&shop.jane, &object, &[]), (0, vec![]));
    let told = shop.jane.release(["history", "release/web-dev", "--verify"]).run().expect_code(0);
    told.expect_stdout("the records hold together; revision 3 has the hash ")
        .expect_stderr("Signatures were checked with ");
    let secret = shop.jane.kubectl(["-n", SYSTEM, "get", "secret", names::RECORD_KEYS]).run().expect_code(1);
    secret.expect_stderr("forbidden");

    // With keys that were kept outside, and with a hash that was.
    let folder = tempfile::tempdir()?;
    let path = |name: &str, text: &str| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let outside = path("keys.json", kept(namespace, "configmap").run().expect_code(0).stdout())?;
    let pem = path("keys.pem", &keys.named.values().map(|key| key.to_pem()).collect::<String>())?;
    let others = path("others.pem", &PrivateKey::from_seed(&[1; 32]).public().to_pem())?;
    let hash = records(&object)[1].hash.clone().unwrap();
    assert_eq!(verified(&shop.jane, &object, &["--keys", &outside, "--expect", &hash]), (0, vec![]));
    assert_eq!(verified(&shop.jane, &object, &["--keys", &pem]), (0, vec![]));
    assert_eq!(verified(&shop.jane, &object, &["--keys", &others]), (1, vec!["KeyUnknown".to_owned(); 3]));
    assert_eq!(verified(&shop.jane, &object, &["--expect", &"0".repeat(64)]), (1, vec!["ExpectedMissing".to_owned()]));

    // A dry run is signed as what it is, and is nobody's record.
    let dry = shop.jane.in_dry_run().merge(&object, &json!({ "spec": { "interval": "9m" } })).unwrap();
    assert_eq!((last(&dry).dry_run, last(&dry).sig.is_some()), (Some(true), true));
    Ok(())
}

/// What somebody writes around the webhook: the object with its history, and what a dry run of a change made of it.
struct Around {
    object: Value,
    history: Vec<Value>,
    dry: Value,
}

impl Around {
    /// The newest record with a made-up author, and with its hash and the stamp put right.
    fn forge(&mut self, change: fn(&mut Record)) {
        let [.., last] = self.history.as_mut_slice() else { return };
        let mut record: Record = serde_json::from_value(last.clone()).unwrap();
        record.by = "eve".into();
        change(&mut record);
        let namespace = self.object["metadata"]["namespace"].as_str().unwrap_or_default();
        record.hash = Some(record_hash(kind(&self.object), namespace, name(&self.object), &record));
        *last = json!(record);
        self.object["metadata"]["annotations"][names::CHANGED_BY] = "eve".into();
    }

    fn become_the_dry_run(&mut self) {
        self.object["spec"] = self.dry["spec"].clone();
        self.object["metadata"]["annotations"] = self.dry["metadata"]["annotations"].clone();
        self.history = parsed(&self.dry);
    }

    fn written(mut self) -> Value {
        self.object["metadata"]["annotations"][names::HISTORY] = json!(self.history).to_string().into();
        self.object
    }
}

fn parsed(object: &Value) -> Vec<Value> {
    serde_json::from_str(annotation(object, names::HISTORY).unwrap()).unwrap()
}

/// What is done, what it is called by `history --verify`, and what an honest change with no room for a history leaves of that.
type Row = (&'static str, fn(&mut Around), &'static str, &'static str);

/// What leaves a history no room but for its newest record.
fn squeeze() -> Value {
    json!({ "metadata": { "annotations": { "x/y": "z".repeat(261_000) } }, "spec": { "interval": "90m" } })
}

/// The records of an object as somebody invents them who has no key.
fn invented(object: &Value) -> Value {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let mut prev = None;
    let made_up = records(object).into_iter().map(|record| {
        let mut record = Record { by: "eve".into(), key: None, sig: None, prev: prev.clone(), ..record };
        prev = Some(record_hash(kind(object), namespace, name(object), &record));
        record.hash = prev.clone();
        record
    });
    let history = json!(made_up.collect::<Vec<_>>()).to_string();
    with(object, |object| {
        object["metadata"]["annotations"][names::HISTORY] = history.into();
        object["metadata"]["annotations"][names::CHANGED_BY] = "eve".into();
    })
}

fn what_is_written_around_the_webhook_is_found_and_named(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission_alone()?;
    let project = Project::open(namespace)?;
    let shop = Shop::people(namespace)?;
    project.release();
    project.dana("create api -f - --reason good").stdin(MANIFESTS).run().expect_code(0);
    let (dropped, stamp) = ("DroppedUnproved", |around: &mut Around| {
        drop(around.object["metadata"]["annotations"].as_object_mut().unwrap().remove(names::CHANGED_BY));
    });
    let eves = |around: &mut Around| around.forge(|record| record.key = Some("eve".into()));
    let rows: [Row; 9] = [
        ("an edited reason", |around| around.history[1]["reason"] = "another".into(), "RecordEdited", dropped),
        ("dropped from the middle", |around| drop(around.history.remove(1)), "RecordMissing", dropped),
        ("reordered", |around| around.history.swap(0, 1), "RecordsReordered", dropped),
        ("forged with the signature of another", |around| around.forge(|_| {}), "SignatureInvalid", dropped),
        ("forged without one", |around| around.forge(|record| record.sig = None), "RecordUnsigned", dropped),
        ("forged with a key of her own", eves, "KeyUnknown", dropped),
        ("from a dry run", Around::become_the_dry_run, "RecordOfDryRun", dropped),
        // The next record speaks of the object as it is.
        ("without the webhook", |around| around.object["spec"]["interval"] = "50m".into(), "ChangeNotRecorded", ""),
        ("a stamp taken away", stamp, "StampDiffers", ""),
    ];
    let objects: Vec<_> = (0..rows.len()).map(|at| release_of(&shop, &format!("web-{at}"), 3)).collect();
    let other =
        |object: &Value| shop.jane.in_dry_run().merge(object, &json!({ "spec": { "interval": "9m" } })).unwrap();
    let dry: Vec<_> = objects.iter().map(other).collect();
    // A run that a dry run signs, put into the place of the same records later.
    let early = release_of(&shop, "web-run", 2);
    let run = parsed(&shop.jane.in_dry_run().merge(&early, &squeeze()).unwrap()).remove(0);
    let shortened = shop.jane.merge(&early, &json!({ "spec": { "interval": "9m" } })).unwrap();
    let history = json!([run, parsed(&shortened)[2]]).to_string();
    let shortened = with(&shortened, |object| object["metadata"]["annotations"][names::HISTORY] = history.into());
    let invented = invented(&release_of(&shop, "web-invented", 2));

    let away = Away::take(namespace, &shop.jane)?;
    for ((object, dry), (what, tamper, ..)) in objects.iter().zip(dry).zip(&rows) {
        let mut around = Around { object: object.clone(), history: parsed(object), dry };
        tamper(&mut around);
        let written = shop.admin.replace(&around.written());
        written.map_err(|status| anyhow::anyhow!("{what}: {status:?}"))?;
    }
    shop.admin.replace(&shortened).unwrap();
    shop.admin.replace(&invented).unwrap();
    // The record of another object, which is looked at in the same run.
    let pin = |component: &str| shop.admin.get(&binding(component, "dev", "any")).unwrap();
    let history = annotation(&pin("web"), names::HISTORY).map(str::to_owned);
    let taken = with(&pin("api"), |pin| pin["metadata"]["annotations"][names::HISTORY] = json!(history));
    shop.admin.replace(&taken).unwrap();
    away.end(&shop.jane)?;

    for (object, (what, _, code, after)) in objects.iter().zip(&rows) {
        assert_eq!(verified(&shop.jane, object, &[]), (1, vec![(*code).to_owned()]), "{what}");
        // What was found stays found when the bound drops it.
        let squeezed = shop.jane.merge(object, &squeeze()).unwrap();
        assert_eq!(parsed(&squeezed).len(), 2, "{what}: a run, and the new record: {squeezed:#}");
        let (exit, codes) = verified(&shop.jane, object, &[]);
        let expected = (i32::from(!after.is_empty()), after.is_empty() || codes.contains(&(*after).to_owned()));
        assert_eq!((exit, true), expected, "{what}: {codes:?}");
    }
    assert_eq!(verified(&shop.jane, &shortened, &[]), (1, vec!["RecordOfDryRun".to_owned()]));
    unsigned_never_passes(namespace, &shop, &invented)?;
    let told = project.dana("history --all --verify").run().expect_code(1);
    let source = format!("api-dev: revision 1 was taken from ReleaseBinding {}/web-dev", namespace.name());
    told.expect_stdout(&source).expect_stdout("web-dev: the records hold together");
    Ok(())
}

fn a_history_that_was_set_back_is_found_by_what_others_remember(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let before = release_of(&shop, "web-dev", 2);
    let after = shop.jane.merge(&before, &json!({ "spec": { "interval": "9m" } })).unwrap();
    let (known, gone) = (last(&before).hash.unwrap(), last(&after).hash.unwrap());
    let anchor = json!({ "record": { "revision": 3, "hash": gone } });
    let seen = shop.admin.merge_status(&after, &anchor).unwrap();
    assert_eq!(verified(&shop.jane, &after, &["--expect", &gone]), (0, vec![]));

    let away = Away::take(namespace, &shop.jane)?;
    let version = seen["metadata"]["resourceVersion"].clone();
    shop.admin.replace(&with(&before, |before| before["metadata"]["resourceVersion"] = version)).unwrap();
    away.end(&shop.jane)?;
    assert_eq!(verified(&shop.jane, &after, &[]), (1, vec!["HistorySetBack".to_owned()]));
    let both = ["HistorySetBack", "ExpectedMissing"].map(str::to_owned).to_vec();
    assert_eq!(verified(&shop.jane, &after, &["--expect", &gone]), (1, both));
    // Who may write the status can make the controller forget, and nobody what was noted elsewhere.
    shop.admin.merge_status(&after, &json!({ "record": null })).unwrap();
    assert_eq!(verified(&shop.jane, &after, &["--expect", &known]), (0, vec![]));
    assert_eq!(verified(&shop.jane, &after, &["--expect", &gone]), (1, vec!["ExpectedMissing".to_owned()]));
    Ok(())
}

/// An invented history is a fault, whatever form the keys are given in, unless somebody says that there were none.
fn unsigned_never_passes(namespace: &Namespace<'_>, shop: &Shop<'_>, invented: &Value) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str, text: &str| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let keys = public_keys(namespace);
    let pem = path("keys.pem", &keys.named.values().map(|key| key.to_pem()).collect::<String>())?;
    let mut map: Value = kept(namespace, "configmap").run().expect_code(0).json();
    let mine = PrivateKey::from_seed(&[1; 32]).public().to_pem();
    // Only a key whose id says no time, as where the first ones are distrusted.
    map["data"] = json!({ "zz-mine": mine });
    let rotated = path("keys.json", &map.to_string())?;
    let unsigned = || vec!["RecordUnsigned".to_owned(); 2];
    assert_eq!(verified(&shop.jane, invented, &[]), (1, unsigned()));
    assert_eq!(verified(&shop.jane, invented, &["--keys", &rotated]), (1, unsigned()));
    assert_eq!(verified(&shop.jane, invented, &["--keys", &pem]), (1, vec!["SigningTimeUnknown".to_owned()]));
    let said = |time: &str| verified(&shop.jane, invented, &["--keys", &pem, "--signed-since", time]);
    assert_eq!(said("2020-01-01T00:00:00Z"), (1, unsigned()));
    assert_eq!(said("2099-01-01T00:00:00Z"), (0, vec!["BeforeSigning".to_owned()]));
    Ok(())
}

/// Puts an entry into the Secret of the keys, or takes it out.
fn set_entry(namespace: &Namespace<'_>, id: &str, text: Option<&str>) {
    let text = text.map(|text| BASE64.encode(text.as_bytes()));
    let patch = json!({ "data": { id: text } }).to_string();
    let args = ["-n", SYSTEM, "patch", "secret", names::RECORD_KEYS, "--type=merge", "-p", &patch];
    namespace.kubectl(args).run().expect_code(0);
}

/// Writes until a record is signed with a key of this id.
fn until_signed_with(shop: &Shop<'_>, object: &Value, id: &str) -> anyhow::Result<Value> {
    let mut minute = 100;
    wait::until(&format!("records are signed with {id}"), LIMIT, || {
        minute += 1;
        let change = json!({ "spec": { "interval": format!("{minute}s") } });
        let written = shop.jane.merge(object, &change).map_err(|status| anyhow::anyhow!("{status:?}"))?;
        Ok((last(&written).key.as_deref() == Some(id)).then_some(written))
    })
}

fn a_new_key_signs_at_once_and_the_retired_one_goes_on_verifying(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let object = release_of(&shop, "web-dev", 2);
    let first = last(&object).key.context("not signed")?;
    let (id, key) = ("20990101t000000z-fromtest", PrivateKey::from_seed(&[42; 32]));
    set_entry(namespace, id, Some(&key.to_pem()));
    let rotated = until_signed_with(&shop, &object, id)?;
    assert_eq!(public_keys(namespace).named.get(id), Some(&key.public()));
    assert_eq!(verified(&shop.jane, &rotated, &[]), (0, vec![]));

    // Out of the Secret again: the elder one signs, and what the retired one signed is still proved.
    set_entry(namespace, id, None);
    let back = until_signed_with(&shop, &object, &first)?;
    assert!(records(&back).iter().any(|record| record.key.as_deref() == Some(id)));
    assert_eq!(public_keys(namespace).named.get(id), Some(&key.public()), "a retired key goes on verifying");
    assert_eq!(verified(&shop.jane, &back, &[]), (0, vec![]));

    // Out of the ConfigMap too, it is distrusted: what it signed is named, and goes on being named when it is dropped.
    let patch = json!({ "data": { id: null } }).to_string();
    let args = ["-n", SYSTEM, "patch", "configmap", names::RECORD_KEYS, "--type=merge", "-p", &patch];
    namespace.kubectl(args).run().expect_code(0);
    assert!(verified(&shop.jane, &back, &[]).1.contains(&"KeyUnknown".to_owned()));
    wait::until("the webhook trusts the key no more", LIMIT, || {
        let dry = shop.jane.in_dry_run().merge(&back, &squeeze()).map_err(|status| anyhow::anyhow!("{status:?}"))?;
        Ok(annotation(&dry, names::HISTORY).unwrap().contains("KeyUnknown").then_some(()))
    })?;
    shop.jane.merge(&back, &squeeze()).unwrap();
    let (exit, codes) = verified(&shop.jane, &back, &[]);
    assert_eq!((exit, codes.contains(&"DroppedUnproved".to_owned())), (1, true), "{codes:?}");
    Ok(())
}

fn keys_that_are_deleted_or_broken_stop_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installed = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let object = release_of(&shop, "web-dev", 2);
    let first = last(&object).key.context("not signed")?;
    let deleted = |kind: &str| {
        let before: Value = kept(namespace, kind).run().expect_code(0).json();
        namespace.kubectl(["-n", SYSTEM, "delete", kind, names::RECORD_KEYS]).run().expect_code(0);
        wait::until(&format!("the {kind} is written again"), LIMIT, || {
            let now = kept(namespace, kind).output()?;
            Ok((now.code() == Some(0) && now.json::<Value>()["data"] == before["data"]).then_some(()))
        })
    };
    deleted("secret")?;
    deleted("configmap")?;
    let again = shop.jane.merge(&object, &json!({ "spec": { "interval": "8m" } })).unwrap();
    assert_eq!(last(&again).key, Some(first.clone()));
    assert_eq!(verified(&shop.jane, &again, &[]), (0, vec![]));

    set_entry(namespace, "zz-broken", Some("NOT-FOR-A-LOG"));
    let log = || fs::read_to_string(installed.webhook_log());
    wait::until("the log names the broken entry", LIMIT, || Ok(log()?.contains("zz-broken").then_some(())))?;
    let on = shop.jane.merge(&object, &json!({ "spec": { "interval": "9m" } })).unwrap();
    assert_eq!(last(&on).key, Some(first));
    set_entry(namespace, "zz-broken", None);
    assert!(log()?.contains("written again from memory"));
    for secret in ["NOT-FOR-A-LOG", "PRIVATE KEY-----"] {
        assert!(!log()?.contains(secret), "{secret} stands in the log");
    }
    // A replica that starts finds the keys that are there.
    installed.stop_webhook();
    installed.start_webhook()?;
    let later = shop.jane.merge(&object, &json!({ "spec": { "interval": "10m" } })).unwrap();
    assert_eq!(last(&later).key, last(&on).key);
    Ok(())
}

/// All annotations of an object, as the API server counts them.
fn annotations_size(object: &Value) -> usize {
    let annotations = object["metadata"]["annotations"].as_object().unwrap();
    annotations.iter().map(|(key, value)| key.len() + value.as_str().unwrap_or_default().len()).sum()
}

fn a_history_at_the_edge_is_stored_or_refused_in_our_words(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let object = release_of(&shop, "web-dev", 6);
    let filled = |bytes: usize, interval: &str| json!({ "metadata": { "annotations": { "x/y": "z".repeat(bytes) } }, "spec": { "interval": interval } });
    let mut stored = 0;
    let room = WEBHOOK_ANNOTATION_LIMIT - annotations_size(&object);
    // Less and less room: the history gives way down to its newest record, and then we refuse.
    let sizes = (0..).map(|step| room - 200 + step * 97).take_while(|bytes| *bytes < WEBHOOK_ANNOTATION_LIMIT);
    for (at, bytes) in sizes.enumerate() {
        match shop.jane.merge(&object, &filled(bytes, &format!("{}s", 100 + at))) {
            Ok(written) => {
                assert!(annotations_size(&written) <= WEBHOOK_ANNOTATION_LIMIT);
                assert_eq!(last(&written).by, "jane");
                stored += 1;
            }
            Err(refused) => {
                assert_eq!((refused.code, causes(&refused)[0].1), (422, "AnnotationsTooLarge"), "{refused:?}");
                let said = format!("{refused:?}");
                assert!(said.contains("x/y has 2") && said.contains("history has "), "{said}");
            }
        }
    }
    assert!(stored > 5, "{stored}");
    let kept = shop.jane.get(&object).unwrap();
    assert_eq!(records(&kept).len(), 1, "the newest record stays");
    assert_eq!(verified(&shop.jane, &kept, &[]), (0, vec!["RecordsDropped".to_owned()]));

    // An annotation alone, with nothing to record: the cluster takes what fits to the byte, and we refuse the rest.
    let most = WEBHOOK_ANNOTATION_LIMIT - annotations_size(&kept)
        + kept["metadata"]["annotations"]["x/y"].as_str().unwrap().len();
    let annotate = |bytes: usize| {
        shop.jane.merge(&object, &json!({ "metadata": { "annotations": { "x/y": "z".repeat(bytes) } } }))
    };
    let refused = annotate(most + 1).unwrap_err();
    assert_eq!((refused.code, causes(&refused)[0].1), (422, "AnnotationsTooLarge"));
    assert_eq!(annotations_size(&annotate(most).unwrap()), WEBHOOK_ANNOTATION_LIMIT);
    Ok(())
}

fn a_long_history_tells_what_it_dropped(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let object = release_of(&shop, "web-dev", 33);
    assert_eq!(records(&object).len(), 30);
    assert_eq!(verified(&shop.jane, &object, &[]), (0, vec!["RecordsDropped".to_owned()]));
    let told = shop.jane.release(["history", "release/web-dev", "--verify"]).run().expect_code(0);
    told.expect_stdout("revisions 1 to 3 were dropped by the bound of the history, which is signed");
    Ok(())
}
