//! Before a refusal that rests on another object, or a warning that one is absent: one look at the API server, since a cache may be
//! behind.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use release_edge::kind::resource;
use release_shared::kinds::Kind;
use release_shared::object::controlling_binding;
use release_shared::violation::RestsOn;
use release_shared::world::World;
use thiserror::Error;

use crate::review::Request;

/// How long the API server may take; it is waiting for our own answer meanwhile.
const LIMIT: Duration = Duration::from_secs(1);
/// How many looks one review may cost.
const MOST: usize = 12;
/// How many Releases are read at once, without their objects.
const PAGE: u32 = 20;

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
    for seen in found.into_iter().flatten() {
        match seen {
            Seen::Object(kind, name, object) => {
                let object = object.map(serde_json::to_value).transpose()?;
                world.put(kind, &name, object.as_ref());
            }
            Seen::ByHand(environment, release) => drop(world.by_hand.insert(environment, release)),
        }
    }
    Ok(())
}

/// Whether a namespace is on its way out: then nothing in it holds anything.
pub(crate) async fn is_ending(client: &Client, namespace: &str) -> Result<bool, Error> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let look = namespaces.get_metadata_opt(namespace);
    let found = tokio::time::timeout(LIMIT, look).await.map_err(|_| Error::Slow)??;
    Ok(found.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some()))
}

/// What was seen.
enum Seen {
    /// An object as it is; `None` where it is not there.
    Object(Kind, String, Option<Box<DynamicObject>>),
    /// An environment, and a Release for it that is no binding's.
    ByHand(String, Option<String>),
}

async fn look(client: &Client, request: &Request<'_>, rests_on: &RestsOn) -> Result<Vec<Seen>, Error> {
    let objects = |kind| Api::<DynamicObject>::namespaced_with(client.clone(), request.namespace(), &resource(kind));
    match rests_on {
        RestsOn::Object(kind, name) => {
            let object = objects(*kind).get_opt(name).await?;
            Ok(vec![Seen::Object(*kind, name.clone(), object.map(Box::new))])
        }
        RestsOn::Objects(kind, names) => {
            let api = objects(*kind);
            let look =
                async |name: &String| Ok(Seen::Object(*kind, name.clone(), api.get_opt(name).await?.map(Box::new)));
            try_join_all(names.iter().map(look)).await
        }
        RestsOn::ReleaseByHand(environment) => {
            let release = by_hand(&objects(Kind::Release), environment).await?;
            Ok(vec![Seen::ByHand(environment.clone(), release)])
        }
        RestsOn::HealthyRun => {
            let component = request.new.as_ref().and_then(|new| new.pointer("/spec/owner/componentName")?.as_str());
            let selector = format!("spec.owner.componentName={}", component.unwrap_or_default());
            let bindings = objects(Kind::ReleaseBinding).list(&ListParams::default().fields(&selector)).await?;
            let seen =
                |object: DynamicObject| Seen::Object(Kind::ReleaseBinding, object.name_any(), Some(Box::new(object)));
            Ok(bindings.items.into_iter().map(seen).collect())
        }
    }
}

/// A Release for an environment that is no binding's and that nobody has deleted. Where there are no bindings there are few Releases.
async fn by_hand(releases: &Api<DynamicObject>, environment: &str) -> Result<Option<String>, Error> {
    let mut page = ListParams::default().fields(&format!("spec.environmentName={environment}")).limit(PAGE);
    loop {
        let found = releases.list_metadata(&page).await?;
        for release in &found.items {
            let object = serde_json::to_value(release)?;
            if release.metadata.deletion_timestamp.is_none() && controlling_binding(&object).is_none() {
                return Ok(Some(release.name_any()));
            }
        }
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(None),
        }
    }
}
