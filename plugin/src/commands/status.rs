//! `status`: what is pinned, by whom and since when.

use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{History, check_object, config};
use serde_json::{Map, Value, json};

use crate::args::{Format, Status};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::gather::of_component;
use crate::print::{age, line, list, note, structured, table::Table};

pub(super) async fn run(cluster: &Cluster, args: &Status, now: Timestamp) -> Result<(), Error> {
    let mut selection = of_component(&args.component);
    selection.fields.extend(args.environment.iter().map(|environment| ("spec.environment", environment.clone())));
    let mut bindings = cluster.list(Kind::ReleaseBinding, &selection).await?;
    if bindings.is_empty() {
        return Err(nothing(cluster, args));
    }
    bindings.sort_by_key(|binding| text(binding, "/spec/environment").map(str::to_owned));
    let items: Vec<_> = bindings.iter().map(item).collect();
    match args.output {
        Some(Format::Name) => bindings.iter().try_for_each(|binding| line(&crate::print::object_name(binding))),
        Some(format @ (Format::Json | Format::Yaml)) => structured(&list(&items), format),
        _ => print(&items, now),
    }
}

fn nothing(cluster: &Cluster, args: &Status) -> Error {
    let place = args.environment.as_ref().map(|environment| format!(" in {environment}")).unwrap_or_default();
    Error::Failed(format!(
        "{} is not pinned{place} in namespace {}: cut a release with `kubectl release create`, or look at `kubectl release list`",
        args.component, cluster.namespace
    ))
}

/// One environment, with the keys that this command's JSON has.
fn item(binding: &Value) -> Value {
    let history = annotation(binding, names::HISTORY).and_then(History::parse).unwrap_or_default();
    let last = history.last();
    let mut item = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        item.extend(value.map(|value| (key.to_owned(), value)));
    };
    let string = |text: Option<&str>| text.map(Value::from);
    put("component", string(text(binding, "/spec/owner/componentName")));
    put("environment", string(text(binding, "/spec/environment")));
    put("release", string(text(binding, "/spec/releaseName")));
    put("version", string(annotation(binding, names::RELEASE_VERSION)));
    put("state", string(text(binding, "/spec/state")));
    put("config", config(binding));
    put("health", string(text(binding, "/status/health")));
    put("cause", string(text(binding, "/status/cause")));
    put("revision", annotation(binding, names::REVISION).and_then(|text| text.parse::<u64>().ok()).map(Value::from));
    put("by", string(annotation(binding, names::CHANGED_BY)));
    put("at", string(annotation(binding, names::CHANGED_AT)));
    put("action", last.map(|last| json!(last.action)));
    put("reason", last.and_then(|last| last.reason.clone()).map(Value::from));
    put("link", last.and_then(|last| last.link.clone()).map(Value::from));
    let faults = check_object(Kind::ReleaseBinding, binding);
    put("faults", (!faults.is_empty()).then(|| json!(faults)));
    Value::Object(item)
}

fn print(items: &[Value], now: Timestamp) -> Result<(), Error> {
    let mut table = Table::new(["ENVIRONMENT", "VERSION", "RELEASE", "HEALTH", "REVISION", "SINCE", "BY", "REASON"]);
    for item in items {
        let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
        let undeployed = text("state").as_deref() == Some("Undeploy");
        let health =
            if undeployed { Some("Undeployed".into()) } else { text("health").or_else(|| Some("Unknown".into())) };
        table.row([
            text("environment"),
            text("version"),
            text("release"),
            health,
            item.get("revision").map(ToString::to_string),
            text("at").and_then(|at| age::since(&at, now)),
            text("by"),
            text("reason"),
        ]);
    }
    table.print()?;
    for item in items {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        if !text("cause").is_empty() {
            line(&format!("{}: {}", text("environment"), text("cause")))?;
        }
        for fault in item.get("faults").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            note(&format!("Warning: {}: {fault}", text("environment")));
        }
    }
    Ok(())
}
