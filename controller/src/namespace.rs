//! The namespaces of an environment: made where they are missing, and never somebody else's.

use release_edge::follow::Place;
use release_shared::fence::Fence;
use release_shared::kinds::{Kind, ObjectRef};
use release_shared::names;
use release_shared::status::Blocked;
use serde_json::{Value, json};

use crate::plane::Plane;
use crate::request::{Later, Refusal};
use crate::store::{NamespaceView, Store};

/// The reason of a Release that waits until a namespace is gone.
pub(crate) const TERMINATING: &str = "NamespaceTerminating";

/// Pods may do nothing that concerns their node. (`pod-security.kubernetes.io`, level `baseline`)
const POD_SECURITY: (&str, &str) = ("pod-security.kubernetes.io/enforce", "baseline");

/// Whose a namespace is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owners<'a> {
    /// The namespace of the Environment.
    pub(crate) control: &'a str,
    /// The project.
    pub(crate) project: &'a str,
    /// The Environment.
    pub(crate) environment: &'a str,
    /// Its UID.
    pub(crate) environment_uid: &'a str,
}

impl Owners<'_> {
    fn labels(&self) -> [(&'static str, &str); 5] {
        [
            (names::CREATED_BY_LABEL, names::CONTROLLER_MANAGER),
            (names::NAMESPACE_LABEL, self.control),
            (names::PROJECT_LABEL, self.project),
            (names::ENVIRONMENT_LABEL, self.environment),
            (names::ENVIRONMENT_UID_LABEL, self.environment_uid),
        ]
    }
}

/// What to do about a namespace.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Use,
    Make,
    /// It was made for an Environment of this name that is gone: it becomes that of the present one.
    Inherit,
    Refuse(Blocked),
}

fn step(
    found: Option<&NamespaceView>,
    name: &str,
    fence: &Fence,
    owners: &Owners<'_>,
    is_there: impl Fn(&str) -> bool,
) -> Step {
    let Some(found) = found else { return Step::Make };
    if found.terminating {
        let message = format!("namespace {name} is being deleted; it is made again when it is gone");
        return Step::Refuse(Blocked { reason: TERMINATING, message });
    }
    if fence.is_listed() {
        return Step::Use;
    }
    let carries = |(key, value): &(&str, &str)| found.labels.get(*key).is_some_and(|found| found == value);
    let labels = owners.labels();
    let (all_but_uid, uid) = labels.split_at(labels.len() - 1);
    let before = found.labels.get(names::ENVIRONMENT_UID_LABEL);
    match (all_but_uid.iter().all(carries), uid.iter().all(carries), before) {
        (true, true, _) => Step::Use,
        (true, false, Some(before)) if !is_there(before) => Step::Inherit,
        _ => {
            let message = format!(
                "namespace {name} was not made for Environment {}: list it in {} there if it may be used",
                owners.environment,
                names::NAMESPACES
            );
            Step::Refuse(Blocked { reason: "NamespaceNotOurs", message })
        }
    }
}

/// Makes sure of a namespace. Our own rights are used, also where objects are applied as somebody else.
///
/// # Errors
/// Why it may not be used, or that the API server cannot be reached.
pub(crate) async fn ensure(
    own: &Plane,
    store: &Store,
    name: &str,
    fence: &Fence,
    owners: &Owners<'_>,
) -> Result<Option<Blocked>, Later> {
    let found = store.namespace(name);
    let made = match step(found.as_ref(), name, fence, owners, |uid| store.has_environment(uid)) {
        Step::Use => return Ok(None),
        Step::Refuse(blocked) => return Ok(Some(blocked)),
        Step::Make => make(own, name, owners).await,
        Step::Inherit => inherit(own, name, owners).await,
    };
    match made {
        Ok(()) => Ok(None),
        Err(Refusal::Later(later)) => Err(later),
        // Somebody made it meanwhile; the watch tells who.
        Err(Refusal::Changed) => Err(Later { why: format!("namespace {name} was made by somebody else"), wait: None }),
        Err(refusal) => {
            let message = format!("namespace {name} cannot be made: {refusal}");
            Ok(Some(Blocked { reason: "NamespaceNotMade", message }))
        }
    }
}

async fn make(own: &Plane, name: &str, owners: &Owners<'_>) -> Result<(), Refusal> {
    let mut labels: serde_json::Map<String, Value> =
        owners.labels().iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    labels.insert(POD_SECURITY.0.to_owned(), POD_SECURITY.1.into());
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    own.create(&resource(), &namespace).await.map(drop)?;
    tracing::info!(namespace = name, project = owners.project, environment = owners.environment, "made a namespace");
    Ok(())
}

async fn inherit(own: &Plane, name: &str, owners: &Owners<'_>) -> Result<(), Refusal> {
    let at = ObjectRef {
        group: String::new(),
        version: "v1".into(),
        kind: "Namespace".into(),
        namespace: None,
        name: name.to_owned(),
    };
    let patch = json!({ "metadata": { "labels": { names::ENVIRONMENT_UID_LABEL: owners.environment_uid } } });
    own.merge(&resource(), &at, &patch).await.map(drop)
}

fn resource() -> kube::core::ApiResource {
    kube::core::ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&())
}

/// The sentence for a project or an environment that is not there.
pub(crate) fn missing(kind: Kind, place: &Place) -> Blocked {
    let (reason, cure) = match kind {
        Kind::Environment => ("EnvironmentNotFound", "nothing is applied until it is made"),
        _ => ("ProjectNotFound", "nothing is applied until it is made"),
    };
    Blocked { reason, message: format!("there is no {kind} {:?} in namespace {}: {cure}", place.name, place.namespace) }
}

#[cfg(test)]
mod tests {
    use release_shared::world::EnvironmentView;

    use super::*;

    #[test]
    fn whose_namespace_it_is_decides() {
        let owners = Owners { control: "acme", project: "shop", environment: "dev", environment_uid: "e-1" };
        let fence = |listed: &[&str]| {
            let namespaces = listed.iter().map(|&name| name.to_owned()).collect();
            Fence::new(&EnvironmentView { namespaces, ..EnvironmentView::default() }, "acme", "shop", "dev")
        };
        let view = |labels: &[(&str, &str)], terminating| NamespaceView {
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            terminating,
        };
        let ours = owners.labels();
        let mut old = ours;
        old[4].1 = "e-0";
        let mut foreign = ours;
        foreign[2].1 = "other";
        let judge = |view: Option<&NamespaceView>, listed: &[&str], old_is_there| match step(
            view,
            "n",
            &fence(listed),
            &owners,
            |uid| uid == "e-0" && old_is_there,
        ) {
            Step::Use => "use",
            Step::Make => "make",
            Step::Inherit => "inherit",
            Step::Refuse(blocked) => blocked.reason,
        };
        assert_eq!(judge(None, &[], false), "make");
        assert_eq!(judge(Some(&view(&ours, false)), &[], false), "use");
        assert_eq!(judge(Some(&view(&ours, true)), &["n"], false), TERMINATING);
        assert_eq!(judge(Some(&view(&[], false)), &["n"], false), "use");
        assert_eq!(judge(Some(&view(&[], false)), &[], false), "NamespaceNotOurs");
        assert_eq!(judge(Some(&view(&foreign, false)), &[], false), "NamespaceNotOurs");
        assert_eq!(judge(Some(&view(&old, false)), &[], false), "inherit");
        assert_eq!(judge(Some(&view(&old, false)), &[], true), "NamespaceNotOurs");
    }
}
