//! What an administrator sees of certificates, and does to them: the Secret, the hooks, the Events.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use data_encoding::BASE64;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use release_shared::names;
use release_tests::{Namespace, block_on, wait};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

pub(crate) const LIMIT: Duration = Duration::from_secs(30);
pub(crate) const SECRET: &str = "release-webhook-tls";
/// Each configuration with how many hooks it has.
const CONFIGURATIONS: [(&str, usize); 2] = [("mutatingwebhookconfiguration", 1), ("validatingwebhookconfiguration", 2)];

/// The certificates of a text.
pub(crate) fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect()
}

/// See the module.
pub(crate) struct System<'a>(pub(crate) &'a Namespace<'a>);

impl System<'_> {
    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.0.client(), names::SYSTEM_NAMESPACE)
    }

    /// The Secret's data as text; none where there is no Secret.
    pub(crate) fn secret(&self) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        let secret = block_on(self.secrets().get_opt(SECRET)).context("reading the Secret")?;
        let text = |(key, value): (String, k8s_openapi::ByteString)| Ok((key, String::from_utf8(value.0)?));
        secret.map(|secret| secret.data.unwrap_or_default().into_iter().map(text).collect()).transpose()
    }

    /// One of its entries, empty where it is not there.
    pub(crate) fn entry(&self, key: &str) -> anyhow::Result<String> {
        Ok(self.secret()?.unwrap_or_default().remove(key).unwrap_or_default())
    }

    pub(crate) fn resource_version(&self) -> anyhow::Result<Option<String>> {
        let secret = block_on(self.secrets().get_opt(SECRET)).context("reading the Secret")?;
        Ok(secret.and_then(|secret| secret.metadata.resource_version))
    }

    /// As docs/certificates.md tells to ask for a new one.
    pub(crate) fn ask_for(&self, key: &str) -> anyhow::Result<()> {
        let patch = json!([{ "op": "remove", "path": format!("/data/{key}") }]).to_string();
        let patch = ["patch", "secret", SECRET, "--type=json", "-p", &patch];
        let kubectl = release_tests::Cli::new(self.0.control_plane(), "kubectl").namespace(names::SYSTEM_NAMESPACE);
        kubectl.args(patch).output()?.success().map(drop)
    }

    pub(crate) fn delete_secret(&self) -> anyhow::Result<()> {
        block_on(self.secrets().delete(SECRET, &kube::api::DeleteParams::default())).context("deleting the Secret")?;
        Ok(())
    }

    /// Annotates both configurations.
    pub(crate) fn annotate(&self, what: &str) {
        for (kind, _) in CONFIGURATIONS {
            self.0.kubectl(["annotate", "--overwrite", kind, names::WEBHOOK, what]).run().expect_code(0);
        }
    }

    /// What is there in one of the configurations.
    pub(crate) fn field(&self, of: usize, path: &str) -> anyhow::Result<String> {
        let path = format!("jsonpath={path}");
        let told = self.0.kubectl(["get", CONFIGURATIONS[of].0, names::WEBHOOK, "-o", &path]).output()?.success()?;
        Ok(told.stdout().to_owned())
    }

    /// Changes one of the configurations.
    pub(crate) fn patch_one(&self, of: usize, steps: &[Value]) {
        let steps = json!(steps).to_string();
        let patch = ["patch", CONFIGURATIONS[of].0, names::WEBHOOK, "--type=json", "-p", &steps];
        self.0.kubectl(patch).run().expect_code(0);
    }

    /// Changes both configurations, hook by hook.
    pub(crate) fn patch(&self, steps: impl Fn(usize) -> Vec<Value>) {
        for (kind, hooks) in CONFIGURATIONS {
            let steps: Vec<Value> = (0..hooks).flat_map(&steps).collect();
            let steps = Value::Array(steps).to_string();
            self.0.kubectl(["patch", kind, names::WEBHOOK, "--type=json", "-p", &steps]).run().expect_code(0);
        }
    }

    /// Has every hook trust these.
    pub(crate) fn trust(&self, pem: &str) {
        let bundle = BASE64.encode(pem.as_bytes());
        self.patch(|at| {
            vec![json!({ "op": "add", "path": format!("/webhooks/{at}/clientConfig/caBundle"), "value": bundle })]
        });
    }

    /// As an apply of the installed files does that does not keep what others wrote.
    pub(crate) fn empty_bundles(&self) {
        self.patch(|at| vec![json!({ "op": "remove", "path": format!("/webhooks/{at}/clientConfig/caBundle") })]);
    }

    /// Has the API server call this address.
    pub(crate) fn point_to(&self, address: SocketAddr) -> anyhow::Result<()> {
        for (kind, hooks) in CONFIGURATIONS {
            let told = self.0.kubectl(["get", kind, names::WEBHOOK, "-o", "json"]).run().expect_code(0);
            let configuration: Value = told.json();
            let steps = (0..hooks).flat_map(|at| {
                let config = &configuration["webhooks"][at]["clientConfig"];
                let place = |key: &str| format!("/webhooks/{at}/clientConfig/{key}");
                // As it was installed, or as it was pointed before.
                let (service, url) = (config["service"]["path"].as_str(), config["url"].as_str());
                let path = service.or(url.and_then(|url| url.splitn(4, '/').nth(3))).unwrap_or_default();
                let url = format!("https://{address}/{}", path.trim_start_matches('/'));
                let away = service.map(|_| json!({ "op": "remove", "path": place("service") }));
                away.into_iter().chain([json!({ "op": "add", "path": place("url"), "value": url })])
            });
            let steps = Value::Array(steps.collect()).to_string();
            let patch = ["patch", kind, names::WEBHOOK, "--type=json", "-p", &steps];
            self.0.kubectl(patch).output()?.success()?;
        }
        Ok(())
    }

    /// Whom each hook trusts.
    pub(crate) fn bundles(&self) -> anyhow::Result<Vec<String>> {
        let kinds = CONFIGURATIONS.map(|(kind, _)| format!("{kind}/{}", names::WEBHOOK));
        let told = self.0.kubectl(["get", "-o", "json", &kinds[0], &kinds[1]]).output()?.success()?;
        let list: Value = told.json();
        let hooks = list["items"].as_array().into_iter().flatten();
        let hooks = hooks.flat_map(|configuration| configuration["webhooks"].as_array().into_iter().flatten());
        let bundles = hooks.map(|hook| {
            let bundle = hook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
            Ok(String::from_utf8(BASE64.decode(bundle.as_bytes())?)?)
        });
        bundles.collect()
    }

    /// Waits until every hook trusts these, in whatever order, and no others.
    pub(crate) fn until_trusted(&self, what: &str, authorities: &[CertificateDer<'static>]) -> anyhow::Result<()> {
        let sorted = |mut authorities: Vec<CertificateDer<'static>>| {
            authorities.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
            authorities
        };
        let expected = sorted(authorities.to_vec());
        wait::until(what, LIMIT, || {
            let bundles = self.bundles()?;
            ensure!(bundles.len() == 3, "not all hooks are there: {}", bundles.len());
            Ok(bundles.iter().all(|bundle| sorted(certificates(bundle)) == expected).then_some(()))
        })
    }

    /// Waits for an Event with this reason whose note has this in it.
    pub(crate) fn until_told(&self, reason: &str, part: &str) -> anyhow::Result<()> {
        wait::until(&format!("an Event {reason}: {part}"), LIMIT, || {
            let get = ["get", "events.events.k8s.io", "-n", names::SYSTEM_NAMESPACE, "-o", "json"];
            let kubectl = release_tests::Cli::new(self.0.control_plane(), "kubectl").args(get);
            let events: Value = kubectl.output()?.success()?.json();
            let mut events = events["items"].as_array().cloned().unwrap_or_default().into_iter();
            let is_it = |event: &Value| {
                event["reason"] == reason && event["note"].as_str().is_some_and(|note| note.contains(part))
            };
            Ok(events.any(|event| is_it(&event)).then_some(()))
        })
    }
}
