//! What the cluster holds, as far as the rules look at it: trimmed views of the objects of one namespace. The webhook keeps one
//! per namespace from its watches, the plugin fills one with what it has read.

mod excerpt;
mod objects;
mod read;
mod views;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fence::Fence;
use crate::kinds::{Kind, Owner};
use crate::names;
use crate::object::text;
use crate::pipeline::Enforcement;
use crate::record::Bounds;

pub use excerpt::{Excerpt, Parts, excerpt};
pub use objects::Objects;
use views::Part;
pub use views::{
    BindingView, ComponentView, EnvironmentView, MAX_DETAILS, MAX_JUDGED, MAX_PAST, Past, PipelineView, ProjectView,
    ReleaseDetails, ReleaseView, View,
};

/// The objects of one namespace. A copy costs as much for thousands of them as for one. ([`Objects`])
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Its name.
    pub namespace: String,
    /// Project → its pipeline.
    pub projects: Objects<ProjectView>,
    /// Environments.
    pub environments: Objects<EnvironmentView>,
    /// DeploymentPipelines.
    pub pipelines: Objects<PipelineView>,
    /// DataPlanes.
    pub data_planes: Objects<()>,
    /// Component → its project.
    pub components: Objects<ComponentView>,
    /// ComponentReleases.
    pub releases: Objects<ReleaseView>,
    /// ReleaseBindings.
    pub bindings: Objects<BindingView>,
    /// Those of them that somebody has deleted and something holds.
    pub ending: BTreeMap<Kind, Objects<()>>,
    /// Environment → a Release there that is no binding's, where that was looked for.
    pub by_hand: BTreeMap<String, Option<String>>,
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

    /// Puts an object in its place, all of it, or takes it out where `object` is `None`. What cannot be read is as if it were not there.
    pub fn put(&mut self, kind: Kind, name: &str, object: Option<&Value>) {
        match object {
            Some(object) => self.put_view(name, View::read(kind, object)),
            None => self.remove(kind, name),
        };
    }

    /// Puts what is seen of an object in its place. Whether it was not there, or was another.
    pub fn put_view(&mut self, name: &str, view: View) -> bool {
        let View { kind, is_ending, part } = view;
        let is_marked = if is_ending { self.mark(kind, name) } else { self.unmark(kind, name) };
        let is_other = match part {
            Some(Part::Project(view)) => self.projects.insert(name, view),
            Some(Part::Environment(view)) => self.environments.insert(name, view),
            Some(Part::DeploymentPipeline(view)) => self.pipelines.insert(name, view),
            Some(Part::DataPlane) => self.data_planes.insert(name, ()),
            Some(Part::Component(view)) => self.components.insert(name, view),
            Some(Part::ComponentRelease(view)) => self.releases.insert(name, view),
            Some(Part::ReleaseBinding(view)) => self.bindings.insert(name, view),
            None => self.take_out(kind, name),
        };
        is_marked | is_other
    }

    /// Takes an object out. Whether it was there.
    pub fn remove(&mut self, kind: Kind, name: &str) -> bool {
        self.unmark(kind, name) | self.take_out(kind, name)
    }

    fn take_out(&mut self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Project => self.projects.remove(name),
            Kind::Environment => self.environments.remove(name),
            Kind::DeploymentPipeline => self.pipelines.remove(name),
            Kind::DataPlane => self.data_planes.remove(name),
            Kind::Component => self.components.remove(name),
            Kind::ComponentRelease => self.releases.remove(name),
            Kind::ReleaseBinding => self.bindings.remove(name),
            Kind::Release => false,
        }
    }

    fn mark(&mut self, kind: Kind, name: &str) -> bool {
        self.ending.entry(kind).or_default().insert(name, ())
    }

    fn unmark(&mut self, kind: Kind, name: &str) -> bool {
        let Some(ending) = self.ending.get_mut(&kind) else { return false };
        let was_ending = ending.remove(name);
        if ending.is_empty() {
            self.ending.remove(&kind);
        }
        was_ending
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
        self.ending.get(&kind).is_some_and(|ending| ending.contains_key(name))
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
        // What differs most is compared first: there may be thousands.
        let is_it = |binding: &BindingView| {
            binding.owner.component_name == owner.component_name
                && binding.environment == environment
                && binding.owner == *owner
        };
        expected
            .chain(self.bindings.iter())
            .find(|(_, binding)| is_it(binding))
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
