//! What the statuses of our kinds have in common.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an object or a whole release is doing. OpenChoreo's five words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Health {
    /// It does what it should.
    Healthy,
    /// It is switched off on purpose: paused, or scaled to zero.
    Suspended,
    /// It is on its way.
    Progressing,
    /// Nobody can say.
    Unknown,
    /// It does not get better by waiting.
    Degraded,
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// The status of the kinds that have conditions only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionsStatus {
    /// The generation that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Standard conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The types of the conditions that the controller writes.
pub mod condition {
    /// Release, ReleaseBinding: everything is as it should be. The reason says why not.
    pub const READY: &str = "Ready";
    /// Release: every object was applied (OpenChoreo's reasons `ApplySucceeded` and `ApplyFailed`).
    pub const RESOURCES_APPLIED: &str = "ResourcesApplied";
    /// Release: it is being deleted (OpenChoreo's reasons `CleanupInProgress` and `CleanupFailed`).
    pub const FINALIZING: &str = "Finalizing";
    /// Release: somebody else changed a live object, and it was left at that. The message names field and manager.
    pub const DRIFTED: &str = "Drifted";
    /// ReleaseBinding: what it pins was rendered into its Release (OpenChoreo's `ReleaseSynced`).
    pub const RELEASE_SYNCED: &str = "ReleaseSynced";
    /// ReleaseBinding, direct Release: the history lacks a record that the controller has seen, or has another in its place.
    pub const RECORD_TAMPERED: &str = "RecordTampered";
    /// ReleaseBinding, direct Release: it is as its last record has it. Told when it is not, and from then on.
    pub const RECORDED: &str = "Recorded";
}

/// The newest record that the controller has seen: a history that goes back behind it was rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Anchor {
    /// Its revision.
    pub revision: i64,
    /// Its hash.
    pub hash: String,
}

/// An object in the inventory: what the controller may have made, and removes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRef {
    /// Its API group; absent for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Its API version.
    pub version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; absent for cluster scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// Whether this is the same object, whatever version of its API names it.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (&self.group, &self.kind, &self.namespace, &self.name)
            == (&other.group, &other.kind, &other.namespace, &other.name)
    }

    /// `apiVersion` of the object.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl std::fmt::Display for ObjectRef {
    /// `Deployment shop/web`, or `Deployment web` without a namespace.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}
