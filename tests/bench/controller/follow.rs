//! Objects as they change, by watches: what asks again and again would be a part of what is measured.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use release_shared::kinds::Kind;
use release_shared::names;
use serde_json::Value;
use tokio::time::timeout;

/// Until what is waited for has come.
const LIMIT: Duration = Duration::from_secs(180);

/// One of our kinds in a namespace.
pub(crate) fn ours(client: &Client, namespace: &str, kind: Kind) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk(names::GROUP, names::VERSION, kind.as_str());
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&gvk, kind.plural()))
}

/// Each state of an object from now on, the present one first.
pub(crate) type States = BoxStream<'static, anyhow::Result<Value>>;

/// Those of the object of this name.
pub(crate) fn states(api: Api<DynamicObject>, name: &str) -> States {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let states = watcher::watcher(api, config).map_err(anyhow::Error::from);
    let states = states.try_filter_map(|event| async move {
        let (watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else { return Ok(None) };
        Ok(Some(serde_json::to_value(object)?))
    });
    states.boxed()
}

/// The next of them.
pub(crate) async fn next(what: &str, states: &mut States) -> anyhow::Result<Value> {
    let state = timeout(LIMIT, states.next()).await.with_context(|| format!("waiting for {what}"))?;
    state.with_context(|| format!("the watch over {what} ended"))?.with_context(|| format!("following {what}"))
}

/// Waits for a state that is right.
pub(crate) async fn until(what: &str, states: &mut States, is_right: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    let right = timeout(LIMIT, async {
        while !is_right(&last) {
            last = next(what, states).await?;
        }
        Ok(())
    });
    match right.await {
        Ok(outcome) => outcome.map(|()| last),
        Err(_) => bail!("waited {LIMIT:?} in vain for {what}; the last status seen is {}", last["status"]),
    }
}

/// Waits until so many objects are there and every one is right.
pub(crate) async fn until_all(
    what: &str,
    api: Api<DynamicObject>,
    count: usize,
    is_right: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    let mut events = pin!(watcher::watcher(api, watcher::Config::default()));
    let mut wrong = BTreeMap::new();
    let mut right = 0;
    let all = timeout(LIMIT, async {
        while let Some(event) = events.next().await {
            let event = event.with_context(|| format!("following {what}"))?;
            let (watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else { continue };
            let name = object.name_any();
            let object = serde_json::to_value(object)?;
            match is_right(&object) {
                true => wrong.insert(name, None),
                false => wrong.insert(name, Some(object["status"].clone())),
            };
            right = wrong.values().filter(|status| status.is_none()).count();
            if right >= count && right == wrong.len() {
                return Ok(());
            }
        }
        bail!("the watch over {what} ended")
    });
    match all.await {
        Ok(outcome) => outcome,
        Err(_) => {
            let example = wrong.iter().find_map(|(name, status)| Some((name, status.as_ref()?)));
            bail!("waited {LIMIT:?} in vain for {what}: {right} of {count} are; for example {example:?}")
        }
    }
}

/// Whether a binding's present revision runs well, by its status.
pub(crate) fn is_healthy(binding: &Value) -> bool {
    let revision = binding["metadata"]["annotations"][names::REVISION].as_str().and_then(|text| text.parse().ok());
    let outcomes = binding["status"]["outcomes"].as_array().into_iter().flatten();
    let mut present = outcomes.filter(|outcome| outcome["revision"].as_i64() == revision && revision.is_some());
    binding["status"]["health"] == "Healthy" && present.any(|outcome| outcome["firstHealthyAt"].is_string())
}
