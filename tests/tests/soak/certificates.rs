//! Certificates are replaced under load, one after the other: our own, and those that somebody else mounts.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use release_tests::pki::{Authority, Credential};
use release_tests::{Namespace, fixture, trials, wait};

use super::load::Load;
use super::report::{MEMORY, Report, mebibytes, scaled};
use crate::cluster::objects::{Shop, release};
use crate::cluster::person::until_accepted;
use crate::cluster::webhook_certificates::caller::Call;
use crate::cluster::webhook_certificates::mount::{Mount, content};
use crate::cluster::webhook_certificates::replica::{Replica, Settings};
use crate::cluster::webhook_certificates::system::{LIMIT, System, certificates};
use crate::cluster::webhook_certificates::{PROPAGATION, replace_under_load};

trials! {
    admission:
    certificates_are_replaced_under_load_and_no_call_fails,
    mounted_files_are_swapped_under_load_and_no_call_fails,
}

const LEAVES: usize = 200;
const AUTHORITIES: usize = 20;
/// How often mounted files are swapped.
const SWAPS: usize = 200;
/// Who writes meanwhile.
const PEOPLE: usize = 8;

fn certificates_are_replaced_under_load_and_no_call_fails(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let report = Report::begin("certificates");
    let (leaves, authorities) = (scaled(LEAVES, 3)?, scaled(AUTHORITIES, 1)?);
    let counts = replace_under_load(namespace, leaves, authorities)?;
    report.say(format!("leaf {leaves} times, authority {authorities} times: {counts}"));
    Ok(())
}

/// Waits until this is what is shown; how long that took.
fn until_served(replica: &Replica, trusted: &str, credential: &Credential) -> anyhow::Result<Duration> {
    let start = Instant::now();
    wait::until("what is in the files is served", LIMIT, || {
        let shown = Call::trusting(trusted).send(replica.address)?;
        Ok((shown == certificates(&credential.public)[0]).then(|| start.elapsed()))
    })
}

fn mounted_files_are_swapped_under_load_and_no_call_fails(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    installation.stop_webhook();
    let report = Report::begin("mounted files");
    let (authority, jane) = (Authority::new()?, Shop::people(namespace)?.jane.in_dry_run());
    let leaf = || authority.server(&["127.0.0.1"]);
    let (trusted, mut last) = (authority.pem(), leaf()?);
    let mount = Mount::new(&content(&last))?;
    let flags = [mount.flag("tls-certificate", "tls.crt"), mount.flag("tls-key", "tls.key"), PROPAGATION.to_owned()];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let replica = Settings::new(namespace.control_plane(), "swapped", &flags)?.launch()?;
    let system = System(namespace);
    system.trust(&trusted);
    system.point_to(replica.address)?;
    replica.until_ready(true)?;
    until_accepted("the API server trusts the files", || jane.create(&release("probe")))?;

    let start = Instant::now();
    let load = Load::start(namespace, PEOPLE)?;
    let (swaps, mut slowest) = (scaled(SWAPS, 3)?, Duration::ZERO);
    for turn in 0..swaps {
        let next = leaf()?;
        // Whoever writes them may write one after the other.
        if turn % 10 == 2 {
            mount.swap(&[("tls.crt", next.public.as_str()), ("tls.key", last.private.as_str())])?;
        }
        mount.swap(&content(&next))?;
        let took = until_served(&replica, &trusted, &next).with_context(|| format!("swap {turn}"))?;
        slowest = slowest.max(took);
        last = next;
    }
    ensure!(replica.is_ready(), "it is not ready");
    load.until_more(100)?;
    let (summary, peak) = (load.stop()?, replica.peak()?);
    let told = summary.told();
    report.say(format!("{swaps} swaps, served at most {slowest:.1?} after: {told}; peak {}", mebibytes(peak)));
    summary.explained(start).iter().for_each(|line| report.say(line));
    ensure!(summary.failures.is_empty(), "{} of {} writes failed", summary.failures.len(), summary.writes);
    ensure!(peak < MEMORY, "it had {}", mebibytes(peak));
    Ok(())
}
