//! A server that starts is asked until its first good answer, and beside that until it says that it is ready.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::Target;
use crate::connection::{Client, Review};

/// Between two tries.
const PAUSE: Duration = Duration::from_micros(500);

/// Until it must have answered.
const LIMIT: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Who is asked.
    pub target: Target,
    /// Such as `/validate`.
    pub path: String,
    /// A file with an `AdmissionReview`.
    pub review: PathBuf,
    /// Where it says at `/readyz` whether it is ready; nothing where it does not.
    pub health: Option<SocketAddr>,
}

/// When something was there, in seconds by [`now`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Report {
    /// The good answer.
    pub at: f64,
    /// The word that it is ready.
    pub ready: Option<f64>,
}

/// Does it.
///
/// # Errors
/// When one of the two is not there in time; then with what is wrong with the last answer.
pub fn run(job: &Job) -> anyhow::Result<Report> {
    let review =
        Review::read(fs::read(&job.review).with_context(|| format!("reading {}", job.review.display()))?, false)?;
    let mut client = Client::new(&job.target)?;
    thread::scope(|scope| {
        let ready = job.health.map(|health| scope.spawn(move || until_good(|| is_ready(health))));
        let at = until_good(|| client.review(&job.path, &review))?;
        let ready = ready.map(|ready| ready.join().map_err(|_| anyhow!("a thread panicked"))?);
        Ok(Report { at, ready: ready.transpose()? })
    })
}

/// When that was.
fn until_good(mut ask: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(()) => return now(),
            Err(error) if start.elapsed() > LIMIT => bail!("no good answer in {LIMIT:?}: {error:#}"),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn is_ready(health: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(health).context("connecting")?;
    stream.set_read_timeout(Some(LIMIT)).context("limiting a read")?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {health}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("reading an answer")?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

/// The clock that all processes of a machine share, in seconds.
///
/// # Errors
/// When the system has none.
pub fn now() -> anyhow::Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).context("reading the clock")?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_is_not_ready_yet_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let health = listener.local_addr().unwrap();
        let answers = ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nok"];
        let server = thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let before = now().unwrap();
        assert!(until_good(|| is_ready(health)).unwrap() > before);
        server.join().unwrap();
    }
}
