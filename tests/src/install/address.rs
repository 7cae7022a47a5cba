//! Where the API server finds the webhook: a local process instead of a Service.

use std::time::Duration;

use anyhow::Context;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Error, ResourceExt};
use release_shared::names;
use serde_json::{Value, json};

use super::WEBHOOK;
use crate::controlplane::ControlPlane;
use crate::{runtime, wait};

/// Until the API server has seen a changed configuration.
const LIMIT: Duration = Duration::from_secs(30);

/// Both hold the project's hooks, under the same name.
const CONFIGURATIONS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Makes every hook of the project call this port on loopback, keeping its path and its caBundle. The configurations are not kept as they
/// were installed then: tests change them.
pub(super) fn point_to(control_plane: &ControlPlane, port: u16) -> anyhow::Result<()> {
    for kind in CONFIGURATIONS {
        let resource = resource("admissionregistration.k8s.io", "v1", kind);
        let configurations: Api<DynamicObject> = Api::all_with(control_plane.client(), &resource);
        let context = || format!("pointing the {kind} {WEBHOOK} to a local process");
        wait::until("nobody else changes the webhook configuration", LIMIT, || {
            let mut configuration = runtime::block_on(configurations.get(WEBHOOK)).with_context(context)?;
            configuration.annotations_mut().remove(names::KEPT_AS);
            let hooks = configuration.data["webhooks"].as_array_mut().into_iter().flatten();
            hooks.for_each(|hook| use_port(&mut hook["clientConfig"], port));
            match runtime::block_on(configurations.replace(WEBHOOK, &PostParams::default(), &configuration)) {
                Ok(_) => Ok(Some(())),
                Err(Error::Api(status)) if status.code == 409 => Ok(None),
                Err(error) => Err(error).with_context(context),
            }
        })?;
    }
    Ok(())
}

/// A Service becomes a URL with the same path; a URL only gets another port.
fn use_port(client_config: &mut Value, port: u16) {
    let path = match (&client_config["service"]["path"], &client_config["url"]) {
        (Value::String(path), _) => path.clone(),
        (_, Value::String(url)) => url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default(),
        _ => String::new(),
    };
    if let Some(fields) = client_config.as_object_mut() {
        fields.remove("service");
        fields.insert("url".to_owned(), format!("https://127.0.0.1:{port}{path}").into());
    }
}

/// Tries until the API server's calls arrive. It answers 500 (`InternalError`) for a hook that it cannot call, and
/// anything else comes from behind the hooks, or from them.
pub(super) fn wait_until_reached(control_plane: &ControlPlane) -> anyhow::Result<()> {
    wait::until("the API server reaches the webhook", LIMIT, || {
        match runtime::block_on(probe(control_plane.client())) {
            Ok(_) => Ok(Some(())),
            Err(Error::Api(status)) if status.code == 500 => Ok(None),
            Err(Error::Api(_)) => Ok(Some(())),
            Err(error) => Err(error).context("asking the API server whether it reaches the webhook"),
        }
    })
}

/// Pretends to create a Release.
async fn probe(client: Client) -> kube::Result<DynamicObject> {
    let resource = resource("openchoreo.dev", "v1alpha1", "Release");
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "probe" } });
    let release = DynamicObject::new("probe", &resource).data(json!({ "spec": {
        "owner": { "projectName": "probe", "componentName": "probe" },
        "environmentName": "probe",
        "resources": [{ "id": "configmap-probe", "object": object }],
    }}));
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    Api::namespaced_with(client, "default", &resource).create(&dry_run, &release).await
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_becomes_a_url_and_a_url_gets_another_port() {
        let mut config = json!({ "caBundle": "Q0E=", "service": { "name": "x", "namespace": "y", "path": "/mutate" } });
        use_port(&mut config, 1234);
        assert_eq!(config, json!({ "caBundle": "Q0E=", "url": "https://127.0.0.1:1234/mutate" }));
        use_port(&mut config, 5678);
        assert_eq!(config, json!({ "caBundle": "Q0E=", "url": "https://127.0.0.1:5678/mutate" }));
    }
}
