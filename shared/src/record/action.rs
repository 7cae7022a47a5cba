use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Record;
use super::content::config;
use super::raw::RawHistory;
use super::stamp::{StampRequest, said};
use crate::canonical;
use crate::kinds::{Kind, Owner};
use crate::names;
use crate::object::annotation;
use crate::world::World;

/// What kind of change a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// An object was made.
    Create,
    /// It was changed, in no way that has a word of its own.
    Update,
    /// It is about to be deleted.
    Delete,
    /// A release entered the pipeline.
    Deploy,
    /// A release moved along the pipeline.
    Promote,
    /// A binding went back to an earlier revision's content.
    Rollback,
    /// Only the values of a binding changed.
    Configure,
    /// Only the restart annotation changed.
    Restart,
    /// The live objects were removed.
    Undeploy,
    /// The live objects were brought back.
    Redeploy,
}

impl Action {
    /// The word as it stands in a record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Deploy => "deploy",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Configure => "configure",
            Self::Restart => "restart",
            Self::Undeploy => "undeploy",
            Self::Redeploy => "redeploy",
        }
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a change of an object is called, and the environment that a promoted release comes from. `content` is the hash of its content
/// from then on.
pub(super) fn action(request: &StampRequest<'_>, history: &RawHistory<'_>, content: &str) -> (Action, Option<String>) {
    match (request.kind, request.old) {
        (Kind::ReleaseBinding, _) => of_binding(request, history, content),
        (_, None) => (Action::Create, None),
        (_, Some(_)) => (Action::Update, None),
    }
}

/// Whether a binding pins what a record of it tells of: release, state and values. Restarts count as nothing, since a record does not
/// hold their time, and empty values as none.
pub fn is_pinned_as(binding: &Value, record: &Record) -> bool {
    let state = |text: Option<&str>| text.unwrap_or("Active").to_owned();
    field(binding, "releaseName") == record.release.as_deref()
        && state(field(binding, "state")) == state(record.state.as_deref())
        && values(config(binding)) == values(record.config.clone())
}

/// A configuration in a form that can be compared, without what is empty.
fn values(config: Option<Value>) -> Vec<u8> {
    let mut config = config.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    if let Some(entries) = config.as_object_mut() {
        entries.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|value| !value.is_empty()));
    }
    canonical::to_vec(&config)
}

fn field<'a>(binding: &'a Value, name: &str) -> Option<&'a str> {
    binding.get("spec")?.get(name)?.as_str()
}

/// The first that matches. A hint counts as a reason does: one that stood there before speaks of an
/// earlier change.
fn of_binding(request: &StampRequest<'_>, history: &RawHistory<'_>, content: &str) -> (Action, Option<String>) {
    let (new, old) = (request.new, request.old);
    let hint = said(request, names::ACTION);
    let hint = hint.as_deref();
    let undeployed = |binding: &Value| field(binding, "state") == Some("Undeploy");
    let release_changed = old.and_then(|old| field(old, "releaseName")) != field(new, "releaseName");
    let restarted = |binding: &Value| annotation(binding, names::RESTARTED_AT).map(str::to_owned);
    match (undeployed(new), old.is_some_and(undeployed)) {
        (true, _) if hint == Some("delete") => return (Action::Delete, None),
        (true, false) => return (Action::Undeploy, None),
        (false, true) => return (Action::Redeploy, None),
        _ => {}
    }
    if hint != Some("promote") && goes_back(request, hint, history, content) {
        return (Action::Rollback, None);
    }
    if release_changed {
        return deploy_or_promote(new, request.world);
    }
    let Some(old) = old else { return (Action::Create, None) };
    match (config(new) != config(old), restarted(new) != restarted(old)) {
        (false, true) => (Action::Restart, None),
        (true, false) => (Action::Configure, None),
        _ => (Action::Update, None),
    }
}

/// Whether a change leads back to an earlier record: to its content, or to all of it but the time of a restart where that is meant.
fn goes_back(request: &StampRequest<'_>, hint: Option<&str>, history: &RawHistory<'_>, content: &str) -> bool {
    let pinned_before = |record: &Record| {
        is_pinned_as(request.new, record) && !request.old.is_some_and(|old| is_pinned_as(old, record))
    };
    history.may_hold(content) && history.records().any(|record| record.content == content)
        || hint == Some("rollback") && history.records().any(|record| pinned_before(&record))
}

/// A release enters in a root of its pipeline, and is promoted everywhere else.
fn deploy_or_promote(binding: &Value, world: Option<&World>) -> (Action, Option<String>) {
    let owner = binding.pointer("/spec/owner").cloned().and_then(|owner| serde_json::from_value::<Owner>(owner).ok());
    let place = world.zip(owner).zip(field(binding, "environment"));
    let Some(((world, owner), environment)) = place else { return (Action::Deploy, None) };
    let Some((_, pipeline)) = world.pipeline_of(&owner.project_name) else { return (Action::Deploy, None) };
    let sources = pipeline.graph.sources(environment);
    if sources.is_empty() && pipeline.graph.contains(environment) {
        return (Action::Deploy, None);
    }
    let release = field(binding, "releaseName");
    let pins =
        |name: &&str| world.binding(&owner, name).is_some_and(|(_, binding)| binding.release.as_deref() == release);
    (Action::Promote, sources.into_iter().find(pins).map(str::to_owned))
}
