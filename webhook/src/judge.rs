//! From the bytes of a review to its reply: the pure review, and the look-ups that some of them need.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use release_shared::record::Signer;
use release_shared::validate::Verdicts;
use release_shared::world::World;

use crate::confirm::{confirm, is_ending};
use crate::load::Turn;
use crate::permission;
use crate::review::{self, Context, Mode, Reply, Request};
use crate::router::App;

/// How long the look-ups of one review may take together, of a deletion and of a change. The hook of deletions gives up after 2 s and
/// lets through what is not answered, the others do after 10 s. (`deploy/webhook/configurations.yaml`)
const DELETION: Duration = Duration::from_millis(1500);
const CHANGE: Duration = Duration::from_secs(8);

/// The answer, for which the API server waits `patience` where it says so. What is deleted is let go where all of its namespace goes.
pub(crate) async fn answer(app: &App, mode: Mode, body: &[u8], patience: Option<Duration>) -> Reply {
    let started = Instant::now();
    // What is read of a large body takes more room than the body: it is read and judged in one turn.
    let turn = app.load.turn(body.len()).await;
    let request = match review::decode(body) {
        Ok(request) => request,
        Err(reply) => return *reply,
    };
    let most = if request.is_deletion() { DELETION } else { CHANGE };
    // An answer that comes after the API server has given up is none.
    let deadline = started + patience.map_or(most, |patience| most.min(patience * 3 / 4));
    let reply = Judge { app, mode, request: &request, size: body.len(), deadline }.judge(turn).await;
    if reply.is_allowed() || !request.is_deletion() {
        return reply;
    }
    match within(deadline, is_ending(&app.client, request.namespace())).await {
        Some(Ok(true)) => review::let_go(&request),
        Some(Ok(false)) | None => reply,
        Some(Err(error)) => {
            tracing::warn!(error = %error, "it could not be looked whether a namespace is ending; the refusal stands");
            reply
        }
    }
}

/// What one judgement is about.
struct Judge<'a> {
    app: &'a App,
    mode: Mode,
    request: &'a Request<'a>,
    /// Of the body, in bytes.
    size: usize,
    deadline: Instant,
}

impl Judge<'_> {
    /// Judges with the cache; what rests on another object is judged again with what the API server says of it. That may bring up a rule
    /// that rests on yet another, such as the pipeline's for a project made just now; each is looked at once. What is refused then, and may
    /// be gone past by who asks for it, costs a question about their permission, once as well.
    async fn judge(&self, turn: Turn<'_>) -> Reply {
        let Self { app, mode, request, deadline, .. } = *self;
        let now = Timestamp::now();
        let (signer, turn) = self.signer(turn).await;
        let signer = signer.as_deref();
        let judge = |world: &World, verdicts: &Verdicts| {
            review::review(mode, request, &Context { world, signer, now, speakers: &app.speakers, verdicts })
        };
        let mut verdicts = Verdicts::new();
        let (mut reply, world) = app.cache.with(request.namespace(), |world| {
            let reply = judge(world, &verdicts);
            let open = reply.unconfirmed().next().is_some() || !reply.unasked().is_empty();
            (reply, open.then(|| world.clone()))
        });
        drop(turn);
        let Some(mut world) = world else { return reply };
        let mut looked = HashSet::new();
        loop {
            let unseen: Vec<_> = reply.unconfirmed().filter(|&other| looked.insert(other.clone())).cloned().collect();
            if !unseen.is_empty() {
                match within(deadline, confirm(&app.client, request, &unseen, &mut world)).await {
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        tracing::warn!(error = %error, "what the judgement rests on could not be confirmed; the judgement stands");
                        return reply;
                    }
                    None => return reply,
                }
            } else if !reply.unasked().is_empty() {
                let Some(found) = within(deadline, permission::ask(&app.client, request, reply.unasked())).await else {
                    return reply;
                };
                verdicts.extend(found);
            } else {
                return reply;
            }
            let _turn = app.load.turn(self.size).await;
            reply = judge(&world, &verdicts);
        }
    }

    /// Who signs, and knows what another replica has signed with: a key that was made just now is looked up once. Nobody keeps a turn while
    /// looking.
    async fn signer<'t>(&'t self, turn: Turn<'t>) -> (Option<Arc<Signer>>, Turn<'t>) {
        let signer = self.app.keys.signer();
        let is_unknown = |signer: &Signer| match self.mode {
            Mode::Mutate => self.request.follows_unknown_key(signer),
            Mode::Validate => self.request.has_unknown_key(signer),
        };
        if !signer.as_deref().is_some_and(is_unknown) {
            return (signer, turn);
        }
        drop(turn);
        let signer = self.app.keys.refreshed().await;
        (signer, self.app.load.turn(self.size).await)
    }
}

/// What a look-up finds before the deadline. After it the judgement stands as it is: a refusal that comes too late is none.
async fn within<T>(deadline: Instant, look: impl Future<Output = T>) -> Option<T> {
    let found = tokio::time::timeout_at(deadline.into(), look).await;
    if found.is_err() {
        tracing::warn!("the API server did not answer in time; the judgement stands");
    }
    found.ok()
}
