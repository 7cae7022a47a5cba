//! What a binding still needs of the releases that it has pinned.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::names;
use crate::object::{annotation, text};

/// A record, or what stands for those that were dropped, as far as it names a release.
#[derive(Deserialize)]
struct Named {
    release: Option<String>,
}

/// The names of the ComponentReleases without which a binding would not be what it says: the one that it pins, and those that a
/// rollback may choose, which a record of its history or an outcome in its status names.
pub fn needed_releases(binding: &Value) -> BTreeSet<String> {
    let pinned = text(binding, "/spec/releaseName").map(str::to_owned);
    let history: Vec<Named> =
        annotation(binding, names::HISTORY).and_then(|history| serde_json::from_str(history).ok()).unwrap_or_default();
    let outcomes = binding.pointer("/status/outcomes").and_then(Value::as_array).into_iter().flatten();
    let ran = outcomes.filter_map(|outcome| text(outcome, "/release").map(str::to_owned));
    pinned.into_iter().chain(history.into_iter().filter_map(|record| record.release)).chain(ran).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_binding_needs_what_it_pins_and_what_it_may_go_back_to() {
        let history = json!([
            {"dropped": {"from": 1, "to": 2}, "hash": "…"},
            {"revision": 3, "action": "deploy", "release": "web-2", "content": "…", "by": "jane", "at": "…"},
            {"revision": 4, "action": "configure", "release": "web-2", "content": "…", "by": "jane", "at": "…"},
            {"revision": 5, "action": "update", "content": "…", "by": "jane", "at": "…"}
        ]);
        let binding = json!({
            "metadata": {"annotations": {names::HISTORY: history.to_string()}},
            "spec": {"releaseName": "web-3"},
            "status": {"outcomes": [{"revision": 2, "release": "web-1"}, {"revision": 5}]}
        });
        let needed: Vec<_> = needed_releases(&binding).into_iter().collect();
        assert_eq!(needed, ["web-1", "web-2", "web-3"]);
        let broken = json!({"metadata": {"annotations": {names::HISTORY: "{"}}, "spec": {"releaseName": 5}});
        assert!(needed_releases(&broken).is_empty());
    }
}
