//! How soon it is seen that something happened to live objects.

use std::time::Instant;

use anyhow::Context;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use release_shared::kinds::Kind;
use release_tests::block_on;
use serde_json::{Value, json};

use super::KNOWN;
use super::follow::{self, States};
use super::storm::{self, Town};
use crate::row::{Goal, Row, Unit};
use crate::stage::Stage;

/// How often each thing happens, each time to another component.
const ROUNDS: usize = 5;

/// At worst, in seconds.
const GOAL: Goal = Goal::Most(1.0);

/// Of the known system, which looks at intervals: the shorter and the longer of what was seen.
const KNOWN_CHANGED: f64 = 215.0;
const KNOWN_DELETED: f64 = 275.0;

pub(crate) fn rows(stage: &Stage<'_>, town: &Town<'_>) -> anyhow::Result<Vec<Row>> {
    let client = stage.control_plane.client();
    let mut deleted: f64 = 0.0;
    let mut failing: f64 = 0.0;
    for round in 0..ROUNDS {
        deleted = deleted.max(block_on(service_deleted(&client, town, round))?);
        failing = failing.max(block_on(pod_fails(&client, town, ROUNDS + round))?);
    }
    let row = |what: &str, measure, ours, known| {
        Row::new(what, measure, Unit::Seconds, ours).beside(KNOWN, known).with_goal(Some(GOAL))
    };
    Ok(vec![
        row("a Service deleted by hand", "until it is back or missed, at worst", deleted, KNOWN_DELETED),
        row("a pod that starts to fail", "until its release is Degraded, at worst", failing, KNOWN_CHANGED),
    ])
}

/// The states of the Release that a component's binding is rendered into.
async fn release(client: &Client, town: &Town<'_>, number: usize) -> anyhow::Result<States> {
    let releases = follow::ours(client, town.namespace.name(), Kind::Release);
    let listed = releases.list(&ListParams::default()).await.context("looking for a Release")?;
    let binding = storm::binding_name(number);
    let is_of_binding = |release: &&DynamicObject| {
        release.metadata.owner_references.iter().flatten().any(|owner| owner.name == binding)
    };
    let found = listed.items.iter().find(is_of_binding).and_then(|release| release.metadata.name.as_deref());
    let name = found.with_context(|| format!("{binding} has no Release"))?;
    Ok(follow::states(releases, name))
}

/// Seconds until another one stands in its place, or the Release says something else than before.
async fn service_deleted(client: &Client, town: &Town<'_>, number: usize) -> anyhow::Result<f64> {
    let name = storm::name(number);
    let services: Api<Service> = Api::namespaced(client.clone(), &town.target);
    let erased = Api::namespaced_with(client.clone(), &town.target, &ApiResource::erase::<Service>(&()));
    let mut lives = follow::states(erased, &name);
    let mut releases = release(client, town, number).await?;
    let life = follow::next("a Service", &mut lives).await?;
    let said = follow::next("a Release", &mut releases).await?;

    let start = Instant::now();
    services.delete(&name, &DeleteParams::default()).await.context("deleting a Service")?;
    let is_another = |state: &Value| state.is_object() && state["metadata"]["uid"] != life["metadata"]["uid"];
    let says_another = |state: &Value| state.is_object() && state["status"] != said["status"];
    tokio::select! {
        back = follow::until("the Service to be back", &mut lives, is_another) => back?,
        missed = follow::until("the Release to miss it", &mut releases, says_another) => missed?,
    };
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds until the Release says that it is Degraded.
async fn pod_fails(client: &Client, town: &Town<'_>, number: usize) -> anyhow::Result<f64> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &town.target);
    let selector = format!("app.kubernetes.io/component={}", storm::name(number));
    let found = pods.list(&ListParams::default().labels(&selector)).await.context("looking for a pod")?;
    let pod = found.items.into_iter().next().with_context(|| format!("no pod has {selector}"))?;
    let name = pod.metadata.name.context("a pod without a name")?;
    let mut releases = release(client, town, number).await?;
    follow::until("a healthy Release", &mut releases, |state| state["status"]["health"] == "Healthy").await?;

    let start = Instant::now();
    let failing = Patch::Strategic(json!({ "status": crash_loop() }));
    pods.patch_status(&name, &PatchParams::default(), &failing).await.context("making a pod fail")?;
    follow::until("a Degraded Release", &mut releases, |state| state["status"]["health"] == "Degraded").await?;
    Ok(start.elapsed().as_secs_f64())
}

/// A container that has crashed again and again for minutes, as a kubelet reports it.
fn crash_loop() -> Value {
    let minutes_ago = |minutes: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes)).to_string();
    let condition = |kind: &str| json!({ "type": kind, "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": minutes_ago(0) });
    let last = json!({ "exitCode": 3, "reason": "Error", "startedAt": minutes_ago(2), "finishedAt": minutes_ago(1) });
    json!({
        "startTime": minutes_ago(10),
        "conditions": [condition("Ready"), condition("ContainersReady")],
        "containerStatuses": [{
            "name": "main", "image": "main", "imageID": "main", "ready": false, "started": false, "restartCount": 4,
            "state": { "running": null, "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 1m20s restarting failed container" } },
            "lastState": { "terminated": last },
        }],
    })
}
