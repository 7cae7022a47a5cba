//! Before a refusal or a warning that rests on something being absent: one look at the API server, since a cache may be behind.

use std::time::Duration;

use futures::future::try_join_all;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::violation::Absence;
use release_shared::world::World;
use thiserror::Error;

use crate::review::Request;

/// How long the API server may take; it is waiting for our own answer meanwhile.
const LIMIT: Duration = Duration::from_secs(1);
/// How many looks one review may cost.
const MOST: usize = 12;

/// Why nothing could be confirmed.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("the API server did not answer within {} s", LIMIT.as_secs())]
    Slow,
    #[error("failed to read what seemed absent")]
    Api(#[from] kube::Error),
    #[error("failed to read an object")]
    Json(#[from] serde_json::Error),
}

/// Puts into `world` what the API server says about what seemed absent: the first few, all at once. (A pipeline may name thousands of
/// environments; what is told of the others is a warning.)
pub(crate) async fn confirm(
    client: &Client,
    request: &Request<'_>,
    absences: &[Absence],
    world: &mut World,
) -> Result<(), Error> {
    let looks = absences.iter().take(MOST).map(|absence| look(client, request, absence));
    let found = tokio::time::timeout(LIMIT, try_join_all(looks)).await.map_err(|_| Error::Slow)??;
    for (kind, objects) in found {
        for object in objects {
            let name = object.metadata.name.clone().unwrap_or_default();
            world.put(kind, &name, Some(&serde_json::to_value(object)?));
        }
    }
    Ok(())
}

async fn look(client: &Client, request: &Request<'_>, absence: &Absence) -> Result<(Kind, Vec<DynamicObject>), Error> {
    let objects = |kind| Api::<DynamicObject>::namespaced_with(client.clone(), request.namespace(), &resource(kind));
    match absence {
        Absence::Object(kind, name) => Ok((*kind, objects(*kind).get_opt(name).await?.into_iter().collect())),
        Absence::HealthyRun => {
            let component = request.new.as_ref().and_then(|new| new.pointer("/spec/owner/componentName")?.as_str());
            let selector = format!("spec.owner.componentName={}", component.unwrap_or_default());
            let bindings = objects(Kind::ReleaseBinding).list(&ListParams::default().fields(&selector)).await?;
            Ok((Kind::ReleaseBinding, bindings.items))
        }
    }
}

/// How a kind is addressed.
pub(crate) fn resource(kind: Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(names::GROUP, names::VERSION, kind.as_str()),
        kind.plural(),
    )
}
