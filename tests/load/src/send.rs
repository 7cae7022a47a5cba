//! One request, whose answer goes to a file: for what is too large for a program that is not optimised.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use http::Method;
use serde::{Deserialize, Serialize};

use crate::Target;
use crate::connection::Client;

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The server.
    pub target: Target,
    /// Such as `PUT`.
    pub method: String,
    /// The path of the request.
    pub path: String,
    /// A file with JSON.
    pub body: PathBuf,
    /// Where the answer goes.
    pub answer: PathBuf,
}

/// Does it.
///
/// # Errors
/// When the answer is none of success.
pub fn run(job: &Job) -> anyhow::Result<()> {
    let body = fs::read(&job.body).with_context(|| format!("reading {}", job.body.display()))?;
    let method: Method = job.method.parse().with_context(|| format!("{} is no method", job.method))?;
    let (status, answer) = Client::new(&job.target)?.send(method, &job.path, body.into())?;
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&answer));
    fs::write(&job.answer, answer).with_context(|| format!("writing {}", job.answer.display()))
}
