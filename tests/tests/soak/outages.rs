//! What the webhook stands on goes away and comes back: the API server, its store, the way to it. It recovers by itself, and its
//! readiness tells the truth.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use release_tests::{ControlPlane, Installation, Namespace, Options, trials, wait};

use super::load::Load;
use super::report::{Report, scaled};
use crate::cluster::fault_proxy::Proxy;
use crate::cluster::objects::{Shop, environment, release};
use crate::cluster::person::{Person, until_accepted};
use crate::cluster::replica::by_way_of;
use crate::cluster::webhook_certificates::replica::{Replica, Settings};
use crate::cluster::webhook_certificates::system::System;

trials! { admission: it_recovers_by_itself_whatever_was_away }

const PEOPLE: usize = 4;
/// How long something is away, in seconds.
const AWAY: usize = 60;
const RESTARTS: usize = 3;
/// How often all watches are cut.
const CUTS: usize = 50;
/// Until it has recovered.
const LIMIT: Duration = Duration::from_secs(30);

/// In a control plane of its own: no other test can do without the API server.
fn it_recovers_by_itself_whatever_was_away(_: &Namespace<'_>) -> anyhow::Result<()> {
    let own = ControlPlane::start(&Options { nodes: 0, ..Options::default() })?;
    let installation = Installation::without_controller(&own)?;
    installation.stop_webhook();
    let report = Report::begin("outages");
    let away = Duration::from_secs(u64::try_from(scaled(AWAY, 5)?)?);

    let replica = started_before_the_api_server(&report, &own, away)?;
    let namespace = Namespace::create(&own, "outages")?;
    System(&namespace).point_to(replica.address)?;
    let jane = Shop::people(&namespace)?.jane.in_dry_run();
    until_accepted("the API server reaches the replica", || jane.create(&release("probe")))?;

    for _ in 0..scaled(RESTARTS, 1)? {
        outage(&report, &replica, &own, "API server", away, ControlPlane::stop_api_server, |own| {
            own.start_api_server()
        })?;
        outage(&report, &replica, &own, "etcd", away, ControlPlane::stop_etcd, |own| own.start_etcd())?;
    }
    ensure!(!replica.said()?.contains("panicked"), "it panicked");
    drop(replica);
    watches_are_cut(&report, &namespace)
}

/// It waits, says that it is not ready and why, and is when the API server is there.
fn started_before_the_api_server(report: &Report, own: &ControlPlane, away: Duration) -> anyhow::Result<Replica> {
    let settings = Settings::new(own, "early", &[])?;
    own.stop_api_server();
    let replica = settings.launch()?;
    let start = Instant::now();
    while start.elapsed() < away {
        ensure!(!replica.is_ready(), "it is ready without an API server");
        assert_eq!(replica.health("/livez")?, "ok\n");
        thread::sleep(Duration::from_millis(200));
    }
    own.start_api_server()?;
    let back = Instant::now();
    replica.until_ready(true)?;
    report.say(format!("started {away:?} before the API server: unready, and ready {:.1?} after it", back.elapsed()));
    Ok(replica)
}

/// Something goes away under load. The webhook could answer all the time, says so, and does when it is asked again.
fn outage(
    report: &Report,
    replica: &Replica,
    own: &ControlPlane,
    what: &str,
    away: Duration,
    stop: impl Fn(&ControlPlane),
    start: impl Fn(&ControlPlane) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let namespace = Namespace::create(own, "outage")?;
    let load = Load::start(&namespace, PEOPLE)?;
    load.until_more(100)?;
    let gone = Instant::now();
    stop(own);
    while gone.elapsed() < away {
        ensure!(replica.is_ready(), "it is unready although it can answer: {:?}", replica.health("/readyz?verbose"));
        thread::sleep(Duration::from_millis(200));
    }
    start(own).with_context(|| format!("starting {what}"))?;
    let back = Instant::now();
    let jane = Person::admin(&namespace).in_dry_run();
    until_accepted("writes are taken again", || jane.create(&release("probe")))?;
    let accepted = Instant::now();
    until_seen(replica, &namespace, "back")?;
    let seen = back.elapsed();
    load.until_more(200)?;
    let summary = load.stop()?;
    report.say(format!(
        "{what} away for {away:?}: writes {:.1?} and watches {seen:.1?} after it was back; {}",
        accepted - back,
        summary.told()
    ));
    summary.explained(gone).iter().for_each(|line| report.say(format!("  {line}")));
    ensure!(seen < LIMIT, "only after {seen:?}");
    let late: Vec<_> =
        summary.failures.iter().filter(|failure| failure.at > accepted + Duration::from_secs(2)).collect();
    ensure!(late.is_empty(), "{} writes failed later: {:?}", late.len(), late.first());
    Ok(())
}

/// Makes an Environment, and waits until the webhook has heard of it.
fn until_seen(replica: &Replica, namespace: &Namespace<'_>, name: &str) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let before = Timestamp::now().as_second() as f64;
    // Times are told in whole seconds; a moment makes sure that this one is later.
    thread::sleep(Duration::from_millis(1100));
    until_accepted("an Environment is taken", || admin.create(&environment(name, &[])))?;
    wait::until("the webhook hears of an Environment", LIMIT, || {
        let heard = replica.figure(r#"release_webhook_cache_heard_timestamp_seconds{kind="Environment"}"#)?;
        Ok((heard >= before + 1.0).then_some(()))
    })
}

/// By a way to the API server of its own.
fn watches_are_cut(report: &Report, namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let control_plane = namespace.control_plane();
    let proxy = Proxy::start(control_plane)?;
    let mut settings = Settings::new(control_plane, "cut", &[])?;
    settings.kubeconfig = by_way_of(&proxy, control_plane)?;
    let replica = settings.start()?;
    System(namespace).point_to(replica.address)?;
    let jane = Shop::people(namespace)?.jane.in_dry_run();
    until_accepted("the API server reaches the replica", || jane.create(&release("probe")))?;
    let load = Load::start(namespace, PEOPLE)?;
    let start = Instant::now();
    let interrupted = r#"release_webhook_cache_interruptions_total{kind="Environment"}"#;
    let (mut slowest, cuts) = (Duration::ZERO, scaled(CUTS, 3)?);
    for turn in 0..cuts {
        // Cut for a moment, or for some seconds.
        proxy.cut();
        thread::sleep(Duration::from_secs(if turn % 3 == 2 { 5 } else { 0 }));
        ensure!(replica.is_ready(), "it is unready although it can answer");
        proxy.mend();
        let mended = Instant::now();
        until_seen(&replica, namespace, &format!("cut-{turn}"))?;
        slowest = slowest.max(mended.elapsed());
    }
    let times = replica.figure(interrupted)?;
    let summary = load.stop()?;
    report.say(format!(
        "watches cut {cuts} times, {times} times told: seen again at most {slowest:.1?} after; {}",
        summary.told()
    ));
    summary.explained(start).iter().for_each(|line| report.say(format!("  {line}")));
    ensure!(times >= 1.0, "no watch was interrupted");
    ensure!(summary.failures.is_empty(), "{} writes failed", summary.failures.len());
    Ok(())
}
