//! What the cluster holds, as far as the rules look at it: trimmed views of the objects of one namespace. The webhook keeps one
//! per namespace from its watches, the plugin fills one with what it has read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::fence::{self, Fence};
use crate::kinds::{Health, Kind, ObjectRef, Owner};
use crate::names;
use crate::object::{annotation, inline_secret_fields, is_ending, text};
use crate::pipeline::{Enforcement, Graph};
use crate::policy::{self, Freeze, ReasonPolicy};
use crate::record::{self, Bounds};
use crate::snapshot;

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
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseView {
    /// Whose it is.
    pub owner: Owner,
    /// Its human version.
    pub version: Option<String>,
    /// The name that its content has, where that is not its own; `None` also where the content is not known.
    pub content: Option<String>,
    /// The schema of what may differ per environment.
    pub environment_configs: Option<Arc<Value>>,
    /// Whether it brings a Secret with data.
    pub inline_secret: bool,
    /// Of its objects those that an environment may refuse, each with the id of its resource.
    pub guarded: Vec<(String, ObjectRef)>,
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
            Kind::ComponentRelease => set(&mut self.releases, name, object.and_then(ReleaseView::read)),
            Kind::ReleaseBinding => set(&mut self.bindings, name, object.and_then(BindingView::read)),
            Kind::Release => {}
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

fn owner(object: &Value) -> Option<Owner> {
    Some(Owner {
        project_name: text(object, "/spec/owner/projectName")?.to_owned(),
        component_name: text(object, "/spec/owner/componentName")?.to_owned(),
    })
}

impl ProjectView {
    fn read(object: &Value) -> Option<Self> {
        let reference = object.pointer("/spec/deploymentPipelineRef")?;
        let name = reference.as_str().or_else(|| reference.get("name")?.as_str())?;
        Some(Self { pipeline: name.to_owned() })
    }
}

impl EnvironmentView {
    /// What the rules see of an Environment. A policy that cannot be read is as if it were not there.
    pub fn read(object: &Value) -> Self {
        let list = |key| {
            let entries = annotation(object, key).unwrap_or_default().split(',').map(str::trim);
            entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
        };
        Self {
            allow_inline_secrets: annotation(object, names::ALLOW_INLINE_SECRETS) == Some("true"),
            namespaces: list(names::NAMESPACES),
            allowed_cluster_kinds: list(names::ALLOWED_CLUSTER_KINDS),
            service_account: annotation(object, names::SERVICE_ACCOUNT).map(str::to_owned),
            data_plane: data_plane(object),
            frozen: annotation(object, names::FROZEN).and_then(|text| text.parse().ok()),
            reason: annotation(object, names::REQUIRE_REASON).and_then(|text| text.parse().ok()).unwrap_or_default(),
            bounds: bounds(object),
        }
    }
}

/// An Environment's DataPlane, in both forms of a reference. Another kind of plane is somebody else's.
fn data_plane(environment: &Value) -> Option<String> {
    let reference = environment.pointer("/spec/dataPlaneRef")?;
    if text(reference, "/kind").is_some_and(|kind| kind != Kind::DataPlane.as_str()) {
        return None;
    }
    reference.as_str().or_else(|| reference.get("name")?.as_str()).map(str::to_owned)
}

fn bounds(environment: &Value) -> Bounds {
    let usual = Bounds::default();
    let said =
        |key, read: fn(&str) -> Result<usize, String>| annotation(environment, key).and_then(|text| read(text).ok());
    Bounds {
        records: said(names::HISTORY_RECORDS, policy::history_records).unwrap_or(usual.records),
        bytes: said(names::HISTORY_BYTES, policy::history_bytes).unwrap_or(usual.bytes),
    }
}

impl PipelineView {
    /// What the rules see of a DeploymentPipeline.
    pub fn read(object: &Value) -> Self {
        let enforcement = annotation(object, names::ENFORCEMENT).and_then(|text| text.parse().ok());
        Self { graph: Graph::read(object), enforcement: enforcement.unwrap_or_default() }
    }
}

impl ComponentView {
    fn read(object: &Value) -> Option<Self> {
        text(object, "/spec/owner/projectName").map(|project| Self { project: project.to_owned() })
    }
}

impl ReleaseView {
    /// What the rules see of a ComponentRelease.
    pub fn read(object: &Value) -> Option<Self> {
        let schema = object.pointer("/spec/componentType/spec/environmentConfigs/openAPIV3Schema");
        let owner = owner(object)?;
        let own = text(object, "/metadata/name").unwrap_or_default();
        let spec = object.get("spec").filter(|_| !snapshot::is_content_name(&owner.component_name, own));
        Some(Self {
            version: annotation(object, names::VERSION_ANNOTATION).map(str::to_owned),
            content: spec.map(|spec| snapshot::release_name(&owner.component_name, spec)),
            owner,
            environment_configs: schema.cloned().map(Arc::new),
            inline_secret: templates(object).any(|(_, template)| !inline_secret_fields(template).is_empty()),
            guarded: templates(object)
                .filter_map(|(id, template)| Some((id.to_owned(), fence::guarded_template(template)?)))
                .collect(),
        })
    }
}

impl BindingView {
    fn read(object: &Value) -> Option<Self> {
        let outcomes =
            object.pointer("/status/outcomes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let ran = outcomes.iter().filter(|outcome| outcome.get("firstHealthyAt").is_some_and(Value::is_string));
        let health = object.pointer("/status/health").cloned();
        Some(Self {
            owner: owner(object)?,
            environment: text(object, "/spec/environment")?.to_owned(),
            release: text(object, "/spec/releaseName").map(str::to_owned),
            needed: if is_ending(object) { BTreeSet::new() } else { record::needed_releases(object) },
            healthy: ran.filter_map(|outcome| text(outcome, "/release").map(str::to_owned)).collect(),
            health: health.and_then(|health| serde_json::from_value(health).ok()),
        })
    }
}

/// The templates of a ComponentRelease, each with the id of its resource.
fn templates(release: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let resources = release.pointer("/spec/componentType/spec/resources").and_then(Value::as_array);
    resources.into_iter().flatten().filter_map(|resource| {
        Some((resource.get("id").and_then(Value::as_str).unwrap_or_default(), resource.get("template")?))
    })
}
