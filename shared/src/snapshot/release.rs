//! The ComponentRelease, named after its content.

use serde_json::{Value, json};

use super::identify::{self, Identified};
use super::lift::Lifted;
use super::{Cut, Request};
use crate::{canonical, names};

/// The release of identified objects and their templates.
pub(super) fn assemble(request: &Request<'_>, named: Identified, lifted: Lifted, warnings: Vec<String>) -> Cut {
    let spec = spec(request, &named, lifted);
    let mut metadata = json!({
        "name": release_name(request.component, &spec),
        "labels": {names::PROJECT_LABEL: request.project, names::COMPONENT_LABEL: request.component},
    });
    if let Some(version) = request.version {
        metadata["annotations"] = json!({names::VERSION_ANNOTATION: version});
    }
    let release =
        json!({"apiVersion": names::API_VERSION, "kind": "ComponentRelease", "metadata": metadata, "spec": spec});
    let origins = named.resources.into_iter().map(|(id, object)| (id, object.origin)).collect();
    Cut { release, warnings, origins }
}

fn spec(request: &Request<'_>, named: &Identified, lifted: Lifted) -> Value {
    let workload_type = &named.workload;
    let resources: Vec<Value> =
        lifted.templates.into_iter().map(|(id, template)| json!({"id": id, "template": template})).collect();
    let mut component_type = json!({"workloadType": workload_type, "resources": resources});
    if !lifted.properties.is_empty() {
        let schema = json!({"type": "object", "properties": lifted.properties});
        component_type["environmentConfigs"] = json!({"openAPIV3Schema": schema});
    }
    json!({
        "owner": {"projectName": request.project, "componentName": request.component},
        "componentType": {
            "kind": "ComponentType",
            "name": format!("{workload_type}/{}", request.component),
            "spec": component_type,
        },
        "workload": {"container": identify::container(named.resources.get(workload_type), request.component)},
    })
}

/// The name of a release with this spec: `<component>-<16 characters of the SHA-256 of the spec's canonical JSON>`.
pub fn release_name(component: &str, spec: &Value) -> String {
    name_of_content(component, &canonical::to_vec(spec))
}

/// The same of a spec in its canonical form.
pub(crate) fn name_of_content(component: &str, spec: &[u8]) -> String {
    names::with_suffix(component, &names::short_hash(spec, names::RELEASE_HASH))
}

/// Whether a name has the form of a name made from content; such a name is checked against the content.
pub fn is_content_name(component: &str, name: &str) -> bool {
    let is_hash =
        |text: &str| text.len() == names::RELEASE_HASH && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    name.rsplit_once('-').is_some_and(|(_, hash)| is_hash(hash) && names::with_suffix(component, hash) == name)
}
