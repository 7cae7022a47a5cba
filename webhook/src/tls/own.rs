//! Certificates that this program makes itself.
//!
//! `hooks → Secret → plan → Secret → hooks → served`, each time that one of them changes and every 30 s. The hooks are read first: see
//! [`Hooks`]. Replicas agree through the Secret's resourceVersion: whoever writes first wins, the others read.

use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;

use super::choose::Choice;
use super::hooks::{self, Hooks, Written};
use super::keeper::{INTERVAL, Keeper, RETRY, Trust};
use super::rotate::{Beside, authority_of, rotate};
use super::secret::{self, Shared};
use super::state::{Old, State};
use super::tell::News;
use super::{Error, Lifetimes, error_chain};

/// How often a lost race is run again; each loss means that another replica has written.
const TRIES: usize = 5;
/// How long a look may take: some requests, each of which an API server answers in a fraction of a second. One whose answer stalls half
/// way would be waited for for ever. What was written until then is found by the next look.
const LIMIT: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Own {
    pub(super) keeper: Keeper,
    pub(super) namespace: String,
    pub(super) lifetimes: Lifetimes,
    /// The authority of what is served.
    pub(super) served: Option<Old>,
    /// What was in the Secret when it was looked at last.
    pub(super) remembered: Option<State>,
    /// What was there when all hooks trusted us last.
    pub(super) settled: Option<State>,
}

impl Own {
    /// For ever.
    pub(super) async fn keep(mut self) {
        let client = self.keeper.client.clone();
        let changes = futures::stream::select(hooks::changes(&client), secret::changes(&client, &self.namespace));
        let mut changes = std::pin::pin!(changes);
        loop {
            let wait = match tokio::time::timeout(LIMIT, self.look()).await {
                Ok(Ok(true)) => INTERVAL.min(self.lifetimes.leaf / 20),
                Ok(Ok(false)) => Duration::ZERO,
                Ok(Err(error)) => {
                    self.keeper.say(error_chain(&error));
                    Duration::ZERO
                }
                Err(_) => {
                    self.keeper.say(format!("the API server did not answer within {} s", LIMIT.as_secs()));
                    Duration::ZERO
                }
            };
            tokio::time::sleep(RETRY).await;
            tokio::select! {
                Some(()) = changes.next() => {}
                () = tokio::time::sleep(wait) => {}
            }
            // One look is enough for all that has happened until now.
            while let Some(Some(())) = changes.next().now_or_never() {}
        }
    }

    /// One look. Says whether all is at rest.
    async fn look(&mut self) -> Result<bool, Error> {
        for _ in 0..TRIES {
            let mut hooks = Hooks::read(&self.keeper.client).await?;
            self.keeper.observe(&hooks);
            let Some(state) = self.settle().await? else { continue };
            let written = hooks.trust(&self.keeper.client, &state.authorities()).await?;
            if written == Written::Lost {
                continue;
            }
            self.keeper.observe(&hooks);
            self.tell_of_others(&written, &state);
            return self.serve(&hooks, &written, state);
        }
        Err(Error::Read("others write into the Secret or the webhook configurations all the time".to_owned()))
    }

    /// Brings the Secret to what it should hold, and returns that; nothing where another replica was faster.
    async fn settle(&mut self) -> Result<Option<State>, Error> {
        let shared = Shared::read(&self.keeper.client, &self.namespace).await?;
        let beside = Beside {
            now: Timestamp::now(),
            instant: Instant::now(),
            names: &self.keeper.names,
            lifetimes: &self.lifetimes,
            anchors: &self.keeper.anchors,
            served: self.served.as_ref(),
            remembered: self.remembered.as_ref(),
        };
        let (state, steps) = rotate(shared.state(), &beside)?;
        if !shared.is(&state) {
            if !shared.write(&state).await? {
                return Ok(None);
            }
            steps.iter().for_each(|&step| self.keeper.teller.tell(&News::of_step(step)));
        }
        self.remembered = Some(state.clone());
        Ok(Some(state))
    }

    /// Where the hooks had to be written although nothing else has changed, somebody else had changed them.
    fn tell_of_others(&mut self, written: &Written, state: &State) {
        if let Written::Changed(kinds) = written
            && self.settled.as_ref() == Some(state)
        {
            self.keeper.teller.tell(&News::authority_restored(kinds));
        }
    }

    fn serve(&mut self, hooks: &Hooks, written: &Written, state: State) -> Result<bool, Error> {
        let choice = self.keeper.offer(&state.leaf)?;
        if choice == Choice::Take {
            self.served = authority_of(&state.leaf, &state.authorities());
        }
        let is_given = self.keeper.judge(hooks, written) == Trust::Given;
        let is_at_rest = is_given && choice == Choice::Take && state.next.is_none();
        self.settled = is_given.then_some(state);
        Ok(is_at_rest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::stream;
    use kube::Client;
    use kube::client::Body;

    use super::super::anchors::Anchors;
    use super::super::tell::Teller;
    use super::super::{Certificates, Lifetimes};
    use super::*;

    /// The first two answers begin and do not end; after them nothing is found.
    fn stalling(asked: Arc<AtomicUsize>) -> Client {
        let service = tower::service_fn(move |_: axum::http::Request<Body>| {
            let turn = asked.fetch_add(1, Ordering::Relaxed);
            async move {
                let endless = stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
                let (status, body) = if turn < 2 {
                    (200, axum::body::Body::from_stream(endless))
                } else {
                    (404, axum::body::Body::empty())
                };
                axum::http::Response::builder().status(status).body(body)
            }
        });
        Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stalls_does_not_end_the_keeping() {
        let asked = Arc::new(AtomicUsize::new(0));
        let client = stalling(Arc::clone(&asked));
        let hour = Duration::from_secs(3600);
        let keeper = Keeper {
            names: vec!["a.b.svc".to_owned()],
            propagation: Duration::ZERO,
            certificates: Arc::new(Certificates::default()),
            readiness: Arc::default(),
            teller: Teller::new(client.clone(), "b"),
            anchors: Anchors::default(),
            served: None,
            deviations: Vec::new(),
            said: String::new(),
            client,
        };
        let lifetimes = Lifetimes { propagation: Duration::ZERO, leaf: hour, authority: 3 * hour };
        let namespace = "b".to_owned();
        let own = Own { keeper, namespace, lifetimes, served: None, remembered: None, settled: None };
        tokio::spawn(own.keep());
        tokio::time::sleep(LIMIT / 2).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2, "both configurations are waited for");
        tokio::time::sleep(LIMIT).await;
        assert!(asked.load(Ordering::Relaxed) > 4, "it did not look again");
    }
}
