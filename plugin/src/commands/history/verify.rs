//! Whether records are what the webhook wrote: the chain of hashes, the signatures, and that the last one speaks of the object as it is.

use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{Evidence, Finding, History as Records, Weight, Whose, check_object, examine};
use serde_json::{Map, Value, json};

use super::keys::Keys;
use crate::args::{Format, History};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::print::{line, list, note, object_name, structured};

/// What was found of one object.
struct Found<'a> {
    object: &'a Value,
    name: String,
    findings: Vec<Finding>,
}

/// Checks every object and says what was found, and what cannot be proved.
pub(super) async fn run(cluster: &Cluster, objects: &[Value], args: &History) -> Result<(), Error> {
    if args.expect.is_some() && objects.len() != 1 {
        return Err(Error::Usage(format!(
            "--expect: a hash is that of one object, and these are {}: name an environment, or KIND/NAME",
            objects.len()
        )));
    }
    let since = args.signed_since.as_deref().map(signed_since).transpose()?;
    let keys = Keys::get(cluster, args.keys.as_deref()).await?.signing_since(since);
    let others: Vec<_> = objects.iter().filter_map(whose).collect();
    let evidence = Evidence { keys: keys.known(), others: &others, expect: args.expect.as_deref() };
    let found: Vec<_> = objects.iter().map(|object| look(object, &evidence)).collect();
    match args.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            let items: Vec<_> = found.iter().map(|found| item(found, keys.known().is_some())).collect();
            structured(&list(&items), format)?;
        }
        _ => found.iter().try_for_each(print)?,
    }
    note(&keys.note());
    let broken = found.iter().filter(|found| found.findings.iter().any(Finding::is_fault)).count();
    if broken == 0 {
        Ok(())
    } else {
        Err(Error::Failed(format!("{broken} of {} histories do not hold together", objects.len())))
    }
}

fn signed_since(text: &str) -> Result<Timestamp, Error> {
    text.parse().map_err(|_| Error::Usage(format!("--signed-since: {text:?} is no time such as 2026-01-02T15:04:05Z")))
}

fn whose(object: &Value) -> Option<Whose<'_>> {
    let kind = text(object, "/kind").and_then(Kind::parse)?;
    let name = |pointer| text(object, pointer).unwrap_or_default();
    Some(Whose { kind, namespace: name("/metadata/namespace"), name: name("/metadata/name") })
}

fn look<'a>(object: &'a Value, evidence: &Evidence<'_>) -> Found<'a> {
    let kind = text(object, "/kind").and_then(Kind::parse);
    let findings = kind.map_or_else(|| vec![Finding::Unreadable], |kind| examine(kind, object, evidence));
    Found { object, name: object_name(object), findings }
}

fn of_weight<'a>(found: &'a Found<'_>, weight: Weight) -> impl Iterator<Item = &'a Finding> {
    found.findings.iter().filter(move |finding| finding.weight() == weight)
}

/// One line for the object, where it has no fault, and one for each finding.
fn print(found: &Found<'_>) -> Result<(), Error> {
    let name = &found.name;
    if of_weight(found, Weight::Fault).next().is_none() {
        line(&format!(
            "{name}: the records hold together{}",
            newest(found.object)
                .map_or_else(String::new, |(revision, hash)| { format!("; revision {revision} has the hash {hash}") })
        ))?;
    }
    found.findings.iter().try_for_each(|finding| line(&format!("{name}: {finding}")))
}

/// The newest record: what to note, where somebody keeps an anchor outside.
fn newest(object: &Value) -> Option<(u64, String)> {
    let history = annotation(object, names::HISTORY).and_then(Records::parse)?;
    let last = history.last()?;
    Some((last.revision, last.hash.clone()?))
}

/// As `-o json` prints it.
fn item(found: &Found<'_>, checked: bool) -> Value {
    let sentences = |weight| of_weight(found, weight).map(ToString::to_string).collect::<Vec<_>>();
    let mut item = Map::from_iter([
        ("name".to_owned(), json!(found.name)),
        ("faults".to_owned(), json!(sentences(Weight::Fault))),
        ("unproved".to_owned(), json!(sentences(Weight::Unproved))),
        ("findings".to_owned(), found.findings.iter().map(finding).collect()),
        ("signaturesChecked".to_owned(), json!(checked)),
    ]);
    item.extend(text(found.object, "/metadata/namespace").map(|namespace| ("namespace".to_owned(), json!(namespace))));
    let newest = newest(found.object);
    item.extend(newest.map(|(revision, hash)| ("newest".to_owned(), json!({ "revision": revision, "hash": hash }))));
    Value::Object(item)
}

fn finding(finding: &Finding) -> Value {
    let mut item =
        json!({ "code": finding.code(), "weight": finding.weight().as_str(), "message": finding.to_string() });
    if let Some(revisions) = finding.revisions() {
        item["revisions"] = json!(revisions);
    }
    item
}

/// Says where an object is not as its records have it.
pub(super) fn warn(objects: &[Value]) {
    for object in objects {
        let kind = text(object, "/kind").and_then(Kind::parse);
        let faults = kind.map_or_else(|| vec!["this is none of our kinds".into()], |kind| check_object(kind, object));
        faults.iter().for_each(|fault| note(&format!("Warning: {}: {fault}", object_name(object))));
    }
}
