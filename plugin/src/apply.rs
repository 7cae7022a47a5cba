//! The write of an object: server-side apply of the complete intent, and what to do about fields that others own.

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{History, content_hash};
use serde_json::Value;

use crate::cluster::{Cluster, WriteOptions, Written};
use crate::error::Error;
use crate::plan::{Manager, Pin, managers_of};

/// Server-side apply. Fields that a person set by hand are taken over, and that is said; those of a controller are not.
pub(crate) async fn apply(
    cluster: &Cluster,
    kind: Kind,
    intent: &Value,
    options: WriteOptions,
) -> Result<Written, Error> {
    match cluster.apply(kind, intent, options).await {
        Err(Error::Status(status)) if status.is_field_manager_conflict() => {
            // As it is now: what was read before may have been changed by whoever is in the way.
            let name = text(intent, "/metadata/name").unwrap_or_default();
            let current = cluster.get(kind, name).await?.unwrap_or_default();
            let fields: Vec<_> = status.causes.iter().map(|cause| cause.field.clone()).collect();
            take_over(cluster, &fields, &current)?;
            cluster.apply(kind, intent, WriteOptions { force: true, ..options }).await
        }
        result => result,
    }
}

/// A pin in one write like [`apply`], where fields are to go that others have set: an apply would leave them there.
pub(crate) async fn take_away(
    cluster: &Cluster,
    pin: &Pin<'_>,
    intent: &Value,
    fields: &[String],
    options: WriteOptions,
) -> Result<Written, Error> {
    if !options.force {
        take_over(cluster, fields, pin.existing.unwrap_or(&Value::Null))?;
    }
    cluster.merge(Kind::ReleaseBinding, &pin.name, &pin.patch(intent), options).await
}

fn take_over(cluster: &Cluster, fields: &[String], current: &Value) -> Result<(), Error> {
    let mut managers: Vec<_> = fields.iter().flat_map(|field| managers_of(current, field)).collect();
    managers.sort_unstable();
    managers.dedup();
    let by_hand = !managers.is_empty() && managers.iter().all(Manager::is_by_hand);
    let (fields, managers) =
        (fields.join(", "), managers.iter().map(|manager| manager.name.clone()).collect::<Vec<_>>().join(", "));
    if by_hand {
        cluster.note_once(&format!("Taking over {fields}, which was set with {managers}"));
        return Ok(());
    }
    let who = if managers.is_empty() { "another manager".to_owned() } else { managers };
    Err(Error::FieldManager(format!(
        "{fields} belongs to {who}, which would set it back: change it there, or take it over with --force-conflicts"
    )))
}

/// Says so where a change was not recorded: the webhook is not installed, or is kept out of the way.
pub(crate) fn warn_unrecorded(cluster: &Cluster, object: &Value) {
    if !is_recorded(object) {
        cluster.note_once(
            "Warning: the release webhook did not record this change: it is not installed, or out of the way",
        );
    }
}

/// Whether the last record of an object speaks of the object as it is.
pub(crate) fn is_recorded(object: &Value) -> bool {
    let history = annotation(object, names::HISTORY).and_then(History::parse).unwrap_or_default();
    let kind = text(object, "/kind").and_then(Kind::parse);
    kind.zip(history.last()).is_some_and(|(kind, last)| last.content == content_hash(kind, object))
}
