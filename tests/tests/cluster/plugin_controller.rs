//! What a controller would write, written by the admin: the plugin reads it and does not ask who wrote it.

use std::time::Duration;

use anyhow::Context;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::annotation;
use release_shared::record::History;
use release_tests::{Namespace, wait};
use serde_json::{Value, json};

use super::objects::{name, object, owned_release, with};
use super::person::Person;

const LIMIT: Duration = Duration::from_secs(30);

/// How a revision went: its number, its health, and why it is not healthy.
pub(crate) type Went<'a> = (u64, &'a str, Option<&'a str>);

/// Writes statuses, and Releases as if they were rendered.
pub(crate) struct Controller<'a> {
    admin: Person<'a>,
    account: Person<'a>,
}

impl<'a> Controller<'a> {
    pub(crate) fn open(namespace: &'a Namespace<'a>) -> anyhow::Result<Self> {
        let account = Person::with_role(namespace, names::CONTROLLER_USER, "release-developer")?;
        Ok(Self { admin: Person::admin(namespace), account })
    }

    /// A binding as it is.
    pub(crate) fn binding(&self, name: &str) -> Value {
        self.admin.get(&object(Kind::ReleaseBinding, name, json!({}))).unwrap()
    }

    /// A binding once it is at a revision.
    pub(crate) fn until_revision(&self, name: &str, revision: u64) -> anyhow::Result<Value> {
        let wanted = revision.to_string();
        wait::until("a binding is at a revision", LIMIT, || {
            let found = self.admin.get(&object(Kind::ReleaseBinding, name, json!({}))).ok();
            Ok(found.filter(|binding| annotation(binding, names::REVISION) == Some(&wanted)))
        })
        .with_context(|| format!("{name} at revision {revision}"))
    }

    /// Writes how revisions of a binding went. All but the current one have ended.
    pub(crate) fn tells(&self, binding: &str, all: &[Went<'_>]) {
        let binding = self.binding(binding);
        let current = annotation(&binding, names::REVISION).and_then(|text| text.parse().ok()).unwrap_or(0);
        let history = annotation(&binding, names::HISTORY).and_then(History::parse).unwrap_or_default();
        let outcome = |(revision, health, cause): &Went<'_>| {
            let record = history.records().find(|record| record.revision == *revision);
            let mut outcome = json!({ "revision": revision });
            outcome["content"] = record.map(|record| record.content.clone()).into();
            outcome["release"] = record.and_then(|record| record.release.clone()).into();
            if !health.is_empty() {
                outcome["lastHealth"] = (*health).into();
            }
            if *health == "Healthy" {
                outcome["firstHealthyAt"] = "2026-01-02T12:00:00Z".into();
            }
            if let Some(cause) = cause {
                outcome["cause"] = (*cause).into();
            }
            if *revision < current {
                outcome["endedBy"] = (revision + 1).into();
            }
            outcome
        };
        let mut status = json!({
            "observedGeneration": binding["metadata"]["generation"],
            "outcomes": all.iter().map(outcome).collect::<Vec<_>>(),
        });
        if let Some((_, health, cause)) = all.iter().find(|(revision, ..)| *revision == current) {
            status["health"] = if health.is_empty() { Value::Null } else { (*health).into() };
            status["cause"] = (*cause).into();
        }
        self.status(&binding, &status);
    }

    /// Writes into the status of an object.
    pub(crate) fn status(&self, object: &Value, status: &Value) -> Value {
        self.admin.merge_status(object, status).unwrap()
    }

    /// The Release that is rendered from a binding in `dev`, with this in its status.
    pub(crate) fn renders(&self, binding: &Value, status: &Value) -> Value {
        let release = with(&owned_release(binding), |release| {
            release["spec"]["environmentName"] = binding["spec"]["environment"].clone();
        });
        let release = self.admin.get(&release).or_else(|_| self.account.create(&release)).unwrap();
        let uid = binding["metadata"]["uid"].as_str().unwrap_or_default();
        let revision = annotation(binding, names::REVISION).unwrap_or_default();
        let status = with(status, |status| status["renderedFrom"] = format!("{uid}/{revision}").into());
        self.status(&release, &status)
    }

    /// Takes the Release away that was rendered from a binding.
    pub(crate) fn removes(&self, release: &Value) {
        self.admin.merge(release, &json!({ "metadata": { "finalizers": null } })).unwrap();
        if self.admin.get(release).is_ok() {
            self.admin.delete(release).unwrap();
        }
    }

    /// Holds an object as the controller does while live objects are left.
    pub(crate) fn holds(&self, object: &Value) {
        self.admin.merge(object, &json!({ "metadata": { "finalizers": [names::FINALIZER] } })).unwrap();
    }

    /// Whether an object is still there.
    pub(crate) fn has(&self, kind: Kind, wanted: &str) -> bool {
        let object = object(kind, wanted, json!({}));
        self.admin.get(&object).is_ok_and(|found| name(&found) == wanted)
    }
}
