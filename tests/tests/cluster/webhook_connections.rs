//! Who only holds on to a connection keeps nobody out: silent, slow, or too many of them. The limits are short here, by flags.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::objects::{Shop, release};
use super::person::until_accepted;
use super::webhook_certificates::replica::Settings;
use super::webhook_certificates::system::System;
use super::wire::{Wire, post};

trials! {
    admission:
    a_slow_loris_of_each_kind_is_cut_off,
    hundreds_of_silent_connections_keep_nobody_out,
    announced_bodies_push_nobody_out,
    few_open_files_lock_nobody_out,
    slow_bodies_keep_nobody_out_and_too_much_is_told_to_come_again,
    a_connection_may_be_idle_and_gets_old,
}

/// Whom the hooks trust.
pub(crate) fn trusted(namespace: &Namespace<'_>) -> anyhow::Result<String> {
    Ok(System(namespace).bundles()?.swap_remove(0))
}

/// A review of a Release, with a change of its request. The uid comes first, as the API server writes it.
pub(crate) fn review(change: impl Fn(&mut Value)) -> String {
    let mut request = json!({
        "kind": { "group": "openchoreo.dev", "version": "v1alpha1", "kind": "Release" },
        "name": "web-dev", "namespace": "nowhere", "operation": "CREATE", "userInfo": { "username": "jane" },
        "object": release("web-dev"), "oldObject": null, "dryRun": false, "options": null,
    });
    change(&mut request);
    let request = request.to_string();
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"0-8-15",{}}}"#,
        &request[1..]
    )
}

/// A whole call with it.
pub(crate) fn good() -> Vec<u8> {
    post("/mutate?timeout=10s", &["Content-Type: application/json"], review(|_| {}).as_bytes())
}

fn head(length: usize) -> String {
    format!(
        "POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{\"kind\""
    )
}

const SHORT: [&str; 4] = ["--handshake-timeout=2s", "--header-timeout=2s", "--body-timeout=2s", "--write-timeout=2s"];

fn a_slow_loris_of_each_kind_is_cut_off(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let replica = Settings::new(namespace.control_plane(), "loris", &SHORT)?.start()?;
    let (address, trusted) = (replica.address, trusted(namespace)?);
    let soon = |what: &str, start: Instant| {
        ensure!(start.elapsed() < Duration::from_secs(20), "{what}: only after {:?}", start.elapsed());
        Ok(())
    };

    let start = Instant::now();
    for half in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(half)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        ensure!(ends(&mut socket), "a handshake of {} bytes is waited for", half.len());
    }
    soon("handshakes", start)?;

    let start = Instant::now();
    let mut wire = Wire::open(&trusted, address)?;
    for byte in b"POST /mutate HTTP/1.1\r\nHost: a\r\nX: ".iter().chain(std::iter::repeat_n(&b'x', 1000)) {
        if wire.send(&[*byte]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    soon("a head that drips", start)?;

    let start = Instant::now();
    let mut wire = Wire::open(&trusted, address)?;
    assert_eq!(wire.ask(head(1000).as_bytes())?.status, 408);
    soon("a body that does not come", start)?;

    let start = Instant::now();
    let mut wire = Wire::open(&trusted, address)?;
    // The uid comes back with the answer: so much of it fills soon what the system keeps for a socket.
    let call = review(|_| {}).replacen("0-8-15", &"x".repeat(60_000), 1);
    let call = post("/mutate", &["Content-Type: application/json"], call.as_bytes());
    let told = (0..1000).find_map(|_| wire.send(&call).err());
    ensure!(told.is_some(), "answers that nobody reads are kept");
    soon("answers that nobody reads", start)?;

    ensure!(replica.figure("release_webhook_tls_handshake_failures_total")? >= 2.0, "no handshake was counted");
    assert_eq!(replica.figure(r#"release_webhook_unanswered_total{reason="slow"}"#)?, 1.0);
    assert_eq!(Wire::open(&trusted, address)?.ask(&good())?.review()?["allowed"], true);
    wait::until("none of them is left", Duration::from_secs(20), || {
        Ok((replica.figure("release_webhook_connections")? <= 1.0).then_some(()))
    })
}

fn ends(socket: &mut TcpStream) -> bool {
    use std::io::{ErrorKind, Read};
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// The API server's calls go on while somebody opens five times as many connections as there may be, with and without a handshake.
fn hundreds_of_silent_connections_keep_nobody_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let system = System(namespace);
    installation.stop_webhook();
    // Nobody goes because their time is over.
    let flags = ["--max-connections=100", "--handshake-timeout=60s", "--header-timeout=60s"];
    let replica = Settings::new(namespace.control_plane(), "crowded", &flags)?.start()?;
    system.point_to(replica.address)?;
    let ask = || shop.jane.in_dry_run().create(&release("web-dev"));
    until_accepted("the API server reaches the replica", ask)?;
    let before = replica.memory()?;
    let trusted = trusted(namespace)?;
    let silent: Vec<_> = (0..250).map(|_| TcpStream::connect(replica.address)).collect::<Result<_, _>>()?;
    let mut shaken = Vec::new();
    for turn in 0..250 {
        shaken.push(Wire::open(&trusted, replica.address).with_context(|| format!("connection {turn}"))?);
        if turn % 25 == 0 {
            ask().map_err(|status| anyhow::anyhow!("turn {turn}: {status:?}"))?;
            ensure!(replica.is_ready(), "it is not ready");
        }
    }
    let open = replica.figure("release_webhook_connections")?;
    ensure!(open <= 100.0, "{open} connections");
    ensure!(replica.figure("release_webhook_connections_evicted_total")? >= 400.0, "nobody gave way");
    let grown = replica.memory()?.saturating_sub(before);
    ensure!(grown < 16 << 20, "100 connections cost {grown} bytes");
    drop((silent, shaken));
    ask().map_err(|status| anyhow::anyhow!("{status:?}"))?;
    Ok(())
}

/// Bodies that are only thrown away, and never come, take no seat from who makes calls: the API server's calls go on.
fn announced_bodies_push_nobody_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    installation.stop_webhook();
    let replica = Settings::new(namespace.control_plane(), "announced", &["--max-connections=64"])?.start()?;
    System(namespace).point_to(replica.address)?;
    let ask = || shop.jane.in_dry_run().create(&release("web-dev"));
    until_accepted("the API server reaches the replica", ask)?;
    let trusted = trusted(namespace)?;
    let announced = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
    let (mut held, start) = (Vec::new(), Instant::now());
    // Twice as many as there may be, and for longer than one of them is given.
    while held.len() < 128 || start.elapsed() < Duration::from_secs(3) {
        ensure!(start.elapsed() < Duration::from_secs(90), "only {} were let in", held.len());
        // Who comes while all others have their time may be turned away.
        if let Ok(mut wire) = Wire::open(&trusted, replica.address)
            && wire.send(announced).is_ok()
        {
            held.push(wire);
        }
        if held.len() % 8 == 0 {
            ask().map_err(|status| anyhow::anyhow!("after {}: {status:?}", held.len()))?;
            let open = replica.figure("release_webhook_connections")?;
            ensure!(open <= 64.0, "{open} connections");
        }
    }
    replica.until_ready(true)
}

/// As many silent connections as files, where the system allows few: the first replica takes fewer, the other one runs out.
fn few_open_files_lock_nobody_out(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    installation.stop_webhook();
    for (files, said) in [((30, 200), "fewer connections than --max-connections"), ((45, 45), "failed to accept")] {
        let replica = Settings::new(namespace.control_plane(), "few-files", &[])?.with_files(files).start()?;
        System(namespace).point_to(replica.address)?;
        let ask = || shop.jane.in_dry_run().create(&release("web-dev"));
        until_accepted("the API server reaches the replica", ask)?;
        let silent: Vec<_> = (0..250).map(|_| TcpStream::connect(replica.address)).collect::<Result<_, _>>()?;
        replica.until_said(said)?;
        // Where files did run out, who came in that moment may have been closed; what comes while they are held is answered.
        if files.0 == files.1 {
            until_accepted("files are free again", ask)?;
        }
        for turn in 0..20 {
            ask().map_err(|status| anyhow::anyhow!("{files:?} files, turn {turn}: {status:?}"))?;
        }
        replica.until_ready(true)?;
        let open = replica.figure("release_webhook_connections")?;
        ensure!(open <= 72.0, "{open} connections");
        drop(silent);
    }
    Ok(())
}

/// A body that never comes, of an announced size.
fn slow_body(trusted: &str, address: SocketAddr, size: usize) -> anyhow::Result<Wire> {
    let mut wire = Wire::open(trusted, address)?;
    wire.send(head(size).as_bytes())?;
    Ok(wire)
}

fn slow_bodies_keep_nobody_out_and_too_much_is_told_to_come_again(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let flags = ["--bytes-in-flight=7Mi", "--body-timeout=15s"];
    let replica = Settings::new(namespace.control_plane(), "slow", &flags)?.start()?;
    let (address, trusted) = (replica.address, trusted(namespace)?);
    let begun = Instant::now();
    // All the room there is for small bodies and for large ones is spoken for, by who sends nothing.
    let mut slow = thread::scope(|scope| -> anyhow::Result<Vec<Wire>> {
        let open = || (0..32).map(|_| slow_body(&trusted, address, 64 << 10)).collect::<Result<Vec<_>, _>>();
        let openers: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        let opened: Result<Vec<_>, _> = openers.into_iter().map(|opener| opener.join().unwrap()).collect();
        Ok(opened?.into_iter().flatten().collect())
    })?;
    slow.push(slow_body(&trusted, address, 7 << 20)?);
    let large = review(|request| {
        request["object"]["spec"]["resources"][0]["object"]["data"] = json!({ "a": "x".repeat(1 << 20) })
    });
    let large = post("/mutate?timeout=10s", &["Content-Type: application/json"], large.as_bytes());
    for call in [&good(), &large] {
        let answer = Wire::open(&trusted, address)?.ask(call)?;
        ensure!(answer.status == 200 || (answer.status == 503 && answer.header("retry-after") == "1"), "{answer:?}");
        // What the API server does when it is told so.
        if answer.status == 503 {
            thread::sleep(Duration::from_secs(1));
            assert_eq!(Wire::open(&trusted, address)?.ask(call)?.review()?["uid"], "0-8-15");
        }
    }
    // By itself none of them ends before that.
    let own_end = Duration::from_secs(14).saturating_sub(begun.elapsed());
    ensure!(!own_end.is_zero(), "only after {:?}", begun.elapsed());
    wait::until("somebody has given way", own_end, || {
        Ok((replica.figure(r#"release_webhook_unanswered_total{reason="slow"}"#)? > 0.0).then_some(()))
    })?;
    assert_eq!(replica.health("/livez")?, "ok\n");
    assert_eq!(replica.health("/readyz")?, "ok\n");
    drop(slow);

    // Twenty large ones at the same time: each is answered, or told to come again and answered then.
    let counts = thread::scope(|scope| -> anyhow::Result<Vec<usize>> {
        let (trusted, large) = (&trusted, &large);
        let callers: Vec<_> = (0..20).map(|_| scope.spawn(move || until_answered(trusted, address, large))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })?;
    ensure!(counts.iter().all(|tries| *tries <= 10), "the API server gives up after ten: {counts:?}");
    Ok(())
}

/// Calls again as often as it is told to; how often it took.
fn until_answered(trusted: &str, address: SocketAddr, call: &[u8]) -> anyhow::Result<usize> {
    for tries in 1..=30 {
        let answer = Wire::open(trusted, address)?.ask(call)?;
        if answer.status != 503 {
            assert_eq!(answer.review()?["uid"], "0-8-15");
            return Ok(tries);
        }
        assert_eq!(answer.header("retry-after"), "1");
        thread::sleep(Duration::from_secs(1));
    }
    anyhow::bail!("never answered")
}

fn a_connection_may_be_idle_and_gets_old(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let flags = [&SHORT[..], &["--max-connection-age=12s"]].concat();
    let replica = Settings::new(namespace.control_plane(), "aged", &flags)?.start()?;
    let mut wire = Wire::open(&trusted(namespace)?, replica.address)?;
    let start = Instant::now();
    // Longer than any other limit here.
    for _ in 0..2 {
        let answer = wire.ask(&good())?;
        assert_eq!((answer.review()?["allowed"].as_bool(), answer.header("connection")), (Some(true), ""));
        thread::sleep(Duration::from_millis(2500));
    }
    ensure!(start.elapsed() < Duration::from_secs(10), "too busy a machine to see this");
    thread::sleep(Duration::from_secs(12).saturating_sub(start.elapsed()));
    let answer = wire.ask(&good())?;
    assert_eq!((answer.review()?["allowed"].as_bool(), answer.header("connection")), (Some(true), "close"));
    ensure!(wire.is_ended(), "it stays open");
    Ok(())
}
