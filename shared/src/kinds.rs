//! The kinds of `openchoreo.dev/v1alpha1`, one file a kind, JSON-compatible with OpenChoreo 0.17 (`Release`) and 1.x (the
//! others).
//!
//! Fields that we use are typed; upstream's others are typed where small, else kept under their own parent. The field tables come
//! from OpenChoreo's `api/v1alpha1` at v0.17.0 and v1.2.3.

mod component;
mod component_release;
mod data_plane;
mod deployment_pipeline;
mod environment;
mod project;
mod reference;
mod release;
mod release_binding;
mod schema;
mod status;

pub use component::{Component, ComponentOwner, ComponentSpec, ComponentStatus, ComponentTrait, LatestRelease};
pub use component_release::{
    ComponentProfile, ComponentRelease, ComponentReleaseSpec, ComponentTypeSnapshot, ComponentTypeSpec, Container,
    EnvVar, FileVar, OpenApiSchema, ResourceTemplate, SecretKeyRef, TraitSnapshot, ValueFrom, WorkloadSpec,
};
pub use data_plane::{DataPlane, DataPlaneSpec};
pub use deployment_pipeline::{DeploymentPipeline, DeploymentPipelineSpec, PromotionPath};
pub use environment::{Environment, EnvironmentSpec};
pub use project::{Project, ProjectSpec, ProjectTypeRef};
pub use reference::{ComponentTypeRef, DataPlaneRef, DeploymentPipelineRef, EnvironmentRef, Owner};
pub use release::{Release, ReleaseSpec, ReleaseStatus, Resource, ResourceStatus, TargetPlane};
pub use release_binding::{
    Outcome, ReleaseBinding, ReleaseBindingSpec, ReleaseBindingStatus, State, WorkloadOverrides,
};
pub(crate) use schema::readable_duration;
pub use status::{Anchor, ConditionsStatus, Health, ObjectRef, condition};

/// One of our kinds, as admission and the plugin tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is the kind of its name, described in its own file")]
pub enum Kind {
    Project,
    Environment,
    DataPlane,
    DeploymentPipeline,
    Component,
    ComponentRelease,
    ReleaseBinding,
    Release,
}

impl Kind {
    /// All kinds, in the order in which they refer to each other.
    pub const ALL: [Self; 8] = [
        Self::DataPlane,
        Self::Environment,
        Self::DeploymentPipeline,
        Self::Project,
        Self::Component,
        Self::ComponentRelease,
        Self::ReleaseBinding,
        Self::Release,
    ];

    /// The kind as it stands in an object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Project => "Project",
            Self::Environment => "Environment",
            Self::DataPlane => "DataPlane",
            Self::DeploymentPipeline => "DeploymentPipeline",
            Self::Component => "Component",
            Self::ComponentRelease => "ComponentRelease",
            Self::ReleaseBinding => "ReleaseBinding",
            Self::Release => "Release",
        }
    }

    /// The plural, as it stands in URLs and RBAC rules.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Project => "projects",
            Self::Environment => "environments",
            Self::DataPlane => "dataplanes",
            Self::DeploymentPipeline => "deploymentpipelines",
            Self::Component => "components",
            Self::ComponentRelease => "componentreleases",
            Self::ReleaseBinding => "releasebindings",
            Self::Release => "releases",
        }
    }

    /// The kind named `name`; `RenderedRelease`, OpenChoreo's later name for a Release, is read as one.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "RenderedRelease" {
            return Some(Self::Release);
        }
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether objects of this kind carry a history besides their stamp. A ComponentRelease has one revision.
    pub fn has_history(self) -> bool {
        self != Self::ComponentRelease
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
