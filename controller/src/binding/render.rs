//! ReleaseBinding → Release. Whatever is missing or wrong is a condition, with template and position.

use std::sync::Arc;

use release_edge::follow::Place;
use release_shared::fence::Fence;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::render::{self, RenderedResource};
use release_shared::status::Blocked;
use release_shared::validate;
use release_shared::violation::Violation;
use serde_json::{Map, Value, json};

use crate::control::Control;
use crate::namespace;
use crate::request::Later;
use crate::store::{Binding, Release};

/// What a binding renders to.
pub(super) struct Rendered {
    resources: Vec<(String, Value)>,
}

/// Renders a binding.
///
/// # Errors
/// The API server could not be reached.
pub(super) async fn render(control: &Control, binding: &Binding) -> Result<Result<Rendered, Blocked>, Later> {
    if let Some(blocked) = faults(control, binding) {
        return Ok(Err(blocked));
    }
    let namespace = &binding.place.namespace;
    let Some(name) = &binding.release else {
        return Ok(Err(blocked("NothingPinned", "spec.releaseName is empty: pin a release".to_owned())));
    };
    let place = Place { namespace: namespace.clone(), name: name.clone() };
    let Some(spec) = spec(control, &place).await? else {
        let message =
            format!("there is no ComponentRelease {name:?} in namespace {namespace}: cut it again, or pin another");
        return Ok(Err(blocked("ComponentReleaseNotFound", message)));
    };
    let owner = &binding.owner;
    let fence = control.store.with_world(namespace, |world| {
        let view = world.environments.get(&binding.environment)?;
        Some(Fence::new(view, namespace, &owner.project_name, &binding.environment))
    });
    let configs = binding.configs();
    let input = render::Input {
        release: &spec,
        configs: &configs,
        project: &owner.project_name,
        component: &owner.component_name,
        environment: &binding.environment,
        namespace: fence.as_ref().map(Fence::default_namespace),
    };
    Ok(match render::render(&input) {
        Ok(resources) => Ok(Rendered { resources: resources.into_iter().map(pair).collect() }),
        Err(violations) => Err(blocked("RenderingFailed", format!("{name} cannot be rendered: {}", list(&violations)))),
    })
}

fn pair(resource: RenderedResource) -> (String, Value) {
    (resource.id, resource.object)
}

fn blocked(reason: &'static str, message: String) -> Blocked {
    Blocked { reason, message }
}

fn list(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What the rules say of the binding as it stands: what it names and does not exist, and what else is wrong with it.
fn faults(control: &Control, binding: &Binding) -> Option<Blocked> {
    let place = |name: &str| Place { namespace: binding.place.namespace.clone(), name: name.to_owned() };
    let object = json!({ "metadata": { "name": binding.place.name }, "spec": binding.spec });
    control.store.with_world(&binding.place.namespace, |world| {
        if !world.projects.contains_key(&binding.owner.project_name) {
            return Some(namespace::missing(Kind::Project, &place(&binding.owner.project_name)));
        }
        if !world.environments.contains_key(&binding.environment) {
            return Some(namespace::missing(Kind::Environment, &place(&binding.environment)));
        }
        let findings = validate::standing(Kind::ReleaseBinding, &binding.place.name, &object, world);
        if let Some(missing) = findings.missing.first() {
            let reason = match missing.code {
                "ComponentNotFound" => "ComponentNotFound",
                "ReleaseNotFound" => "ComponentReleaseNotFound",
                _ => "ReferenceNotFound",
            };
            return Some(blocked(reason, list(&findings.missing)));
        }
        let refused = !findings.violations.is_empty();
        refused.then(|| blocked("InvalidReleaseConfiguration", list(&findings.violations)))
    })
}

/// The spec of a ComponentRelease: as it was seen lately, or asked for.
async fn spec(control: &Control, place: &Place) -> Result<Option<Arc<Value>>, Later> {
    if let Some(spec) = control.store.snapshot(place).and_then(|found| control.store.snapshots.get(place, &found.uid)) {
        return Ok(Some(spec));
    }
    let Some(object) = control.own.get(Kind::ComponentRelease, place).await? else { return Ok(None) };
    let uid = release_shared::object::text(&object, "/metadata/uid").unwrap_or_default();
    control.store.snapshots.put(place, uid, object.get("spec"));
    Ok(object.get("spec").cloned().map(Arc::new))
}

impl Rendered {
    /// Whether a Release is this already.
    pub(super) fn is_in(&self, release: &Release, binding: &Binding) -> bool {
        *release.resources == self.resources
            && release.rendered_from.as_ref() == Some(&binding.rendered_from)
            && release.restarted_at == binding.restarted_at
            && release.said == binding.said
            && release.is_held()
    }

    /// The Release, with nothing in it that the webhook sets by itself.
    pub(super) fn object(&self, binding: &Binding) -> Value {
        let mut annotations = Map::new();
        annotations.insert(names::RENDERED_FROM.into(), binding.rendered_from.clone().into());
        if let Some(restarted_at) = &binding.restarted_at {
            annotations.insert(names::RESTARTED_AT.into(), restarted_at.clone().into());
        }
        annotations.extend(binding.said.iter().map(|(key, text)| ((*key).to_owned(), text.clone().into())));
        let resources: Vec<_> =
            self.resources.iter().map(|(id, object)| json!({ "id": id, "object": object })).collect();
        json!({
            "apiVersion": names::API_VERSION,
            "kind": Kind::Release.as_str(),
            "metadata": {
                "name": binding.place.name,
                "namespace": binding.place.namespace,
                "labels": {
                    names::PROJECT_LABEL: binding.owner.project_name,
                    names::COMPONENT_LABEL: binding.owner.component_name,
                    names::ENVIRONMENT_LABEL: binding.environment,
                },
                "annotations": annotations,
                "finalizers": [names::FINALIZER],
                "ownerReferences": [{
                    "apiVersion": names::API_VERSION,
                    "kind": Kind::ReleaseBinding.as_str(),
                    "name": binding.place.name,
                    "uid": binding.uid,
                    "controller": true,
                    "blockOwnerDeletion": true,
                }],
            },
            "spec": { "owner": binding.owner, "environmentName": binding.environment, "resources": resources },
        })
    }
}
