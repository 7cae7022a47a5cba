//! Certificates that somebody else makes, mounted as files.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rcgen::{CertificateParams, KeyPair};
use release_tests::pki::{Authority, Credential};
use release_tests::{Namespace, fixture, trials, wait};

use super::objects::{Shop, release};
use super::person::until_accepted;
use super::webhook_certificates::caller::Call;
use super::webhook_certificates::mount::{Mount, content};
use super::webhook_certificates::replica::Settings;
use super::webhook_certificates::system::{LIMIT, System, certificates};
use super::webhook_certificates::{PROPAGATION, write};

trials! { admission: files_are_served_however_they_are_replaced }

/// A certificate of nobody in particular, which has expired.
fn expired() -> anyhow::Result<Credential> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    params.not_after = rcgen::date_time_ymd(2020, 2, 2);
    Ok(Credential { public: params.self_signed(&key)?.pem(), private: key.serialize_pem() })
}

fn files_are_served_however_they_are_replaced(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let system = System(namespace);
    let untouched = system.resource_version()?;
    installation.stop_webhook();
    let (one, another) = (Authority::new()?, Authority::new()?);
    let leaf = |authority: &Authority| authority.server(&["127.0.0.1"]);
    let first = leaf(&one)?;
    let mount = Mount::new(&content(&first))?;
    let flags = [mount.flag("tls-certificate", "tls.crt"), mount.flag("tls-key", "tls.key"), PROPAGATION.to_owned()];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let replica = Settings::new(namespace.control_plane(), "mounted", &flags)?.launch()?;
    let serves = |trusted: &str, credential: &Credential| -> anyhow::Result<bool> {
        Ok(Call::trusting(trusted).send(replica.address)? == certificates(&credential.public)[0])
    };
    let until_serves = |trusted: &str, credential: &Credential| {
        wait::until("what is in the files is served", LIMIT, || Ok(serves(trusted, credential)?.then_some(())))
    };
    replica.until_said("does not trust the certificate")?;
    ensure!(!replica.is_ready() && serves(&one.pem(), &first)?, "nobody trusts it yet, but it is served");
    system.trust(&one.pem());
    system.point_to(replica.address)?;
    replica.until_ready(true)?;
    until_accepted("the API server trusts the files", || shop.jane.in_dry_run().create(&release("web-dev")))?;

    // Under load: swapped as the kubelet does.
    let (is_over, writes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (failures, last) = thread::scope(|scope| -> anyhow::Result<_> {
        let writer = scope.spawn(|| write(&shop, 0, &is_over, &writes));
        let mut last = leaf(&one)?;
        let swapped = (0..10).try_for_each(|_| {
            let next = leaf(&one)?;
            mount.swap(&content(&next))?;
            until_serves(&one.pem(), &next)?;
            last = next;
            anyhow::Ok(())
        });
        is_over.store(true, Ordering::Relaxed);
        let failures = writer.join().unwrap();
        swapped.map(|()| (failures, last))
    })?;
    ensure!(failures.is_empty() && writes.into_inner() > 10, "writes failed: {failures:?}");

    // Only one of the two is written yet, and not even that to its end.
    let next = leaf(&one)?;
    for half in [
        [("tls.crt", next.public.as_str()), ("tls.key", last.private.as_str())],
        [("tls.crt", last.public.as_str()), ("tls.key", &next.private[..90])],
        [("tls.crt", ""), ("tls.key", "")],
    ] {
        let before = replica.said()?.matches("CertificateRefused").count();
        mount.swap(&half)?;
        wait::until("it says that it does not serve this", LIMIT, || {
            Ok((replica.said()?.matches("CertificateRefused").count() > before).then_some(()))
        })?;
        ensure!(serves(&one.pem(), &last)? && replica.is_ready(), "what was served is served no more");
        let mended = "nothing is wrong with it";
        let before = replica.said()?.matches(mended).count();
        mount.swap(&content(&last))?;
        wait::until("it says that all is well", LIMIT, || {
            Ok((replica.said()?.matches(mended).count() > before).then_some(()))
        })?;
    }
    system.until_told("CertificateRefused", "are no certificate with its key")?;
    mount.swap(&content(&expired()?))?;
    system.until_told("CertificateRefused", "the certificate expired at 2020-02-02")?;
    ensure!(serves(&one.pem(), &last)?, "an expired certificate is served");

    // Another authority: its leaf is served when it has been trusted for long enough, and not before.
    let foreign = leaf(&another)?;
    mount.swap(&content(&foreign))?;
    system.until_told("CertificateRefused", "do not trust the new certificate")?;
    let both = format!("{}{}", one.pem(), another.pem());
    ensure!(serves(&one.pem(), &last)?, "nobody trusts it yet");
    let start = Instant::now();
    system.trust(&both);
    until_serves(&both, &foreign)?;
    ensure!(start.elapsed() >= Duration::from_secs(3), "too early: {:?}", start.elapsed());
    system.trust(&another.pem());
    until_accepted("the API server trusts the other", || shop.jane.in_dry_run().create(&release("web-dev")))?;
    replica.until_ready(true)?;

    // Whom the hooks trust is not ours here, and neither is the Secret.
    system.trust(&one.pem());
    replica.until_ready(false)?;
    assert_eq!(system.resource_version()?, untouched, "the Secret was written");
    Ok(())
}
