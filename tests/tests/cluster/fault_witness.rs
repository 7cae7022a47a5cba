//! Somebody who watches the outcomes of bindings: what was said once must never be unsaid.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event, watcher};
use release_shared::kinds::{Kind, Outcome};
use release_tests::{Namespace, block_on};

use super::fault_world::resource;

/// What was seen.
#[derive(Default)]
pub(crate) struct Witness {
    /// By the binding's UID and the revision.
    outcomes: BTreeMap<(String, i64), Outcome>,
    /// What should not have been.
    pub(crate) faults: Vec<String>,
}

impl Witness {
    /// Watches the bindings of a namespace until told to stop.
    pub(crate) fn watch(namespace: &Namespace<'_>, is_over: &AtomicBool) -> Self {
        let api: Api<DynamicObject> =
            Api::namespaced_with(namespace.client(), namespace.name(), &resource(Kind::ReleaseBinding));
        let mut witness = Self::default();
        block_on(async {
            let mut events = pin!(watcher(api, watcher::Config::default()));
            while !is_over.load(Ordering::Relaxed) {
                let event = tokio::time::timeout(Duration::from_millis(100), events.next()).await;
                if let Ok(Some(Ok(Event::Apply(binding) | Event::InitApply(binding)))) = event {
                    witness.see(&binding);
                }
            }
        });
        witness
    }

    /// How many revisions were seen, and how many of them were seen healthy.
    pub(crate) fn count(&self) -> (usize, usize) {
        let healthy = self.outcomes.values().filter(|outcome| outcome.first_healthy_at.is_some());
        (self.outcomes.len(), healthy.count())
    }

    fn see(&mut self, binding: &DynamicObject) {
        let uid = binding.metadata.uid.clone().unwrap_or_default();
        let name = binding.metadata.name.clone().unwrap_or_default();
        let outcomes = binding.data.pointer("/status/outcomes").cloned().unwrap_or_default();
        let outcomes: Vec<Outcome> = serde_json::from_value(outcomes).unwrap_or_default();
        let all = |revision: i64| (uid.clone(), revision);
        for ((_, revision), known) in self.outcomes.range(all(0)..=all(i64::MAX)) {
            let now: Vec<_> = outcomes.iter().filter(|outcome| outcome.revision == *revision).collect();
            let fault = match now.as_slice() {
                [] => Some("is lost"),
                [now] if known.ended_at.is_some() && *now != known => Some("changed after its end"),
                [now] if known.first_healthy_at.is_some() && now.first_healthy_at != known.first_healthy_at => {
                    Some("was healthy at another time before")
                }
                [_] => None,
                _ => Some("is there twice"),
            };
            if let Some(fault) = fault {
                self.faults.push(format!("the outcome of revision {revision} of {name} {fault}: {known:?} -> {now:?}"));
            }
        }
        self.outcomes.extend(outcomes.into_iter().map(|outcome| (all(outcome.revision), outcome)));
    }
}
