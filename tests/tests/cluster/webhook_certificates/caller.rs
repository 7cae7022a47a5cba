//! Somebody who calls a webhook as an API server does that is behind: it trusts what the hooks said some time ago.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use release_tests::pki::Credential;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use socket2::{Domain, Socket, Type};

use super::system::{System, certificates};

/// One call on a connection of its own.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) trusting: &'a str,
    pub(crate) showing: Option<&'a Credential>,
    pub(crate) version: &'static SupportedProtocolVersion,
}

impl<'a> Call<'a> {
    pub(crate) fn trusting(trusting: &'a str) -> Self {
        Self { trusting, showing: None, version: &TLS13 }
    }

    pub(crate) fn showing(self, credential: &'a Credential) -> Self {
        Self { showing: Some(credential), ..self }
    }

    pub(crate) fn in_tls_12(self) -> Self {
        Self { version: &TLS12, ..self }
    }

    /// Asks for a path that only `POST` is answered on; the certificate that was shown to us.
    pub(crate) fn send(&self, address: SocketAddr) -> anyhow::Result<CertificateDer<'static>> {
        let mut stream = self.open(address)?;
        write!(stream, "GET /mutate HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").context("calling")?;
        let shown = stream.conn.peer_certificates().and_then(<[_]>::first).context("no certificate")?.clone();
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).context("reading the answer")?;
        ensure!(line.starts_with("HTTP/1.1 405"), "not answered: {line:?}");
        Ok(shown.into_owned())
    }

    /// With which word the connection is refused. Sends nothing: what is sent to somebody who is leaving may make the last word get lost.
    pub(crate) fn refusal(&self, address: SocketAddr) -> anyhow::Result<AlertDescription> {
        let mut stream = self.open(address)?;
        let error = stream.read(&mut [0]).err().context("it was not refused")?;
        match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
            Some(Error::AlertReceived(alert)) => Ok(*alert),
            _ => Err(error).context("it was refused without a word"),
        }
    }

    /// A connection on which nothing was said yet.
    pub(crate) fn open(&self, address: SocketAddr) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(self.trusting));
        let config = ClientConfig::builder_with_protocol_versions(&[self.version]).with_root_certificates(roots);
        let config = match self.showing {
            None => config.with_no_client_auth(),
            Some(credential) => {
                let key = PrivateKeyDer::from_pem_slice(credential.private.as_bytes()).context("reading a key")?;
                config.with_client_auth_cert(certificates(&credential.public), key)?
            }
        };
        let name = ServerName::IpAddress(address.ip().into());
        let socket = connected(address).context("connecting")?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, socket))
    }
}

/// Callers that go on calling, each trusting what the hooks said `lag` ago.
pub(crate) struct Laggards<'a> {
    system: &'a System<'a>,
    lag: Duration,
    said: Mutex<Vec<(Instant, String)>>,
    pub(crate) calls: AtomicUsize,
    pub(crate) failures: Mutex<Vec<String>>,
}

impl<'a> Laggards<'a> {
    pub(crate) fn new(system: &'a System<'a>, lag: Duration) -> anyhow::Result<Self> {
        let first = (Instant::now() - lag, system.bundles()?.swap_remove(0));
        let said = Mutex::new(vec![first]);
        Ok(Self { system, lag, said, calls: AtomicUsize::new(0), failures: Mutex::default() })
    }

    /// Watches what the hooks say, until it is over.
    pub(crate) fn watch(&self, is_over: &AtomicBool) -> anyhow::Result<()> {
        let mut before = Instant::now();
        while !is_over.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let now = self.system.bundles()?.swap_remove(0);
            let mut said = self.said.lock().unwrap();
            if said.last().is_none_or(|(_, last)| *last != now) {
                // It may have been said as soon as the last look was begun.
                said.push((before, now));
            }
            drop(said);
            before = asked;
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Calls this one again and again, until it is over.
    pub(crate) fn call(&self, address: SocketAddr, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Relaxed) {
            let trusted = self.trusted();
            if let Err(error) = Call::trusting(&trusted).send(address) {
                self.failures.lock().unwrap().push(format!("{address}: {error:?}"));
            }
            self.calls.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn trusted(&self) -> String {
        let then = Instant::now() - self.lag;
        let said = self.said.lock().unwrap();
        let known = said.iter().rev().find(|(at, _)| *at <= then).or(said.first());
        known.map(|(_, bundle)| bundle.clone()).unwrap_or_default()
    }
}

/// From an address that no API server here has: who calls by hand is a stranger to the webhook, as elsewhere.
fn connected(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv4() {
        socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into())?;
    }
    socket.connect(&address.into())?;
    Ok(socket.into())
}
