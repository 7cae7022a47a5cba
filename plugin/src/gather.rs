//! What a command needs to know before it plans: the component, its project and pipeline, its bindings and releases.

use std::sync::Arc;

use futures::future::try_join4;
use jiff::Timestamp;
use release_shared::kinds::{Kind, Owner};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::pipeline::Graph;
use release_shared::world::{ReleaseView, World};
use serde_json::Value;

use crate::cluster::{Cluster, Selection};
use crate::error::Error;

/// What was found.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// The component and its project; the component itself may not exist yet.
    pub(crate) owner: Owner,
    /// Everything as the rules see it.
    pub(crate) world: World,
    /// The component's bindings.
    pub(crate) bindings: Vec<Value>,
    /// The component's releases, with their metadata only, newest first.
    pub(crate) releases: Vec<Value>,
    /// Whether the Component exists.
    pub(crate) component_exists: bool,
    /// When it was read.
    pub(crate) now: Timestamp,
}

impl Gathered {
    /// The binding in an environment.
    pub(crate) fn binding(&self, environment: &str) -> Option<&Value> {
        self.bindings.iter().find(|binding| text(binding, "/spec/environment") == Some(environment))
    }

    /// The binding in an environment, where there must be one.
    pub(crate) fn pinned(&self, environment: &str) -> Result<&Value, Error> {
        self.binding(environment).ok_or_else(|| {
            let pinned: Vec<_> =
                self.bindings.iter().filter_map(|binding| text(binding, "/spec/environment")).collect();
            let places = if pinned.is_empty() { "nowhere".to_owned() } else { format!("in {}", pinned.join(", ")) };
            Error::Refused(vec![format!(
                "{} is not pinned in {environment}; it is pinned {places}",
                self.owner.component_name
            )])
        })
    }

    /// The name that the binding in an environment has, or would have.
    pub(crate) fn binding_name(&self, environment: &str) -> String {
        if let Some(name) = self.binding(environment).and_then(|binding| text(binding, "/metadata/name")) {
            return name.to_owned();
        }
        let plain = names::binding_name(&self.owner.component_name, environment);
        if self.world.bindings.contains_key(&plain) {
            names::binding_name_hashed(&self.owner.component_name, environment)
        } else {
            plain
        }
    }

    /// The pipeline's name and its paths.
    pub(crate) fn pipeline(&self) -> Result<(&str, &Graph), Error> {
        let project = &self.owner.project_name;
        let Some(view) = self.world.projects.get(project) else {
            return Err(Error::Refused(vec![format!(
                "there is no Project {project:?} in this namespace: make it with `kubectl release init`"
            )]));
        };
        let found = self.world.pipeline_of(project).map(|(name, pipeline)| (name, &pipeline.graph));
        found.ok_or_else(|| {
            let pipeline = &view.pipeline;
            Error::Refused(vec![format!(
                "project {project} names the DeploymentPipeline {pipeline:?}, which does not exist: create it"
            )])
        })
    }

    /// The release with this name, or this version.
    pub(crate) fn release(&self, wanted: &str) -> Option<&str> {
        let name = |release: &'_ Value| text(release, "/metadata/name") == Some(wanted);
        let version = |release: &'_ Value| annotation(release, names::VERSION_ANNOTATION) == Some(wanted);
        let found = self
            .releases
            .iter()
            .find(|release| name(release))
            .or_else(|| self.releases.iter().find(|release| version(release)));
        found.and_then(|release| text(release, "/metadata/name"))
    }
}

/// Everything of one component.
pub(crate) fn of_component(component: &str) -> Selection {
    Selection { fields: vec![("spec.owner.componentName", component.to_owned())], ..Selection::default() }
}

/// What a command does where the component does not exist.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Missing<'a> {
    /// It makes it, in this project or in the only one.
    Made {
        /// The project that was named.
        project: Option<&'a str>,
    },
    /// It stops, unless something is pinned that says whose it is.
    Refused,
}

/// Reads what concerns a component.
pub(crate) async fn gather(cluster: &Cluster, component: &str, missing: Missing<'_>) -> Result<Gathered, Error> {
    let selection = of_component(component);
    let (found, bindings, mut releases, environments) = try_join4(
        cluster.get(Kind::Component, component),
        cluster.list(Kind::ReleaseBinding, &selection),
        cluster.list_metadata(Kind::ComponentRelease, &selection),
        cluster.list(Kind::Environment, &Selection::default()),
    )
    .await?;
    releases.sort_by(|a, b| text(b, "/metadata/creationTimestamp").cmp(&text(a, "/metadata/creationTimestamp")));
    let owner = found.as_ref().and_then(|component| text(component, "/spec/owner/projectName"));
    let project = match (missing, owner) {
        (Missing::Made { project: Some(given) }, Some(owner)) if given != owner => {
            return Err(Error::Refused(vec![format!(
                "{component} is a component of project {owner:?}, not of {given:?}"
            )]));
        }
        (_, Some(owner)) => owner.to_owned(),
        (Missing::Made { project: Some(given) }, None) => given.to_owned(),
        (Missing::Made { project: None }, None) => only_project(cluster).await?,
        (Missing::Refused, None) if !bindings.is_empty() => {
            let project = bindings.iter().find_map(|binding| text(binding, "/spec/owner/projectName"));
            project.unwrap_or_default().to_owned()
        }
        (Missing::Refused, None) => {
            let cure = format!("cut a release with `kubectl release create {component}`, or correct the name");
            return Err(Error::Refused(vec![format!(
                "there is no Component {component:?} in namespace {}: {cure}",
                cluster.namespace
            )]));
        }
    };
    let owner = Owner { project_name: project, component_name: component.to_owned() };
    let mut world = World::new(&cluster.namespace);
    put_all(&mut world, Kind::Environment, &environments);
    put_all(&mut world, Kind::ReleaseBinding, &bindings);
    put_all(&mut world, Kind::Component, found.as_slice());
    for release in &releases {
        let version = annotation(release, names::VERSION_ANNOTATION).map(str::to_owned);
        // Whoever pins one of them puts the whole of it in this place.
        let view = ReleaseView { owner: owner.clone(), version, content: None, details: Some(Arc::default()) };
        world.releases.insert(text(release, "/metadata/name").unwrap_or_default(), view);
    }
    add_pipeline(cluster, &mut world, &owner.project_name).await?;
    Ok(Gathered { owner, world, bindings, releases, component_exists: found.is_some(), now: Timestamp::now() })
}

async fn add_pipeline(cluster: &Cluster, world: &mut World, project: &str) -> Result<(), Error> {
    let Some(found) = cluster.get(Kind::Project, project).await? else { return Ok(()) };
    world.put(Kind::Project, project, Some(&found));
    let pipeline = world.projects.get(project).map(|view| view.pipeline.clone()).unwrap_or_default();
    let found = cluster.get(Kind::DeploymentPipeline, &pipeline).await?;
    world.put(Kind::DeploymentPipeline, &pipeline, found.as_ref());
    Ok(())
}

fn put_all(world: &mut World, kind: Kind, objects: &[Value]) {
    for object in objects {
        world.put(kind, text(object, "/metadata/name").unwrap_or_default(), Some(object));
    }
}

async fn only_project(cluster: &Cluster) -> Result<String, Error> {
    let projects = cluster.list_metadata(Kind::Project, &Selection::default()).await?;
    let names: Vec<_> = projects.iter().filter_map(|project| text(project, "/metadata/name")).collect();
    match names.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(Error::Refused(vec![format!(
            "there is no Project in namespace {}: make one with `kubectl release init PROJECT --environments …`",
            cluster.namespace
        )])),
        several => Err(Error::Usage(format!(
            "namespace {} has several projects ({}): say which with --project",
            cluster.namespace,
            several.join(", ")
        ))),
    }
}
