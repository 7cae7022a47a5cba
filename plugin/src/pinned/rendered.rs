//! The objects of a release, and the place where an environment has them.

use std::collections::BTreeSet;

use release_shared::fence::{Fence, Scope, built_in_scope};
use release_shared::kinds::{Kind, Owner};
use release_shared::object::text;
use release_shared::render::RenderedResource;
use release_shared::world::EnvironmentView;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::objects::{Discovery, reference};
use crate::print::note;

/// Where the objects of a project go in an environment.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The environment.
    pub(crate) environment: String,
    /// What it lets in, and where.
    pub(crate) fence: Fence,
    /// The DataPlane that has its objects; none = this cluster.
    data_plane: Option<String>,
}

impl Place {
    /// That of an environment by its name; `None` where there is none.
    pub(crate) async fn find(cluster: &Cluster, owner: &Owner, environment: &str) -> Result<Option<Self>, Error> {
        let found = cluster.get(Kind::Environment, environment).await?;
        Ok(found.map(|object| Self::new(&object, &cluster.namespace, owner, environment)))
    }

    /// That of an environment.
    pub(super) fn new(object: &Value, control_namespace: &str, owner: &Owner, environment: &str) -> Self {
        let plane = object.pointer("/spec/dataPlaneRef");
        let plane = plane.and_then(|plane| plane.as_str().or_else(|| text(plane, "/name")));
        Self {
            environment: environment.to_owned(),
            fence: Fence::new(&EnvironmentView::read(object), control_namespace, &owner.project_name, environment),
            data_plane: plane.map(str::to_owned),
        }
    }

    /// Why there is none.
    pub(super) fn missing(cluster: &Cluster, environment: &str) -> Error {
        Error::Failed(format!(
            "there is no Environment {environment:?} in namespace {}, which would say where its objects go: create it",
            cluster.namespace
        ))
    }

    /// Says so where the objects are in another cluster than the one that is asked for them.
    pub(crate) fn note_data_plane(&self) {
        if let Some(plane) = &self.data_plane {
            let environment = &self.environment;
            note(&format!(
                "Note: {environment} has its objects in data plane {plane}; what is live is looked for in this cluster"
            ));
        }
    }
}

/// The objects of a release in one environment.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    /// What they are called in a comparison, such as `staging@3`.
    pub(crate) label: String,
    /// Where they go.
    pub(crate) place: Place,
    /// The objects; what names no namespace has none before [`Rendered::fill_namespaces`].
    pub(crate) objects: Vec<RenderedResource>,
    /// Whether they are not meant to be live: the pin stays, and its objects go.
    pub(crate) undeployed: bool,
}

impl Rendered {
    /// The objects of a Release as it stands.
    pub(crate) async fn of_release(cluster: &Cluster, name: &str) -> Result<Self, Error> {
        let release = super::release(cluster, name).await?;
        let environment = text(&release, "/spec/environmentName").unwrap_or_default();
        let place = Place::find(cluster, &super::owner(&release), environment).await?;
        let resources = release.pointer("/spec/resources").and_then(Value::as_array).into_iter().flatten();
        let objects = resources.filter_map(|resource| {
            let id = text(resource, "/id")?.to_owned();
            Some(RenderedResource { id, object: resource.get("object")?.clone() })
        });
        Ok(Self {
            label: format!("release/{name}"),
            place: place.ok_or_else(|| Place::missing(cluster, environment))?,
            objects: objects.collect(),
            undeployed: false,
        })
    }

    /// The group versions of all objects.
    pub(crate) fn api_versions(&self) -> BTreeSet<String> {
        self.objects.iter().map(|resource| reference(&resource.object).api_version()).collect()
    }

    /// The group versions that must be known before every object can be put into its namespace.
    pub(crate) fn unknown_scopes(&self) -> BTreeSet<String> {
        let objects = self.objects.iter().map(|resource| reference(&resource.object));
        let unknown = objects
            .filter(|object| object.namespace.is_none() && built_in_scope(&object.group, &object.kind).is_none());
        unknown.map(|object| object.api_version()).collect()
    }

    /// Puts what names no namespace into the environment's own. What may need one and may not is left as it is and noted.
    pub(crate) fn fill_namespaces(&mut self, discovery: &Discovery) {
        let default = self.place.fence.default_namespace();
        for resource in &mut self.objects {
            let object = reference(&resource.object);
            if object.namespace.is_some() {
                continue;
            }
            let known = || discovery.kind(&object).map(|served| served.scope);
            match built_in_scope(&object.group, &object.kind).or_else(known) {
                Some(Scope::Cluster) => {}
                Some(Scope::Namespaced) => {
                    if let Some(metadata) = resource.object.get_mut("metadata").and_then(Value::as_object_mut) {
                        metadata.insert("namespace".into(), default.into());
                    }
                }
                None => note(&format!(
                    "Note: {object} names no namespace, and the cluster does not say whether its kind needs one; it is left out"
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_names_no_namespace_goes_into_the_environments_own() {
        let environment = json!({
            "metadata": {"annotations": {release_shared::names::NAMESPACES: "{project}-staging"}},
            "spec": {"dataPlaneRef": {"kind": "DataPlane", "name": "far"}}
        });
        let owner = Owner { project_name: "shop".into(), component_name: "web".into() };
        let place = Place::new(&environment, "acme", &owner, "staging");
        assert_eq!(place.data_plane.as_deref(), Some("far"));
        let object = |api_version: &str, kind: &str, namespace: Option<&str>| RenderedResource {
            id: kind.to_ascii_lowercase(),
            object: json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": namespace}}),
        };
        let objects = vec![
            object("v1", "ConfigMap", None),
            object("v1", "Service", Some("elsewhere")),
            object("v1", "Namespace", None),
            object("example.org/v1", "Widget", None),
        ];
        let mut rendered = Rendered { label: String::new(), place, objects, undeployed: false };
        assert_eq!(rendered.unknown_scopes(), BTreeSet::from(["example.org/v1".to_owned()]));
        rendered.fill_namespaces(&Discovery::default());
        let namespaces: Vec<_> =
            rendered.objects.iter().map(|resource| reference(&resource.object).namespace.unwrap_or_default()).collect();
        assert_eq!(namespaces, ["shop-staging", "elsewhere", "", ""]);
    }
}
