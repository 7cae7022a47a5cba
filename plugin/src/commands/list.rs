//! `list`: what is pinned where, from the API server's own columns, one call a kind.

mod summary;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join;
use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::text;
use serde_json::{Map, Value};

use self::summary::Summary;
use crate::args::{Format, List};
use crate::cluster::{Cluster, Selection};
use crate::error::Error;
use crate::print::{age, line, list, note, raw, structured, table::Table};

pub(super) async fn run(cluster: &Cluster, args: &List, now: Timestamp) -> Result<(), Error> {
    let fields = args.project.iter().map(|project| ("spec.owner.projectName", project.clone())).collect();
    let selection = Selection { fields, labels: args.selector.clone(), all_namespaces: args.all_namespaces };
    // Both are waited for, so that of two refusals the first is told.
    let (bindings, releases) =
        join(cluster.table(Kind::ReleaseBinding, &selection), cluster.table(Kind::Release, &selection)).await;
    let mut rows = read(Kind::ReleaseBinding, &bindings?, &cluster.namespace);
    rows.extend(read(Kind::Release, &releases?, &cluster.namespace));
    let rows = chosen(rows, args);
    if args.summary {
        let summary = Summary::of(&rows);
        return match args.output {
            Some(format @ (Format::Json | Format::Yaml)) => structured(&summary.json(), format),
            _ => raw(&summary.text(args.all_namespaces)),
        };
    }
    match args.output {
        Some(Format::Name) => rows.iter().try_for_each(|row| line(&row.name())),
        Some(format @ (Format::Json | Format::Yaml)) => {
            structured(&list(&rows.iter().map(Row::json).collect::<Vec<_>>()), format)
        }
        wide => print(&rows, args, wide.is_some(), now, &cluster.namespace),
    }
}

/// The rows that were asked for, in their order.
fn chosen(mut rows: Vec<Row>, args: &List) -> Vec<Row> {
    if args.skew {
        keep_skewed(&mut rows);
    }
    if args.problems {
        rows.retain(Row::is_problem);
    }
    let order =
        |row: &Row| ["namespace", "component", "environment", "name"].map(|key| row.cell(key).map(str::to_owned));
    rows.sort_by_cached_key(order);
    rows
}

/// One binding, or one Release that somebody wrote by hand, as the API server's columns have it. Keys are those of the JSON that this
/// command prints.
#[derive(Debug, Clone, PartialEq)]
struct Row(BTreeMap<&'static str, String>);

/// The columns of the CustomResourceDefinition, and what they are called here.
const COLUMNS: [(&str, &str); 15] = [
    ("Name", "name"),
    ("Project", "project"),
    ("Component", "component"),
    ("Environment", "environment"),
    ("Version", "version"),
    ("Release", "release"),
    ("Health", "health"),
    ("Revision", "revision"),
    ("Changed By", "by"),
    ("Changed At", "at"),
    ("State", "state"),
    ("Cause", "cause"),
    ("Recorded", "recorded"),
    ("Display Name", "displayName"),
    ("Description", "description"),
];

/// The column that names the binding which a Release is rendered from.
const BINDING: &str = "Binding";

impl Row {
    fn cell(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// `kind.group/name`, as kubectl writes an object.
    fn name(&self) -> String {
        let cell = |key: &str| self.cell(key).unwrap_or_default();
        format!("{}.{}/{}", cell("kind").to_ascii_lowercase(), names::GROUP, cell("name"))
    }

    /// A release without a human version is known by its name.
    fn version(&self) -> Option<String> {
        match (self.cell("version"), self.cell("kind")) {
            (Some(version), _) => Some(version.to_owned()),
            (None, Some("Release")) => self.cell("name").map(|name| format!("release/{name}")),
            (None, _) => self.cell("release").map(str::to_owned),
        }
    }

    fn health(&self) -> &str {
        let undeployed = self.cell("state") == Some("Undeploy");
        match self.cell("health") {
            // That is what the controller calls it when everything is gone.
            None | Some("Suspended") if undeployed => "Undeployed",
            health => health.unwrap_or("Unknown"),
        }
    }

    /// Whether it is as its last record has it, as far as the controller tells.
    fn is_recorded(&self) -> bool {
        self.cell("recorded") != Some("False")
    }

    fn is_problem(&self) -> bool {
        !["Healthy", "Suspended", "Undeployed"].contains(&self.health()) || !self.is_recorded()
    }

    fn json(&self) -> Value {
        let value = |(key, text): (&&'static str, &String)| {
            let value = match *key {
                "revision" => text.parse::<u64>().map_or_else(|_| Value::from(text.as_str()), Value::from),
                "recorded" => Value::from(self.is_recorded()),
                _ => Value::from(text.as_str()),
            };
            ((*key).to_owned(), value)
        };
        Value::Object(self.0.iter().map(value).collect::<Map<_, _>>())
    }
}

/// The rows; those that do not say their namespace are of `namespace`. What is rendered from a binding is told by its binding's row.
fn read(kind: Kind, table: &Value, namespace: &str) -> Vec<Row> {
    let columns: Vec<_> =
        array(table, "columnDefinitions").iter().map(|column| text(column, "/name").unwrap_or_default()).collect();
    let cell = |row: &'_ Value, column: &str| {
        let at = columns.iter().position(|name| *name == column)?;
        array(row, "cells").get(at)?.as_str().filter(|cell| !cell.is_empty()).map(str::to_owned)
    };
    let row = |row: &Value| {
        let named = COLUMNS.iter().filter_map(|(column, key)| Some((*key, cell(row, column)?)));
        let namespace = text(row, "/object/metadata/namespace").unwrap_or(namespace);
        Row(named.chain([("namespace", namespace.to_owned()), ("kind", kind.as_str().to_owned())]).collect())
    };
    let own = |row: &&Value| kind != Kind::Release || cell(row, BINDING).is_none();
    array(table, "rows").iter().filter(own).map(row).collect()
}

fn array<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Keeps the components whose environments do not all run the same release. A Release by hand is none of a component's releases.
fn keep_skewed(rows: &mut Vec<Row>) {
    rows.retain(|row| row.cell("kind") != Some(Kind::Release.as_str()));
    let component = |row: &Row| ["namespace", "component"].map(|key| row.cell(key).map(str::to_owned));
    let mut releases: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for row in rows.iter() {
        releases.entry(component(row)).or_default().insert(row.cell("release").map(str::to_owned));
    }
    rows.retain(|row| releases[&component(row)].len() > 1);
}

fn print(rows: &[Row], args: &List, wide: bool, now: Timestamp, namespace: &str) -> Result<(), Error> {
    if rows.is_empty() {
        let place = if args.all_namespaces { "any namespace".to_owned() } else { format!("namespace {namespace}") };
        let what = if args.problems { "Nothing that is not healthy" } else { "Nothing" };
        note(&format!("{what} is pinned in {place}."));
        return Ok(());
    }
    let mut columns = vec![
        ("COMPONENT", "component"),
        ("ENVIRONMENT", "environment"),
        ("VERSION", "version"),
        ("HEALTH", "health"),
        ("AGE", "at"),
    ];
    if args.all_namespaces {
        columns.insert(0, ("NAMESPACE", "namespace"));
    }
    if wide {
        columns.extend([
            ("REVISION", "revision"),
            ("BY", "by"),
            ("RELEASE", "release"),
            ("PROJECT", "project"),
            ("STATE", "state"),
            ("DISPLAY NAME", "displayName"),
            ("DESCRIPTION", "description"),
        ]);
    }
    if wide || args.problems {
        columns.push(("CAUSE", "cause"));
    }
    let mut table = Table::new(columns.iter().map(|(heading, _)| *heading).collect::<Vec<_>>());
    for row in rows {
        table.row(columns.iter().map(|(_, key)| cell(row, key, now)));
    }
    table.print()?;
    warn(rows, args.all_namespaces);
    Ok(())
}

/// Who and when are those of the last record: where an object has changed since, they tell of something else.
fn warn(rows: &[Row], all_namespaces: bool) {
    for row in rows.iter().filter(|row| !row.is_recorded()) {
        let namespace = row.cell("namespace").filter(|_| all_namespaces);
        let place = namespace.map(|namespace| format!(" (namespace {namespace})")).unwrap_or_default();
        note(&format!("Warning: {}{place} has changed since its last record, and that is not recorded", row.name()));
    }
}

fn cell(row: &Row, key: &str, now: Timestamp) -> Option<String> {
    match (key, row.cell(key)) {
        ("at", Some(at)) => age::since(at, now),
        ("version", _) => row.version(),
        ("health", _) => Some(row.health().to_owned()),
        ("by", Some(by)) if !row.is_recorded() => Some(format!("{by} (changed since)")),
        (_, text) => text.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(rows: &[(&str, &str, &str)]) -> Value {
        let columns =
            ["Name", "Component", "Environment", "Release", "Revision", "Odd"].map(|name| json!({"name": name}));
        let rows = rows.iter().map(|(component, environment, release)| {
            json!({"cells": [format!("{component}-{environment}"), component, environment, release, "3", "x"], "object": {"metadata": {"namespace": "acme"}}})
        });
        json!({"columnDefinitions": columns, "rows": rows.collect::<Vec<_>>()})
    }

    fn args(line: &str) -> List {
        use clap::Parser;
        let words = ["kubectl-release", "list"].into_iter().chain(line.split_whitespace());
        match crate::args::Cli::try_parse_from(words).map(|cli| cli.command) {
            Ok(crate::args::Command::List(args)) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn columns_are_found_by_name_and_rows_sorted() {
        let rows = read(
            Kind::ReleaseBinding,
            &table(&[("web", "staging", "w1"), ("api", "dev", "a1"), ("web", "dev", "w2")]),
            "acme",
        );
        let rows = chosen(rows, &args(""));
        let order: Vec<_> = rows.iter().map(|row| row.cell("name").unwrap()).collect();
        assert_eq!(order, ["api-dev", "web-dev", "web-staging"]);
        assert_eq!(
            rows[0].json(),
            json!({
                "kind": "ReleaseBinding", "name": "api-dev", "namespace": "acme", "component": "api", "environment": "dev",
                "release": "a1", "revision": 3
            })
        );
    }

    #[test]
    fn skew_is_more_than_one_release() {
        let pins = [("web", "staging", "w1"), ("web", "dev", "w2"), ("api", "dev", "a1"), ("api", "staging", "a1")];
        let mut rows = read(Kind::ReleaseBinding, &table(&pins), "acme");
        rows.push(row("Release", &[("name", "by-hand"), ("component", "api")]));
        let rows = chosen(rows, &args("--skew"));
        assert!(rows.iter().all(|row| row.cell("component") == Some("web")) && rows.len() == 2);
    }

    fn row(kind: &'static str, cells: &[(&'static str, &str)]) -> Row {
        let cells = cells.iter().map(|(key, text)| (*key, (*text).to_owned()));
        Row(cells.chain([("kind", kind.to_owned()), ("namespace", "acme".to_owned())]).collect())
    }

    #[test]
    fn a_release_by_hand_is_a_row_and_one_of_a_binding_is_not() {
        let columns = ["Name", "Component", "Binding", "Health"].map(|name| json!({"name": name}));
        let rows =
            json!([{"cells": ["by-hand", "web", "", "Healthy"]}, {"cells": ["web-dev", "web", "web-dev", "Healthy"]}]);
        let rows = read(Kind::Release, &json!({"columnDefinitions": columns, "rows": rows}), "acme");
        let shown: Vec<_> = rows.iter().map(|row| (row.name(), row.version(), row.health())).collect();
        assert_eq!(shown, [("release.openchoreo.dev/by-hand".into(), Some("release/by-hand".into()), "Healthy")]);
    }

    #[test]
    fn problems_are_what_is_not_healthy_and_not_switched_off() {
        let health = |health: &[(&'static str, &str)]| row("ReleaseBinding", health).is_problem();
        for (cells, problem) in [
            (&[("health", "Healthy")][..], false),
            (&[("health", "Suspended")], false),
            (&[("state", "Undeploy")], false),
            (&[("state", "Undeploy"), ("health", "Progressing")], true),
            (&[("health", "Degraded")], true),
            (&[("health", "Progressing")], true),
            (&[("state", "Active")], true),
            (&[("health", "Healthy"), ("recorded", "True")], false),
            (&[("health", "Healthy"), ("recorded", "False")], true),
        ] {
            assert_eq!(health(cells), problem, "{cells:?}");
        }
    }

    #[test]
    fn an_author_of_something_else_is_marked() {
        let changed = row("ReleaseBinding", &[("name", "web-dev"), ("by", "jane"), ("recorded", "False")]);
        assert_eq!(cell(&changed, "by", Timestamp::UNIX_EPOCH).as_deref(), Some("jane (changed since)"));
        assert_eq!(changed.json()["recorded"], json!(false));
        let again = row("ReleaseBinding", &[("name", "web-dev"), ("by", "jane"), ("recorded", "True")]);
        assert_eq!(cell(&again, "by", Timestamp::UNIX_EPOCH).as_deref(), Some("jane"));
    }

    #[test]
    fn what_is_switched_off_by_its_pin_is_undeployed() {
        for (state, reported, expected) in [
            ("Undeploy", Some("Suspended"), "Undeployed"),
            ("Undeploy", Some("Progressing"), "Progressing"),
            ("Undeploy", None, "Undeployed"),
            ("Active", Some("Suspended"), "Suspended"),
            ("Active", None, "Unknown"),
        ] {
            let cells: Vec<_> =
                [("state", state)].into_iter().chain(reported.map(|health| ("health", health))).collect();
            assert_eq!(row("ReleaseBinding", &cells).health(), expected, "{state} {reported:?}");
        }
    }

    #[test]
    fn a_summary_counts_by_health_and_by_version() {
        let pin = |component: &str, version: &str, health: &str| {
            row("ReleaseBinding", &[("component", component), ("version", version), ("health", health)])
        };
        let rows = [
            pin("web", "v1", "Healthy"),
            pin("web", "v1", "Healthy"),
            pin("web", "v2", "Degraded"),
            row("Release", &[("component", "web"), ("name", "by-hand")]),
        ];
        let summary = Summary::of(&rows);
        insta::assert_snapshot!(summary.text(false));
        insta::assert_json_snapshot!(summary.json());
        assert!(summary.text(true).contains("NAMESPACE   COMPONENT"), "{}", summary.text(true));
    }
}
