//! Certificates that the webhook makes itself: replaced in time, and put back when somebody takes them away.

pub(crate) mod caller;
pub(crate) mod mount;
pub(crate) mod replica;
pub(crate) mod system;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fmt, fs};

use anyhow::{Context, ensure};
use release_shared::names;
use release_tests::pki::Authority;
use release_tests::service::Service;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::json;

use self::caller::{Call, Laggards};
use self::replica::{Replica, Settings};
use self::system::{LIMIT, System, certificates};
use super::objects::{Shop, created, release, with};
use super::person::{accepts, until_accepted};

trials! {
    admission:
    certificates_are_replaced_under_load_and_no_call_fails,
    a_restart_in_the_middle_of_a_rotation_goes_on,
    what_somebody_takes_away_comes_back,
}

/// For how long an authority must have been trusted here before it signs, and how far an API server may be behind.
pub(crate) const PROPAGATION: &str = "--ca-propagation=5s";
const LAG: Duration = Duration::from_secs(2);
/// How many write at the same time.
const WRITERS: usize = 4;

/// How often leaf and authority are replaced: 20 and 3 times, or `RELEASE_TEST_ROTATIONS` and a tenth of that.
fn rotations() -> anyhow::Result<(usize, usize)> {
    let leaves = match env::var("RELEASE_TEST_ROTATIONS") {
        Ok(text) => text.parse().context("RELEASE_TEST_ROTATIONS is no number")?,
        Err(_) => 20,
    };
    Ok((leaves, (leaves / 10).max(3)))
}

/// Writes into a Release of its own that the webhook is asked about, again and again, until it is over.
pub(crate) fn write(shop: &Shop<'_>, number: usize, is_over: &AtomicBool, writes: &AtomicUsize) -> Vec<String> {
    let mine = with(&release(&format!("web-{number}")), |release| {
        release["spec"]["environmentName"] = format!("dev-{number}").into();
    });
    created(&shop.jane, &mine);
    let mut failures = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let turn = writes.fetch_add(1, Ordering::Relaxed).to_string();
        if let Err(status) = shop.jane.merge(&mine, &json!({ "metadata": { "labels": { "turn": turn } } })) {
            failures.push(status.message);
        }
    }
    failures
}

/// Waits until each of these serves what is in the Secret; that.
pub(crate) fn until_served(system: &System<'_>, replicas: &[&Replica]) -> anyhow::Result<String> {
    let start = Instant::now();
    loop {
        let served: Result<Vec<_>, _> = {
            let trusted = system.bundles()?.swap_remove(0);
            replicas.iter().map(|replica| Call::trusting(&trusted).send(replica.address)).collect()
        };
        let leaf = system.entry("tls.crt")?;
        let expected = certificates(&leaf);
        if let Ok(served) = &served
            && served.iter().all(|served| expected.contains(served))
        {
            return Ok(leaf);
        }
        ensure!(start.elapsed() < LIMIT, "the certificate in the Secret is not served by all: {served:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Asks for what `key` stands for and waits until every replica serves what came of it.
fn rotate(system: &System<'_>, replicas: &[&Replica], key: &str, made: &str) -> anyhow::Result<()> {
    let before = system.entry(made)?;
    system.ask_for(key)?;
    wait::until(&format!("another {made}"), LIMIT, || {
        let now = system.entry(made)?;
        Ok((!now.is_empty() && now != before).then_some(()))
    })?;
    until_served(system, replicas).map(drop)
}

fn certificates_are_replaced_under_load_and_no_call_fails(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let (leaves, authorities) = rotations()?;
    let counts = replace_under_load(namespace, leaves, authorities)?;
    let _ = writeln!(io::stderr(), "{leaves} leaves, {authorities} authorities: {counts}");
    Ok(())
}

/// What went on while certificates were replaced, and did not fail.
pub(crate) struct Counts {
    writes: usize,
    laggards: usize,
    peak: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, laggards, peak } = self;
        write!(f, "{writes} writes, {laggards} calls of laggards, none failed; at most {} MiB", peak >> 20)
    }
}

/// Replaces so many leaves and authorities of two replicas one by one, while people write and laggards call. Fails with any of these.
pub(crate) fn replace_under_load(
    namespace: &Namespace<'_>,
    leaves: usize,
    authorities: usize,
) -> anyhow::Result<Counts> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let system = System(namespace);
    installation.stop_webhook();
    // An authority that never signed a leaf of a longer life: else it would be trusted for as long as that.
    system.delete_secret()?;
    let flags = [PROPAGATION, "--leaf-lifetime=40s", "--ca-lifetime=24h"];
    let settings = |name| Settings::new(namespace.control_plane(), name, &flags);
    let (one, other) = (settings("one")?.start()?, settings("other")?.start()?);
    let service = Service::start()?;
    for replica in [&one, &other] {
        service.add(replica.address, replica.health)?;
    }
    system.point_to(service.address)?;
    until_accepted("the API server reaches the replicas", || shop.jane.in_dry_run().create(&release("web-dev")))?;

    let laggards = Laggards::new(&system, LAG)?;
    let (is_over, writes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failures = thread::scope(|scope| -> anyhow::Result<Vec<String>> {
        let (shop, is_over, writes, laggards) = (&shop, &is_over, &writes, &laggards);
        let writers: Vec<_> =
            (0..WRITERS).map(|number| scope.spawn(move || write(shop, number, is_over, writes))).collect();
        let watcher = scope.spawn(|| laggards.watch(is_over));
        for address in [one.address, other.address] {
            scope.spawn(move || laggards.call(address, is_over));
        }
        let rotated = (0..leaves + authorities).try_for_each(|turn| {
            // An authority after every so many leaves.
            let is_authority = turn % (leaves / authorities + 1) == leaves / authorities;
            let (key, made) = if is_authority { ("ca.key", "ca.crt") } else { ("tls.key", "tls.crt") };
            rotate(&system, &[&one, &other], key, made).with_context(|| format!("rotation {turn}, of {made}"))
        });
        is_over.store(true, Ordering::Relaxed);
        let failures = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        watcher.join().unwrap()?;
        rotated.map(|()| failures)
    })?;
    let (writes, calls) = (writes.into_inner(), laggards.calls.into_inner());
    let refused = laggards.failures.into_inner().unwrap();
    ensure!(failures.is_empty(), "{} of {writes} writes failed: {:?}", failures.len(), failures.first());
    ensure!(refused.is_empty(), "{} of {calls} calls failed: {:?}", refused.len(), refused.first());
    ensure!(writes > 100 && calls > 100, "too little was going on: {writes} writes, {calls} calls");

    // The authorities before go with their last leaves.
    let last = certificates(&system.entry("ca.crt")?);
    wait::until("the authorities before are not trusted any more", Duration::from_secs(60), || {
        Ok((certificates(&system.bundles()?.swap_remove(0)) == last).then_some(()))
    })?;
    assert_eq!((system.entry("old-ca.crt")?, system.entry("next-ca.crt")?), (String::new(), String::new()));
    system.until_trusted("all hooks trust one authority", &last)?;
    accepts(&shop.jane, &release("web-dev"));
    let peak = one.peak()?.max(other.peak()?);
    // What lives so shortly is no start for the tests after this one.
    drop((one, other));
    system.delete_secret()?;
    Ok(Counts { writes, laggards: calls, peak })
}

fn a_restart_in_the_middle_of_a_rotation_goes_on(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let system = System(namespace);
    installation.stop_webhook();
    let settings = Settings::new(namespace.control_plane(), "restarted", &["--ca-propagation=15s"])?;
    let first = settings.start()?;
    let leaf = until_served(&system, &[&first])?;
    let before = system.secret()?.context("there is no Secret")?;
    system.ask_for("ca.key")?;
    let next = wait::until("the next authority is made", LIMIT, || {
        Ok(Some(system.entry("next-ca.crt")?).filter(|next| !next.is_empty()))
    })?;
    first.kill();
    let begun = system.secret()?.context("there is no Secret")?;
    assert_eq!((&begun["ca.crt"], &begun["tls.crt"]), (&before["ca.crt"], &leaf), "it signed too early");

    let start = Instant::now();
    let second = settings.start()?;
    assert_eq!(until_served(&system, &[&second])?, leaf, "what it has not seen trusted for long is not served");
    assert_eq!(system.entry("next-ca.crt")?, next, "the next authority is the one that was made before");
    wait::until("the next authority signs", LIMIT, || Ok((system.entry("ca.crt")? == next).then_some(())))?;
    ensure!(start.elapsed() >= Duration::from_secs(15), "too early: {:?}", start.elapsed());
    let leaf = until_served(&system, &[&second])?;
    assert_ne!(leaf, before["tls.crt"]);
    let after = system.secret()?.context("there is no Secret")?;
    assert_eq!(certificates(&after["old-ca.crt"])[0], certificates(&before["ca.crt"])[0]);
    ensure!(!after.contains_key("next-ca.crt") && !after.contains_key("next-ca.key"), "{:?}", after.keys());
    system.until_told("AuthorityChanged", "signs from now on")?;

    // As after a theft of its key: nothing that is served was signed by it, so nothing keeps it.
    system.ask_for("old-ca.crt")?;
    system.until_trusted("the authority before is not trusted any more", &certificates(&next))?;
    assert_eq!(until_served(&system, &[&second])?, leaf);
    wait::until("nothing is left of it", LIMIT, || Ok(system.entry("old-ca.until")?.is_empty().then_some(())))
}

fn what_somebody_takes_away_comes_back(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let system = System(namespace);
    let log = || fs::read_to_string(installation.webhook_log()).context("reading the webhook's log");
    let ask = || shop.jane.in_dry_run().create(&release("web-dev"));
    accepts(&shop.jane, &release("web-dev"));
    let before = system.secret()?.context("there is no Secret")?;
    let authorities = [certificates(&before["ca.crt"]), certificates(&system.entry("old-ca.crt")?)].concat();
    let soon = |what: &str, start: Instant| {
        ensure!(start.elapsed() < Duration::from_secs(20), "{what} only after {:?}", start.elapsed());
        Ok(())
    };

    let start = Instant::now();
    system.delete_secret()?;
    wait::until("the Secret is back", LIMIT, || Ok(system.secret()?.filter(|now| *now == before)))?;
    soon("the Secret was back", start)?;
    system.until_told("CertificateRestored", "was deleted")?;

    let start = Instant::now();
    system.empty_bundles();
    until_accepted("the API server trusts the webhook again", ask)?;
    system.until_trusted("the authorities are back", &authorities)?;
    soon("the authorities were back", start)?;
    system.until_told("AuthorityRestored", "caBundle")?;

    // caBundle is ours alone: another authority there could answer in our place.
    let stranger = Authority::new()?.pem();
    system.trust(&format!("{}{stranger}", before["ca.crt"]));
    system.until_trusted("the stranger is gone", &authorities)?;

    // The rest is told, and left to whoever took off what says that this version keeps it.
    let timeout = |at: usize, seconds: u32| {
        vec![json!({ "op": "replace", "path": format!("/webhooks/{at}/timeoutSeconds"), "value": seconds })]
    };
    system.patch(|at| timeout(at, 3));
    let told_of_time = "the hook mutate.release.openchoreo.dev: timeoutSeconds is 3 and not 10";
    system.until_told("ConfigurationChanged", told_of_time)?;
    ensure!(log()?.contains(told_of_time), "it is not logged");
    assert_eq!(installation.webhook_health("/readyz"), Some(200), "calls are answered");
    accepts(&shop.jane, &release("web-dev"));
    let kept =
        ["get", "mutatingwebhookconfiguration", "release-webhook", "-o", "jsonpath={.webhooks[0].timeoutSeconds}"];
    assert_eq!(namespace.kubectl(kept).run().expect_code(0).stdout(), "3", "it was undone");
    // As deploy/ has it: the third hook is the second one of its configuration.
    system.patch(|at| timeout(at, if at == 1 { 2 } else { 10 }));
    system.until_told("ConfigurationChanged", "as installed again")?;

    // So is where a hook calls: one that calls nobody is none.
    let url = installation.webhook_url().context("the webhook was never started")?;
    let call = |url: &str| {
        let step =
            json!({ "op": "replace", "path": "/webhooks/1/clientConfig/url", "value": format!("{url}/validate") });
        system.patch(|at| if at == 1 { vec![step.clone()] } else { Vec::new() });
    };
    call("https://nowhere.example:9443");
    let told = "the hook delete.release.openchoreo.dev: clientConfig.url calls nowhere.example, which is no name of this webhook";
    system.until_told("ConfigurationChanged", told)?;
    let readiness = installation.webhook_says("/readyz?verbose")?;
    ensure!(readiness.contains(&format!("[!]{told}\n")), "{readiness}");
    call(&url);
    wait::until("it is as installed again", LIMIT, || {
        Ok((!installation.webhook_says("/readyz?verbose")?.contains("[!]")).then_some(()))
    })?;
    ensure!(system.secret()? == Some(before), "nothing of this asks for a new certificate");

    // Where they say so, all of it is put back.
    system.annotate(&format!("{}={}", names::KEPT_AS, env!("CARGO_PKG_VERSION")));
    let seconds = |of: usize| -> anyhow::Result<String> { system.field(of, "{.webhooks[*].timeoutSeconds}") };
    let start = Instant::now();
    system.patch(|at| timeout(at, 3));
    wait::until("the hooks are as installed", LIMIT, || {
        Ok((seconds(0)? == "10" && seconds(1)? == "10 2").then_some(()))
    })?;
    soon("the hooks were as installed", start)?;
    system.until_told("ConfigurationRestored", told_of_time)?;
    let start = Instant::now();
    system.patch_one(1, &[json!({ "op": "remove", "path": "/webhooks/1" })]);
    let names_of = |of: usize| system.field(of, "{.webhooks[*].name}");
    wait::until("the hook is back", LIMIT, || {
        Ok((names_of(1)? == "validate.release.openchoreo.dev delete.release.openchoreo.dev").then_some(()))
    })?;
    soon("the hook was back", start)?;
    system.until_told("ConfigurationRestored", "the hook delete.release.openchoreo.dev is missing")?;
    assert_eq!(system.field(1, "{.webhooks[1].clientConfig.url}")?, format!("{url}/validate"));
    let readiness = installation.webhook_says("/readyz?verbose")?;
    ensure!(!readiness.contains("[!]"), "{readiness}");
    system.annotate(&format!("{}-", names::KEPT_AS));
    Ok(())
}
