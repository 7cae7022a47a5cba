//! What the webhook does where its authority cannot be written, and where a configuration is gone: it answers for as long as it is trusted,
//! and says what is wrong.

use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, ensure};
use http::Method;
use release_shared::names;
use release_tests::pki::Authority;
use release_tests::service::Service;
use release_tests::{Installation, Namespace, fixture, http_status, programs, trials, wait};
use serde_json::{Value, json};

use super::fault_proxy::{Fate, Proxy};
use super::objects::{Shop, records, release};
use super::person::{refused_by_the_server, until_accepted};
use super::replica::by_way_of;
use super::webhook_certificates::caller::Call;
use super::webhook_certificates::replica::{Replica, Settings};
use super::webhook_certificates::system::{LIMIT, System, certificates};
use super::webhook_certificates::{PROPAGATION, until_served};
use super::webhook_way_out::Installed;

trials! {
    admission:
    a_refused_authority_leaves_it_in_the_path_and_is_written_later,
    what_cannot_be_taken_out_of_a_bundle_leaves_it_in_the_path,
    a_deleted_configuration_is_told_and_the_other_one_is_answered,
}

/// Longer than [`PROPAGATION`], and than a look that nobody asks for after a failure.
const LONG: Duration = Duration::from_secs(6);

/// A webhook whose way to the API server may refuse, and the API server calls it where it is ready, as by a Service.
struct Behind {
    proxy: Proxy,
    replica: Replica,
    service: Service,
}

impl Behind {
    fn start(namespace: &Namespace<'_>, name: &str, installation: &Installation<'_>) -> anyhow::Result<Self> {
        installation.stop_webhook();
        let proxy = Proxy::start(namespace.control_plane())?;
        let kubeconfig = by_way_of(&proxy, namespace.control_plane())?;
        let mut settings = Settings::new(namespace.control_plane(), name, &[PROPAGATION])?;
        settings.kubeconfig = kubeconfig;
        let replica = settings.start()?;
        let service = Service::start()?;
        service.add(replica.address, replica.health)?;
        System(namespace).point_to(service.address)?;
        Ok(Self { proxy, replica, service })
    }

    /// From now on it may not write configurations of this kind, as where a policy of the cluster's owner says so.
    fn refuse(&self, plural: &'static str) {
        let is_it = move |path: &str| path.contains(&format!("/{plural}/"));
        self.proxy.rule(move |call| {
            if call.method != Method::GET && is_it(&call.path) { Fate::Refused(403, 0) } else { Fate::Arrives }
        });
    }

    fn allow(&self) {
        self.proxy.rule(|_| Fate::Arrives);
    }

    fn until_remarked(&self, expected: &str) -> anyhow::Result<()> {
        wait::until(&format!("a remark: {expected}"), LIMIT, || {
            let told = self.replica.health("/readyz?verbose")?;
            Ok(told.lines().any(|line| line.starts_with("[!]") && line.contains(expected)).then_some(()))
        })
        .with_context(|| self.replica.said().unwrap_or_default())
    }

    fn until_well(&self) -> anyhow::Result<()> {
        wait::until("nothing is to be looked at any more", LIMIT, || {
            Ok((!self.replica.health("/readyz?verbose")?.contains("[!]")).then_some(()))
        })
    }
}

/// For so long it is ready and changes go through.
fn answers_for(time: Duration, behind: &Behind, shop: &Shop<'_>, object: &Value) -> anyhow::Result<()> {
    let start = Instant::now();
    for turn in 0.. {
        ensure!(behind.replica.is_ready(), "unready after {:?}: {}", start.elapsed(), behind.replica.said()?);
        let label = json!({ "metadata": { "labels": { "turn": turn.to_string() } } });
        let told = shop.jane.merge(object, &label);
        ensure!(told.is_ok(), "a change fails after {:?}: {told:?}", start.elapsed());
        if start.elapsed() >= time {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn a_refused_authority_leaves_it_in_the_path_and_is_written_later(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let system = System(namespace);
    let behind = Behind::start(namespace, "refused", &installation)?;
    let object = until_accepted("the API server reaches it", || shop.jane.create(&release("web-dev")))?;
    let leaf = until_served(&system, &[&behind.replica])?;
    let before = certificates(&system.entry("ca.crt")?).swap_remove(0);

    // One of the two is enough: the next authority may not sign before it is in both.
    behind.refuse("validatingwebhookconfigurations");
    system.ask_for("ca.key")?;
    let words = "could not be written into the ValidatingWebhookConfiguration release-webhook";
    behind.until_remarked(words)?;
    system.until_told("AuthorityRefused", words)?;
    let is_warned = |line: &str| line.contains("WARN") && line.contains("AuthorityRefused");
    ensure!(behind.replica.said()?.lines().any(is_warned), "it is not logged");
    answers_for(LONG, &behind, &shop, &object)?;
    let next = certificates(&system.entry("next-ca.crt")?).swap_remove(0);
    let bundles: Vec<_> = system.bundles()?.iter().map(|bundle| certificates(bundle).contains(&next)).collect();
    assert_eq!(bundles, [true, false, false]);
    let trusted = system.bundles()?.swap_remove(2);
    let served = Call::trusting(&trusted).send(behind.replica.address)?;
    assert_eq!(served, certificates(&leaf)[0], "it serves what a hook does not trust");

    let start = Instant::now();
    behind.allow();
    wait::until("the next authority signs", Duration::from_secs(60), || {
        Ok((certificates(&system.entry("ca.crt")?).first() == Some(&next)).then_some(()))
    })?;
    ensure!(start.elapsed() >= Duration::from_secs(3), "too early: {:?}", start.elapsed());
    assert_ne!(until_served(&system, &[&behind.replica])?, leaf);
    system.until_told("AuthorityAccepted", "configurations have the authorities")?;
    behind.until_well()?;
    answers_for(Duration::ZERO, &behind, &shop, &object)?;

    // Nor does it matter that the one before cannot be taken out.
    behind.refuse("mutatingwebhookconfigurations");
    system.ask_for("old-ca.crt")?;
    behind.until_remarked("could not be written into the MutatingWebhookConfiguration release-webhook")?;
    answers_for(LONG, &behind, &shop, &object)?;
    let trusts_both = |bundle: &String| certificates(bundle).contains(&before);
    assert_eq!(system.bundles()?.iter().map(trusts_both).collect::<Vec<_>>(), [true, false, false]);
    behind.allow();
    system.until_trusted("the one before is trusted no more", &[next])?;
    behind.until_well()
}

fn what_cannot_be_taken_out_of_a_bundle_leaves_it_in_the_path(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let system = System(namespace);
    let behind = Behind::start(namespace, "foreign", &installation)?;
    let object = until_accepted("the API server reaches it", || shop.jane.create(&release("web-dev")))?;
    let ours = system.bundles()?.swap_remove(0);
    behind.proxy.rule(|call| {
        let is_write = call.method != Method::GET && call.path.contains("webhookconfigurations/");
        if is_write { Fate::Refused(500, 0) } else { Fate::Arrives }
    });
    system.trust(&format!("{ours}{}", Authority::new()?.pem()));
    behind.until_remarked("could not be written into")?;
    answers_for(LONG, &behind, &shop, &object)?;

    // Where it is not trusted any more it is of no use, and says what is wrong now.
    system.trust(&Authority::new()?.pem());
    behind.replica.until_ready(false)?;
    let told = wait::until("it says why", LIMIT, || {
        let (_, told) = http_status::answer(behind.replica.health, "/readyz")?;
        Ok(Some(told).filter(|told| !told.contains("own socket")))
    })?;
    ensure!(
        told.contains("does not trust the certificate that is served") && told.contains("could not be written"),
        "{told}"
    );
    behind.allow();
    behind.replica.until_ready(true)?;
    system.until_trusted("ours alone are trusted again", &certificates(&ours))?;
    behind.until_well()
}

/// The document of this kind in `deploy/webhook/configurations.yaml`.
fn installed(kind: &str) -> anyhow::Result<String> {
    let file = programs::repository().join("deploy/webhook/configurations.yaml");
    let text = fs::read_to_string(file).context("reading the configurations")?;
    let mut documents = text.split("\n---\n").filter(|document| document.contains(&format!("kind: {kind}\n")));
    documents.next().map(str::to_owned).with_context(|| format!("no {kind}"))
}

fn a_deleted_configuration_is_told_and_the_other_one_is_answered(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::people(namespace)?;
    let system = System(namespace);
    let _installed = Installed::remember(namespace);
    let behind = Behind::start(namespace, "deleted", &installation)?;
    let object = until_accepted("the API server reaches it", || shop.jane.create(&release("web-dev")))?;
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        namespace.kubectl(["delete", &kind.to_lowercase(), names::WEBHOOK]).run().expect_code(0);
        let words = format!("the {kind} release-webhook is missing");
        behind.until_remarked(&words)?;
        system.until_told("ConfigurationChanged", &words)?;
        ensure!(behind.replica.said()?.contains(&words), "it is not logged");
        answers_for(LONG, &behind, &shop, &object)?;
        // What is left keeps changes from going past the record, or makes the record.
        let told = shop.jane.merge(&object, &json!({ "spec": { "interval": "8m" } }));
        if kind.starts_with("Mutating") {
            refused_by_the_server(&told, 422, "is not the stamp of this change");
        } else {
            assert_eq!(records(&told.unwrap()).len(), 2);
        }

        let apply = namespace.kubectl(["apply", "--server-side", "-f", "-"]).stdin(installed(kind)?);
        apply.run().expect_code(0);
        system.point_to(behind.service.address)?;
        behind.until_well()?;
        until_accepted("the API server trusts it", || shop.jane.in_dry_run().create(&release("web-other")))?;
    }
    let changed = shop.jane.merge(&object, &json!({ "spec": { "interval": "9m" } })).unwrap();
    assert_eq!(records(&changed).len(), 3, "changes are recorded again");
    Ok(())
}
