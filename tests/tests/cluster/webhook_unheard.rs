//! Nobody answers the webhook, and nobody says so; nobody reads what it says.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use jiff::Timestamp;
use nix::sys::signal::Signal;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::Value;

use super::fault_proxy::{Fate, Proxy};
use super::frozen::{FREEZE, freeze};
use super::line::Line;
use super::objects::Shop;
use super::replica::by_way_of;
use super::webhook_certificates::replica::{Replica, Settings};
use super::webhook_connections::{review, trusted};
use super::wire::{Wire, post};

trials! {
    admission:
    a_watch_that_is_lost_without_a_word_is_noticed,
    a_list_that_stops_half_way_is_begun_again,
    a_log_that_nobody_reads_holds_nobody_up,
}

/// A watch begins anew after 45 s, and one of which nothing comes is given up 5 s later; beginning may fail on other connections that are
/// just as dead, for 10 s. The rest is for a busy machine.
const NOTICED: Duration = Duration::from_secs(90);
const HEARD: &str = r#"release_webhook_cache_heard_timestamp_seconds{kind="Environment"}"#;
const INTERRUPTED: &str = r#"release_webhook_cache_interruptions_total{kind="Environment"}"#;

/// A call about a Release in `dev`, of which everything is there.
fn by_hand(namespace: &Namespace<'_>) -> Vec<u8> {
    let body = review(|request| request["namespace"] = namespace.name().into());
    post("/mutate?timeout=10s", &["Content-Type: application/json"], body.as_bytes())
}

/// What happened meanwhile is known as soon as it is noticed, and the age of the cache told that something is wrong.
fn a_watch_that_is_lost_without_a_word_is_noticed(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let control_plane = namespace.control_plane();
    let line = Line::start(control_plane)?;
    let mut settings = Settings::new(control_plane, "unheard", &[])?;
    settings.kubeconfig = line.kubeconfig(control_plane)?;
    let replica = settings.start()?;
    let trusted = trusted(namespace)?;
    let call = by_hand(namespace);
    let ask = || -> anyhow::Result<Value> { Wire::open(&trusted, replica.address)?.ask(&call)?.review() };
    assert_eq!(ask()?["allowed"], true);
    let before = replica.figure(HEARD)?;

    line.goes_dead();
    let start = Instant::now();
    freeze(&shop.pat, "dev", Some(FREEZE));
    assert_eq!(ask()?["allowed"], true, "the webhook heard of it over a dead connection");
    // Others make Environments, too, of which it would have heard at once.
    thread::sleep(Duration::from_secs(20));
    let age = Timestamp::now().as_second() as f64 - replica.figure(HEARD)?;
    ensure!(age >= 19.0, "the cache is {age} s old, and nobody told it anything");
    let refused = wait::until("the webhook has seen the freeze", NOTICED - start.elapsed(), || {
        Ok(Some(ask()?).filter(|told| told["allowed"] == false))
    })?;
    told("a freeze was seen over a way that had gone dead", start.elapsed());
    assert_eq!(refused["status"]["details"]["causes"][0]["reason"], "Frozen");
    ensure!(replica.figure(HEARD)? >= before + 20.0, "its age does not tell that the watch is back");
    ensure!(replica.is_ready(), "it is unready although it can answer");
    Ok(())
}

/// At its start, too, when nothing else would ever ask again. A list is given up after 10 s of silence, and begun again within 5 s.
fn a_list_that_stops_half_way_is_begun_again(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    Shop::open(namespace, "warn")?;
    let proxy = Proxy::start(namespace.control_plane())?;
    proxy.stop_first(format!("/apis/{}/{}", names::API_VERSION, Kind::Environment.plural()));
    let mut settings = Settings::new(namespace.control_plane(), "stopped", &[])?;
    settings.kubeconfig = by_way_of(&proxy, namespace.control_plane())?;
    let start = Instant::now();
    let replica = settings.start()?;
    told("ready beside a list that stopped half-way", start.elapsed());
    let stopped = proxy.calls().into_iter().filter(|(.., fate)| *fate == Fate::AnswerStops).count();
    assert_eq!(stopped, 1);
    ensure!(replica.figure(INTERRUPTED)? >= 1.0, "nobody told that a list came to nothing");
    Ok(())
}

/// Ten thousand lines are forty times what a pipe holds, and more than what waits.
fn a_log_that_nobody_reads_holds_nobody_up(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    Shop::open(namespace, "warn")?;
    let call = by_hand(namespace);
    let mut settings = Settings::new(namespace.control_plane(), "unread", &[])?;
    settings.is_read = false;
    let mut replica = settings.start()?;
    let trusted = trusted(namespace)?;
    let start = Instant::now();
    let answered: anyhow::Result<Vec<()>> = thread::scope(|scope| {
        let people: Vec<_> = (0..4).map(|_| scope.spawn(|| answered(&replica, &trusted, &call, 2_500))).collect();
        people.into_iter().map(|person| person.join().expect("a test that panicked")).collect()
    });
    answered?;
    told("10,000 reviews beside a log that nobody reads", start.elapsed());
    ensure!(replica.figure("release_webhook_log_lines_dropped_total")? > 0.0, "somebody reads its log");
    ensure!(replica.is_ready(), "it is unready although it can answer");
    let start = Instant::now();
    replica.signal(Signal::SIGTERM)?;
    ensure!(replica.wait()?, "it did not end well");
    ensure!(
        start.elapsed() < Duration::from_secs(30),
        "its end waited for whoever reads its log: {:?}",
        start.elapsed()
    );
    Ok(())
}

fn answered(replica: &Replica, trusted: &str, call: &[u8], times: usize) -> anyhow::Result<()> {
    let mut wire = Wire::open(trusted, replica.address)?;
    for _ in 0..times {
        assert_eq!(wire.ask(call)?.review()?["allowed"], true);
    }
    Ok(())
}

fn told(what: &str, took: Duration) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{what}: {took:.1?}");
}
