//! What the cluster holds, as far as the rules look at it: trimmed views of the objects of one namespace. The webhook keeps one
//! per namespace from its watches, the plugin fills one with what it has read.

mod excerpt;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::fence::Fence;
use crate::kinds::{Health, Kind, ObjectRef, Owner};
use crate::names;
use crate::object::{is_ending, text};
use crate::pipeline::{Enforcement, Graph};
use crate::policy::{Freeze, ReasonPolicy};
use crate::record::Bounds;

pub use excerpt::{Excerpt, Parts, excerpt};

/// How much of the details of a ComponentRelease [`World::keep`] keeps, in bytes of text: a schema of some two hundred values has so many.
pub const MAX_DETAILS: usize = 16 * 1024;

/// The most that a ComponentRelease may bring of what its pins are judged by ([`ReleaseDetails::size`]), in bytes of text: each pin reads
/// it, which may take sixteen times as much.
pub const MAX_JUDGED: usize = 512 * 1024;

/// The objects of one namespace.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Its name.
    pub namespace: String,
    /// Project → its pipeline.
    pub projects: BTreeMap<String, ProjectView>,
    /// Environments.
    pub environments: BTreeMap<String, EnvironmentView>,
    /// DeploymentPipelines.
    pub pipelines: BTreeMap<String, PipelineView>,
    /// DataPlanes.
    pub data_planes: BTreeMap<String, ()>,
    /// Component → its project.
    pub components: BTreeMap<String, ComponentView>,
    /// ComponentReleases.
    pub releases: BTreeMap<String, ReleaseView>,
    /// ReleaseBindings.
    pub bindings: BTreeMap<String, BindingView>,
    /// Those of them that somebody has deleted and something holds.
    pub ending: BTreeSet<(Kind, String)>,
    /// Environment → a Release there that is no binding's, where that was looked for.
    pub by_hand: BTreeMap<String, Option<String>>,
}

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
    /// The ComponentReleases that it needs: the one that it pins, and those that a rollback may choose. None once it is being deleted.
    pub needed: BTreeSet<String>,
    /// The ComponentReleases that have run there healthily.
    pub healthy: Vec<String>,
    /// The health of what runs there now.
    pub health: Option<Health>,
}

impl World {
    /// An empty namespace.
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..Self::default() }
    }

    /// What an environment lets in for a project; `None` where there is no such Environment.
    pub fn fence(&self, project: &str, environment: &str) -> Option<Fence> {
        let view = self.environments.get(environment)?;
        Some(Fence::new(view, &self.namespace, project, environment))
    }

    /// How much the history of an object keeps: what the Environment says that it is in, else as usual.
    pub fn bounds(&self, kind: Kind, object: &Value) -> Bounds {
        let environment = environment_of(kind, object).and_then(|name| self.environments.get(name));
        environment.map(|view| view.bounds).unwrap_or_default()
    }

    /// Puts an object in its place, or takes it out where `object` is `None`. What cannot be read is as if it were not there.
    pub fn put(&mut self, kind: Kind, name: &str, object: Option<&Value>) {
        self.place(kind, name, object, object.filter(|_| kind == Kind::ComponentRelease).and_then(ReleaseView::read));
    }

    /// Puts an object of which there is an excerpt in its place.
    pub fn put_excerpt(&mut self, name: &str, excerpt: &Excerpt) {
        self.place(excerpt.kind, name, Some(&excerpt.object), ReleaseView::of(excerpt));
    }

    fn place(&mut self, kind: Kind, name: &str, object: Option<&Value>, release: Option<ReleaseView>) {
        fn set<V>(map: &mut BTreeMap<String, V>, name: &str, view: Option<V>) {
            match view {
                Some(view) => drop(map.insert(name.to_owned(), view)),
                None => drop(map.remove(name)),
            }
        }
        let key = (kind, name.to_owned());
        if object.is_some_and(is_ending) {
            self.ending.insert(key)
        } else {
            self.ending.remove(&key)
        };
        match kind {
            Kind::Project => set(&mut self.projects, name, object.and_then(ProjectView::read)),
            Kind::Environment => set(&mut self.environments, name, object.map(EnvironmentView::read)),
            Kind::DeploymentPipeline => set(&mut self.pipelines, name, object.map(PipelineView::read)),
            Kind::DataPlane => set(&mut self.data_planes, name, object.map(|_| ())),
            Kind::Component => set(&mut self.components, name, object.and_then(ComponentView::read)),
            Kind::ComponentRelease => set(&mut self.releases, name, release),
            Kind::ReleaseBinding => set(&mut self.bindings, name, object.and_then(BindingView::read)),
            Kind::Release => {}
        }
    }

    /// Puts it in its place for long: what takes too much room is not kept, and is looked up where a rule needs it.
    /// ([`ReleaseView::details`])
    pub fn keep(&mut self, name: &str, excerpt: &Excerpt) {
        self.put_excerpt(name, excerpt);
        if excerpt.kind == Kind::ComponentRelease
            && let Some(view) = self.releases.get_mut(name)
        {
            view.details.take_if(|details| details.size() > MAX_DETAILS);
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let Self {
            namespace: _,
            projects,
            environments,
            pipelines,
            data_planes,
            components,
            releases,
            bindings,
            ending,
            by_hand,
        } = self;
        let is_bare = projects.is_empty() && environments.is_empty() && pipelines.is_empty() && data_planes.is_empty();
        let has_none = components.is_empty() && releases.is_empty() && bindings.is_empty();
        is_bare && has_none && ending.is_empty() && by_hand.is_empty()
    }

    /// Whether an object is known.
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Project => self.projects.contains_key(name),
            Kind::Environment => self.environments.contains_key(name),
            Kind::DeploymentPipeline => self.pipelines.contains_key(name),
            Kind::DataPlane => self.data_planes.contains_key(name),
            Kind::Component => self.components.contains_key(name),
            Kind::ComponentRelease => self.releases.contains_key(name),
            Kind::ReleaseBinding => self.bindings.contains_key(name),
            Kind::Release => false,
        }
    }

    /// Whether somebody has deleted an object that something holds.
    pub fn is_ending(&self, kind: Kind, name: &str) -> bool {
        !self.ending.is_empty() && self.ending.contains(&(kind, name.to_owned()))
    }

    /// The names of the objects of a kind.
    pub fn names(&self, kind: Kind) -> Vec<String> {
        match kind {
            Kind::Project => self.projects.keys().cloned().collect(),
            Kind::Environment => self.environments.keys().cloned().collect(),
            Kind::DeploymentPipeline => self.pipelines.keys().cloned().collect(),
            Kind::DataPlane => self.data_planes.keys().cloned().collect(),
            Kind::Component => self.components.keys().cloned().collect(),
            Kind::ComponentRelease => self.releases.keys().cloned().collect(),
            Kind::ReleaseBinding => self.bindings.keys().cloned().collect(),
            Kind::Release => Vec::new(),
        }
    }

    /// The pipeline of a project, with its name.
    pub fn pipeline_of(&self, project: &str) -> Option<(&str, &PipelineView)> {
        let name = &self.projects.get(project)?.pipeline;
        self.pipelines.get(name).map(|pipeline| (name.as_str(), pipeline))
    }

    /// The pipelines that keep their paths and have this environment, whosever they are.
    pub fn enforcing<'a>(&'a self, environment: &'a str) -> impl Iterator<Item = (&'a str, &'a PipelineView)> {
        let keeps =
            move |view: &PipelineView| view.enforcement == Enforcement::Enforce && view.graph.contains(environment);
        self.pipelines.iter().filter(move |(_, view)| keeps(view)).map(|(name, view)| (name.as_str(), view))
    }

    /// The binding of a component in an environment, with its name.
    pub fn binding(&self, owner: &Owner, environment: &str) -> Option<(&str, &BindingView)> {
        let named = |name: &str| self.bindings.get_key_value(name);
        let candidates =
            [names::binding_name, names::binding_name_hashed].map(|f| f(&owner.component_name, environment));
        let expected = candidates.iter().filter_map(|name| named(name));
        let any = self.bindings.iter().filter(|(_, binding)| binding.owner == *owner);
        expected
            .chain(any)
            .find(|(_, binding)| binding.owner == *owner && binding.environment == environment)
            .map(|(name, binding)| (name.as_str(), binding))
    }

    /// The releases of a component, by name.
    pub fn releases_of<'a>(&'a self, owner: &'a Owner) -> impl Iterator<Item = (&'a str, &'a ReleaseView)> {
        self.releases
            .iter()
            .filter(move |(_, release)| release.owner == *owner)
            .map(|(name, release)| (name.as_str(), release))
    }
}

/// The environment that a ReleaseBinding or a Release is in; other kinds are in none.
pub fn environment_of(kind: Kind, object: &Value) -> Option<&str> {
    match kind {
        Kind::ReleaseBinding => text(object, "/spec/environment"),
        Kind::Release => text(object, "/spec/environmentName"),
        _ => None,
    }
}
