//! A namespace full of bindings, each with revisions that the webhook recorded.

use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::controlplane::client;
use release_tests::{Namespace, block_on};
use serde_json::json;

use crate::objects::{binding, component, component_release, create, patch};
use crate::stage::{Stage, User};

/// Where each component is pinned.
pub(crate) const ENVIRONMENTS: [&str; 5] = ["development", "integration", "acceptance", "staging", "production"];

/// How many components are written side by side.
const WRITERS: usize = 8;

/// A namespace with so many components, each pinned in every environment and twice changed there.
pub(crate) fn fill<'a>(stage: &Stage<'a>, components: usize) -> anyhow::Result<Namespace<'a>> {
    let namespace = stage.project("fleet", &ENVIRONMENTS)?;
    let owner = User::with_role(&namespace, "developer", "release-developer")?;
    let (client, place) = (client(&owner.kubeconfig)?, namespace.name());
    block_on(
        stream::iter((0..components).map(|number| add(&client, place, number)))
            .buffer_unordered(WRITERS)
            .try_collect::<Vec<()>>(),
    )?;
    Ok(namespace)
}

/// The name of one of the components.
pub(crate) fn name(number: usize) -> String {
    format!("service-{number}")
}

async fn add(client: &Client, namespace: &str, number: usize) -> anyhow::Result<()> {
    let name = name(number);
    let releases =
        ["1.0.0", "1.1.0", "1.2.0"].map(|version| (format!("{name}-{}", version.replace('.', "-")), version));
    create(client, namespace, Kind::Component, &component(&name)).await?;
    for (release, version) in &releases {
        create(client, namespace, Kind::ComponentRelease, &component_release(&name, release, version)).await?;
    }
    let [(first, _), later @ ..] = &releases;
    for environment in ENVIRONMENTS {
        create(client, namespace, Kind::ReleaseBinding, &binding(&name, environment, first)).await?;
        for (release, version) in later {
            let annotations = json!({ (names::REASON): format!("{version} is ready for {environment}") });
            let change = json!({ "metadata": { "annotations": annotations }, "spec": { "releaseName": release } });
            let binding = names::binding_name(&name, environment);
            patch(client, namespace, Kind::ReleaseBinding, &binding, &change).await?;
        }
    }
    Ok(())
}
