//! Certificates that somebody else makes and mounts as files: `files → served`. Whom the hooks trust is that somebody's business too, such
//! as cert-manager's ca-injector; here it only decides when a new certificate is served, and whether we are ready.

use std::time::{Duration, Instant};

use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;

use super::certificate::Pair;
use super::choose::Choice;
use super::error_chain;
use super::files::{Paths, wrong};
use super::hooks::{self, Hooks, Written};
use super::keeper::{INTERVAL, Keeper, RETRY};
use super::tell::News;

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(1);
/// How long the API server may take to say what the hooks are; the files are looked at afterwards.
const LIMIT: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Mounted {
    pub(super) keeper: Keeper,
    pub(super) paths: Paths,
    /// What is wrong with the files, as it was told last.
    pub(super) problem: Option<String>,
}

impl Mounted {
    /// For ever.
    pub(super) async fn keep(mut self) {
        let client = self.keeper.client.clone();
        let mut changes = std::pin::pin!(hooks::changes(&client));
        let mut due = Instant::now();
        loop {
            let read = self.paths.read().await;
            let is_new = read.as_ref().is_ok_and(|pair| self.keeper.served.as_ref() != Some(pair));
            if is_new || has_changed(&mut changes) || due <= Instant::now() {
                let is_at_rest = self.look(&read).await;
                due = Instant::now() + if is_at_rest { INTERVAL } else { RETRY };
            } else {
                self.problem_is(read.err());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// One look. Says whether all is at rest.
    async fn look(&mut self, read: &Result<Pair, String>) -> bool {
        if self.keeper.served.is_none() {
            // The API server may be away; whoever calls then is answered.
            self.offer(read);
        }
        let hooks = match tokio::time::timeout(LIMIT, Hooks::read(&self.keeper.client)).await {
            Ok(Ok(hooks)) => hooks,
            Ok(Err(error)) => {
                self.keeper.say(true, error_chain(&error));
                return false;
            }
            Err(_) => {
                self.keeper.say(true, format!("the API server did not answer within {} s", LIMIT.as_secs()));
                return false;
            }
        };
        self.keeper.observe(&hooks);
        let is_served = self.offer(read);
        self.keeper.judge(&hooks, &Written::Kept).is_calm() && is_served
    }

    /// Serves what is in the files if it can be, and says what is wrong with it if not.
    fn offer(&mut self, read: &Result<Pair, String>) -> bool {
        let pair = match read {
            Ok(pair) => pair,
            Err(problem) => {
                self.problem_is(Some(problem.clone()));
                return false;
            }
        };
        let choice = self.keeper.offer(pair);
        let waits = || "the webhook configurations do not trust the new certificate, or not for long enough".to_owned();
        let problem = match &choice {
            Ok(Choice::Take | Choice::Refuse) => wrong(pair, Timestamp::now()),
            Ok(Choice::Wait) => Some(waits()),
            Err(error) => Some(error_chain(error)),
        };
        self.problem_is(problem);
        matches!(choice, Ok(Choice::Take))
    }

    fn problem_is(&mut self, problem: Option<String>) {
        if problem == self.problem {
            return;
        }
        match &problem {
            None => tracing::info!("the certificate in the files is served, and nothing is wrong with it"),
            Some(problem) => {
                let kept = if self.keeper.served.is_some() { "what is served stays" } else { "nothing is served" };
                self.keeper.teller.tell(&News::files(format!("{problem}; {kept}")));
            }
        }
        self.keeper.certificates.set_problem(problem.clone());
        self.problem = problem;
    }
}

fn has_changed(changes: &mut (impl Stream<Item = ()> + Unpin)) -> bool {
    let mut changed = false;
    while let Some(Some(())) = changes.next().now_or_never() {
        changed = true;
    }
    changed
}
