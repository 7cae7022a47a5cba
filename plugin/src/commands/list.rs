//! `list`: what is pinned where, from the API server's own columns in one call.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::object::text;
use serde_json::{Map, Value};

use crate::args::{Format, List};
use crate::cluster::{Cluster, Selection};
use crate::error::Error;
use crate::print::{age, line, list, note, structured, table::Table};

pub(super) async fn run(cluster: &Cluster, args: &List, now: Timestamp) -> Result<(), Error> {
    let fields = args.project.iter().map(|project| ("spec.owner.projectName", project.clone())).collect();
    let selection = Selection { fields, labels: args.selector.clone(), all_namespaces: args.all_namespaces };
    let mut rows = read(&cluster.table(Kind::ReleaseBinding, &selection).await?, &cluster.namespace);
    if args.skew {
        keep_skewed(&mut rows);
    }
    match args.output {
        Some(Format::Name) => rows.iter().try_for_each(|row| {
            line(&format!("releasebinding.openchoreo.dev/{}", row.cell("name").unwrap_or_default()))
        }),
        Some(format @ (Format::Json | Format::Yaml)) => {
            structured(&list(&rows.iter().map(Row::json).collect::<Vec<_>>()), format)
        }
        wide => print(&rows, args, wide.is_some(), now, &cluster.namespace),
    }
}

/// One binding, as the API server's columns have it. Keys are those of the JSON that this command prints.
#[derive(Debug, Clone, PartialEq)]
struct Row(BTreeMap<&'static str, String>);

/// The columns of the CustomResourceDefinition, and what they are called here.
const COLUMNS: [(&str, &str); 11] = [
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
];

impl Row {
    fn cell(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn json(&self) -> Value {
        let value = |(key, text): (&&'static str, &String)| {
            let number = text.parse::<u64>().ok().filter(|_| *key == "revision");
            ((*key).to_owned(), number.map_or_else(|| Value::from(text.as_str()), Value::from))
        };
        Value::Object(self.0.iter().map(value).collect::<Map<_, _>>())
    }
}

/// The rows; those that do not say their namespace are of `namespace`.
fn read(table: &Value, namespace: &str) -> Vec<Row> {
    let columns: Vec<_> =
        array(table, "columnDefinitions").iter().map(|column| text(column, "/name").unwrap_or_default()).collect();
    let row = |row: &Value| {
        let cells = array(row, "cells");
        let named = COLUMNS.iter().filter_map(|(column, key)| {
            let at = columns.iter().position(|name| name == column)?;
            let cell = cells.get(at)?.as_str().filter(|cell| !cell.is_empty())?;
            Some((*key, cell.to_owned()))
        });
        let namespace = text(row, "/object/metadata/namespace").unwrap_or(namespace);
        Row(named.chain([("namespace", namespace.to_owned())]).collect())
    };
    let mut rows: Vec<_> = array(table, "rows").iter().map(row).collect();
    let order = |row: &Row| ["namespace", "component", "environment"].map(|key| row.cell(key).map(str::to_owned));
    rows.sort_by_cached_key(order);
    rows
}

fn array<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Keeps the components whose environments do not all run the same release.
fn keep_skewed(rows: &mut Vec<Row>) {
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
        note(&format!("Nothing is pinned in {place}."));
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
        ]);
    }
    let mut table = Table::new(columns.iter().map(|(heading, _)| *heading).collect::<Vec<_>>());
    for row in rows {
        table.row(columns.iter().map(|(_, key)| cell(row, key, now)));
    }
    table.print()
}

fn cell(row: &Row, key: &str, now: Timestamp) -> Option<String> {
    match (key, row.cell(key)) {
        ("at", Some(at)) => age::since(at, now),
        // A release without a human version is known by its name.
        ("version", None) => row.cell("release").map(str::to_owned),
        ("health", None) => {
            Some(if row.cell("state") == Some("Undeploy") { "Undeployed".into() } else { "Unknown".into() })
        }
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

    #[test]
    fn columns_are_found_by_name_and_rows_sorted() {
        let rows = read(&table(&[("web", "staging", "w1"), ("api", "dev", "a1"), ("web", "dev", "w2")]), "acme");
        let order: Vec<_> = rows.iter().map(|row| row.cell("name").unwrap()).collect();
        assert_eq!(order, ["api-dev", "web-dev", "web-staging"]);
        assert_eq!(
            rows[0].json(),
            json!({"name": "api-dev", "namespace": "acme", "component": "api", "environment": "dev", "release": "a1", "revision": 3})
        );
    }

    #[test]
    fn skew_is_more_than_one_release() {
        let mut rows = read(
            &table(&[("web", "staging", "w1"), ("web", "dev", "w2"), ("api", "dev", "a1"), ("api", "staging", "a1")]),
            "acme",
        );
        keep_skewed(&mut rows);
        assert!(rows.iter().all(|row| row.cell("component") == Some("web")) && rows.len() == 2);
    }
}
