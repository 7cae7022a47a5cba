//! What one admission costs the webhook, asked directly over one connection that is kept.

use std::sync::Arc;

use anyhow::{Context, ensure};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Api;
use release_shared::names;
use release_tests::block_on;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::duel::median_of;
use crate::stage::Stage;

/// How often each question is asked: in so many rounds, so many times in a row.
const ROUNDS: usize = 5;
const QUESTIONS: usize = 400;

/// How many admissions that makes, those that do not count included.
pub(crate) const ADMISSIONS: usize = 2 * (ROUNDS + 1) * QUESTIONS;

/// CPU time of the webhook for each question, in seconds: medians of the rounds, after one that does not count.
pub(crate) fn cpu(stage: &Stage<'_>, questions: &[(&str, Bytes); 2]) -> anyhow::Result<[f64; 2]> {
    let mut connection = block_on(Connection::open(stage))?;
    let mut taken: [Vec<f64>; 2] = Default::default();
    for round in 0..=ROUNDS {
        for ((path, question), taken) in questions.iter().zip(&mut taken) {
            let before = stage.webhook.cpu()?;
            block_on(connection.ask(path, question))?;
            let each = (stage.webhook.cpu()? - before) / QUESTIONS as f64;
            taken.extend((round > 0).then_some(each));
        }
    }
    Ok(taken.map(median_of))
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

/// The part of an answer that tells whether it is the one expected.
#[derive(Deserialize)]
struct Review {
    response: Answer,
}

#[derive(Deserialize)]
struct Answer {
    allowed: bool,
}

impl Connection {
    /// Trusts the authority that the webhook wrote into its configuration, as the API server does.
    async fn open(stage: &Stage<'_>) -> anyhow::Result<Self> {
        let configurations: Api<MutatingWebhookConfiguration> = Api::all(stage.control_plane.client());
        let configuration = configurations.get(names::WEBHOOK).await.context("reading the webhook's configuration")?;
        let hook = configuration.webhooks.into_iter().flatten().next().context("a configuration without a hook")?;
        let bundle = hook.client_config.ca_bundle.context("a hook without an authority")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&bundle.0) {
            roots.add(certificate.context("reading the webhook's authority")?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let url = stage.installation.webhook_url().context("the webhook does not run")?;
        let stream = TcpStream::connect(url.trim_start_matches("https://")).await.context("reaching the webhook")?;
        stream.set_nodelay(true).context("switching off Nagle's algorithm")?;
        let name = ServerName::try_from("127.0.0.1").context("naming the webhook")?;
        let stream =
            TlsConnector::from(Arc::new(config)).connect(name, stream).await.context("trusting the webhook")?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("speaking to the webhook")?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    async fn ask(&mut self, path: &str, question: &Bytes) -> anyhow::Result<()> {
        for _ in 0..QUESTIONS {
            let request = Request::post(path).header("Host", "127.0.0.1").header("Content-Type", "application/json");
            self.sender.ready().await.context("waiting for the webhook")?;
            let response = self.sender.send_request(request.body(Full::new(question.clone()))?).await;
            let answer = response.context("asking the webhook")?.into_body().collect().await?.to_bytes();
            let review: Review = serde_json::from_slice(&answer).context("reading the webhook's answer")?;
            ensure!(review.response.allowed, "refused on {path}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }
}
