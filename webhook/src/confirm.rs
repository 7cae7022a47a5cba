//! Before a refusal that rests on another object, or a warning that one is absent: one look at the API server, since a cache may be
//! behind.

use std::time::Duration;

use futures::future::try_join_all;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use release_edge::kind::resource;
use release_shared::kinds::Kind;
use release_shared::violation::RestsOn;
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
    #[error("failed to read what the judgement rests on")]
    Api(#[from] kube::Error),
    #[error("failed to read an object")]
    Json(#[from] serde_json::Error),
}

/// Brings `world` to what the API server says about what a judgement rests on: the first few, all at once. (A pipeline may name thousands
/// of environments; what is told of the others is a warning.)
pub(crate) async fn confirm(
    client: &Client,
    request: &Request<'_>,
    rests_on: &[RestsOn],
    world: &mut World,
) -> Result<(), Error> {
    let looks = rests_on.iter().take(MOST).map(|other| look(client, request, other));
    let found = tokio::time::timeout(LIMIT, try_join_all(looks)).await.map_err(|_| Error::Slow)??;
    for Seen { kind, name, object } in found.into_iter().flatten() {
        let object = object.map(serde_json::to_value).transpose()?;
        world.put(kind, &name, object.as_ref());
    }
    Ok(())
}

/// An object as it is; `None` where it is not there.
struct Seen {
    kind: Kind,
    name: String,
    object: Option<DynamicObject>,
}

async fn look(client: &Client, request: &Request<'_>, rests_on: &RestsOn) -> Result<Vec<Seen>, Error> {
    let objects = |kind| Api::<DynamicObject>::namespaced_with(client.clone(), request.namespace(), &resource(kind));
    match rests_on {
        RestsOn::Object(kind, name) => {
            let object = objects(*kind).get_opt(name).await?;
            Ok(vec![Seen { kind: *kind, name: name.clone(), object }])
        }
        RestsOn::HealthyRun => {
            let component = request.new.as_ref().and_then(|new| new.pointer("/spec/owner/componentName")?.as_str());
            let selector = format!("spec.owner.componentName={}", component.unwrap_or_default());
            let bindings = objects(Kind::ReleaseBinding).list(&ListParams::default().fields(&selector)).await?;
            let seen = |object: DynamicObject| Seen {
                kind: Kind::ReleaseBinding,
                name: object.name_any(),
                object: Some(object),
            };
            Ok(bindings.items.into_iter().map(seen).collect())
        }
    }
}
