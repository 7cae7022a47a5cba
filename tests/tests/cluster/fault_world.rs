//! What the fault tests release: components of several objects each, whose releases differ in the names and kinds of these objects, so
//! that a change makes, changes and removes some.

use anyhow::Context;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, ResourceExt};
use release_shared::fence::generated_namespace;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, block_on};
use serde_json::{Value, json};

use super::objects::{annotated, binding, component, created, object, pipeline, project};
use super::person::Person;

pub(crate) const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];
/// How many releases each component has: fewer than are kept without being needed.
pub(crate) const RELEASES: usize = 4;

/// Project `shop` with its environments, in a namespace of its own.
pub(crate) struct World<'a> {
    pub(crate) namespace: &'a Namespace<'a>,
    pub(crate) admin: Person<'a>,
}

impl<'a> World<'a> {
    /// With these components, and the releases `<component>-1` to `<component>-4` of each.
    pub(crate) fn open(namespace: &'a Namespace<'a>, components: &[&str]) -> Self {
        let world = Self { namespace, admin: Person::admin(namespace) };
        for environment in ENVIRONMENTS {
            world.create(&object(Kind::Environment, environment, json!({})));
        }
        world.create(&pipeline("warn", &[("dev", &["staging"]), ("staging", &["production"])]));
        world.create(&project());
        for name in components {
            world.create(&component(name));
            for version in 1..=RELEASES {
                world.create(&snapshot(name, &release_name(name, version), &templates(name, version)));
            }
        }
        world
    }

    pub(crate) fn create(&self, object: &Value) -> Value {
        created(&self.admin, object)
    }

    /// Pins a release of a component.
    pub(crate) fn pin(&self, component: &str, environment: &str, version: usize) -> Value {
        self.create(&binding(component, environment, &release_name(component, version)))
    }

    /// Pins another.
    pub(crate) fn promote(&self, component: &str, environment: &str, version: usize) -> Value {
        let patch = json!({ "spec": { "releaseName": release_name(component, version) } });
        self.patch(&binding(component, environment, ""), &patch)
    }

    pub(crate) fn patch(&self, object: &Value, patch: &Value) -> Value {
        let patched = self.admin.merge(object, patch);
        patched.unwrap_or_else(|status| panic!("not changed: {status:?}\n{object:#}\n{patch:#}"))
    }

    /// All objects of one of our kinds.
    pub(crate) fn all(&self, kind: Kind) -> anyhow::Result<Vec<Value>> {
        let resource = resource(kind);
        let api: Api<DynamicObject> = Api::namespaced_with(self.namespace.client(), self.namespace.name(), &resource);
        list(&api, &ListParams::default())
    }

    /// One of them.
    pub(crate) fn get(&self, kind: Kind, name: &str) -> anyhow::Result<Option<Value>> {
        Ok(self.all(kind)?.into_iter().find(|object| super::objects::name(object) == name))
    }

    /// Where the objects of an environment go.
    pub(crate) fn place(&self, environment: &str) -> String {
        generated_namespace(self.namespace.name(), "shop", environment)
    }

    /// The live objects of a kind that carry the mark of a Release here, wherever they are.
    pub(crate) fn live(&self, api_version: &str, kind: &str, plural: &str) -> anyhow::Result<Vec<Value>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let mark = format!(
            "{}={},{}={}",
            names::MANAGED_BY_LABEL,
            names::CONTROLLER_MANAGER,
            names::RELEASE_NAMESPACE_LABEL,
            self.namespace.name()
        );
        list(&Api::all_with(self.namespace.client(), &resource), &ListParams::default().labels(&mark))
    }
}

fn list(api: &Api<DynamicObject>, params: &ListParams) -> anyhow::Result<Vec<Value>> {
    let found = block_on(api.list(params)).context("listing")?;
    let values = found.items.into_iter().map(|object| {
        let name = object.name_any();
        serde_json::to_value(object).with_context(|| format!("reading {name}"))
    });
    values.collect()
}

/// How one of our kinds is addressed.
pub(crate) fn resource(kind: Kind) -> ApiResource {
    let kind_of = GroupVersionKind::gvk(names::GROUP, names::VERSION, kind.as_str());
    ApiResource::from_gvk_with_plural(&kind_of, kind.plural())
}

pub(crate) fn release_name(component: &str, version: usize) -> String {
    format!("{component}-{version}")
}

/// A ComponentRelease of these objects; `replicas`, `size` and `mark` may differ per environment.
pub(crate) fn snapshot(component: &str, name: &str, templates: &[Value]) -> Value {
    let schema = json!({ "type": "object", "properties": {
        "replicas": { "type": "integer", "default": 1 },
        "size": { "type": "string", "default": "small" },
        "mark": { "type": "string", "default": "first" },
    }});
    let resources: Vec<_> =
        templates.iter().map(|template| json!({ "id": id(template), "template": template })).collect();
    let release = object(
        Kind::ComponentRelease,
        name,
        json!({
            "owner": { "projectName": "shop", "componentName": component },
            "componentType": { "kind": "ComponentType", "name": format!("proxy/{component}"), "spec": {
                "workloadType": "proxy",
                "environmentConfigs": { "openAPIV3Schema": schema },
                "resources": resources,
            }},
            "workload": { "container": { "image": "none" } },
        }),
    );
    annotated(&release, &[(names::VERSION_ANNOTATION, &format!("v-{name}"))])
}

/// A Release by hand.
pub(crate) fn direct(component: &str, environment: &str, objects: &[Value]) -> Value {
    let resources: Vec<_> = objects.iter().map(|object| json!({ "id": id(object), "object": object })).collect();
    let owner = json!({ "projectName": "shop", "componentName": component });
    let spec = json!({ "owner": owner, "environmentName": environment, "resources": resources });
    object(Kind::Release, &format!("{component}-{environment}"), spec)
}

fn id(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = text("/metadata/name").split_once("-${").map_or(text("/metadata/name"), |(name, _)| name);
    format!("{}-{name}", text("/kind").to_lowercase())
}

/// From one release to the next an object is added, renamed, of another kind, or gone; and one is renamed with each new mark. What is
/// left behind of that is never taken over by what comes later.
fn templates(component: &str, version: usize) -> Vec<Value> {
    let name = |suffix: &str| format!("{component}-{suffix}");
    let said = format!("{component} {version}");
    let mut templates = match version {
        1 => vec![deployment(component, &said), config_map(&name("settings"), &said)],
        2 => vec![config_map(&name("settings"), &said), service(component), deployment(component, &said)],
        3 => vec![deployment(component, &said), config_map(&name("flags"), &said), account(component)],
        _ => vec![
            account(component),
            config_map(&name("extra"), &said),
            config_map(&name("settings"), &said),
            deployment(&name("next"), &said),
        ],
    };
    templates.push(config_map(&name("mark-${environmentConfigs.mark}"), &said));
    templates
}

pub(crate) fn config_map(name: &str, said: &str) -> Value {
    let data = json!({ "said": said, "size": "${environmentConfigs.size}" });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

fn deployment(name: &str, said: &str) -> Value {
    let container = json!({ "name": "main", "image": format!("registry.example/{}", said.replace(' ', ":")) });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": "${environmentConfigs.replicas}",
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [container] } },
        },
    })
}

fn service(name: &str) -> Value {
    let spec = json!({ "selector": { "app": name }, "ports": [{ "port": 80 }] });
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": spec })
}

fn account(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } })
}
