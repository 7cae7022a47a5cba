//! `history`: who changed what, when and why, newest first. One GET.

mod item;
mod keys;
mod verify;

use jiff::{SignedDuration, Timestamp};
use release_shared::kinds::Kind;
use release_shared::types::GoDuration;
use serde_json::Value;

use self::item::{Item, items};
use crate::args::{Format, History};
use crate::cluster::{Cluster, Selection};
use crate::error::Error;
use crate::gather::of_component;
use crate::print::{line, list, note, structured, table::Table};

pub(super) async fn run(cluster: &Cluster, args: &History, now: Timestamp) -> Result<(), Error> {
    let since = args.since.as_deref().map(|text| since(text, now)).transpose()?;
    let objects = read(cluster, args).await?;
    if args.verify {
        return verify::run(cluster, &objects, args).await;
    }
    let mut items = newest_first(objects.iter().map(items).collect());
    items.retain(|item| item.matches(args, since));
    items.truncate(args.limit.unwrap_or(usize::MAX));
    if items.is_empty() {
        note("Nothing is recorded that fits.");
    }
    if args.revision.is_some() && args.output.is_none() {
        return items.iter().try_for_each(|item| structured(&item.json(), Format::Yaml));
    }
    match args.output {
        Some(Format::Name) => items.iter().try_for_each(|item| line(&item.name())),
        Some(format @ (Format::Json | Format::Yaml)) => {
            structured(&list(&items.iter().map(Item::json).collect::<Vec<_>>()), format)
        }
        wide => print(&items, args, wide.is_some()),
    }?;
    verify::warn(&objects);
    Ok(())
}

/// The lines of several histories, each oldest first, as one. Within a history its revisions say what is newer, between them time
/// does; times have seconds only.
fn newest_first(mut histories: Vec<Vec<Item>>) -> Vec<Item> {
    let mut merged = Vec::with_capacity(histories.iter().map(Vec::len).sum());
    loop {
        let newest = histories
            .iter_mut()
            .filter(|history| !history.is_empty())
            .max_by(|a, b| a.last().map(Item::time).cmp(&b.last().map(Item::time)));
        match newest.and_then(Vec::pop) {
            Some(item) => merged.push(item),
            None => return merged,
        }
    }
}

async fn read(cluster: &Cluster, args: &History) -> Result<Vec<Value>, Error> {
    let Some(component) = &args.component else {
        let selection = Selection { all_namespaces: args.all_namespaces, ..Selection::default() };
        return cluster.list(Kind::ReleaseBinding, &selection).await;
    };
    if let Some((kind, name)) = component.split_once('/') {
        if let Some(environment) = &args.environment {
            return Err(Error::Usage(format!("{component} is one object: leave {environment:?} out")));
        }
        return read_object(cluster, kind, name).await;
    }
    let mut selection = Selection { all_namespaces: args.all_namespaces, ..of_component(component) };
    selection.fields.extend(args.environment.iter().map(|environment| ("spec.environment", environment.clone())));
    let found = cluster.list(Kind::ReleaseBinding, &selection).await?;
    if found.is_empty() {
        let place = args.environment.as_ref().map(|environment| format!(" in {environment}")).unwrap_or_default();
        return Err(Error::Failed(format!(
            "{component} is not pinned{place} in namespace {}, and its history goes with its pin: look at `kubectl release list`",
            cluster.namespace
        )));
    }
    Ok(found)
}

async fn read_object(cluster: &Cluster, kind: &str, name: &str) -> Result<Vec<Value>, Error> {
    let wanted = kind.to_ascii_lowercase();
    let is_wanted = |kind: &Kind| kind.as_str().to_ascii_lowercase() == wanted || kind.plural() == wanted;
    let Some(kind) = Kind::ALL.into_iter().find(is_wanted).filter(|kind| kind.has_history()) else {
        let known: Vec<_> = Kind::ALL
            .into_iter()
            .filter(|kind| kind.has_history())
            .map(|kind| kind.as_str().to_ascii_lowercase())
            .collect();
        return Err(Error::Usage(format!("{kind:?} is no kind with a history; these have one: {}", known.join(", "))));
    };
    let found = cluster.get(kind, name).await?;
    found
        .map(|object| vec![object])
        .ok_or_else(|| Error::Failed(format!("there is no {kind} {name:?} in namespace {}", cluster.namespace)))
}

/// `24h`, `7d`, or a time.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()).and_then(|days| days.checked_mul(24));
    let ago = days.map(SignedDuration::from_hours).or_else(|| {
        let duration: GoDuration = text.parse().ok()?;
        Some(SignedDuration::from_nanos(duration.as_nanos()))
    });
    let time = match ago {
        Some(ago) => now.checked_sub(ago).ok(),
        None => text.parse().ok(),
    };
    time.ok_or_else(|| {
        Error::Usage(format!(
            "--since: {text:?} is neither a duration such as 24h or 7d, nor a time such as 2026-01-02T15:04:05Z"
        ))
    })
}

fn print(items: &[Item], args: &History, wide: bool) -> Result<(), Error> {
    if items.is_empty() {
        return Ok(());
    }
    let mut columns = vec![
        ("ENVIRONMENT", "environment"),
        ("REVISION", "revision"),
        ("AT", "at"),
        ("ACTION", "action"),
        ("RELEASE", "release"),
        ("VERSION", "version"),
        ("BY", "by"),
        ("OUTCOME", "outcome"),
        ("REASON", "reason"),
    ];
    if !items.iter().any(Item::is_of_binding) {
        columns.retain(|(_, key)| !["environment", "release", "version", "outcome"].contains(key));
    }
    if args.component.is_none() {
        columns.insert(0, ("COMPONENT", "component"));
    }
    if args.all_namespaces {
        columns.insert(0, ("NAMESPACE", "namespace"));
    }
    if wide {
        columns.extend([("MANAGER", "manager"), ("LINK", "link"), ("FROM", "from"), ("HASH", "hash")]);
    }
    let mut table = Table::new(columns.iter().map(|(heading, _)| *heading).collect::<Vec<_>>());
    for item in items {
        table.row(columns.iter().map(|(_, key)| item.cell(key, wide)));
    }
    table.print()
}

#[cfg(test)]
mod tests {
    use release_shared::names;
    use serde_json::json;

    use super::*;

    #[test]
    fn within_a_history_revisions_say_what_is_newer_and_between_them_time_does() {
        let binding = |environment: &str, records: Value| {
            let annotations = json!({ names::HISTORY: records.to_string() });
            json!({"metadata": {"annotations": annotations}, "spec": {"environment": environment}})
        };
        let record = |revision: u64, at: &str| json!({"revision": revision, "action": "configure", "content": "c", "by": "b", "at": at});
        let mut promoted = record(1, "12:00:01Z");
        promoted["from"] = "dev".into();
        let dev = binding("dev", json!([record(1, "12:00:00Z"), record(2, "12:00:01Z"), record(3, "12:00:02Z")]));
        let staging = binding("staging", json!([promoted, record(2, "12:00:01Z")]));
        let merged = newest_first([&dev, &staging].map(items).into());
        let order: Vec<_> =
            merged.iter().map(|item| format!("{} {}", item.json()["environment"], item.json()["revision"])).collect();
        let expected = ["\"dev\" 3", "\"staging\" 2", "\"staging\" 1", "\"dev\" 2", "\"dev\" 1"];
        assert_eq!(order, expected);
    }

    #[test]
    fn since_is_a_duration_or_a_time() {
        let now: Timestamp = "2026-01-10T12:00:00Z".parse().unwrap();
        let at = |text: &str| since(text, now).map(|time| time.to_string()).map_err(|error| error.to_string());
        assert_eq!(at("24h").unwrap(), "2026-01-09T12:00:00Z");
        assert_eq!(at("7d").unwrap(), "2026-01-03T12:00:00Z");
        assert_eq!(at("2026-01-01T00:00:00Z").unwrap(), "2026-01-01T00:00:00Z");
        assert!(at("yesterday").is_err());
    }
}
