//! What the rules see of an object of each kind, and how much of that is kept for long.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::kinds::{Health, Kind, ObjectRef, Owner};
use crate::pipeline::{Enforcement, Graph};
use crate::policy::{Freeze, ReasonPolicy};
use crate::record::Bounds;

/// How much of the details of a ComponentRelease is kept for long ([`View::trimmed`]), in bytes of text: a schema of some two hundred values
/// has so many.
pub const MAX_DETAILS: usize = 16 * 1024;

/// How much of the past of a ReleaseBinding is kept for long ([`View::trimmed`]), in bytes ([`Past::size`]): over three hundred names that
/// come from contents. With the usual bounds of a history there are eighty at most.
pub const MAX_PAST: usize = 16 * 1024;

/// The most that a ComponentRelease may bring of what its pins are judged by ([`ReleaseDetails::size`]), in bytes of text: each pin reads
/// it, which may take sixteen times as much.
pub const MAX_JUDGED: usize = 512 * 1024;

/// What the rules see of a Project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectView {
    /// The name of its DeploymentPipeline.
    pub pipeline: String,
}

/// What the rules see of an Environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvironmentView {
    /// Whether Secrets with data may be part of what goes there.
    pub allow_inline_secrets: bool,
    /// The namespaces that its objects may go into, as they are written (`{project}` in them); none = one of its own.
    pub namespaces: Vec<String>,
    /// The cluster-scoped and RBAC kinds that it takes, as `Kind.group`.
    pub allowed_cluster_kinds: Vec<String>,
    /// The account, `<namespace>/<name>`, that the controller acts as.
    pub service_account: Option<String>,
    /// The DataPlane that its objects live on; none = this cluster.
    pub data_plane: Option<String>,
    /// Until when nothing changes there.
    pub frozen: Option<Freeze>,
    /// Which changes there need a reason.
    pub reason: ReasonPolicy,
    /// How much the histories of what is there keep.
    pub bounds: Bounds,
}

/// What the rules see of a DeploymentPipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PipelineView {
    /// Its promotion paths.
    pub graph: Graph,
    /// Whether they are kept or only told about.
    pub enforcement: Enforcement,
}

/// What the rules see of a Component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentView {
    /// The project that owns it.
    pub project: String,
}

/// What the rules see of a ComponentRelease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseView {
    /// Whose it is.
    pub owner: Owner,
    /// Its human version.
    pub version: Option<String>,
    /// The name that its content has, where that is not its own; `None` also where the content is not known.
    pub content: Option<String>,
    /// What of it an environment or a binding's values may not fit; `None` where that is more than is kept, and is to be looked up.
    pub details: Option<Arc<ReleaseDetails>>,
}

/// What a ComponentRelease is judged by when it is pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseDetails {
    /// The schema of what may differ per environment, as JSON: a tenth of what it takes when it is read.
    pub schema: Option<Box<str>>,
    /// Whether it brings a Secret with data.
    pub inline_secret: bool,
    /// Of its objects those that an environment may refuse, each with the id of its resource.
    pub guarded: Vec<(String, ObjectRef)>,
}

impl ReleaseDetails {
    /// How many bytes of text they have.
    pub fn size(&self) -> usize {
        let schema = self.schema.as_deref().map_or(0, str::len);
        let guarded = self.guarded.iter().map(|(id, object)| {
            let texts = [id, &object.group, &object.version, &object.kind, &object.name];
            let namespace = object.namespace.as_ref().map_or(0, String::len);
            size_of::<(String, ObjectRef)>() + namespace + texts.into_iter().map(String::len).sum::<usize>()
        });
        schema + guarded.sum::<usize>()
    }
}

/// What the rules see of a ReleaseBinding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingView {
    /// Whose pin it is.
    pub owner: Owner,
    /// The environment.
    pub environment: String,
    /// The ComponentRelease that it pins now.
    pub release: Option<String>,
    /// What it needs and what has run; `None` where that is more than is kept, and is to be looked up.
    pub past: Option<Past>,
    /// The health of what runs there now.
    pub health: Option<Health>,
}

/// The ComponentReleases that history and outcomes of a ReleaseBinding name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Those that it needs: the one that it pins, and those that a rollback may choose. None once it is being deleted.
    pub needed: BTreeSet<String>,
    /// Those that have run there healthily.
    pub healthy: BTreeSet<String>,
}

impl Past {
    /// How many bytes the names have, each with what it takes to hold one.
    pub fn size(&self) -> usize {
        self.needed.iter().chain(&self.healthy).map(|name| size_of::<String>() + name.len()).sum()
    }
}

/// What the rules see of an object, of whatever kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub(super) kind: Kind,
    /// Whether somebody has deleted it and something holds it.
    pub(super) is_ending: bool,
    /// `None` where it cannot be read, which is as if it were not there.
    pub(super) part: Option<Part>,
}

/// That of its kind. There is none of a Release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Project(ProjectView),
    Environment(EnvironmentView),
    DeploymentPipeline(PipelineView),
    DataPlane,
    Component(ComponentView),
    ComponentRelease(ReleaseView),
    ReleaseBinding(BindingView),
}

impl View {
    /// The same for long: without what takes too much room, which is looked up where a rule needs it.
    /// ([`ReleaseView::details`], [`BindingView::past`])
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        match &mut self.part {
            Some(Part::ComponentRelease(release)) => {
                release.details.take_if(|details| details.size() > MAX_DETAILS);
            }
            Some(Part::ReleaseBinding(binding)) => {
                binding.past.take_if(|past| past.size() > MAX_PAST);
            }
            _ => {}
        }
        self
    }
}
