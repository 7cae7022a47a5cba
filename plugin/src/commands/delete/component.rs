//! A whole component: its pins, when they and what is rendered from them are gone its releases, and then the Component.

use std::time::Duration;

use futures::future::try_join;
use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{controlling_binding, text};
use release_shared::violation::Findings;
use serde_json::Value;

use super::{Going, Leaving, until_gone};
use crate::args::{Delete, DryRun, Limit, Write};
use crate::cluster::{Cluster, Still};
use crate::commands::{Done, Verb, pin, report, report_one};
use crate::confirm::ask;
use crate::error::{Error, Status};
use crate::gather::{Gathered, of_component};
use crate::print::{line, note, object_name, objects};

/// The webhook's view of which releases are pinned follows the API server a little behind.
const PAUSE: Duration = Duration::from_secs(1);
const TRIES: usize = 15;

/// Everything that goes.
struct Plan<'a> {
    args: &'a Delete,
    pins: Vec<Leaving<'a>>,
    /// Releases by their own name that are rendered from pins, or from pins that are gone already.
    rendered: Vec<String>,
    /// Releases that somebody wrote by hand, which stay.
    direct: Vec<String>,
    releases: Vec<Value>,
    component: Option<Value>,
}

pub(super) async fn run(cluster: &Cluster, args: &Delete, gathered: &Gathered, now: Timestamp) -> Result<(), Error> {
    let plan = plan(cluster, args, gathered, now).await?;
    let shown = Write { yes: true, ..args.write.clone() };
    plan.check(gathered)?;
    for leaving in &plan.pins {
        pin::show_diff(cluster, &shown, &leaving.pin, None, "").await?;
    }
    let (component, counts) = (&args.component, counts(plan.pins.len(), plan.releases.len()));
    let alone = format!(
        "this would delete {component} with {counts}, and there is no terminal to ask on: add --yes, or --dry-run=server"
    );
    ask(&args.write, &format!("Delete {component} with {counts}?"), &alone)?;
    plan.note_direct();
    if args.write.dry_run != DryRun::Client {
        plan.ask(cluster).await?;
    }
    if args.write.dry_run != DryRun::None {
        let sentence = format!("{component} would be deleted with {counts}");
        return report(&plan.imagine(), Some(&sentence), &args.write);
    }
    let mut done = Vec::new();
    let result = plan.carry_out(cluster, &mut done).await;
    result.map_err(|error| error.after(done.iter().map(object_name).collect()))?;
    match args.write.output {
        None => line(&format!("{component} is deleted with {counts}")),
        Some(format) => objects(&done, format),
    }
}

async fn plan<'a>(
    cluster: &'a Cluster,
    args: &'a Delete,
    gathered: &'a Gathered,
    now: Timestamp,
) -> Result<Plan<'a>, Error> {
    let (component, rendered) = try_join(
        cluster.get(Kind::Component, &args.component),
        cluster.list_metadata(Kind::Release, &of_component(&args.component)),
    )
    .await?;
    let environments = gathered.bindings.iter().filter_map(|binding| text(binding, "/spec/environment"));
    let mut environments: Vec<_> = environments.collect();
    environments.sort_unstable();
    let namespace = &cluster.namespace;
    let pins = environments.into_iter().map(|name| Leaving::plan(gathered, namespace, name, &args.write, now));
    let pins = pins.collect();
    let (rendered, direct): (Vec<_>, Vec<_>) =
        rendered.iter().partition(|release| controlling_binding(release).is_some());
    let named = |releases: Vec<&Value>| {
        let names = releases.iter().filter_map(|release| text(release, "/metadata/name").map(str::to_owned));
        names.collect()
    };
    Ok(Plan {
        args,
        pins,
        rendered: named(rendered),
        direct: named(direct),
        releases: gathered.releases.iter().map(whole).collect(),
        component,
    })
}

/// What was read as metadata only, with the kind that it is of.
fn whole(release: &Value) -> Value {
    let kind = Kind::ComponentRelease.as_str();
    serde_json::json!({ "apiVersion": names::API_VERSION, "kind": kind, "metadata": release["metadata"] })
}

impl Plan<'_> {
    fn imagine(&self) -> Vec<Done> {
        let pins = self.pins.iter().map(Leaving::existing);
        let rest = self.releases.iter().chain(&self.component);
        pins.chain(rest).map(|object| (object.clone(), Verb::Deleted)).collect()
    }

    /// A Release by hand is nobody's pin: whoever wrote it decides.
    fn note_direct(&self) {
        if !self.direct.is_empty() {
            let names = self.direct.join(" ");
            note(&format!(
                "Note: what was written by hand stays: delete it with `kubectl delete releases.openchoreo.dev {names}`"
            ));
        }
    }

    /// What the rules say already, of every pin.
    fn check(&self, gathered: &Gathered) -> Result<(), Error> {
        let mut all = Findings::none();
        for leaving in &self.pins {
            match leaving.check(gathered, &self.args.write) {
                Err(Error::PreCheck(findings)) => all.extend(findings),
                told => told?,
            }
        }
        if all.violations.is_empty() { Ok(()) } else { Err(Error::PreCheck(all)) }
    }

    /// A refusal leaves everything as it is: the server is asked first, about every pin, so that all its reasons are told. What is pinned cannot
    /// go before its pin.
    async fn ask(&self, cluster: &Cluster) -> Result<(), Error> {
        let mut refusals: Vec<Box<Status>> = Vec::new();
        for pin in &self.pins {
            match pin.ask(cluster, &self.args.write).await {
                Err(Error::Status(status)) if !status.causes.is_empty() => refusals.push(status),
                told => told?,
            }
        }
        let all = refusals.iter().flat_map(|status| status.causes.clone()).collect();
        if let Some(first) = refusals.into_iter().next() {
            return Err(Error::Status(Box::new(Status { causes: all, ..*first })));
        }
        match &self.component {
            Some(component) => cluster.delete(Kind::Component, component, Still::There, true).await,
            None => Ok(()),
        }
    }

    /// Each is told of as soon as it is deleted; `done` holds them also where it goes wrong.
    async fn carry_out(&self, cluster: &Cluster, done: &mut Vec<Value>) -> Result<(), Error> {
        for pin in &self.pins {
            let gone = pin.carry_out(cluster, &self.args.write).await?;
            self.tell(gone, done)?;
        }
        self.wait(cluster).await?;
        for release in &self.releases {
            delete_release(cluster, release).await?;
            self.tell(release.clone(), done)?;
        }
        if let Some(component) = &self.component {
            cluster.delete(Kind::Component, component, Still::There, false).await?;
            self.tell(component.clone(), done)?;
        }
        Ok(())
    }

    fn tell(&self, object: Value, done: &mut Vec<Value>) -> Result<(), Error> {
        if self.args.write.output.is_none() {
            report_one(&object, Verb::Deleted, &self.args.write)?;
        }
        done.push(object);
        Ok(())
    }

    /// Until the pins and everything that is rendered from them is gone.
    async fn wait(&self, cluster: &Cluster) -> Result<(), Error> {
        let mut all: Vec<_> = self.pins.iter().map(|leaving| Going::of(&leaving.pin)).collect();
        for name in &self.rendered {
            if !all.iter().any(|going| going.name == *name) {
                let whole = format!("release/{name}");
                all.push(Going { place: whole.clone(), whole, name: name.clone() });
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        let selection = of_component(&self.args.component);
        let scope = vec![(Kind::ReleaseBinding, selection.clone()), (Kind::Release, selection)];
        until_gone(cluster, &scope, self.args.waiting.wait.unwrap_or(Limit::DEFAULT), &all).await
    }
}

/// Deletes a release that nothing pins any more.
async fn delete_release(cluster: &Cluster, release: &Value) -> Result<(), Error> {
    let mut tries = 1;
    loop {
        match cluster.delete(Kind::ComponentRelease, release, Still::There, false).await {
            // A refusal with causes is the webhook's.
            Err(Error::Status(status)) if status.code == 403 && !status.causes.is_empty() && tries < TRIES => {
                tokio::time::sleep(PAUSE).await;
                tries += 1;
            }
            result => return result,
        }
    }
}

fn counts(pins: usize, releases: usize) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    format!("{} and {}", count(pins, "pin"), count(releases, "release"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting() {
        assert_eq!(counts(1, 0), "1 pin and 0 releases");
        assert_eq!(counts(3, 1), "3 pins and 1 release");
    }
}
