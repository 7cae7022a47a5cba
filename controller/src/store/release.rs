//! A Release as the controller knows it.

use std::sync::Arc;

use release_edge::follow::Place;
use release_shared::kinds::{Kind, Owner, ReleaseStatus};
use release_shared::names;
use release_shared::object::{annotation, controlling_binding, controlling_owner, text};
use release_shared::outcome::Trail;
use release_shared::record::{History, content_hash};
use release_shared::types::GoDuration;
use serde_json::Value;

use super::Versioned;

/// A Release.
#[derive(Debug, Clone)]
pub(crate) struct Release {
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
    /// What holds it.
    pub(crate) finalizers: Vec<String>,
    /// The UID of the binding that it is rendered from; `None` for a direct Release.
    pub(crate) binding_uid: Option<String>,
    /// What it is rendered from.
    pub(crate) rendered_from: Option<String>,
    /// Its value of [`names::RESTARTED_AT`].
    pub(crate) restarted_at: Option<String>,
    /// Its name and description for people.
    pub(crate) said: Vec<(&'static str, String)>,
    /// Whether live objects that cannot be removed are left behind.
    pub(crate) orphan_on_delete: bool,
    /// Whose it is.
    pub(crate) owner: Owner,
    /// The environment.
    pub(crate) environment: String,
    /// The plane that it is for, where that is not the data plane.
    pub(crate) other_plane: Option<String>,
    /// Its objects by id.
    pub(crate) resources: Arc<Vec<(String, Value)>>,
    /// How often it is looked at when settled; `0s` = never.
    pub(crate) interval: GoDuration,
    /// How often it is looked at on its way; `0s` = never.
    pub(crate) progressing_interval: GoDuration,
    /// The records of a direct Release.
    pub(crate) trail: Trail,
    /// Whether it is as the last of them has it; said of a direct Release only.
    pub(crate) recorded: bool,
    /// Its status.
    pub(crate) status: ReleaseStatus,
}

/// A resourceVersion as a number; 0 where it is none, which then is never newer than another.
pub(crate) fn resource_version(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

impl Versioned for Release {
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

impl Release {
    /// Reads one. `None` for what no Release can be without.
    pub(crate) fn read(place: &Place, object: &Value) -> Option<Self> {
        let said = |pointer: &str| text(object, pointer).map(str::to_owned);
        let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten();
        let resources = object.pointer("/spec/resources").and_then(Value::as_array).into_iter().flatten();
        let resource = |entry: &Value| Some((text(entry, "/id")?.to_owned(), entry.get("object")?.clone()));
        let interval = |pointer: &str| text(object, pointer).and_then(|text| text.parse::<GoDuration>().ok());
        let interval_or = |pointer: &str, default: GoDuration| interval(pointer).unwrap_or(default);
        let history = annotation(object, names::HISTORY).and_then(History::parse).unwrap_or_default();
        let (trail, binding_uid) = (Trail::read(&history), binding_uid(object));
        let is_recorded = || trail.last().is_some_and(|last| last.content == content_hash(Kind::Release, object));
        let status = super::status(place, object)?;
        Some(Self {
            place: place.clone(),
            uid: said("/metadata/uid")?,
            generation: object.pointer("/metadata/generation").and_then(Value::as_i64),
            resource_version: said("/metadata/resourceVersion")?,
            deleting: object.pointer("/metadata/deletionTimestamp").is_some(),
            finalizers: finalizers.filter_map(|finalizer| finalizer.as_str().map(str::to_owned)).collect(),
            recorded: binding_uid.is_some() || is_recorded(),
            binding_uid,
            rendered_from: annotation(object, names::RENDERED_FROM).map(str::to_owned),
            restarted_at: annotation(object, names::RESTARTED_AT).map(str::to_owned),
            said: super::said(object),
            orphan_on_delete: annotation(object, names::ORPHAN_ON_DELETE) == Some("true"),
            owner: super::owner(object)?,
            environment: said("/spec/environmentName")?,
            other_plane: said("/spec/targetPlane").filter(|plane| plane != "dataplane"),
            resources: Arc::new(resources.filter_map(resource).collect()),
            interval: interval_or("/spec/interval", release_shared::default::INTERVAL),
            progressing_interval: interval_or(
                "/spec/progressingInterval",
                release_shared::default::PROGRESSING_INTERVAL,
            ),
            trail,
            status,
        })
    }

    /// Whether it stays until we let it go.
    pub(crate) fn is_held(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == names::FINALIZER)
    }

    /// Whether it waits until a namespace is gone.
    pub(super) fn waits_for_namespaces(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.reason == crate::namespace::TERMINATING)
    }
}

/// The UID in the controller ownerReference to a binding.
fn binding_uid(object: &Value) -> Option<String> {
    controlling_binding(object)?;
    text(controlling_owner(object)?, "/uid").map(str::to_owned)
}
