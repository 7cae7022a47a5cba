//! Many objects, and as large as they can be: what the webhook keeps of them has a bound, and so has what it needs to read them.

mod bindings;

use std::time::{Duration, Instant};

use anyhow::ensure;
use release_shared::kinds::Kind;
use release_tests::{ControlPlane, Installation, Namespace, Options, trials};
use serde_json::{Map, Value, json};

use super::report::{MEMORY, Report, mebibytes, scaled};
use crate::cluster::objects::{binding, component_release, with};
use crate::cluster::webhook_certificates::replica::Settings;
use crate::cluster::webhook_connections::{review, trusted};
use crate::cluster::wire::{Wire, post};

use bindings::refused_promotions_in_a_large_namespace_fit_into_a_pod;

trials! {
    admission:
    a_start_beside_large_releases_fits_into_a_pod,
    refused_promotions_in_a_large_namespace_fit_into_a_pod,
}

const RELEASES: usize = 200;
/// Until it is ready: it reads all of them.
const LIMIT: Duration = Duration::from_secs(120);

/// Of about a megabyte, each third of them large in another way. The name is none of its content, which then is read as a whole.
fn large(at: usize) -> Value {
    let zeros = || Value::from(vec![0; 500_000]);
    let value =
        |at: usize| (format!("value-{at}"), json!({ "type": "string", "default": "x", "description": "x".repeat(40) }));
    let properties = || (0..10_000).map(value).collect::<Map<_, _>>();
    let release = component_release("web", &format!("web-large-{at}"), &format!("1.0.{at}"));
    with(&release, |release| {
        let spec = &mut release["spec"]["componentType"]["spec"];
        let schema = &mut spec["environmentConfigs"]["openAPIV3Schema"];
        match at % 3 {
            0 => schema["properties"]["size"]["enum"] = zeros(),
            1 => schema["properties"].as_object_mut().unwrap().extend(properties()),
            _ => spec["resources"][0]["template"]["spec"] = json!({ "numbers": zeros() }),
        }
    })
}

/// In a control plane of its own: nobody else wants to read these.
fn a_start_beside_large_releases_fits_into_a_pod(_: &Namespace<'_>) -> anyhow::Result<()> {
    let own = ControlPlane::start(&Options { nodes: 0, ..Options::default() })?;
    let installation = Installation::without_controller(&own)?;
    let report = Report::begin("sizes");
    let namespace = Namespace::create(&own, "sizes")?;
    let trusted = trusted(&namespace)?;
    installation.stop_webhook();
    let number = scaled(RELEASES, 50)?;
    let mut bytes = 0;
    for at in 0..number {
        let release = large(at);
        bytes += release.to_string().len();
        own.store(namespace.name(), Kind::ComponentRelease, &release)?;
    }
    report.say(format!("{number} ComponentReleases, {} together", mebibytes(bytes)));

    let start = Instant::now();
    let replica = Settings::new(&own, "sizes", &[])?.launch()?;
    while !replica.is_ready() {
        ensure!(start.elapsed() < LIMIT, "it is not ready: {:?}", replica.health("/readyz?verbose"));
        std::thread::sleep(Duration::from_millis(50));
    }
    let (ready, peak, memory) = (start.elapsed(), replica.peak()?, replica.memory()?);
    report.say(format!(
        "ready after {ready:.1?}; peak {}, then {}, of {}",
        mebibytes(peak),
        mebibytes(memory),
        mebibytes(MEMORY)
    ));
    ensure!(peak < MEMORY, "it had {}", mebibytes(peak));

    // What is not kept is looked up: a pin is judged by all of its release, or refused.
    let mut wire = Wire::open(&trusted, replica.address)?;
    let mut pin = |release: &str, size: Value| -> anyhow::Result<Value> {
        let pin = with(&binding("web", "dev", release), |pin| {
            pin["spec"]["componentTypeEnvironmentConfigs"] = json!({ "size": size });
        });
        let body = review(|request| {
            request["kind"]["kind"] = "ReleaseBinding".into();
            request["namespace"] = namespace.name().into();
            request["object"] = pin.clone();
        });
        wire.ask(&post("/mutate?timeout=10s", &["Content-Type: application/json"], body.as_bytes()))?.review()
    };
    for at in 0..number {
        let refused = pin(&format!("web-large-{at}"), json!({ "not": "text" }))?;
        let code = &refused["status"]["details"]["causes"][0]["reason"];
        ensure!(*code == if at % 3 == 2 { "ConfigType" } else { "Unreadable" }, "web-large-{at}: {refused}");
    }
    assert_eq!(pin("web-large-2", "small".into())?["allowed"], true);
    let peak = replica.peak()?;
    report.say(format!("{number} pins judged by what was looked up; peak {}", mebibytes(peak)));
    ensure!(peak < MEMORY, "it had {}", mebibytes(peak));
    Ok(())
}
