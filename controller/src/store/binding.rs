//! A ReleaseBinding as the controller knows it: without its history's words.

use release_edge::follow::Place;
use release_shared::kinds::{Kind, Owner, ReleaseBindingStatus};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::outcome::Trail;
use release_shared::record::{History, content_hash};
use serde_json::Value;

use super::Versioned;
use super::release::resource_version;

/// A binding.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// Where it is.
    pub(crate) place: Place,
    /// Its UID.
    pub(crate) uid: String,
    /// Its generation.
    pub(crate) generation: Option<i64>,
    /// Its resourceVersion.
    pub(crate) resource_version: String,
    /// Whether it is being deleted.
    pub(crate) deleting: bool,
    /// Whose pin it is.
    pub(crate) owner: Owner,
    /// The environment.
    pub(crate) environment: String,
    /// The ComponentRelease that it pins.
    pub(crate) release: Option<String>,
    /// Whether its live objects are to be removed.
    pub(crate) undeploy: bool,
    /// Its spec, with the values for the environment.
    pub(crate) spec: Value,
    /// Its value of [`names::RESTARTED_AT`].
    pub(crate) restarted_at: Option<String>,
    /// Its name and description for people.
    pub(crate) said: Vec<(&'static str, String)>,
    /// What a Release of it as it is says it is rendered from: `<UID>/<revision>`; behind a change that is not recorded, also a
    /// part of its content's hash.
    pub(crate) rendered_from: String,
    /// Whether the last record speaks of it as it is.
    pub(crate) recorded: bool,
    /// Its records.
    pub(crate) trail: Trail,
    /// Its status.
    pub(crate) status: ReleaseBindingStatus,
}

impl Versioned for Binding {
    fn place(&self) -> &Place {
        &self.place
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn version(&self) -> u64 {
        resource_version(&self.resource_version)
    }
}

impl Binding {
    pub(super) fn read(place: &Place, object: &Value) -> Option<Self> {
        let said = |pointer: &str| text(object, pointer).map(str::to_owned);
        let history = annotation(object, names::HISTORY).and_then(History::parse).unwrap_or_default();
        let trail = Trail::read(&history);
        let content = content_hash(Kind::ReleaseBinding, object);
        let recorded = trail.last().is_some_and(|last| last.content == content);
        let uid = said("/metadata/uid")?;
        let revision = annotation(object, names::REVISION).unwrap_or("0");
        let rendered_from =
            if recorded { format!("{uid}/{revision}") } else { format!("{uid}/{revision}+{}", &content[..8]) };
        let status = super::status(place, object)?;
        Some(Self {
            place: place.clone(),
            uid,
            generation: object.pointer("/metadata/generation").and_then(Value::as_i64),
            resource_version: said("/metadata/resourceVersion")?,
            deleting: object.pointer("/metadata/deletionTimestamp").is_some(),
            owner: super::owner(object)?,
            environment: said("/spec/environment")?,
            release: said("/spec/releaseName"),
            undeploy: text(object, "/spec/state") == Some("Undeploy"),
            spec: object.get("spec").cloned().unwrap_or_default(),
            restarted_at: annotation(object, names::RESTARTED_AT).map(str::to_owned),
            said: super::said(object),
            rendered_from,
            recorded,
            trail,
            status,
        })
    }

    /// The values of the environment.
    pub(crate) fn configs(&self) -> Value {
        self.spec.get("componentTypeEnvironmentConfigs").cloned().unwrap_or_default()
    }
}
