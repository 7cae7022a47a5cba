//! Looks for keys that somebody's record names and nobody knows here. One look serves all who came before it began, what was not found is
//! remembered for a while, and there are only so many: whoever calls may make up as many names of keys as they like.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// For how long it is remembered that a key is not there. One that comes meanwhile is heard of by the watch.
const REMEMBERED: Duration = Duration::from_secs(10);
/// How many keys are remembered of which that is known, the newest.
const MOST: usize = 256;
/// How many looks there may be one after the other, and how soon another one after them. Every look learns of all keys, so that a new one is
/// known no later than this, however many are made up.
const AT_ONCE: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// The looks so far.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Held by who looks.
    alone: Mutex<()>,
    looks: Lock<Looks>,
}

#[derive(Debug, Default)]
struct Looks {
    /// How many have begun, and the last of them that was answered.
    begun: u64,
    answered: u64,
    /// When the next one would be, were there no more than one in each pause.
    next: Option<Instant>,
    /// The keys that are not there, and until when that is remembered, the oldest first.
    missing: VecDeque<(String, Instant)>,
}

impl Search {
    /// Makes sure that somebody has looked for these keys since this was called, or a moment ago. `false` where too many looks were made.
    ///
    /// # Errors
    /// Where the look came to nothing; who comes next looks again.
    pub(super) async fn look<E>(
        &self,
        keys: &BTreeSet<String>,
        is_known: impl Fn(&str) -> bool,
        look: impl Future<Output = Result<(), E>>,
    ) -> Result<bool, E> {
        let Some(begun) = self.looks().before(keys) else { return Ok(true) };
        let _alone = self.alone.lock().await;
        if self.looks().answered <= begun && !keys.iter().all(|key| is_known(key)) {
            let Some(number) = self.looks().begin(Instant::now()) else { return Ok(false) };
            look.await?;
            self.looks().answered = number;
        }
        self.looks().miss(keys.iter().filter(|key| !is_known(key)), Instant::now());
        Ok(true)
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Looks {
    /// How many have begun before these keys were asked for; nothing where all of them are known to be missing.
    fn before(&mut self, keys: &BTreeSet<String>) -> Option<u64> {
        let now = Instant::now();
        self.missing.retain(|(_, until)| *until > now);
        let is_missing = |key: &String| self.missing.iter().any(|(missing, _)| missing == key);
        (!keys.iter().all(is_missing)).then_some(self.begun)
    }

    /// The number of the look that begins now, if there may be one.
    fn begin(&mut self, now: Instant) -> Option<u64> {
        let next = self.next.map_or(now, |next| next.max(now));
        if next > now + PAUSE * (AT_ONCE - 1) {
            return None;
        }
        self.next = Some(next + PAUSE);
        self.begun += 1;
        Some(self.begun)
    }

    fn miss<'a>(&mut self, keys: impl Iterator<Item = &'a String>, now: Instant) {
        for key in keys {
            self.missing.retain(|(missing, _)| missing != key);
            self.missing.push_back((key.clone(), now + REMEMBERED));
        }
        let most = self.missing.len().saturating_sub(MOST);
        self.missing.drain(..most);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    /// A Secret that takes a moment to be read, and who has read it.
    #[derive(Default)]
    struct Secret {
        keys: Lock<BTreeSet<String>>,
        known: Lock<BTreeSet<String>>,
        search: Search,
        looks: AtomicUsize,
    }

    const MOMENT: Duration = Duration::from_millis(100);

    impl Secret {
        /// Whether this key is found.
        async fn find(&self, key: &str) -> bool {
            let is_known = |key: &str| self.known.lock().unwrap().contains(key);
            let look = async {
                self.looks.fetch_add(1, Ordering::Relaxed);
                let keys = self.keys.lock().unwrap().clone();
                tokio::time::sleep(MOMENT).await;
                *self.known.lock().unwrap() = keys;
                Ok::<_, Infallible>(())
            };
            let Ok(_) = self.search.look(&[key.to_owned()].into(), is_known, look).await;
            is_known(key)
        }

        fn put(&self, key: &str) {
            self.keys.lock().unwrap().insert(key.to_owned());
        }

        fn looks(&self) -> usize {
            self.looks.load(Ordering::Relaxed)
        }
    }

    /// Starts a search for each, at once.
    fn all(secret: &Arc<Secret>, keys: impl Iterator<Item = String>) -> JoinSet<bool> {
        keys.map(|key| {
            let secret = Arc::clone(secret);
            async move { secret.find(&key).await }
        })
        .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_look_serves_all_who_came_before_it_began() {
        let secret = Arc::new(Secret::default());
        let first = all(&secret, ["a".to_owned()].into_iter());
        tokio::time::sleep(MOMENT / 2).await;
        // What is under way may have read it before this.
        secret.put("new");
        let more = all(&secret, (0..100).map(|_| "new".to_owned()));
        assert!(more.join_all().await.into_iter().all(|found| found));
        assert_eq!(first.join_all().await, [false]);
        assert_eq!(secret.looks(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_there_is_remembered_for_a_while() {
        let secret = Secret::default();
        for _ in 0..50 {
            assert!(!secret.find("gone").await);
        }
        assert_eq!(secret.looks(), 1);
        secret.put("new");
        assert!(secret.find("new").await, "another one is found at once");
        tokio::time::sleep(REMEMBERED).await;
        secret.put("gone");
        assert!(secret.find("gone").await);
        assert_eq!(secret.looks(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_are_made_up_there_are_few_looks() {
        let secret = Arc::new(Secret::default());
        all(&secret, (0..1000).map(|at| format!("made-up-{at}"))).join_all().await;
        // All but the first have come after the first look began.
        assert_eq!(secret.looks(), 2);
        for at in 0..1000 {
            assert!(!secret.find(&format!("made-up-too-{at}")).await);
        }
        assert_eq!(secret.looks(), 4);
        assert_eq!(secret.search.looks().missing.len(), MOST);
        // They look on, and what is new is known by that.
        secret.put("new");
        assert!(!secret.find("new").await);
        tokio::time::sleep(PAUSE).await;
        assert!(!secret.find("made-up").await);
        assert!(secret.known.lock().unwrap().contains("new"));
        assert_eq!(secret.looks(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_after_a_look_that_failed_looks_again() {
        let search = Search::default();
        let key: BTreeSet<_> = ["a".to_owned()].into();
        assert_eq!(search.look(&key, |_| false, async { Err("nobody is there") }).await, Err("nobody is there"));
        let given_up = search.look(&key, |_| false, std::future::pending::<Result<(), &str>>());
        assert!(tokio::time::timeout(MOMENT, given_up).await.is_err());
        let mut looked = false;
        let look = async {
            looked = true;
            Ok::<_, &str>(())
        };
        assert_eq!(search.look(&key, |_| false, look).await, Ok(true));
        assert!(looked);
    }
}
