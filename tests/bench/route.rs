//! Which namespaces' writes go to which hook: they differ in nothing else, so every other write can go the other way.

use std::time::Duration;

use anyhow::Context;
use data_encoding::BASE64;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt};
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, block_on, wait};
use serde_json::{Value, json};

use crate::hook::Hook;
use crate::objects;
use crate::stage::Stage;

/// Until the API server has seen changed configurations.
const LIMIT: Duration = Duration::from_secs(30);

const CONFIGURATIONS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The configurations of the instant hook. In order of names it comes first, so it is asked before ours has changed
/// anything.
const INSTANT: &str = "a-release-bench";

/// One namespace a way.
pub(crate) struct Routes<'a> {
    /// No hook is called.
    pub(crate) bare: Namespace<'a>,
    /// Ours.
    pub(crate) ours: Namespace<'a>,
    /// One that allows everything at once, under the same rules.
    pub(crate) instant: Namespace<'a>,
    /// Both, to see what is asked.
    pub(crate) witnessed: Namespace<'a>,
}

/// The environment of the Releases that are written.
pub(crate) const ENVIRONMENT: &str = "development";

/// Their component.
pub(crate) const COMPONENT: &str = "web";

impl<'a> Routes<'a> {
    /// Makes the namespaces and waits until the API server goes by them.
    pub(crate) fn lay(stage: &Stage<'a>, hook: &Hook) -> anyhow::Result<Self> {
        let client = stage.control_plane.client();
        let namespace = |name: &str| -> anyhow::Result<Namespace<'a>> {
            let namespace = stage.project(name, &[ENVIRONMENT])?;
            let component = objects::component(COMPONENT);
            block_on(objects::create(&client, namespace.name(), Kind::Component, &component))?;
            Ok(namespace)
        };
        let routes = Self {
            bare: namespace("bare")?,
            ours: namespace("ours")?,
            instant: namespace("instant")?,
            witnessed: namespace("witnessed")?,
        };
        for kind in CONFIGURATIONS {
            routes.configure(&client, kind, hook)?;
        }
        routes.wait_until_taken(&client, hook)?;
        Ok(routes)
    }

    fn configure(&self, client: &Client, kind: &str, hook: &Hook) -> anyhow::Result<()> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind));
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let context = || format!("changing the {kind} {}", names::WEBHOOK);
        let mut ours = block_on(api.get(names::WEBHOOK)).with_context(context)?;

        let mut instant = DynamicObject::new(INSTANT, &resource).data(ours.data.clone());
        for entry in entries(&mut instant) {
            let path = entry["clientConfig"]["url"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
            entry["clientConfig"] =
                json!({ "url": format!("{}/{path}", hook.url), "caBundle": BASE64.encode(hook.ca.as_bytes()) });
            entry["namespaceSelector"] = selector("In", [&self.instant, &self.witnessed]);
        }
        for entry in entries(&mut ours) {
            entry["namespaceSelector"] = selector("NotIn", [&self.bare, &self.instant]);
        }
        block_on(api.create(&PostParams::default(), &instant)).with_context(context)?;
        block_on(api.replace(&ours.name_any(), &PostParams::default(), &ours)).with_context(context)?;
        Ok(())
    }

    fn wait_until_taken(&self, client: &Client, hook: &Hook) -> anyhow::Result<()> {
        let is_recorded = |namespace: &Namespace<'_>, number: usize| -> anyhow::Result<bool> {
            let release = objects::release(&format!("probe-{number}"), COMPONENT, ENVIRONMENT, 4_000);
            let created = block_on(objects::create(client, namespace.name(), Kind::Release, &release))?;
            Ok(created["metadata"]["annotations"].get(names::REVISION).is_some())
        };
        let mut number = 0;
        wait::until("writes go to the hooks that they should go to", LIMIT, || {
            number += 1;
            let taken = !is_recorded(&self.bare, number)? && !is_recorded(&self.instant, number)?;
            let taken = taken && is_recorded(&self.ours, number)? && is_recorded(&self.witnessed, number)?;
            Ok((taken && hook.asked("/mutate").is_some() && hook.asked("/validate").is_some()).then_some(()))
        })
    }
}

fn entries(configuration: &mut DynamicObject) -> impl Iterator<Item = &mut Value> {
    configuration.data["webhooks"].as_array_mut().into_iter().flatten()
}

fn selector(operator: &str, namespaces: [&Namespace<'_>; 2]) -> Value {
    let names = namespaces.map(Namespace::name);
    let expression = json!({ "key": "kubernetes.io/metadata.name", "operator": operator, "values": names });
    json!({ "matchExpressions": [expression] })
}
