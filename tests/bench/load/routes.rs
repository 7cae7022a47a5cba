//! Which namespace's writes go to whom. They differ in nothing else, so that every other write can go the other way.

use std::time::Duration;

use anyhow::Context;
use data_encoding::BASE64;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Error, ResourceExt};
use release_load::Target;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{ControlPlane, Namespace, block_on, wait};
use serde_json::{Value, json};

use super::reviews::{HOOKS, release};
use super::servers::{Running, Who};
use crate::objects;

/// Until the API server has seen changed configurations.
const LIMIT: Duration = Duration::from_secs(30);

/// The environment of the Releases that are written.
pub(crate) const ENVIRONMENT: &str = "development";

/// Their component.
pub(crate) const COMPONENT: &str = "web";

/// The hook that watches. In order of names it comes first, so it is asked before ours has changed anything.
const WITNESS: &str = "a-witness";

/// One namespace a way.
pub(crate) struct Namespaces<'a> {
    /// No hook is called.
    pub(crate) bare: Namespace<'a>,
    pub(crate) ours: Namespace<'a>,
    pub(crate) peer: Namespace<'a>,
    /// Both hooks are the floor.
    pub(crate) floor: Namespace<'a>,
    /// Both hooks are the floor, which answers with our patch.
    pub(crate) patching: Namespace<'a>,
    /// Validating policies.
    pub(crate) validating: Namespace<'a>,
    /// Validating and mutating policies.
    pub(crate) mutating: Namespace<'a>,
    /// Ours, and a hook that watches.
    pub(crate) witnessed: Namespace<'a>,
}

impl<'a> Namespaces<'a> {
    /// Makes them, with all that a Release refers to.
    pub(crate) fn furnish(control_plane: &'a ControlPlane) -> anyhow::Result<Self> {
        let client = control_plane.client();
        let furnished = |name: &str| -> anyhow::Result<Namespace<'a>> {
            let namespace = Namespace::create(control_plane, name)?;
            for (kind, object) in objects::surroundings(COMPONENT, ENVIRONMENT) {
                block_on(objects::create(&client, namespace.name(), kind, &object))?;
            }
            Ok(namespace)
        };
        Ok(Self {
            bare: furnished("bare")?,
            ours: furnished("ours")?,
            peer: furnished("peer")?,
            floor: furnished("floor")?,
            patching: furnished("patching")?,
            validating: furnished("validating")?,
            mutating: furnished("mutating")?,
            witnessed: furnished("witnessed")?,
        })
    }
}

/// A selector of namespaces.
pub(crate) fn of(namespaces: &[&Namespace<'_>]) -> Value {
    let names: Vec<_> = namespaces.iter().map(|namespace| namespace.name()).collect();
    json!({ "matchExpressions": [{ "key": "kubernetes.io/metadata.name", "operator": "In", "values": names }] })
}

/// Shows a hook what ours is asked, from some moment on.
pub(crate) fn witness(control_plane: &ControlPlane, namespaces: &Namespaces<'_>, hook: &Target) -> anyhow::Result<()> {
    let config = |path: &str| client_config(hook, &format!("/{path}"));
    configure(&control_plane.client(), WITNESS, &of(&[&namespaces.witnessed]), config)
}

fn client_config(target: &Target, path: &str) -> Value {
    json!({ "url": format!("https://{}{path}", target.address), "caBundle": BASE64.encode(target.authority.as_bytes()) })
}

/// Sends each namespace's writes to its own webhook. (That of ours goes to where it went.)
pub(crate) fn lay(
    client: &Client,
    namespaces: &Namespaces<'_>,
    running: &[Running],
    patching: &Target,
) -> anyhow::Result<()> {
    let config = |hook: &str| client_config(patching, &format!("/{hook}"));
    configure(client, "load-patching", &of(&[&namespaces.patching]), config)?;
    for server in running {
        let namespace = match server.who {
            Who::Ours => continue,
            Who::Peer => &namespaces.peer,
            Who::Floor => &namespaces.floor,
        };
        let config = |hook: &str| client_config(&server.target, &server.who.path(hook));
        configure(client, &format!("load-{}", server.who.name()), &of(&[namespace]), config)?;
    }
    for kind in ["Mutating", "Validating"] {
        let (api, _) = api(client, kind);
        let context = || format!("changing our {kind} configuration");
        let mut ours = block_on(api.get(names::WEBHOOK)).with_context(context)?;
        for entry in ours.data["webhooks"].as_array_mut().into_iter().flatten() {
            entry["namespaceSelector"] = of(&[&namespaces.ours]);
        }
        block_on(api.replace(&ours.name_any(), &PostParams::default(), &ours)).with_context(context)?;
    }
    wait_until_laid(client, namespaces)
}

/// Both hooks of Releases, as ours has them.
fn configure(client: &Client, name: &str, selector: &Value, config: impl Fn(&str) -> Value) -> anyhow::Result<()> {
    for (kind, hook) in ["Mutating", "Validating"].into_iter().zip(HOOKS) {
        let (api, resource) = api(client, kind);
        let rule = json!({
            "apiGroups": [names::GROUP], "apiVersions": ["v1alpha1"], "operations": ["CREATE", "UPDATE"], "resources": ["releases"],
            "scope": "Namespaced",
        });
        let webhook = json!({
            "name": format!("{name}.release.example"), "admissionReviewVersions": ["v1"], "clientConfig": config(hook), "rules": [rule],
            "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 10, "namespaceSelector": selector,
        });
        let object = DynamicObject::new(name, &resource).data(json!({ "webhooks": [webhook] }));
        let created = block_on(api.create(&PostParams::default(), &object));
        created.with_context(|| format!("creating the {kind} configuration {name}"))?;
    }
    Ok(())
}

fn api(client: &Client, kind: &str) -> (Api<DynamicObject>, ApiResource) {
    let kind = format!("{kind}WebhookConfiguration");
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", &kind));
    (Api::all_with(client.clone(), &resource), resource)
}

/// Configurations reach the API server's own caches in the order in which they were written, each kind by itself. Ours were written last,
/// and neither hook of theirs is called any more where they were called before.
fn wait_until_laid(client: &Client, namespaces: &Namespaces<'_>) -> anyhow::Result<()> {
    let Namespaces { bare, ours, peer, floor, patching, .. } = namespaces;
    wait::until("writes go to the hooks that they should go to", LIMIT, || {
        let mut laid = is_stamped(client, patching)? && !is_refused(client, patching)?;
        for (namespace, is_judged) in [(ours, true), (peer, true), (bare, false), (floor, false)] {
            laid &= is_stamped(client, namespace)? == is_judged && is_refused(client, namespace)? == is_judged;
        }
        Ok(laid.then_some(()))
    })
}

/// Whether a Release gets what only a hook or a mutating policy writes. Not while a hook cannot be called.
pub(crate) fn is_stamped(client: &Client, namespace: &Namespace<'_>) -> anyhow::Result<bool> {
    match in_dry_run(client, namespace, &release("probe", 2_000))? {
        Ok(created) => Ok(created["metadata"]["annotations"][names::REVISION].is_string()),
        Err(Error::Api(status)) if status.code >= 500 => Ok(false),
        Err(error) => Err(error).context("creating a Release in a dry run"),
    }
}

/// Whether a Release is refused that has the same object twice, which the schema does not see.
pub(crate) fn is_refused(client: &Client, namespace: &Namespace<'_>) -> anyhow::Result<bool> {
    let mut twice = release("probe", 2_000);
    let mut again = twice["spec"]["resources"][0].clone();
    again["id"] = "again".into();
    twice["spec"]["resources"].as_array_mut().context("a Release with resources")?.push(again);
    match in_dry_run(client, namespace, &twice)? {
        Ok(_) => Ok(false),
        Err(Error::Api(status)) => Ok(status.code < 500),
        Err(error) => Err(error).context("creating a Release in a dry run"),
    }
}

fn in_dry_run(client: &Client, namespace: &Namespace<'_>, release: &Value) -> anyhow::Result<kube::Result<Value>> {
    let path = format!("{}?dryRun=All", objects::collection(namespace.name(), Kind::Release));
    let request = http::Request::post(path).header("Content-Type", "application/json");
    Ok(block_on(client.request(request.body(release.to_string().into_bytes())?)))
}
