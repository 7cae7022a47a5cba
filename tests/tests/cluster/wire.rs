//! HTTP as somebody writes it by hand, over TLS to a webhook: whole requests, halves of them, and what comes back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;

use super::webhook_certificates::caller::Call;

/// What the largest answer has, in bytes.
const MOST: usize = 1 << 20;

/// How long something may take to come, or to be taken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection.
pub(crate) struct Wire(StreamOwned<ClientConnection, TcpStream>);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header, empty where it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
    }

    /// The `response` of a review that is well-formed.
    pub(crate) fn review(&self) -> anyhow::Result<Value> {
        ensure!(self.status == 200, "{} {}", self.status, String::from_utf8_lossy(&self.body));
        let review: Value = serde_json::from_slice(&self.body).context("reading a review")?;
        ensure!(review["apiVersion"] == "admission.k8s.io/v1" && review["kind"] == "AdmissionReview", "{review}");
        ensure!(review["response"]["allowed"].is_boolean(), "{review}");
        Ok(review["response"].clone())
    }
}

/// A whole request with this body.
pub(crate) fn post(path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("POST {path} HTTP/1.1\r\nHost: webhook\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What comes, whatever became of what was to be sent: the stream of rustls would send the rest of that first, and fail with it where
/// the other side has answered and reads no more.
impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let StreamOwned { conn, sock } = &mut self.0;
        loop {
            match conn.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            conn.read_tls(sock)?;
            conn.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Wire {
    /// Opens one to who is trusted. Nothing is waited for longer than 20 s.
    pub(crate) fn open(trusting: &str, address: SocketAddr) -> anyhow::Result<Self> {
        let mut stream = Call::trusting(trusting).open(address)?;
        stream.sock.set_read_timeout(Some(PATIENCE))?;
        stream.sock.set_write_timeout(Some(PATIENCE))?;
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).context("shaking hands")?;
        }
        Ok(Self(stream))
    }

    /// Sends this, and reads nothing meanwhile.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(16 * 1024) {
            self.0.conn.writer().write_all(part)?;
            while self.0.conn.wants_write() {
                self.0.conn.write_tls(&mut self.0.sock)?;
            }
        }
        Ok(())
    }

    /// Sends a request and reads the answer. One that is refused early may be answered before all of it was sent.
    pub(crate) fn ask(&mut self, bytes: &[u8]) -> anyhow::Result<Answer> {
        let sent = self.send(bytes);
        self.answer().with_context(|| format!("it was sent: {sent:?}"))
    }

    /// Reads the next answer.
    pub(crate) fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.read_exact(&mut byte).with_context(|| format!("reading {:?}", String::from_utf8_lossy(&head)))?;
            head.extend(byte);
            ensure!(head.len() < 64 * 1024, "an endless head");
        }
        let head = String::from_utf8(head)?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
        let mut answer = Answer { status, head, body: Vec::new() };
        let length: usize = match answer.header("content-length") {
            "" if status == 100 => 0,
            "" => bail!("no length: {}", answer.head),
            length => length.parse()?,
        };
        ensure!(length < MOST, "{length} bytes");
        answer.body.resize(length, 0);
        self.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// Whether the other side ends the connection, after whatever it may still say.
    pub(crate) fn is_ended(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.read_to_end(&mut rest) {
            Ok(_) => true,
            // It is open, and nothing came for as long as we wait.
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }
}
