//! ComponentReleases that nothing pins and no record names are collected; the newest of each component are kept.

use std::collections::BTreeSet;

use release_edge::follow::Place;
use release_shared::kinds::Kind;

use crate::control::Control;
use crate::request::{Later, Refusal};
use crate::store::Snapshot;

/// How many of a component are kept, whether they are needed or not.
const KEPT: usize = 10;

/// Looks at the ComponentReleases of a component.
///
/// # Errors
/// The API server could not be reached.
pub(crate) async fn look(control: &Control, component: &Place) -> Result<(), Later> {
    let all = control.store.snapshots_of(&component.namespace, &component.name);
    if all.len() <= KEPT {
        return Ok(());
    }
    let needed = control.store.with_world(&component.namespace, |world| {
        let bindings = world.bindings.values().filter(|binding| binding.owner.component_name == component.name);
        bindings.flat_map(|binding| &binding.past).flat_map(|past| past.needed.iter().cloned()).collect()
    });
    for (place, uid) in unneeded(all, &needed) {
        match control.own.delete(Kind::ComponentRelease, &place, &uid, None).await {
            Ok(()) => tracing::info!(namespace = place.namespace, name = place.name, "collected a ComponentRelease"),
            Err(Refusal::Later(later)) => return Err(later),
            // The webhook knows of a binding that has not been seen here.
            Err(refusal) => tracing::info!(name = place.name, %refusal, "a ComponentRelease is kept"),
        }
    }
    Ok(())
}

/// Those that are not among the newest, and that no binding pins, names in its records, or remembers as an outcome.
fn unneeded(mut all: Vec<(Place, Snapshot)>, needed: &BTreeSet<String>) -> Vec<(Place, String)> {
    all.sort_by(|(a, first), (b, second)| (&second.created, &b.name).cmp(&(&first.created, &a.name)));
    let old = all.into_iter().skip(KEPT);
    old.filter(|(place, _)| !needed.contains(&place.name)).map(|(place, snapshot)| (place, snapshot.uid)).collect()
}

#[cfg(test)]
mod tests {
    use release_shared::kinds::Owner;

    use super::*;

    #[test]
    fn the_newest_and_the_needed_are_kept() {
        let snapshot = |number: usize| {
            let owner = Owner { project_name: "shop".into(), component_name: "web".into() };
            let created = format!("2026-01-01T00:00:{number:02}Z");
            let place = Place { namespace: "acme".into(), name: format!("web-{number:02}") };
            (place, Snapshot { uid: format!("u-{number}"), owner, created })
        };
        let needed = BTreeSet::from(["web-01".to_owned()]);
        let gone = unneeded((0..13).map(snapshot).collect(), &needed);
        let gone: Vec<_> = gone.iter().map(|(place, uid)| (place.name.as_str(), uid.as_str())).collect();
        assert_eq!(gone, [("web-02", "u-2"), ("web-00", "u-0")]);
        assert!(unneeded((0..10).map(snapshot).collect(), &BTreeSet::new()).is_empty());
    }
}
