//! Who may call the webhook.

use std::fs;

use anyhow::{Context, ensure};
use release_tests::pki::Authority;
use release_tests::{ControlPlane, Installation, Namespace, Options, fixture, trials, wait};
use rustls::AlertDescription;
use serde_json::json;
use tempfile::TempDir;

use super::objects::release;
use super::person::Person;
use super::webhook_certificates::caller::Call;
use super::webhook_certificates::mount::Mount;
use super::webhook_certificates::replica::Settings;
use super::webhook_certificates::system::{LIMIT, System};

trials! { admission: who_calls_is_asked_for_a_certificate, the_api_server_shows_its_certificate }

fn who_calls_is_asked_for_a_certificate(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let system = System(namespace);
    let (ours, theirs) = (Authority::new()?, Authority::new()?);
    let (ours_pem, theirs_pem) = (ours.pem(), theirs.pem());
    let mount = Mount::new(&[("ca.crt", &ours_pem)])?;
    let flags = [
        mount.flag("client-ca", "ca.crt"),
        "--client-name=kube-apiserver".to_owned(),
        "--client-name=other".to_owned(),
        "--log=info,release_webhook=debug".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let replica = Settings::new(namespace.control_plane(), "asking", &flags)?.start()?;
    let trusted = system.bundles()?.swap_remove(0);
    let call = Call::trusting(&trusted);
    let [allowed, unknown, foreign] =
        [ours.client("kube-apiserver", &[])?, ours.client("jane", &[])?, theirs.client("kube-apiserver", &[])?];
    for (call, none) in [
        (call.clone(), AlertDescription::CertificateRequired),
        (call.clone().in_tls_12(), AlertDescription::CertificateRequired),
    ] {
        call.clone().showing(&allowed).send(replica.address)?;
        for (who, call, alert) in [
            ("nobody", call.clone(), none),
            ("another name", call.clone().showing(&unknown), AlertDescription::AccessDenied),
            // It has the same name as ours, so it is the signature that is wrong.
            ("another authority", call.clone().showing(&foreign), AlertDescription::DecryptError),
        ] {
            assert_eq!(call.refusal(replica.address).context(who)?, alert, "{who}");
        }
    }
    replica.until_said("a TLS handshake failed")?;
    ensure!(replica.is_ready(), "who is refused is no reason to be unready");

    // Another authority of who may call counts within a second or so; a file that holds none changes nothing.
    mount.swap(&[("ca.crt", "nonsense")])?;
    replica.until_said("who may call stays as it was")?;
    call.clone().showing(&allowed).send(replica.address)?;
    mount.swap(&[("ca.crt", &theirs_pem)])?;
    wait::until("the other authority counts", LIMIT, || {
        Ok(call.clone().showing(&foreign).send(replica.address).ok().map(drop))
    })?;
    ensure!(call.clone().showing(&allowed).send(replica.address).is_err(), "the authority before still counts");
    Ok(())
}

/// With the configuration that docs/certificates.md has.
fn the_api_server_shows_its_certificate(_: &Namespace<'_>) -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let folder = TempDir::new()?;
    let shown = authority.client("kube-apiserver", &[])?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config",
        // `*` for every webhook; a Service's is `release-webhook.release-system.svc`.
        "users": [{ "name": "*", "user": { "client-certificate": path("client.crt"), "client-key": path("client.key") } }],
    });
    let plugin = |name: &str| {
        let configuration = json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration", "kubeConfigFile": path("kubeconfig") });
        json!({ "name": name, "configuration": configuration })
    };
    let admission = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
        "plugins": [plugin("MutatingAdmissionWebhook"), plugin("ValidatingAdmissionWebhook")],
    });
    for (name, text) in [
        ("client.crt", shown.public.clone()),
        ("client.key", shown.private.clone()),
        ("ca.crt", authority.pem()),
        ("kubeconfig", kubeconfig.to_string()),
        ("admission.yaml", admission.to_string()),
    ] {
        fs::write(path(name), text).with_context(|| format!("writing {name}"))?;
    }
    let options = Options { nodes: 0, admission: Some(path("admission.yaml").into()), ..Options::default() };
    let own = ControlPlane::start(&options)?;
    let installation = Installation::without_controller(&own)?;
    let namespace = Namespace::create(&own, "the_api_server_shows_its_certificate")?;
    let system = System(&namespace);
    let admin = Person::admin(&namespace);
    let ask = || admin.in_dry_run().create(&release("web-dev"));
    installation.stop_webhook();
    let flag = format!("--client-ca={}", path("ca.crt"));
    for (name, is_allowed) in [("kube-apiserver", true), ("somebody-else", false)] {
        let replica = Settings::new(&own, name, &[&flag, &format!("--client-name={name}")])?.start()?;
        system.point_to(replica.address)?;
        wait::until(&format!("{name} is allowed: {is_allowed}"), LIMIT, || {
            Ok(match (ask(), is_allowed) {
                (Ok(_), true) => Some(()),
                (Err(status), false) => status.message.contains("remote error: tls").then_some(()),
                _ => None,
            })
        })
        .with_context(|| format!("told last: {:?}", ask()))?;
    }
    namespace.keep();
    Ok(())
}
