//! A plain HTTP endpoint on loopback, asked as a readiness probe does, or read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// `GET http://127.0.0.1:<port><path>`: the status code, or nothing when nobody answers properly.
#[must_use]
pub fn get(port: u16, path: &str) -> Option<u16> {
    let mut status_line = String::new();
    BufReader::new(ask(port, path, "1.1").ok()?).read_line(&mut status_line).ok()?;
    code(&status_line)
}

/// `GET http://127.0.0.1:<port><path>`: the body of the answer.
///
/// # Errors
/// When nobody answers, or with another status than 200.
pub fn text(port: u16, path: &str) -> anyhow::Result<String> {
    let (head, body) = read(port, path)?;
    ensure!(code(&head) == Some(200), "reading http://127.0.0.1:{port}{path}: {head}");
    Ok(body)
}

/// `GET http://127.0.0.1:<port><path>`: the status code and the body of the answer, whatever they are.
///
/// # Errors
/// When nobody answers properly.
pub fn answer(port: u16, path: &str) -> anyhow::Result<(u16, String)> {
    let (head, body) = read(port, path)?;
    Ok((code(&head).with_context(|| format!("no status: {head}"))?, body))
}

/// Head and body of the answer.
fn read(port: u16, path: &str) -> anyhow::Result<(String, String)> {
    let context = || format!("reading http://127.0.0.1:{port}{path}");
    let mut answer = String::new();
    // HTTP/1.0 has no chunks: what comes behind the head until the end is the body.
    ask(port, path, "1.0").with_context(context)?.read_to_string(&mut answer).with_context(context)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(context)?;
    Ok((head.to_owned(), body.to_owned()))
}

fn ask(port: u16, path: &str, version: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/{version}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}

fn code(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A server for one request.
    fn serve(answer: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    #[test]
    fn an_answer_is_a_code_or_its_body() {
        assert_eq!(get(serve("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "/readyz"), Some(503));
        assert_eq!(text(serve("HTTP/1.0 200 OK\r\nA: b\r\n\r\nup 1\n"), "/metrics").unwrap(), "up 1\n");
        assert_eq!(answer(serve("HTTP/1.0 503 No\r\n\r\nwhy\n"), "/readyz").unwrap(), (503, "why\n".to_owned()));
        let error = text(serve("HTTP/1.0 404 Not Found\r\n\r\n"), "/metrics").unwrap_err();
        assert!(error.to_string().ends_with("/metrics: HTTP/1.0 404 Not Found"), "{error}");
    }
}
