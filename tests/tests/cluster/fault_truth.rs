//! What has to be true of a world once all is quiet: everything is as it is pinned, nothing else is there, and each revision has its
//! outcome. Whatever is not is told in words.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use release_shared::desired::{Origin, desired};
use release_shared::fence::Scope;
use release_shared::kinds::{Health, Kind, ObjectRef, Outcome, ReleaseBindingStatus, ReleaseStatus};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::outcome::MOST;
use release_shared::record::{History, Record};
use release_shared::render;
use release_tests::wait;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault_world::World;

/// The kinds that the releases bring.
const KINDS: [(&str, &str, &str); 4] = [
    ("apps/v1", "Deployment", "deployments"),
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "Service", "services"),
    ("v1", "ServiceAccount", "serviceaccounts"),
];

/// For controllers and pods to do what they should, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(90);

/// Waits until all is as it should be; how long that took.
pub(crate) fn settle(world: &World<'_>, what: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let mut last = Vec::new();
    let settled = wait::until(what, LIMIT, || {
        last = faults(world)?;
        Ok(last.is_empty().then(|| began.elapsed()))
    });
    settled.with_context(|| last.join("\n"))
}

/// What is not as it should be.
pub(crate) fn faults(world: &World<'_>) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let bindings = world.all(Kind::ReleaseBinding)?;
    let snapshots = world.all(Kind::ComponentRelease)?;
    let mut releases: BTreeMap<_, _> =
        world.all(Kind::Release)?.into_iter().map(|release| (name(&release).to_owned(), release)).collect();
    let mut wanted = BTreeMap::new();
    for binding in &bindings {
        let mut say = |fault: String| faults.push(format!("binding {}: {fault}", name(binding)));
        outcomes(binding, &mut say);
        let release = releases.remove(name(binding));
        match (release, text(binding, "/spec/state") == Some("Undeploy")) {
            (None, true) => {}
            (Some(_), true) => say("it is undeployed and has a Release".into()),
            (None, false) => say("it has no Release".into()),
            (Some(release), false) => {
                pinned(world, binding, &release, &snapshots, &mut say);
                standing(world, &release, &mut wanted, &mut say);
            }
        }
    }
    for (name, release) in &releases {
        let mut say = |fault: String| faults.push(format!("Release {name}: {fault}"));
        if !release["metadata"]["ownerReferences"].is_null() {
            say("its binding is gone".into());
        }
        standing(world, release, &mut wanted, &mut say);
    }
    live(world, wanted, &mut faults)?;
    Ok(faults)
}

/// A rendered Release is what its binding renders to now, and the binding says how it is.
fn pinned(world: &World<'_>, binding: &Value, release: &Value, snapshots: &[Value], say: &mut impl FnMut(String)) {
    let pin = |pointer: &str| text(binding, pointer).unwrap_or_default();
    let place = world.place(pin("/spec/environment"));
    let snapshot = snapshots.iter().find(|snapshot| name(snapshot) == pin("/spec/releaseName"));
    let rendered = render::render(&render::Input {
        release: &snapshot.map(|snapshot| snapshot["spec"].clone()).unwrap_or_default(),
        configs: &binding["spec"]["componentTypeEnvironmentConfigs"],
        project: pin("/spec/owner/projectName"),
        component: pin("/spec/owner/componentName"),
        environment: pin("/spec/environment"),
        namespace: Some(&place),
    });
    let rendered = rendered.unwrap_or_default().into_iter().map(|resource| (resource.id, resource.object));
    let resources = release["spec"]["resources"].as_array().into_iter().flatten();
    let resources = resources.map(|entry| (text(entry, "/id").unwrap_or_default().to_owned(), entry["object"].clone()));
    if rendered.collect::<Vec<_>>() != resources.collect::<Vec<_>>() {
        say(format!("its Release is not what it renders to: {:#}", release["spec"]["resources"]));
    }
    let from = format!("{}/{}", pin("/metadata/uid"), annotation(binding, names::REVISION).unwrap_or_default());
    let said = (annotation(release, names::RENDERED_FROM), text(release, "/status/renderedFrom"));
    if said != (Some(&from), Some(&from)) {
        say(format!("its Release is rendered from {said:?}, and not from {from}"));
    }
    if annotation(release, names::RESTARTED_AT) != annotation(binding, names::RESTARTED_AT) {
        say("its Release was not restarted with it".into());
    }
    if text(release, "/metadata/ownerReferences/0/uid") != text(binding, "/metadata/uid") {
        say(format!("its Release belongs to {}", release["metadata"]["ownerReferences"]));
    }
}

/// Any Release is done, healthy, and its inventory is what it wants; that is added to `wanted`.
fn standing(world: &World<'_>, release: &Value, wanted: &mut BTreeMap<ObjectRef, Value>, say: &mut impl FnMut(String)) {
    let status: ReleaseStatus = read(&release["status"]);
    if !release["metadata"]["deletionTimestamp"].is_null() {
        say(format!("its Release is being deleted: {:?}", status.conditions));
        return;
    }
    if status.observed_generation != release["metadata"]["generation"].as_i64() {
        say(format!("its Release was last looked at in generation {:?}", status.observed_generation));
    }
    if status.health != Some(Health::Healthy) {
        say(format!("its Release is {:?}: {:?}", status.health, status.cause));
    }
    let told = |pointer: &str| text(release, pointer).unwrap_or_default();
    let place = world.place(told("/spec/environmentName"));
    let origin = Origin {
        uid: told("/metadata/uid"),
        name: name(release),
        namespace: told("/metadata/namespace"),
        restarted_at: annotation(release, names::RESTARTED_AT),
        default_namespace: &place,
    };
    let mut own = Vec::new();
    for entry in release["spec"]["resources"].as_array().into_iter().flatten() {
        let id = text(entry, "/id").unwrap_or_default();
        match desired(id, &entry["object"], Scope::Namespaced, &origin) {
            None => say(format!("{id} is no object")),
            Some(desired) => {
                own.push(desired.reference.clone());
                wanted.insert(desired.reference, desired.object);
            }
        }
    }
    let mut inventory = status.inventory;
    inventory.sort();
    own.sort();
    if inventory != own {
        say(format!("its inventory is {}, and it wants {}", list(&inventory), list(&own)));
    }
}

fn list(references: &[ObjectRef]) -> String {
    references.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What is live is what is wanted, all of it, and nothing else.
fn live(world: &World<'_>, mut wanted: BTreeMap<ObjectRef, Value>, faults: &mut Vec<String>) -> anyhow::Result<()> {
    for (api_version, kind, plural) in KINDS {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        for object in world.live(api_version, kind, plural)? {
            let reference = ObjectRef {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                namespace: text(&object, "/metadata/namespace").map(str::to_owned),
                name: name(&object).to_owned(),
            };
            match wanted.remove(&reference) {
                None => faults.push(format!("{reference} is orphaned: {}", object["metadata"])),
                Some(_) if !object["metadata"]["deletionTimestamp"].is_null() => {
                    faults.push(format!("{reference} is being deleted"));
                }
                Some(wanted) => {
                    let metadata = differences(&object["metadata"], &wanted["metadata"], "metadata");
                    let spec = ["spec", "data"].map(|field| differences(&object[field], &wanted[field], field));
                    let all = metadata.into_iter().chain(spec.into_iter().flatten());
                    faults.extend(all.map(|difference| format!("{reference}: {difference}")));
                }
            }
        }
    }
    faults.extend(wanted.keys().map(|reference| format!("{reference} is missing")));
    Ok(())
}

/// What of `wanted` is not in `object`.
fn differences(object: &Value, wanted: &Value, path: &str) -> Vec<String> {
    match (object, wanted) {
        (_, Value::Null) => Vec::new(),
        (Value::Object(object), Value::Object(wanted)) => {
            let nothing = Value::Null;
            let below = |(key, wanted): (&String, &Value)| {
                differences(object.get(key).unwrap_or(&nothing), wanted, &format!("{path}.{key}"))
            };
            wanted.iter().flat_map(below).collect()
        }
        (Value::Array(object), Value::Array(wanted)) if object.len() == wanted.len() => {
            let both = object.iter().zip(wanted).enumerate();
            both.flat_map(|(at, (object, wanted))| differences(object, wanted, &format!("{path}[{at}]"))).collect()
        }
        _ if object == wanted => Vec::new(),
        _ => vec![format!("{path} is {object}, and {wanted} is wanted")],
    }
}

/// Each revision has one outcome, in order, and is ended by the next; the last one speaks of today.
fn outcomes(binding: &Value, say: &mut impl FnMut(String)) {
    let status: ReleaseBindingStatus = read(&binding["status"]);
    let history = annotation(binding, names::HISTORY).and_then(History::parse).unwrap_or_default();
    let Some(last) = history.last() else { return say("it has no record".into()) };
    let newest = i64::try_from(last.revision).unwrap_or_default();
    let oldest = (newest - i64::try_from(MOST).unwrap_or_default()).max(0) + 1;
    let told: Vec<_> = status.outcomes.iter().map(|outcome| outcome.revision).collect();
    if told != (oldest..=newest).collect::<Vec<_>>() {
        say(format!("its outcomes are of the revisions {told:?}, and it has {newest}"));
    }
    for outcome in &status.outcomes {
        let record = |revision: i64| history.records().find(|record| i64::try_from(record.revision) == Ok(revision));
        one(outcome, record(outcome.revision), record(outcome.revision + 1), outcome.revision == newest, say);
    }
    let is_undeployed = text(binding, "/spec/state") == Some("Undeploy");
    let expected = if is_undeployed { Health::Suspended } else { Health::Healthy };
    let now = status.outcomes.last().and_then(|outcome| outcome.last_health);
    if (status.health, now) != (Some(expected), Some(expected)) {
        say(format!("it is {:?} and its outcome {now:?}, not {expected}: {:?}", status.health, status.cause));
    }
    if status.observed_generation != binding["metadata"]["generation"].as_i64() {
        say(format!("it was last looked at in generation {:?}", status.observed_generation));
    }
    let anchor = status.record.map(|anchor| (anchor.revision, Some(anchor.hash)));
    if anchor != Some((newest, last.hash.clone())) {
        say(format!("its newest record is {newest}, and the one that was seen {anchor:?}"));
    }
    let tampered = status.conditions.iter().find(|condition| condition.type_ == "RecordTampered");
    if let Some(condition) = tampered.filter(|condition| condition.status != "False") {
        say(format!("its history is said to be rewritten: {}", condition.message));
    }
}

fn one(outcome: &Outcome, own: Option<&Record>, next: Option<&Record>, is_newest: bool, say: &mut impl FnMut(String)) {
    if let Some(record) = own
        && (&outcome.release, outcome.content.as_ref()) != (&record.release, Some(&record.content))
    {
        say(format!("its outcome {outcome:?} is not of the record {record:?}"));
    }
    let ended = outcome.ended_by.map(|revision| (revision, outcome.ended_at.clone()));
    let expected = (!is_newest).then_some(outcome.revision + 1);
    let at = next.map(|record| record.at.clone());
    let is_right = ended.as_ref().map(|(revision, _)| *revision) == expected
        && ended.is_none_or(|(_, ended)| ended.is_some() && (at.is_none() || ended == at));
    if !is_right {
        say(format!("its outcome {outcome:?} has not ended with {next:?}"));
    }
}

fn name(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

fn read<T: DeserializeOwned + Default>(status: &Value) -> T {
    serde_json::from_value(status.clone()).unwrap_or_default()
}
