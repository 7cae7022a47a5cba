//! Before a refusal that rests on another object, or a warning that one is absent: one look at the API server, since a cache may be
//! behind.

use std::sync::Arc;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use release_edge::kind::resource;
use release_shared::kinds::Kind;
use release_shared::object::controlling_binding;
use release_shared::types::dns_subdomain_fault;
use release_shared::violation::RestsOn;
use release_shared::world::{View, World};
use thiserror::Error;

use crate::cache::{RawObject, bounded};
use crate::lookups::Lookups;
use crate::review::Request;

/// How many looks one review may cost.
const MOST: usize = 12;
/// How many Releases are read at once, without their objects.
const PAGE: u32 = 20;
/// How many bindings are read at once, and how many bytes of them: as many as one that is as large as can be may have.
const BINDINGS: (u32, usize) = (20, 1 << 20);

/// Why nothing could be confirmed.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("failed to read what the judgement rests on")]
    Api(#[from] kube::Error),
    #[error("failed to read an object")]
    Json(#[from] serde_json::Error),
}

/// Brings `world` to what the API server says about what a judgement rests on: the first few, all at once. (A pipeline may name thousands
/// of environments; what is told of the others is a warning.) Where all is as it was known, it stays the cache's own.
pub(crate) async fn confirm(
    client: &Client,
    lookups: &Lookups,
    request: &Request<'_>,
    rests_on: &[RestsOn],
    world: &mut Arc<World>,
) -> Result<(), Error> {
    let looks = rests_on.iter().take(MOST).map(|other| look(client, lookups, request, other));
    put(try_join_all(looks).await?.into_iter().flatten(), world);
    Ok(())
}

fn put(found: impl Iterator<Item = Found>, world: &mut Arc<World>) {
    let mut now = World::clone(world);
    let mut is_other = false;
    for one in found {
        is_other |= match one {
            Found::Object(name, view) => now.put_view(&name, *view),
            Found::Nothing(kind, name) => now.remove(kind, &name),
            Found::ByHand(environment, release) => now.by_hand.insert(environment, release.clone()) != Some(release),
        };
    }
    if is_other {
        *world = Arc::new(now);
    }
}

/// Whether a namespace is on its way out: then nothing in it holds anything.
pub(crate) async fn is_ending(client: &Client, namespace: &str) -> Result<bool, Error> {
    let found = Api::<Namespace>::all(client.clone()).get_metadata_opt(namespace).await?;
    Ok(found.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some()))
}

/// What was found.
enum Found {
    /// What rules see of an object of this name.
    Object(String, Box<View>),
    /// There is none of this kind and name.
    Nothing(Kind, String),
    /// An environment, and a Release for it that is no binding's.
    ByHand(String, Option<String>),
}

/// Objects of a kind in the namespace of the request.
struct Objects<'a> {
    lookups: &'a Lookups,
    kind: Kind,
    api: Api<RawObject>,
}

impl Objects<'_> {
    async fn get(&self, name: &str) -> Result<Found, Error> {
        // There is none of a name that no object can have, and in a URL it would lead elsewhere.
        let found = match dns_subdomain_fault(name) {
            None => self.lookups.ask(self.api.get_opt(name)).await?,
            Some(_) => None,
        };
        Ok(match found {
            Some(object) => Found::Object(name.to_owned(), Box::new(object.view(self.kind))),
            None => Found::Nothing(self.kind, name.to_owned()),
        })
    }

    /// All of a component; there is one for each of its environments.
    async fn of_component(&self, component: &str) -> Result<Vec<Found>, Error> {
        let selector = format!("spec.owner.componentName={component}");
        let mut page = ListParams::default().fields(&selector).limit(BINDINGS.0);
        let mut all = Vec::new();
        loop {
            let found = self.lookups.ask(self.api.list(&page)).await?;
            let seen = |object: RawObject| Found::Object(object.name_any(), Box::new(object.view(self.kind)));
            all.extend(found.items.into_iter().map(seen));
            match found.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(all),
            }
        }
    }
}

async fn look(
    client: &Client,
    lookups: &Lookups,
    request: &Request<'_>,
    rests_on: &RestsOn,
) -> Result<Vec<Found>, Error> {
    let through = |client: Client, kind| {
        let api = Api::namespaced_with(client, request.namespace(), &resource(kind));
        Objects { lookups, kind, api }
    };
    let objects = |kind| through(client.clone(), kind);
    match rests_on {
        RestsOn::Object(kind, name) => Ok(vec![objects(*kind).get(name).await?]),
        RestsOn::Details(name) => Ok(vec![objects(Kind::ComponentRelease).get(name).await?]),
        RestsOn::Objects(kind, names) => {
            let objects = objects(*kind);
            try_join_all(names.iter().map(|name| objects.get(name))).await
        }
        RestsOn::ReleaseByHand(environment) => {
            let release = by_hand(&objects(Kind::Release), environment).await?;
            Ok(vec![Found::ByHand(environment.clone(), release)])
        }
        RestsOn::HealthyRun => {
            let component = request.new.as_ref().and_then(|new| new.pointer("/spec/owner/componentName")?.as_str());
            match component.filter(|component| dns_subdomain_fault(component).is_none()) {
                Some(component) => {
                    through(bounded(client, BINDINGS.1), Kind::ReleaseBinding).of_component(component).await
                }
                None => Ok(Vec::new()),
            }
        }
    }
}

/// A Release for an environment that is no binding's and that nobody has deleted. Where there are no bindings there are few Releases.
async fn by_hand(releases: &Objects<'_>, environment: &str) -> Result<Option<String>, Error> {
    if dns_subdomain_fault(environment).is_some() {
        return Ok(None);
    }
    let mut page = ListParams::default().fields(&format!("spec.environmentName={environment}")).limit(PAGE);
    loop {
        let found = releases.lookups.ask(releases.api.list_metadata(&page)).await?;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(name: &str, environment: &str) -> Found {
        let owner = json!({"projectName": "shop", "componentName": "web"});
        let binding = json!({"spec": {"owner": owner, "environment": environment}});
        Found::Object(name.to_owned(), Box::new(View::read(Kind::ReleaseBinding, &binding)))
    }

    #[test]
    fn what_is_as_it_was_known_is_no_other_world() {
        let mut world = Arc::new(World::new("acme"));
        put([found("web-dev", "dev"), found("web-staging", "staging")].into_iter(), &mut world);
        let known = Arc::clone(&world);
        let nothing = |name: &str| Found::Nothing(Kind::ReleaseBinding, name.to_owned());
        put([found("web-dev", "dev"), nothing("api-dev")].into_iter(), &mut world);
        assert!(Arc::ptr_eq(&world, &known));
        put([found("web-dev", "dev"), nothing("web-staging")].into_iter(), &mut world);
        assert!(!Arc::ptr_eq(&world, &known));
        assert_eq!(world.names(Kind::ReleaseBinding), ["web-dev"]);
        assert_eq!(known.names(Kind::ReleaseBinding), ["web-dev", "web-staging"], "others judge by it");
        // What did not change is the same, and no copy.
        assert!(std::ptr::eq(&world.bindings["web-dev"], &known.bindings["web-dev"]));
        put([Found::ByHand("dev".to_owned(), None)].into_iter(), &mut world);
        assert_eq!(world.by_hand["dev"], None);
    }
}
