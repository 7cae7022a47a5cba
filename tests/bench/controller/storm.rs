//! Fifty pins at once.

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, ListParams};
use kube::{Api, Client};
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, block_on};
use serde_json::Value;

use super::{KNOWN, application, calls, follow};
use crate::audit::{AuditLog, Request};
use crate::objects::{binding, component, create, snapshot};
use crate::process::Process;
use crate::row::{Goal, Row, Unit};
use crate::stage::Stage;

/// How many pins, of how many objects each.
pub(crate) const PINS: usize = 50;
const OBJECTS: usize = 4;

/// Where everything is pinned.
const ENVIRONMENT: &str = "town";

/// How many components are prepared side by side.
const WRITERS: usize = 8;

/// Of each known figure.
const PART: Goal = Goal::Part(0.2);

/// Of the known system, for as many pins of as many objects: seconds, calls for each pin, bytes of its three processes.
const KNOWN_PODS: f64 = 11.0;
const KNOWN_STATUS: f64 = 14.5;
const KNOWN_CALLS: f64 = 74.0;
const KNOWN_CPU: f64 = 5.6;
const KNOWN_MEMORY: f64 = 157e6;

/// A namespace with components that run.
pub(crate) struct Town<'a> {
    /// Where our objects are.
    pub(crate) namespace: Namespace<'a>,
    /// Where theirs are.
    pub(crate) target: String,
}

/// The name of one of the components.
pub(crate) fn name(number: usize) -> String {
    format!("house-{number}")
}

/// The name of its binding.
pub(crate) fn binding_name(number: usize) -> String {
    names::binding_name(&name(number), ENVIRONMENT)
}

pub(crate) fn rows<'a>(stage: &Stage<'a>) -> anyhow::Result<(Town<'a>, Vec<Row>)> {
    let namespace = stage.project("town", &[ENVIRONMENT])?;
    let client = stage.control_plane.client();
    block_on(prepare(&client, namespace.name(), 0..PINS))?;

    let direct = directly(stage)?;
    let mark = calls::silence(stage)?;
    let controller = Process::of(stage.control_plane, names::CONTROLLER_MANAGER)?;
    let before = [controller.cpu()?, stage.webhook.cpu()?];
    let start = Timestamp::now();
    block_on(pin(&client, namespace.name(), 0..PINS))?;
    calls::silence(stage)?;
    let taken = [controller.cpu()? - before[0], stage.webhook.cpu()? - before[1]];
    let peaks = [controller.memory()?.peak, stage.webhook.memory()?.peak];

    let target = target(&client, namespace.name())?;
    let asked = calls::since(stage, mark)?;
    let is_status = |request: &&Request| matches!(&*request.resource, "releases/status" | "releasebindings/status");
    let last = asked.iter().filter(is_status).map(|request| request.at).max();
    let status = seconds(start, last.context("the controller wrote no status")?)?;
    let pods = until_pods(stage, mark, start, &target)?;
    let each = asked.len() as f64 / PINS as f64;

    let what = format!("{PINS} pins of {OBJECTS} objects at once");
    let row = |measure, unit, ours, known| Row::new(&what, measure, unit, ours).beside(KNOWN, known);
    let rows = vec![
        row("until the last pod is ready", Unit::Seconds, pods, KNOWN_PODS).with_goal(Some(PART)),
        row("until the last status is written", Unit::Seconds, status, KNOWN_STATUS).with_goal(Some(PART)),
        row("API calls for each", Unit::Count, each, KNOWN_CALLS).with_goal(Some(PART)).showing(&of_one(&asked)),
        row("CPU time, controller", Unit::Seconds, taken[0], KNOWN_CPU).with_goal(Some(PART)),
        row("CPU time, webhook as well", Unit::Seconds, taken[0] + taken[1], KNOWN_CPU),
        row("peak memory, controller", Unit::Bytes, peaks[0], KNOWN_MEMORY).with_goal(Some(PART)),
        row("peak memory, webhook as well", Unit::Bytes, peaks[0] + peaks[1], KNOWN_MEMORY),
        Row::new(&what, "until the last pod is ready", Unit::Seconds, pods)
            .beside("the same objects created by a script", direct),
    ];
    Ok((Town { namespace, target }, rows))
}

/// Seconds until the last pod is ready where nobody releases anything: the same objects, created side by side. Less than this
/// takes another cluster.
fn directly(stage: &Stage<'_>) -> anyhow::Result<f64> {
    let namespace = Namespace::create(stage.control_plane, "directly")?;
    // Its deletion would run beside what is measured next.
    namespace.keep();
    let (mark, client) = (calls::silence(stage)?, stage.control_plane.client());
    let start = Timestamp::now();
    let make = |number: usize| {
        let (client, place) = (&client, namespace.name());
        async move {
            for object in application::small(&name(number), "1.0.0") {
                application::create(client, place, &object).await?;
            }
            anyhow::Ok(())
        }
    };
    block_on(stream::iter((0..PINS).map(make)).buffer_unordered(WRITERS).try_collect::<Vec<()>>())?;
    let pods = Api::namespaced_with(client, namespace.name(), &ApiResource::erase::<Pod>(&()));
    block_on(follow::until_all("pods that are ready", pods, PINS, is_ready))?;
    AuditLog::of(stage.control_plane).settled()?;
    until_pods(stage, mark, start, namespace.name())
}

fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Seconds until the last pod of a namespace was ready.
fn until_pods(stage: &Stage<'_>, mark: u64, start: Timestamp, namespace: &str) -> anyhow::Result<f64> {
    let mut played = AuditLog::of(stage.control_plane).requests(mark, "kwok")?;
    // One such request makes a pod ready.
    played.retain(|request| request.resource == "pods/status" && request.namespace == namespace);
    ensure!(played.len() >= PINS, "{} of {PINS} pods became ready", played.len());
    seconds(start, played.iter().map(|request| request.at).max().context("no pod became ready")?)
}

fn seconds(start: Timestamp, end: Timestamp) -> anyhow::Result<f64> {
    Ok((end - start).total(jiff::Unit::Second)?)
}

/// Cuts a release of each of these components.
pub(crate) async fn prepare(
    client: &Client,
    namespace: &str,
    numbers: impl IntoIterator<Item = usize>,
) -> anyhow::Result<()> {
    let prepare = |number: usize| async move {
        let name = name(number);
        create(client, namespace, Kind::Component, &component(&name)).await?;
        let release = snapshot(&name, &format!("{name}-1"), "1.0.0", &application::small(&name, "1.0.0"));
        create(client, namespace, Kind::ComponentRelease, &release).await
    };
    stream::iter(numbers.into_iter().map(prepare)).buffer_unordered(WRITERS).try_collect::<Vec<_>>().await?;
    Ok(())
}

/// Pins all of them at once, and waits until they run well.
pub(crate) async fn pin(client: &Client, namespace: &str, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
    let all = numbers.end;
    let pins: Vec<_> = numbers.map(name).map(|name| binding(&name, ENVIRONMENT, &format!("{name}-1"))).collect();
    try_join_all(pins.iter().map(|pin| create(client, namespace, Kind::ReleaseBinding, pin))).await?;
    let bindings = follow::ours(client, namespace, Kind::ReleaseBinding);
    follow::until_all("bindings that run well", bindings, all, follow::is_healthy).await
}

/// The namespace that the releases' objects went to.
fn target(client: &Client, namespace: &str) -> anyhow::Result<String> {
    let releases = block_on(follow::ours(client, namespace, Kind::Release).list(&ListParams::default()))?;
    let mut targets =
        releases.items.iter().filter_map(|release| release.data["status"]["resources"][0]["namespace"].as_str());
    targets.next().map(str::to_owned).context("no release says where its objects are")
}

/// The requests for one component in the middle, whichever namespace they went to.
fn of_one(asked: &[Request]) -> Vec<String> {
    let name = name(PINS / 2);
    asked.iter().filter(|request| request.name.starts_with(&name)).map(Request::to_string).collect()
}
