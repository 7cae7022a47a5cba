//! Certificates that this program makes itself.
//!
//! `hooks → Secret → plan → Secret → hooks → served`, each time that one of them changes and every 30 s. The hooks are read first: see
//! [`Hooks`]. Replicas agree through the Secret's resourceVersion: whoever writes first wins, the others read.

use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;

use super::choose::Choice;
use super::hooks::{self, Hooks, Written};
use super::keeper::{INTERVAL, Keeper, RETRY};
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
    keeper: Keeper,
    namespace: String,
    lifetimes: Lifetimes,
    /// The authority of what is served.
    served: Option<Old>,
    /// What was in the Secret when it was looked at last.
    remembered: Option<State>,
    /// What was there when all hooks had it last.
    settled: Option<State>,
}

impl Own {
    /// One that has not looked yet. The Secret is in the namespace.
    pub(super) fn new(keeper: Keeper, namespace: String, lifetimes: Lifetimes) -> Self {
        Self { keeper, namespace, lifetimes, served: None, remembered: None, settled: None }
    }

    /// For ever.
    pub(super) async fn keep(mut self) {
        let client = self.keeper.client.clone();
        let changes = futures::stream::select(hooks::changes(&client), secret::changes(&client, &self.namespace));
        let mut changes = std::pin::pin!(changes);
        loop {
            let looked = match tokio::time::timeout(LIMIT, self.look()).await {
                Ok(looked) => looked.map_err(|error| error_chain(&error)),
                Err(_) => Err(format!("the API server did not answer within {} s", LIMIT.as_secs())),
            };
            let wait = looked.as_ref().map_or(Duration::ZERO, |pace| pace.wait(INTERVAL.min(self.lifetimes.leaf / 20)));
            self.problem_is(looked.err());
            tokio::time::sleep(RETRY).await;
            tokio::select! {
                Some(()) = changes.next() => {}
                () = tokio::time::sleep(wait) => {}
            }
            // One look is enough for all that has happened until now.
            while let Some(Some(())) = changes.next().now_or_never() {}
        }
    }

    async fn look(&mut self) -> Result<Pace, Error> {
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

    fn serve(&mut self, hooks: &Hooks, written: &Written, state: State) -> Result<Pace, Error> {
        let choice = self.keeper.offer(&state.leaf)?;
        if choice == Choice::Take {
            self.served = authority_of(&state.leaf, &state.authorities());
        }
        let judged = self.keeper.judge(hooks, written);
        let pace = match judged {
            _ if judged.is_calm() && choice == Choice::Take && state.next.is_none() => Pace::Rest,
            _ if judged.is_trusted && judged.is_sure && judged.refusals > 0 => Pace::Patience(judged.refusals),
            _ => Pace::Haste,
        };
        self.settled = (judged.is_calm() && judged.is_complete).then_some(state);
        Ok(pace)
    }

    /// What kept a look from its end.
    fn problem_is(&mut self, problem: Option<String>) {
        let remark =
            problem.as_ref().map(|problem| format!("the certificates cannot be looked after; trying again: {problem}"));
        self.keeper.certificates.set_problem(remark);
        if let Some(problem) = problem {
            self.keeper.say(true, problem);
        }
    }
}

/// When to look again where nothing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// All is well.
    Rest,
    /// Calls are answered, and so many looks in a row could not write what should be.
    Patience(u32),
    /// Something is under way, or calls are not answered.
    Haste,
}

impl Pace {
    /// How long after [`RETRY`].
    fn wait(self, rest: Duration) -> Duration {
        match self {
            Self::Rest => rest,
            Self::Patience(refusals) => rest.min(RETRY.saturating_mul(2_u32.saturating_pow(refusals - 1)) - RETRY),
            Self::Haste => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests;
