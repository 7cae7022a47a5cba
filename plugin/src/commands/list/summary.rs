//! How many there are, by health and by version.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Row;
use crate::print::table::Table;

/// Where a version runs: namespace, component, version.
type Version = [String; 3];

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Summary {
    health: BTreeMap<String, usize>,
    versions: BTreeMap<Version, usize>,
}

impl Summary {
    pub(super) fn of(rows: &[Row]) -> Self {
        let mut summary = Self::default();
        for row in rows {
            *summary.health.entry(row.health().to_owned()).or_default() += 1;
            let cell = |key: &str| row.cell(key).unwrap_or_default().to_owned();
            let version = [cell("namespace"), cell("component"), row.version().unwrap_or_default()];
            *summary.versions.entry(version).or_default() += 1;
        }
        summary
    }

    pub(super) fn json(&self) -> Value {
        let versions = self.versions.iter().map(|([namespace, component, version], count)| {
            json!({ "namespace": namespace, "component": component, "version": version, "count": count })
        });
        let count: usize = self.health.values().sum();
        json!({ "count": count, "health": self.health, "versions": versions.collect::<Vec<_>>() })
    }

    pub(super) fn text(&self, namespaces: bool) -> String {
        let mut health = Table::new(["HEALTH", "COUNT"]);
        for (word, count) in &self.health {
            health.row([Some(word.clone()), Some(count.to_string())]);
        }
        let headings = ["NAMESPACE", "COMPONENT", "VERSION", "COUNT"];
        let first = usize::from(!namespaces);
        let mut versions = Table::new(&headings[first..]);
        for (version, count) in &self.versions {
            let cells = version.iter().cloned().chain([count.to_string()]);
            versions.row(cells.skip(first).map(Some));
        }
        format!("{}\n{}", health.text(), versions.text())
    }
}
