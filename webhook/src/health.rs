//! Readiness: true only when a call would be answered rightly and be trusted by the API server. Liveness: that anything moves at all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::routing::get;

/// How long nothing may move before a restart is the only help. Load is no reason for that: work only waits for its turn then.
const STANDSTILL: Duration = Duration::from_secs(60);
/// How long nothing may move before calls had better go elsewhere.
const PAUSE: Duration = Duration::from_secs(10);
/// How often it is shown that something moves.
const BEAT: Duration = Duration::from_secs(1);
/// How long what came of a call of our own socket is believed. One is made every 5 s, and three that are not answered take 14 s.
const BELIEVED: Duration = Duration::from_secs(20);

/// What must be so before calls are taken.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    synced: AtomicBool,
    keyed: AtomicBool,
    distrust: RwLock<Distrust>,
    reached: RwLock<Seen>,
}

/// Why the webhook configurations do not trust what is served, if so.
#[derive(Debug)]
struct Distrust(Option<String>);

impl Default for Distrust {
    fn default() -> Self {
        Self(Some("whether the webhook configurations trust the certificate is not yet known".to_owned()))
    }
}

/// What came of a call, and when.
#[derive(Debug, Default)]
struct Seen {
    reached: Reached,
    at: Option<Instant>,
}

/// What came of the last calls of our own socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Reached {
    /// There was none yet.
    #[default]
    NotYet,
    /// It was answered, with a certificate that every hook trusts.
    Yes,
    /// Not so: why.
    No(String),
}

impl Readiness {
    /// The caches have seen everything once. They may go stale later, which is no reason to be unready: all replicas would be at once.
    pub(crate) fn set_synced(&self) {
        self.synced.store(true, Ordering::Release);
    }

    /// Why the webhook configurations do not trust the certificate that is served; nothing where they do.
    pub(crate) fn set_trust(&self, wrong: Option<String>) {
        *self.distrust.write().unwrap_or_else(PoisonError::into_inner) = Distrust(wrong);
    }

    /// The keys that sign records were loaded once. They stay in memory, whatever becomes of them in the cluster.
    pub(crate) fn set_keyed(&self) {
        self.keyed.store(true, Ordering::Release);
    }

    /// What came of a call of our own socket. Says whether that is new.
    pub(crate) fn set_reached(&self, reached: Reached) -> bool {
        self.set_reached_at(reached, Instant::now())
    }

    fn set_reached_at(&self, reached: Reached, at: Instant) -> bool {
        let mut known = self.reached.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.reached != reached;
        *known = Seen { reached, at: Some(at) };
        is_new
    }

    /// What is missing for an answer; `None` where calls can be answered.
    pub(crate) fn cannot_answer(&self) -> Option<&'static str> {
        match (self.synced.load(Ordering::Acquire), self.keyed.load(Ordering::Acquire)) {
            (false, _) => Some("the caches are not yet filled"),
            (true, false) => Some("the record keys are not yet loaded"),
            (true, true) => None,
        }
    }

    /// Each thing that must be so, and what is wrong with it.
    fn checks(&self) -> [(&'static str, Option<String>); 4] {
        let wrong = |is_right: &AtomicBool, what: &str| (!is_right.load(Ordering::Acquire)).then(|| what.to_owned());
        let distrust = self.distrust.read().unwrap_or_else(PoisonError::into_inner);
        let reached = self.reached.read().unwrap_or_else(PoisonError::into_inner);
        let age = reached.at.map(|at| at.elapsed()).unwrap_or_default();
        let unreached = match &reached.reached {
            Reached::NotYet => Some("its own socket was not yet called".to_owned()),
            Reached::Yes if age > BELIEVED => {
                Some(format!("its own socket was last called {} s ago: the calls of it are stuck", age.as_secs()))
            }
            Reached::Yes => None,
            Reached::No(why) => Some(format!("its own socket cannot be called: {why}")),
        };
        [
            ("trust", distrust.0.clone()),
            ("caches", wrong(&self.synced, "the caches are not yet filled")),
            ("record-keys", wrong(&self.keyed, "the record keys are not yet loaded")),
            ("own-socket", unreached),
        ]
    }

    /// What is still missing; `None` when ready.
    pub(crate) fn missing(&self) -> Option<String> {
        self.checks().into_iter().find_map(|(_, wrong)| wrong)
    }

    /// Each thing in a line, as the API server's own `/readyz?verbose` has it.
    fn in_detail(&self) -> String {
        let line = |(name, wrong): (&str, Option<String>)| match wrong {
            None => format!("[+]{name} ok\n"),
            Some(wrong) => format!("[-]{name} failed: {wrong}\n"),
        };
        self.checks().into_iter().map(line).collect()
    }
}

/// Something moves as long as the runtime that answers calls comes to its timers.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    /// Milliseconds after the start.
    last: AtomicU64,
}

impl Pulse {
    /// Begins to beat on this runtime.
    pub(crate) fn start() -> Arc<Self> {
        let pulse = Arc::new(Self { start: Instant::now(), last: AtomicU64::new(0) });
        let beating = Arc::clone(&pulse);
        tokio::spawn(async move {
            loop {
                beating.last.store(beating.age(), Ordering::Release);
                tokio::time::sleep(BEAT).await;
            }
        });
        pulse
    }

    fn age(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// For how long nothing has moved, at least.
    fn stillness(&self) -> Duration {
        Duration::from_millis(self.age().saturating_sub(self.last.load(Ordering::Acquire)))
    }

    fn stands_still(&self) -> bool {
        self.stillness() > STANDSTILL
    }

    /// Why calls had better go elsewhere.
    fn pauses(&self) -> Option<String> {
        let still = self.stillness();
        (still > PAUSE).then(|| format!("nothing has moved for {} s", still.as_secs()))
    }
}

/// What the kubelet asks. `/livez` and `/readyz` are `ok`, or 503 with what is wrong; `/readyz?verbose` has a line for everything that must
/// be so, and one for each of `remarks`, which somebody should look at although calls are answered. `unready` are reasons from outside.
pub(crate) fn endpoints(
    pulse: Arc<Pulse>,
    readiness: Arc<Readiness>,
    unready: impl Fn() -> Option<String> + Clone + Send + Sync + 'static,
    remarks: impl Fn() -> Vec<String> + Clone + Send + Sync + 'static,
) -> Router {
    let moving = pulse.clone();
    let live = move || std::future::ready(answer(pulse.stands_still().then(|| "nothing moves".to_owned()), ""));
    let ready = move |RawQuery(query): RawQuery| {
        let wrong = unready().or_else(|| moving.pauses()).or_else(|| readiness.missing());
        let is_verbose = query.is_some_and(|query| query.split('&').any(|part| part.starts_with("verbose")));
        let detail = || remarks().iter().map(|remark| format!("[!]{remark}\n")).collect::<String>();
        let detail = if is_verbose { format!("{}{}", readiness.in_detail(), detail()) } else { String::new() };
        std::future::ready(answer(wrong, &detail))
    };
    Router::new().route("/livez", get(live)).route("/readyz", get(ready))
}

fn answer(wrong: Option<String>, detail: &str) -> (StatusCode, String) {
    match wrong {
        None => (StatusCode::OK, format!("{detail}ok\n")),
        Some(wrong) => (StatusCode::SERVICE_UNAVAILABLE, format!("{detail}{wrong}\n")),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(router: &Router, path: &str) -> (u16, String) {
        let response = router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_tells_what_is_missing_one_after_the_other() {
        let readiness = Arc::new(Readiness::default());
        let remark = "the hook mutate.release.openchoreo.dev: timeoutSeconds is 3 and not 10".to_owned();
        let router = endpoints(Pulse::start(), readiness.clone(), || None, move || vec![remark.clone()]);
        assert_eq!(get(&router, "/livez").await, (200, "ok\n".to_owned()));
        let mut told = Vec::new();
        for step in 0..4 {
            let (code, words) = get(&router, "/readyz").await;
            assert_eq!(code, 503);
            told.push(words);
            match step {
                0 => readiness.set_trust(None),
                1 => readiness.set_synced(),
                2 => readiness.set_keyed(),
                _ => assert!(readiness.set_reached(Reached::Yes)),
            }
        }
        insta::assert_snapshot!(told.concat(), @r"
        whether the webhook configurations trust the certificate is not yet known
        the caches are not yet filled
        the record keys are not yet loaded
        its own socket was not yet called
        ");
        assert_eq!(get(&router, "/readyz").await, (200, "ok\n".to_owned()));
        assert!(readiness.set_reached(Reached::No("nobody answered".to_owned())));
        let (code, words) = get(&router, "/readyz?verbose").await;
        insta::assert_snapshot!(format!("{code}\n{words}"), @r"
        503
        [+]trust ok
        [+]caches ok
        [+]record-keys ok
        [-]own-socket failed: its own socket cannot be called: nobody answered
        [!]the hook mutate.release.openchoreo.dev: timeoutSeconds is 3 and not 10
        its own socket cannot be called: nobody answered
        ");
    }

    #[tokio::test]
    async fn a_reason_from_outside_comes_first() {
        let router = endpoints(Pulse::start(), Arc::default(), || Some("shutting down".to_owned()), Vec::new);
        assert_eq!(get(&router, "/readyz").await, (503, "shutting down\n".to_owned()));
    }

    fn ago(seconds: u64) -> Instant {
        Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap()
    }

    #[tokio::test]
    async fn what_does_not_move_takes_no_calls_and_after_a_minute_is_not_alive() {
        let readiness = Arc::new(Readiness::default());
        let mut told = Vec::new();
        for still in [8, 12, 59, 62] {
            let pulse = Pulse { start: ago(1000), last: AtomicU64::new((1000 - still) * 1000) };
            let router = endpoints(Arc::new(pulse), readiness.clone(), || None, Vec::new);
            told.push((
                get(&router, "/livez").await.0,
                get(&router, "/readyz").await.1.starts_with("nothing has moved for"),
            ));
        }
        assert_eq!(told, [(200, false), (200, true), (200, true), (503, true)]);
    }

    #[test]
    fn what_was_seen_long_ago_is_not_believed() {
        let readiness = Readiness::default();
        readiness.set_trust(None);
        readiness.set_synced();
        readiness.set_keyed();
        readiness.set_reached_at(Reached::Yes, ago(18));
        assert_eq!(readiness.missing(), None);
        assert!(!readiness.set_reached_at(Reached::Yes, ago(25)));
        let told = readiness.missing().unwrap();
        assert_eq!(told, "its own socket was last called 25 s ago: the calls of it are stuck");
        readiness.set_reached(Reached::Yes);
        assert_eq!(readiness.missing(), None);
    }
}
