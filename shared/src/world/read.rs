//! From an object to what the rules see of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::excerpt::{Excerpt, SCHEMA};
use super::views::{
    BindingView, ComponentView, EnvironmentView, Part, Past, PipelineView, ProjectView, ReleaseDetails, ReleaseView,
    View,
};
use crate::kinds::{Kind, Owner};
use crate::object::{annotation, inline_secret_fields, is_ending, text};
use crate::pipeline::Graph;
use crate::record::{self, Bounds};
use crate::{fence, names, policy, snapshot};

fn owner(object: &Value) -> Option<Owner> {
    Some(Owner {
        project_name: text(object, "/spec/owner/projectName")?.to_owned(),
        component_name: text(object, "/spec/owner/componentName")?.to_owned(),
    })
}

impl View {
    /// What the rules see of an object, all of it.
    pub fn read(kind: Kind, object: &Value) -> Self {
        Self::with(kind, object, ReleaseView::read)
    }

    fn with(kind: Kind, object: &Value, release: impl FnOnce(&Value) -> Option<ReleaseView>) -> Self {
        let part = match kind {
            Kind::Project => ProjectView::read(object).map(Part::Project),
            Kind::Environment => Some(Part::Environment(EnvironmentView::read(object))),
            Kind::DeploymentPipeline => Some(Part::DeploymentPipeline(PipelineView::read(object))),
            Kind::DataPlane => Some(Part::DataPlane),
            Kind::Component => ComponentView::read(object).map(Part::Component),
            Kind::ComponentRelease => release(object).map(Part::ComponentRelease),
            Kind::ReleaseBinding => BindingView::read(object).map(Part::ReleaseBinding),
            Kind::Release => None,
        };
        Self { kind, is_ending: is_ending(object), part }
    }
}

impl Excerpt {
    /// What the rules see of the object.
    pub fn view(&self) -> View {
        View::with(self.kind, &self.object, |_| ReleaseView::of(self))
    }
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
    /// What the rules see of a ComponentRelease, all of it.
    pub fn read(object: &Value) -> Option<Self> {
        let owner = owner(object)?;
        let own = text(object, "/metadata/name").unwrap_or_default();
        let spec = object.get("spec").filter(|_| !snapshot::is_content_name(&owner.component_name, own));
        let content = spec.map(|spec| snapshot::release_name(&owner.component_name, spec));
        Some(Self::with(object, owner, content, ReleaseDetails::of(object)))
    }

    /// The same of an excerpt; `None` where it is of another kind.
    fn of(excerpt: &Excerpt) -> Option<Self> {
        let Excerpt { kind, object, schema, content } = excerpt;
        let owner = owner(object).filter(|_| *kind == Kind::ComponentRelease)?;
        Some(Self::with(object, owner, content.clone(), ReleaseDetails::read(object, schema.clone())))
    }

    fn with(object: &Value, owner: Owner, content: Option<String>, details: ReleaseDetails) -> Self {
        let version = annotation(object, names::VERSION_ANNOTATION).map(str::to_owned);
        Self { owner, version, content, details: Some(Arc::new(details)) }
    }
}

impl ReleaseDetails {
    /// Those of a ComponentRelease, all of them.
    pub fn of(release: &Value) -> Self {
        Self::read(release, release.pointer(SCHEMA).map(|schema| schema.to_string().into()))
    }

    fn read(release: &Value, schema: Option<Box<str>>) -> Self {
        Self {
            schema,
            inline_secret: templates(release).any(|(_, template)| !inline_secret_fields(template).is_empty()),
            guarded: templates(release)
                .filter_map(|(id, template)| Some((id.to_owned(), fence::guarded_template(template)?)))
                .collect(),
        }
    }
}

impl BindingView {
    fn read(object: &Value) -> Option<Self> {
        let health = object.pointer("/status/health").cloned();
        Some(Self {
            owner: owner(object)?,
            environment: text(object, "/spec/environment")?.to_owned(),
            release: text(object, "/spec/releaseName").map(str::to_owned),
            past: Some(Past::read(object)),
            health: health.and_then(|health| serde_json::from_value(health).ok()),
        })
    }
}

impl Past {
    fn read(binding: &Value) -> Self {
        let outcomes = binding.pointer("/status/outcomes").and_then(Value::as_array).into_iter().flatten();
        let ran = outcomes.filter(|outcome| outcome.get("firstHealthyAt").is_some_and(Value::is_string));
        Self {
            needed: if is_ending(binding) { BTreeSet::new() } else { record::needed_releases(binding) },
            healthy: ran.filter_map(|outcome| text(outcome, "/release").map(str::to_owned)).collect(),
        }
    }
}

/// The templates of a ComponentRelease, each with the id of its resource.
fn templates(release: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let resources = release.pointer("/spec/componentType/spec/resources").and_then(Value::as_array);
    resources.into_iter().flatten().filter_map(|resource| {
        Some((resource.get("id").and_then(Value::as_str).unwrap_or_default(), resource.get("template")?))
    })
}
