//! The end of a Release: its objects first, then our hold on it. It ends also where the Environment is gone.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use release_shared::desired::tier;
use release_shared::kinds::{Kind, ReleaseStatus, condition};
use release_shared::names;
use release_shared::status::set_condition;

use super::apply::{Removal, remove};
use super::{Memory, expected, plan, publish};
use crate::control::Control;
use crate::events::Note;
use crate::live::Identity;
use crate::queue::Task;
use crate::request::Later;
use crate::store::Release;

/// How often it is tried again what cannot be removed, and looked again what a watch should have told.
const AGAIN: Duration = Duration::from_secs(10);

/// Removes what a Release has made, and lets it go when that is gone.
///
/// # Errors
/// The API server could not be reached.
pub(super) async fn finalize(control: &Control, release: &Arc<Release>, memory: &mut Memory) -> Result<(), Later> {
    if !release.is_held() {
        return Ok(());
    }
    let mut plan = plan::to_remove(control, release).await?;
    plan.watch(release).await?;
    let mut going = Vec::new();
    let mut stuck = Vec::new();
    // What was applied last goes first.
    let mut inventory: Vec<_> = release.status.inventory.iter().collect();
    inventory.sort_by_key(|reference| std::cmp::Reverse(tier(&reference.group, &reference.kind)));
    for reference in inventory {
        if let Some(why) = plan.why_unseen(reference) {
            stuck.push(format!("{reference} cannot be seen: {why}"));
            continue;
        }
        match remove(control, release, &plan, reference).await? {
            Removal::Gone => control.claims.give_up(&Identity::from(reference), release),
            Removal::Under(held) if held.is_empty() => going.push(reference.to_string()),
            Removal::Under(held) => going.push(format!("{reference} (held by {})", held.join(", "))),
            Removal::Refused(why) => stuck.push(format!("{reference}: {why}")),
        }
    }
    let lets_go = release.orphan_on_delete || plan.orphan_on_delete;
    if going.is_empty() && (stuck.is_empty() || lets_go) {
        return let_go(control, release, &stuck).await;
    }
    let status = finalizing(release, &going, &stuck);
    control.queue.add_after(Task::Release(release.place.clone()), AGAIN);
    publish::publish(control, release, status, memory).await
}

async fn let_go(control: &Control, release: &Release, left: &[String]) -> Result<(), Later> {
    if !left.is_empty() {
        let message = format!("left behind, as {} says: {}", names::ORPHAN_ON_DELETE, left.join("; "));
        tracing::warn!(
            namespace = release.place.namespace,
            name = release.place.name,
            message,
            "objects are left behind"
        );
        control.events.tell(Kind::Release, &release.place, &release.uid, vec![Note::warning("Orphaned", message)]);
    }
    let others: Vec<_> =
        release.finalizers.iter().filter(|finalizer| *finalizer != names::FINALIZER).cloned().collect();
    control.own.set_finalizers(&release.place, &release.resource_version, &others).await.map(drop).or_else(expected)
}

/// How many objects are named that are on their way out.
const NAMED: usize = 3;

/// What is said while it goes. What cannot be removed outweighs what is on its way, so that the reason does not change to and fro.
fn finalizing(release: &Release, going: &[String], stuck: &[String]) -> ReleaseStatus {
    let (reason, message) = if stuck.is_empty() {
        let more = going.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        let named = &going[..going.len().min(NAMED)];
        ("CleanupInProgress", format!("waits until they are gone: {}{more}", named.join(", ")))
    } else {
        let cure = format!(
            "give the controller the right, or annotate this Release with {}=true to leave them behind",
            names::ORPHAN_ON_DELETE
        );
        ("CleanupFailed", format!("cannot be removed: {}; {cure}", stuck.join("; ")))
    };
    let mut status = release.status.clone();
    let now = Timestamp::now();
    let mut set = |kind, is, reason, message: &str| {
        set_condition(&mut status.conditions, kind, Some(is), reason, message, release.generation, now);
    };
    set(condition::FINALIZING, true, reason, &message);
    set(condition::READY, false, "Finalizing", "it is being deleted");
    status
}
