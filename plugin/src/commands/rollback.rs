//! `rollback`: back to the last healthy revision, or to one that was asked for, with its release, values and state.

mod target;

use release_shared::kinds::Kind;
use release_shared::object::text;
use release_shared::record::{Action, is_pinned_as};
use serde_json::Value;

use self::target::Target;
use super::pin::{self, Pinned, Words};
use crate::args::{DryRun, Rollback, Write};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::gather::{Gathered, Missing, gather};
use crate::plan::Pin;
use crate::print::note;
use crate::reported::revision;

pub(super) async fn run(cluster: &Cluster, args: &Rollback) -> Result<(), Error> {
    let mut gathered = gather(cluster, &args.place.component, Missing::Refused).await?;
    let binding = gathered.pinned(&args.place.environment)?;
    let target = match args.to_revision {
        Some(number) => target::asked(binding, number),
        None => target::last_healthy(binding),
    };
    let target = target.map_err(Error::Refused)?;
    let pinned = restore(cluster, &mut gathered, &args.place.environment, &target, &args.write).await?;
    pinned.report(&args.write)?;
    pin::settle(cluster, &pinned.binding, args.waiting.wait, args.write.dry_run).await
}

/// Takes back a change that did not become healthy, if nobody has changed it since.
pub(super) async fn back(
    cluster: &Cluster,
    gathered: &mut Gathered,
    write: &Write,
    written: &Value,
    cause: &str,
) -> Result<(), Error> {
    let name = text(written, "/metadata/name").unwrap_or_default();
    let environment = text(written, "/spec/environment").unwrap_or_default();
    let now = cluster.get(Kind::ReleaseBinding, name).await?.unwrap_or_default();
    if revision(&now) != revision(written) || now["metadata"]["uid"] != written["metadata"]["uid"] {
        return Err(Error::Superseded(format!("somebody else has changed {environment} since")));
    }
    gathered.bindings.retain(|binding| text(binding, "/metadata/name") != Some(name));
    gathered.world.put(Kind::ReleaseBinding, name, Some(&now));
    let target = target::last_healthy(&now).map_err(Error::Refused)?;
    gathered.bindings.push(now);
    let write = Write {
        reason: Some(reason(write.reason.as_deref(), cause)),
        bypass: write.bypass,
        force_conflicts: write.force_conflicts,
        output: write.output,
        ..Write::default()
    };
    let pinned = restore(cluster, gathered, environment, &target, &write).await?;
    // One command prints one result: the promotion's stands there already.
    if write.output.is_none() {
        return pinned.report(&write);
    }
    note(&pinned.sentence);
    Ok(())
}

/// Why, within what a reason may be. It begins with what was said of the change that is taken back, which may have to name a ticket.
fn reason(given: Option<&str>, cause: &str) -> String {
    let given = given.filter(|given| !given.is_empty()).map(|given| format!("{given}; ")).unwrap_or_default();
    let text: String =
        format!("{given}atomic: {cause}").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| *end <= MAX_REASON).last().unwrap_or(0);
    text[..end].to_owned()
}

/// The longest reason, in bytes. (`release_shared::record::said_faults`)
const MAX_REASON: usize = 512;

/// Pins what a record says. A restart that was made since stays one: a record does not hold its time.
async fn restore(
    cluster: &Cluster,
    gathered: &mut Gathered,
    environment: &str,
    target: &Target,
    write: &Write,
) -> Result<Pinned, Error> {
    let record = &target.record;
    let name = record.release.as_deref().unwrap_or_default();
    let component = gathered.owner.component_name.clone();
    let Some(release) = cluster.get(Kind::ComponentRelease, name).await? else {
        return Err(Error::Refused(vec![format!(
            "revision {} pins {name}, and that ComponentRelease does not exist any more: go back to another with --to-revision, or pin \
             one that exists with `kubectl release promote {component} --to {environment} --release NAME`",
            record.revision
        )]));
    };
    gathered.world.put(Kind::ComponentRelease, name, Some(&release));
    let pin = Pin::standing(gathered, &cluster.namespace, environment, Action::Rollback).restored(record);
    let pinned =
        pin::see_to(cluster, gathered, &pin, Some(&release), write, &words(&component, environment, target)).await?;
    if pinned.changed && write.dry_run != DryRun::Client && !is_pinned_as(&pinned.binding, record) {
        note(&format!(
            "Warning: {environment} is not all as in revision {}: a value that another field manager set stays; compare with \
             `kubectl release history {component} {environment} --revision {}`",
            record.revision, record.revision
        ));
    }
    Ok(pinned)
}

fn words(component: &str, environment: &str, target: &Target) -> Words {
    let what = target.describe(component);
    let record = &target.record;
    let undeployed = if record.state.as_deref() == Some("Undeploy") { " and is undeployed" } else { "" };
    Words {
        done: format!("back to {what}: {environment} has it{undeployed}"),
        would: format!("{environment} would go back to {what}"),
        stands: format!("{environment} is as revision {} left it", record.revision),
        ask: format!("Go back to revision {} in {environment}?", record.revision),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_fits() {
        assert_eq!(reason(None, "no\nimage"), "atomic: no image");
        assert_eq!(reason(Some("OPS-7 go"), "no image"), "OPS-7 go; atomic: no image");
        let long = reason(None, &"ä".repeat(400));
        assert!(long.len() <= MAX_REASON && long.ends_with('ä'), "{}", long.len());
    }
}
