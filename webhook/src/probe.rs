//! The server calls itself, as the API server does: over TCP and TLS to the socket that it listens on. It is ready when that is answered, and
//! when every hook would take the certificate that is shown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use release_edge::serve::reachable;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::health::{Reached, Readiness};
use crate::tls::Certificates;

/// How often it is called once all is well.
const INTERVAL: Duration = Duration::from_secs(5);
/// How soon after a call that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How long a call may take.
const LIMIT: Duration = Duration::from_secs(3);
/// How many calls in a row must go unanswered before that is believed: under load one may be late, and all replicas would be unready at once.
const STRIKES: u32 = 3;

/// What is asked for, by its path.
pub(crate) const PATH: &str = "/livez";

/// Why a call failed.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// It was not answered.
    Unanswered(String),
    /// The API server would not trust who answered.
    Untrusted(String),
}

/// Calls for ever, at once when there is another certificate or another authority.
pub(crate) async fn keep(listen: SocketAddr, certificates: Arc<Certificates>, readiness: Arc<Readiness>) {
    let addresses = reachable(listen);
    let mut changed = certificates.changes();
    let mut strikes = 0;
    loop {
        changed.mark_unchanged();
        let reached = match call(&addresses, &certificates).await {
            Ok(()) => {
                strikes = 0;
                Some(Reached::Yes)
            }
            Err(Failure::Untrusted(why)) => Some(Reached::No(why)),
            Err(Failure::Unanswered(why)) => {
                strikes += 1;
                (strikes >= STRIKES).then_some(Reached::No(why))
            }
        };
        let pause = if reached == Some(Reached::Yes) { INTERVAL } else { RETRY };
        if let Some(reached) = reached
            && readiness.set_reached(reached.clone())
        {
            tracing::info!(reached = ?reached, "own socket");
        }
        tokio::select! {
            Ok(()) = changed.changed() => {}
            () = sleep(pause) => {}
        }
    }
}

async fn call(addresses: &[SocketAddr], certificates: &Arc<Certificates>) -> Result<(), Failure> {
    let chain = match timeout(LIMIT, ask(addresses, certificates)).await {
        Ok(Ok(chain)) => chain,
        Ok(Err(error)) => return Err(Failure::Unanswered(error.to_string())),
        Err(_) => return Err(Failure::Unanswered(format!("no answer within {} s", LIMIT.as_secs()))),
    };
    certificates.would_be_trusted(&chain).map_err(Failure::Untrusted)
}

/// The certificates that were shown with an answer, by the first address that takes the call.
async fn ask(addresses: &[SocketAddr], certificates: &Certificates) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let config = client_config(certificates).map_err(std::io::Error::other)?;
    let socket = TcpStream::connect(addresses).await?;
    let address = socket.peer_addr()?;
    let mut stream =
        TlsConnector::from(Arc::new(config)).connect(ServerName::IpAddress(address.ip().into()), socket).await?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut answer).await?;
    if &answer != b"HTTP/1.1 200" {
        return Err(std::io::Error::other(format!("it answers {:?}", String::from_utf8_lossy(&answer))));
    }
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(shown.iter().map(|certificate| certificate.clone().into_owned()).collect())
}

fn client_config(certificates: &Certificates) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    Ok(match certificates.own_caller() {
        Some(own) => builder.with_client_cert_resolver(own),
        None => builder.with_no_client_auth(),
    })
}

/// Takes whoever has the key of the certificate that is shown: who that is, is judged afterwards, by what the hooks trust.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_nobody_answers_on_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let told = call(&[address], &Arc::default()).await.unwrap_err();
        assert!(matches!(&told, Failure::Unanswered(why) if why.contains("refused")), "{told:?}");
    }

    #[tokio::test]
    async fn every_address_is_tried() {
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let certificates = Arc::default();
        let called = async { drop(listener.accept().await.unwrap()) };
        let addresses = [nobody, address];
        let (told, ()) = tokio::join!(call(&addresses, &certificates), called);
        // Who took the call says nothing; the other one would have refused it.
        assert!(matches!(&told, Err(Failure::Unanswered(why)) if !why.contains("refused")), "{told:?}");
    }
}
