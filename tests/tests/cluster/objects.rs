//! The objects of the tests: project `shop` with the components `web` and `api`, and a pipeline that leads from `dev`
//! over `staging` to `production`.

use release_shared::kinds::Kind;
use release_shared::names;
pub(crate) use release_shared::object::annotation;
use release_shared::record::{History, Record, check_chain, content_hash};
use release_tests::Namespace;
use serde_json::{Value, json};

use super::person::Person;

/// A namespace with the project in it, and who works there.
pub(crate) struct Shop<'a> {
    /// A developer.
    pub(crate) jane: Person<'a>,
    /// Another developer.
    pub(crate) omar: Person<'a>,
    /// A platform engineer.
    pub(crate) pat: Person<'a>,
    /// For what is nobody's business.
    pub(crate) admin: Person<'a>,
}

impl<'a> Shop<'a> {
    /// The people only.
    pub(crate) fn people(namespace: &'a Namespace<'a>) -> anyhow::Result<Self> {
        Ok(Self {
            jane: Person::with_role(namespace, "jane", "release-developer")?,
            omar: Person::with_role(namespace, "omar", "release-developer")?,
            pat: Person::with_role(namespace, "pat", "release-platform-engineer")?,
            admin: Person::admin(namespace),
        })
    }

    /// The project with its environments, its pipeline in this mode, its components and a few releases of them.
    pub(crate) fn open(namespace: &'a Namespace<'a>, enforcement: &str) -> anyhow::Result<Self> {
        let shop = Self::people(namespace)?;
        shop.furnish(enforcement, &[]);
        Ok(shop)
    }

    /// The project, with these policies on `dev` by their short keys.
    pub(crate) fn furnish(&self, enforcement: &str, dev: &[(&str, &str)]) {
        created(&self.pat, &environment("dev", dev));
        for name in ["staging", "production"] {
            created(&self.pat, &environment(name, &[]));
        }
        created(&self.pat, &pipeline(enforcement, &[("dev", &["staging"]), ("staging", &["production"])]));
        created(&self.pat, &project());
        for name in ["web", "api"] {
            created(&self.jane, &component(name));
        }
        for (component, name, version) in [("web", "web-1", "1.0"), ("web", "web-2", "2.0"), ("api", "api-1", "1.0")] {
            created(&self.jane, &component_release(component, name, version));
        }
    }
}

impl Shop<'_> {
    /// Deletes what is in use, as the cluster itself deletes what a namespace holds: nobody asks the webhook.
    #[track_caller]
    pub(crate) fn delete_unasked(&self, object: &Value) {
        let kind = format!("{}.{}", kind(object).plural(), names::GROUP);
        let cleaner = "--as=system:serviceaccount:kube-system:namespace-controller";
        self.admin.kubectl([cleaner, "delete", &kind, name(object), "--wait=false"]).run().expect_code(0);
    }
}

impl<'a> Shop<'a> {
    /// The account that writes Releases rendered from a binding; the program itself is not needed for that.
    pub(crate) fn controller(&self, namespace: &'a Namespace<'a>) -> anyhow::Result<Person<'a>> {
        let name = "system:serviceaccount:release-system:release-controller";
        Person::with_role(namespace, name, "release-developer")
    }
}

/// A Release as the controller renders it from a binding that exists.
pub(crate) fn owned_release(binding: &Value) -> Value {
    with(&release(name(binding)), |release| {
        release["spec"]["owner"] = binding["spec"]["owner"].clone();
        release["spec"]["environmentName"] = binding["spec"]["environment"].clone();
        release["metadata"]["ownerReferences"] = json!([{
            "apiVersion": names::API_VERSION, "kind": "ReleaseBinding", "controller": true, "blockOwnerDeletion": true,
            "name": name(binding), "uid": binding["metadata"]["uid"],
        }]);
    })
}

/// Any object of ours.
#[expect(clippy::needless_pass_by_value, reason = "the spec is written out where this is called")]
pub(crate) fn object(kind: Kind, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": names::API_VERSION, "kind": kind.as_str(), "metadata": { "name": name }, "spec": spec })
}

pub(crate) fn project() -> Value {
    object(Kind::Project, "shop", json!({ "deploymentPipelineRef": { "name": "main" } }))
}

pub(crate) fn pipeline(enforcement: &str, steps: &[(&str, &[&str])]) -> Value {
    let steps = steps.iter().map(|(source, targets)| {
        let targets: Vec<_> = targets.iter().map(|target| json!({ "name": target })).collect();
        json!({ "sourceEnvironmentRef": { "name": source }, "targetEnvironmentRefs": targets })
    });
    let pipeline = object(Kind::DeploymentPipeline, "main", json!({ "promotionPaths": steps.collect::<Vec<_>>() }));
    annotated(&pipeline, &[(names::ENFORCEMENT, enforcement)])
}

pub(crate) fn component(name: &str) -> Value {
    object(
        Kind::Component,
        name,
        json!({
            "owner": { "projectName": "shop" },
            "componentType": { "name": "deployment/web-service" },
        }),
    )
}

/// A snapshot of one ConfigMap, whose size may differ per environment.
pub(crate) fn component_release(component: &str, name: &str, version: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { "size": { "type": "string", "default": "small" } } });
    let template = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": component },
        "data": { "release": name, "size": "${environmentConfigs.size}" },
    });
    let release = object(
        Kind::ComponentRelease,
        name,
        json!({
            "owner": { "projectName": "shop", "componentName": component },
            "componentType": { "kind": "ComponentType", "name": format!("proxy/{component}"), "spec": {
                "workloadType": "proxy",
                "environmentConfigs": { "openAPIV3Schema": schema },
                "resources": [{ "id": format!("configmap-{component}"), "template": template }],
            }},
            "workload": { "container": { "image": "none" } },
        }),
    );
    annotated(&release, &[(names::VERSION_ANNOTATION, version)])
}

pub(crate) fn binding(component: &str, environment: &str, release: &str) -> Value {
    object(
        Kind::ReleaseBinding,
        &format!("{component}-{environment}"),
        json!({
            "owner": { "projectName": "shop", "componentName": component },
            "environment": environment,
            "releaseName": release,
        }),
    )
}

/// An environment with these policy annotations, by their short keys.
pub(crate) fn environment(name: &str, policy: &[(&str, &str)]) -> Value {
    let policy: Vec<_> = policy.iter().map(|(key, value)| (format!("release.openchoreo.dev/{key}"), *value)).collect();
    let policy: Vec<_> = policy.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    annotated(&object(Kind::Environment, name, json!({})), &policy)
}

/// A Release as somebody writes it by hand.
pub(crate) fn release(name: &str) -> Value {
    let embedded =
        |kind: &str, version: &str| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "web" } });
    object(
        Kind::Release,
        name,
        json!({
            "owner": { "projectName": "shop", "componentName": "web" },
            "environmentName": "dev",
            "interval": "5m",
            "progressingInterval": "10s",
            "resources": [
                { "id": "deployment", "object": embedded("Deployment", "apps/v1") },
                { "id": "service", "object": embedded("Service", "v1") },
            ],
        }),
    )
}

/// The object with something changed.
pub(crate) fn with(object: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut object = object.clone();
    change(&mut object);
    object
}

/// The object with these annotations besides its own.
pub(crate) fn annotated(object: &Value, annotations: &[(&str, &str)]) -> Value {
    with(object, |object| {
        for (key, value) in annotations {
            object["metadata"]["annotations"][key] = (*value).into();
        }
    })
}

/// The object as a client sends it that never saw it: without what the API server and the webhook put in.
pub(crate) fn bare(object: &Value) -> Value {
    with(object, |object| {
        object["metadata"] = json!({ "name": object["metadata"]["name"] });
        object.as_object_mut().map(|object| object.remove("status"));
    })
}

pub(crate) fn kind(object: &Value) -> Kind {
    let kind = object["kind"].as_str().and_then(Kind::parse);
    kind.unwrap_or_else(|| panic!("the tests write objects of our kinds only: {object}"))
}

/// How the API's paths name an object's kind.
pub(crate) fn plural(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default();
    if let Some(ours) = Kind::parse(kind).filter(|_| object["apiVersion"] == names::API_VERSION) {
        return ours.plural().to_owned();
    }
    let kind = kind.to_ascii_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

/// Of the kinds that the tests write.
pub(crate) fn is_cluster_scoped(object: &Value) -> bool {
    const KINDS: [&str; 7] = [
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "Beacon",
    ];
    object["kind"].as_str().is_some_and(|kind| KINDS.contains(&kind))
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Persists an object that must be fine.
#[track_caller]
pub(crate) fn created(person: &Person<'_>, object: &Value) -> Value {
    person.create(object).unwrap_or_else(|status| panic!("not created: {status:?}\n{object:#}"))
}

/// The records of an object, oldest first. Goes on only when they form a chain that ends in the object's stamp and
/// content. The last one may be of a dry run, as in the answer to one.
#[track_caller]
pub(crate) fn records(object: &Value) -> Vec<Record> {
    let text = annotation(object, names::HISTORY).unwrap_or_else(|| panic!("no history: {object:#}"));
    let history = History::parse(text).unwrap_or_else(|| panic!("no history: {text}"));
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let found = check_chain(kind(object), namespace, name(object), &history);
    assert_eq!(found, [], "{text}");
    let last = history.last().unwrap_or_else(|| panic!("an empty history: {object:#}"));
    let stamp =
        [names::REVISION, names::CHANGED_BY, names::CHANGED_AT].map(|key| annotation(object, key).unwrap_or_default());
    assert_eq!(stamp, [last.revision.to_string().as_str(), &last.by, &last.at], "{object:#}");
    assert_eq!(annotation(object, names::RELEASE_VERSION), last.version.as_deref(), "{object:#}");
    assert_eq!(content_hash(kind(object), object), last.content, "the last record is not of this content: {object:#}");
    history.records().cloned().collect()
}

/// Who made each revision and with which field manager, oldest first.
#[track_caller]
pub(crate) fn authors(object: &Value) -> Vec<(String, String)> {
    let authors = records(object).into_iter().map(|record| (record.by, record.manager.unwrap_or_default()));
    authors.collect()
}

/// One of those.
pub(crate) fn author(by: &str, manager: &str) -> (String, String) {
    (by.to_owned(), manager.to_owned())
}
