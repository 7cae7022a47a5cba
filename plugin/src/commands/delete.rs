//! `delete`: records that a pin is to go, and deletes it; without an environment the whole component with all that is its own.

mod component;

use jiff::Timestamp;
use release_shared::kinds::{Kind, State};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{Action, content_changed};
use serde_json::Value;

use super::{Verb, options, pin, report, restart};
use crate::apply;
use crate::args::{Delete, DryRun, Limit, Write};
use crate::cluster::{Cluster, Still, WriteOptions};
use crate::error::Error;
use crate::gather::{Gathered, Missing, gather};
use crate::plan::Pin;
use crate::print::object_name;
use crate::reported::{is_undeployed, revision};
use crate::watch::{self, Judged, Scope, deletion};

/// How often a pin is looked at again whose status is written while it is deleted.
const TRIES: usize = 20;

pub(super) async fn run(cluster: &Cluster, args: &Delete, now: Timestamp) -> Result<(), Error> {
    let gathered = gather(cluster, &args.component, Missing::Refused).await?;
    let Some(environment) = &args.environment else {
        return component::run(cluster, args, &gathered, now).await;
    };
    let called = pin::called_there(&args.component, gathered.pinned(environment)?);
    let leaving = Leaving::plan(&gathered, &cluster.namespace, environment, &args.write, now);
    leaving.check(&gathered, &args.write)?;
    let question = format!("Delete {called} from {environment}?");
    pin::show_diff(cluster, &args.write, &leaving.pin, None, &question).await?;
    if args.write.dry_run != DryRun::Client {
        leaving.ask(cluster, &args.write).await?;
    }
    let gone = leaving.carry_out(cluster, &args.write).await?;
    let sentence = sentence(&called, environment, &gone, args.write.dry_run);
    report(&[(gone, Verb::Deleted)], Some(&sentence), &args.write)?;
    match args.waiting.wait.filter(|_| args.write.dry_run == DryRun::None) {
        Some(limit) => until_gone(cluster, &watch::one(&leaving.pin.name), limit, &[Going::of(&leaving.pin)]).await,
        None => Ok(()),
    }
}

/// Says who deleted it: its history goes with it, and the last record of that with the rest.
fn sentence(called: &str, environment: &str, gone: &Value, dry_run: DryRun) -> String {
    if dry_run != DryRun::None {
        return format!("{called} would be deleted from {environment}, with its history");
    }
    let recorded = apply::is_recorded(gone).then(|| revision(gone).zip(annotation(gone, names::CHANGED_BY))).flatten();
    match recorded {
        Some((revision, by)) => {
            format!("{called} is deleted from {environment}; its last record was revision {revision}, by {by}")
        }
        None => format!("{called} is deleted from {environment}"),
    }
}

/// A pin that is to go.
struct Leaving<'a> {
    pin: Pin<'a>,
    intent: Value,
}

impl<'a> Leaving<'a> {
    /// What is written before it goes. A pin that is undeployed already would change in nothing, and what changes nothing is not
    /// recorded: then the time of a restart changes, which nobody sees any more.
    fn plan(gathered: &'a Gathered, namespace: &'a str, environment: &'a str, write: &Write, now: Timestamp) -> Self {
        let standing = Pin::standing(gathered, namespace, environment, Action::Delete);
        let undeployed = standing.existing.is_some_and(is_undeployed);
        let restarted_at = if undeployed { Some(restart::at(now)) } else { standing.restarted_at };
        let pin = Pin { state: State::Undeploy, restarted_at, ..standing };
        let intent = pin.intent(write);
        Self { pin, intent }
    }

    fn existing(&self) -> &'a Value {
        self.pin.existing.unwrap_or(&Value::Null)
    }

    /// Whether somebody has deleted it already, and it is not gone yet.
    fn is_leaving(&self) -> bool {
        text(self.existing(), "/metadata/deletionTimestamp").is_some()
    }

    fn check(&self, gathered: &Gathered, write: &Write) -> Result<(), Error> {
        if self.is_leaving() { Ok(()) } else { pin::check(gathered, &self.pin, &self.intent, write) }
    }

    /// Asks the server whether it would be recorded and deleted: who may do only one of both does neither.
    async fn ask(&self, cluster: &Cluster, write: &Write) -> Result<(), Error> {
        if self.is_leaving() {
            return Ok(());
        }
        let options = WriteOptions { dry_run: true, quiet: true, ..options(write) };
        apply::apply(cluster, Kind::ReleaseBinding, &self.intent, options).await?;
        cluster.delete(Kind::ReleaseBinding, self.existing(), Still::There, true).await
    }

    /// Records it and deletes it, unless this is a dry run; the binding as it was then.
    async fn carry_out(&self, cluster: &Cluster, write: &Write) -> Result<Value, Error> {
        if self.is_leaving() || write.dry_run != DryRun::None {
            return Ok(self.existing().clone());
        }
        let written = apply::apply(cluster, Kind::ReleaseBinding, &self.intent, options(write)).await?.object;
        apply::warn_unrecorded(cluster, &written);
        match delete(cluster, &written).await {
            Ok(()) => Ok(written),
            Err(error @ Error::Superseded(_)) => Err(error),
            Err(error) => Err(error.after(vec![format!("{} undeployed", object_name(&written))])),
        }
    }
}

/// Deletes a binding as it was written. The controller may write its status meanwhile; nobody else may change it.
async fn delete(cluster: &Cluster, written: &Value) -> Result<(), Error> {
    let mut seen = written.clone();
    for _ in 0..TRIES {
        match cluster.delete(Kind::ReleaseBinding, &seen, Still::Unchanged, false).await {
            Err(Error::Status(status)) if status.code == 409 => {
                let name = text(written, "/metadata/name").unwrap_or_default();
                match cluster.get(Kind::ReleaseBinding, name).await? {
                    None => return Ok(()),
                    Some(now) => seen = unchanged(written, now)?,
                }
            }
            result => return result,
        }
    }
    Err(Error::Failed("the pin is written so often that it cannot be deleted as it was seen: try again".to_owned()))
}

/// The binding as it is now, if only its status differs.
fn unchanged(written: &Value, now: Value) -> Result<Value, Error> {
    let same = written["metadata"]["uid"] == now["metadata"]["uid"]
        && revision(written) == revision(&now)
        && !content_changed(Kind::ReleaseBinding, &now, Some(written));
    if same {
        return Ok(now);
    }
    let by = annotation(&now, names::CHANGED_BY).unwrap_or("somebody");
    let name = text(&now, "/metadata/name").unwrap_or_default();
    Err(Error::Superseded(format!(
        "{by} has changed {name} since it was recorded that it goes, and it was not deleted: look at `kubectl release history`, then \
         repeat"
    )))
}

/// What is waited for until it is gone: a pin and the Release that is rendered from it, which have one name.
struct Going {
    place: String,
    whole: String,
    name: String,
}

impl Going {
    fn of(pin: &Pin<'_>) -> Self {
        let (component, environment) = (&pin.owner.component_name, pin.environment);
        Self { place: environment.to_owned(), whole: format!("{component} in {environment}"), name: pin.name.clone() }
    }
}

/// Waits until all of these are gone.
async fn until_gone(cluster: &Cluster, scope: &Scope, limit: Limit, all: &[Going]) -> Result<(), Error> {
    let ended = watch::follow(cluster, scope, limit, |seen| {
        let judged = all.iter().map(|going| Judged {
            place: going.place.clone(),
            whole: going.whole.clone(),
            judgement: deletion(seen.binding(&going.name), seen.rendered(&going.name)),
        });
        judged.collect()
    });
    ended.await?.result()
}

#[cfg(test)]
mod tests {
    use release_shared::kinds::Owner;
    use release_shared::world::World;
    use serde_json::json;

    use super::*;

    fn gathered(state: &str) -> Gathered {
        let binding = json!({
            "metadata": {"name": "web-dev", "uid": "u", "annotations": {names::REVISION: "3"}},
            "spec": {"environment": "dev", "releaseName": "web-1", "state": state}
        });
        Gathered {
            owner: Owner { project_name: "shop".into(), component_name: "web".into() },
            world: World::default(),
            bindings: vec![binding],
            releases: vec![],
            component_exists: true,
            now: "2026-01-02T12:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn there_is_always_something_to_record() {
        let now = "2026-01-02T12:00:00.5Z".parse().unwrap();
        for (state, restarted) in [("Active", Value::Null), ("Undeploy", json!("2026-01-02T12:00:00Z"))] {
            let gathered = gathered(state);
            let leaving = Leaving::plan(&gathered, "acme", "dev", &Write::default(), now);
            let annotations = &leaving.intent["metadata"]["annotations"];
            assert_eq!(
                (&annotations[names::ACTION], &annotations[names::RESTARTED_AT]),
                (&json!("delete"), &restarted)
            );
            assert_eq!(leaving.intent["spec"]["state"], "Undeploy");
            assert!(!leaving.pin.is_there(&leaving.intent), "{state}");
        }
    }

    #[test]
    fn only_the_status_may_differ() {
        let written = gathered("Undeploy").bindings.remove(0);
        let mut now = written.clone();
        now["status"] = json!({"health": "Suspended"});
        assert!(unchanged(&written, now.clone()).is_ok());
        for (pointer, value) in
            [("/spec/state", json!("Active")), ("/metadata/uid", json!("v")), ("/metadata/annotations", json!({}))]
        {
            let mut other = now.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert!(matches!(unchanged(&written, other), Err(Error::Superseded(_))), "{pointer}");
        }
    }
}
