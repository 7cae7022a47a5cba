//! Objects are created through an API server, one after the other over one connection, each way in turn: whatever else the machine does
//! meets all of them.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::Target;
use crate::connection::Client;

/// What stands in the file where the name of the object comes.
pub const NAME: &str = "NAME-OF-THE-OBJECT";

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The API server.
    pub target: Target,
    /// Where each way's objects are created, such as `/apis/openchoreo.dev/v1alpha1/namespaces/x/releases`.
    pub paths: Vec<String>,
    /// A file with the object, in which [`NAME`] stands for its name.
    pub object: PathBuf,
    /// How many are created on each way.
    pub rounds: usize,
    /// How many before, which do not count.
    pub warm_up: usize,
}

/// What came of each way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Of each object that was created, in nanoseconds.
    pub latencies: Vec<u64>,
    /// How many were not.
    pub failed: usize,
    /// What one of those that failed said.
    pub sample: Option<String>,
}

/// Does it.
///
/// # Errors
/// When the object cannot be read. One that is not created is counted.
pub fn run(job: &Job) -> anyhow::Result<Vec<Report>> {
    let object = fs::read_to_string(&job.object).with_context(|| format!("reading {}", job.object.display()))?;
    let mut client = Client::new(&job.target)?;
    let mut reports = vec![Report::default(); job.paths.len()];
    for round in 0..job.warm_up + job.rounds {
        let body = object.replace(NAME, &format!("object-{round:06}"));
        for way in order(round, job.paths.len()) {
            let start = Instant::now();
            let created = create(&mut client, &job.paths[way], &body);
            let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let report = &mut reports[way];
            match created {
                Ok(()) if round < job.warm_up => {}
                Ok(()) => report.latencies.push(nanoseconds),
                Err(error) => {
                    report.failed += 1;
                    report.sample.get_or_insert_with(|| format!("{error:#}"));
                }
            }
        }
    }
    Ok(reports)
}

fn create(client: &mut Client, path: &str, body: &str) -> anyhow::Result<()> {
    let (status, answer) = client.post(path, body.to_owned().into())?;
    ensure!(status == StatusCode::CREATED, "{status}: {}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// All ways, each round in another order, so that none always comes after the same one.
fn order(round: usize, ways: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ways).collect();
    let mut state = (round as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for at in (1..ways).rev() {
        // xorshift64, Marsaglia 2003.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(at, (state % (at as u64 + 1)) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_comes_once_a_round_and_follows_each_other_way() {
        let mut pairs = std::collections::HashSet::new();
        for round in 0..200 {
            let order = order(round, 6);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
            pairs.extend(order.windows(2).map(|pair| (pair[0], pair[1])));
        }
        assert_eq!(pairs.len(), 30);
    }
}
