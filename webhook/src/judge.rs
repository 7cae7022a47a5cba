//! From the bytes of a review to its reply: the pure review, and the look-ups that some of them need.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use release_shared::record::Signer;
use release_shared::validate::Verdicts;
use release_shared::world::World;

use crate::confirm::{confirm, is_ending};
use crate::load::Load;
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
    let request = match think(&app.load, body.len(), || review::decode(body)).await {
        Ok(request) => request,
        Err(reply) => return *reply,
    };
    let most = if request.is_deletion() { DELETION } else { CHANGE };
    // An answer that comes after the API server has given up is none.
    let deadline = started + patience.map_or(most, |patience| most.min(patience * 3 / 4));
    let reply = Judge { app, mode, request: &request, size: body.len(), deadline }.judge().await;
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

/// Does what only computes. For a large body that takes its turn, of which there are fewer than threads: others never wait for it.
async fn think<T>(load: &Load, size: usize, work: impl FnOnce() -> T) -> T {
    if !Load::is_large(size) {
        return work();
    }
    let _turn = load.turn().await;
    work()
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
    async fn judge(&self) -> Reply {
        let Self { app, mode, request, deadline, .. } = *self;
        let now = Timestamp::now();
        let signer = self.signer().await;
        let signer = signer.as_deref();
        let judge = |world: &World, verdicts: &Verdicts| {
            review::review(mode, request, &Context { world, signer, now, speakers: &app.speakers, verdicts })
        };
        let mut verdicts = Verdicts::new();
        let first = || {
            app.cache.with(request.namespace(), |world| {
                let reply = judge(world, &verdicts);
                let open = reply.unconfirmed().next().is_some() || !reply.unasked().is_empty();
                (reply, open.then(|| world.clone()))
            })
        };
        let (mut reply, world) = think(&app.load, self.size, first).await;
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
            reply = think(&app.load, self.size, || judge(&world, &verdicts)).await;
        }
    }

    /// Who signs, and knows what another replica has signed with: a key that was made just now is looked up once.
    async fn signer(&self) -> Option<Arc<Signer>> {
        let signer = self.app.keys.signer();
        let is_unknown = |signer: &Signer| match self.mode {
            Mode::Mutate => self.request.follows_unknown_key(signer),
            Mode::Validate => self.request.has_unknown_key(signer),
        };
        let unknown = signer.as_deref().is_some_and(is_unknown);
        if unknown { self.app.keys.refreshed().await } else { signer }
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
