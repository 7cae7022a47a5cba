//! From the bytes of a review to its reply: the pure review, and the look-ups that some of them need.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use release_shared::record::Signer;
use release_shared::validate::Verdicts;
use release_shared::violation::{Permission, RestsOn};
use release_shared::world::{MAX_JUDGED, ReleaseDetails, World};
use tokio::time::Instant;

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
    let lookups = &app.lookups;
    let look = lookups.ask(is_ending(&app.client, request.namespace()));
    match lookups.find("whether a namespace is ending", deadline, look).await {
        Some(true) => review::let_go(&request),
        Some(false) | None => reply,
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
        let now = Timestamp::now();
        let (signer, turn) = self.signer(turn).await;
        let judge = |known: &Known| {
            let Known { world, verdicts } = known;
            let (signer, speakers) = (signer.as_deref(), &self.app.speakers[..]);
            review::review(self.mode, self.request, &Context { world, signer, now, speakers, verdicts })
        };
        let mut reply = judge(&self.known());
        drop(turn);
        let mut looked = HashSet::new();
        let Some(mut open) = Open::of(&reply, &mut looked) else { return reply };
        let Some(_looking) = self.app.lookups.place(self.deadline).await else { return self.as_it_stands(reply) };
        // Who waits for a place holds on to nothing, and goes on by what has been heard meanwhile.
        let mut known = self.known();
        loop {
            if !self.look(open, &mut known).await {
                return self.as_it_stands(reply);
            }
            if let Some((release, bytes)) = known.too_large(&looked) {
                return review::unjudged(self.request, release, bytes);
            }
            let size = looked.iter().map(|other| known.size(other)).sum();
            let _turn = self.app.load.turn(self.size.max(size)).await;
            reply = judge(&known);
            match Open::of(&reply, &mut looked) {
                Some(next) => open = next,
                None => return reply,
            }
        }
    }

    /// What the cache has now.
    fn known(&self) -> Known {
        Known { world: self.app.cache.world(self.request.namespace()), verdicts: Verdicts::new() }
    }

    /// Looks at what is open. Whether anything was learned.
    async fn look(&self, open: Open, known: &mut Known) -> bool {
        let Self { app: App { client, lookups, .. }, request, deadline, .. } = *self;
        match open {
            Open::Objects(unseen) => {
                let look = confirm(client, lookups, request, &unseen, &mut known.world);
                lookups.find("what a judgement rests on", deadline, look).await.is_some()
            }
            Open::Permissions(unasked) => {
                known.verdicts.extend(permission::ask(client, lookups, deadline, request, &unasked).await);
                true
            }
        }
    }

    /// The reply where nothing more can be learned. It stands, unless what was to be learned is all that could be judged by.
    fn as_it_stands(&self, reply: Reply) -> Reply {
        let unread = reply.unconfirmed().find_map(|other| match other {
            RestsOn::Details(name) => Some(name.clone()),
            _ => None,
        });
        match unread.filter(|_| reply.is_allowed()) {
            Some(release) => review::unread(self.request, &release),
            None => reply,
        }
    }

    /// Who signs, and knows what another replica has signed with: a key that is not known may have been made just now, and is looked for.
    /// Nobody keeps a turn while looking.
    async fn signer<'t>(&'t self, turn: Turn<'t>) -> (Option<Arc<Signer>>, Turn<'t>) {
        let signer = self.app.keys.signer();
        let unknown = signer.as_deref().map(|signer| self.request.unknown_keys(self.mode, signer)).unwrap_or_default();
        if unknown.is_empty() {
            return (signer, turn);
        }
        drop(turn);
        let signer = self.app.keys.having_sought(&unknown, &self.app.lookups, self.deadline).await;
        (signer, self.app.load.turn(self.size).await)
    }
}

/// What a review is judged by.
struct Known {
    /// The cache's own, unless the API server said something else.
    world: Arc<World>,
    verdicts: Verdicts,
}

impl Known {
    /// The release that brings more than there is room for when it is read, with its bytes.
    fn too_large<'a>(&self, looked: &'a HashSet<RestsOn>) -> Option<(&'a str, usize)> {
        looked.iter().find_map(|other| match other {
            RestsOn::Details(name) => Some((name.as_str(), self.size(other))).filter(|(_, bytes)| *bytes > MAX_JUDGED),
            _ => None,
        })
    }

    /// How large what was looked up of a release is, in bytes; of all else rules keep little.
    fn size(&self, other: &RestsOn) -> usize {
        let RestsOn::Details(name) = other else { return 0 };
        let details = self.world.releases.get(name).and_then(|release| release.details.as_deref());
        details.map_or(0, ReleaseDetails::size)
    }
}

/// What a reply leaves open.
enum Open {
    /// How these are now.
    Objects(Vec<RestsOn>),
    /// Whether these are given.
    Permissions(Vec<Permission>),
}

impl Open {
    /// What is to be looked at next; each is looked at once.
    fn of(reply: &Reply, looked: &mut HashSet<RestsOn>) -> Option<Self> {
        let unseen: Vec<_> = reply.unconfirmed().filter(|&other| looked.insert(other.clone())).cloned().collect();
        let permissions = || Some(reply.unasked().to_vec()).filter(|unasked| !unasked.is_empty());
        if unseen.is_empty() { permissions().map(Self::Permissions) } else { Some(Self::Objects(unseen)) }
    }
}
