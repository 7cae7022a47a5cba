//! From a decided plan to what is in the cluster: everything is asked for in a dry run first, and then written in order.

use futures::future::join3;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use serde_json::{Value, json};

use crate::apply;
use crate::args::{Create, DryRun};
use crate::cluster::{Cluster, WriteOptions};
use crate::commands::pin::Words;
use crate::commands::{Done, Verb, called, options};
use crate::error::Error;
use crate::gather::Gathered;
use crate::plan::Pin;
use crate::print::object_name;

/// Everything that is decided, before anything is written.
pub(super) struct Plan<'a> {
    pub(super) args: &'a Create,
    pub(super) gathered: &'a Gathered,
    pub(super) release: &'a Value,
    pub(super) known: Option<Value>,
    pub(super) pin: Option<&'a Pin<'a>>,
    pub(super) intent: Option<&'a Value>,
}

impl Plan<'_> {
    fn component(&self) -> Option<Value> {
        let owner = &self.gathered.owner;
        let metadata = json!({ "name": owner.component_name, "namespace": self.release["metadata"]["namespace"] });
        let kind = &self.release["spec"]["componentType"];
        let spec = json!({
            "owner": { "projectName": owner.project_name },
            "componentType": { "kind": kind["kind"], "name": kind["name"] }
        });
        (!self.gathered.component_exists).then(
            || json!({ "apiVersion": names::API_VERSION, "kind": "Component", "metadata": metadata, "spec": spec }),
        )
    }

    fn pin_stands(&self) -> bool {
        self.pin.zip(self.intent).is_some_and(|(pin, intent)| pin.is_there(intent))
    }

    /// What would happen, without asking anybody.
    pub(super) fn imagine(&self) -> Vec<Done> {
        let mut done: Vec<Done> = self.component().map(|component| (component, Verb::Created)).into_iter().collect();
        let verb = if self.known.is_none() { Verb::Created } else { Verb::Unchanged };
        done.push((self.release.clone(), verb));
        if let (Some(pin), Some(intent)) = (self.pin, self.intent) {
            let verb = match pin.existing {
                None => Verb::Created,
                Some(_) if self.pin_stands() => Verb::Unchanged,
                Some(_) => Verb::Configured,
            };
            done.push((intent.clone(), verb));
        }
        done
    }

    /// Asks the server about everything first, then writes: a refusal leaves nothing behind.
    pub(super) async fn carry_out(&self, cluster: &Cluster) -> Result<Vec<Done>, Error> {
        // In a dry run nothing that is made here exists for what refers to it: the server would warn of that.
        let quiet = self.args.write.dry_run == DryRun::None || self.known.is_none();
        let asked = WriteOptions { dry_run: true, quiet, ..options(&self.args.write) };
        let dry = self.write(cluster, asked).await?;
        if self.args.write.dry_run == DryRun::Server {
            return Ok(dry);
        }
        let mut written = Vec::new();
        match self.write_in_order(cluster, &mut written).await {
            Ok(()) => Ok(written),
            Err(Error::Status(mut status)) => {
                status.written = written
                    .iter()
                    .filter(|(_, verb)| *verb != Verb::Unchanged)
                    .map(|(object, _)| object_name(object))
                    .collect();
                Err(Error::Status(status))
            }
            Err(error) => Err(error),
        }
    }

    /// All at once, as a dry run allows.
    async fn write(&self, cluster: &Cluster, options: WriteOptions) -> Result<Vec<Done>, Error> {
        // All are waited for, so that of several refusals the first in order is told.
        let (component, release, binding) = join3(
            self.write_component(cluster, options),
            self.write_release(cluster, options),
            self.write_binding(cluster, options),
        )
        .await;
        Ok(component?.into_iter().chain([release?]).chain(binding?).collect())
    }

    /// One after the other: each names the one before.
    async fn write_in_order(&self, cluster: &Cluster, written: &mut Vec<Done>) -> Result<(), Error> {
        let options = options(&self.args.write);
        written.extend(self.write_component(cluster, options).await?);
        written.push(self.write_release(cluster, options).await?);
        written.extend(self.write_binding(cluster, options).await?);
        Ok(())
    }

    async fn write_component(&self, cluster: &Cluster, options: WriteOptions) -> Result<Option<Done>, Error> {
        match self.component() {
            Some(component) => create(cluster, Kind::Component, &component, options).await.map(Some),
            None => Ok(None),
        }
    }

    async fn write_release(&self, cluster: &Cluster, options: WriteOptions) -> Result<Done, Error> {
        match &self.known {
            None => create(cluster, Kind::ComponentRelease, self.release, options).await,
            Some(_) => Ok((self.release.clone(), Verb::Unchanged)),
        }
    }

    async fn write_binding(&self, cluster: &Cluster, options: WriteOptions) -> Result<Option<Done>, Error> {
        let (Some(pin), Some(intent)) = (self.pin, self.intent) else { return Ok(None) };
        if self.pin_stands() {
            return Ok(pin.existing.map(|existing| (existing.clone(), Verb::Unchanged)));
        }
        let written = apply::apply(cluster, Kind::ReleaseBinding, intent, options).await?;
        if !options.dry_run {
            apply::warn_unrecorded(cluster, &written.object);
        }
        let verb = Verb::of(&written, pin.existing);
        Ok(Some((written.object, verb)))
    }

    pub(super) fn sentence(&self, done: &[Done]) -> String {
        let component = &self.gathered.owner.component_name;
        let name = text(self.release, "/metadata/name").unwrap_or_default();
        let known = self.known.as_ref().and_then(|known| annotation(known, names::VERSION_ANNOTATION));
        let version = annotation(self.release, names::VERSION_ANNOTATION).or(known);
        let called = called(component, version, name);
        match self.pin {
            None if done.iter().all(|(_, verb)| *verb == Verb::Unchanged) => {
                format!("nothing changes: {called} was cut before")
            }
            None => format!("{called} is cut and pinned nowhere"),
            Some(pin) if self.pin_stands() => format!("nothing changes: {} runs {called} already", pin.environment),
            Some(pin) => {
                let binding = done.last().map(|(object, _)| object);
                Words::pinning(&called, pin.environment).sentence(binding, self.args.write.dry_run)
            }
        }
    }
}

/// Makes an object. Somebody who releases the same at the same time may be faster: then theirs is used, if it says the same.
async fn create(cluster: &Cluster, kind: Kind, object: &Value, options: WriteOptions) -> Result<Done, Error> {
    match cluster.create(kind, object, options).await {
        Ok(written) => Ok((written.object, Verb::Created)),
        Err(Error::Status(status)) if status.reason == "AlreadyExists" => {
            let name = text(object, "/metadata/name").unwrap_or_default();
            match cluster.get(kind, name).await? {
                Some(theirs) if theirs["spec"] == object["spec"] => Ok((theirs, Verb::Unchanged)),
                _ => Err(Error::Status(status)),
            }
        }
        Err(error) => Err(error),
    }
}
