//! Who is connected. When there are too many, one that is silent gives way to whoever comes: of the address with the most silent
//! connections the one that has been silent longest. So connections that nobody uses can keep nobody out, who opens many of them loses
//! their own first, and a connection with a call under way is never closed for another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// What a connection is doing. The order is that in which they give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It has not made a call yet; since it was accepted.
    New(Instant),
    /// It has made calls and makes none now; since the last.
    Idle(Instant),
    /// It has a call under way.
    Busy,
}

#[derive(Debug)]
struct Seat {
    address: IpAddr,
    state: State,
    leave: oneshot::Sender<()>,
}

/// All connections.
pub(super) struct Crowd {
    most: usize,
    next: AtomicU64,
    seats: Mutex<HashMap<u64, Seat>>,
    metrics: Arc<Metrics>,
}

/// One connection, from inside; its seat is free when this goes.
pub(super) struct Member {
    id: u64,
    crowd: Arc<Crowd>,
}

/// Resolves when the connection has to give way.
pub(super) struct Leave(oneshot::Receiver<()>);

impl Leave {
    pub(super) async fn asked(self) {
        if self.0.await.is_err() {
            // The seat was given up by the connection itself, which is about to end.
            std::future::pending::<()>().await;
        }
    }
}

impl Crowd {
    pub(super) fn new(most: usize, metrics: Arc<Metrics>) -> Self {
        Self { most, next: AtomicU64::new(0), seats: Mutex::new(HashMap::new()), metrics }
    }

    /// A seat for a connection that was just accepted; where there is none, another gives way. Where all have calls under way there
    /// is one more: how much they may do at once is limited elsewhere.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> (Member, Leave) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (leave, asked) = oneshot::channel();
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.len() >= self.most
            && let Some(silent) = longest_silent(&seats)
            && let Some(seat) = seats.remove(&silent)
        {
            self.metrics.connections_evicted.inc();
            // It may be ending by itself this very moment.
            let _ = seat.leave.send(());
        }
        seats.insert(id, Seat { address, state: State::New(Instant::now()), leave });
        self.count(&seats);
        (Member { id, crowd: Arc::clone(self) }, Leave(asked))
    }

    fn set(&self, id: u64, state: State) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seat) = seats.get_mut(&id) {
            seat.state = state;
        }
    }

    fn count(&self, seats: &HashMap<u64, Seat>) {
        self.metrics.connections.set(i64::try_from(seats.len()).unwrap_or(i64::MAX));
    }
}

fn longest_silent(seats: &HashMap<u64, Seat>) -> Option<u64> {
    let silent = || seats.iter().filter(|(_, seat)| seat.state != State::Busy);
    let mut crowds: HashMap<IpAddr, usize> = HashMap::new();
    for (_, seat) in silent() {
        *crowds.entry(seat.address).or_default() += 1;
    }
    let (crowded, _) = crowds.into_iter().max_by_key(|(_, count)| *count)?;
    let of_it = silent().filter(|(_, seat)| seat.address == crowded);
    of_it.min_by_key(|(_, seat)| seat.state).map(|(id, _)| *id)
}

impl Member {
    /// A time between this one and a quarter less, another for each member: what begins together does not end together.
    pub(super) fn spread(&self, time: Duration) -> Duration {
        // The golden ratio's fraction spreads numbers that follow each other best.
        let place = (self.id as u32).wrapping_mul(0x9E37_79B9);
        time.mul_f64(1.0 - 0.25 * f64::from(place) / f64::from(u32::MAX))
    }

    /// A call begins.
    pub(super) fn begins(&self) {
        self.crowd.set(self.id, State::Busy);
    }

    /// It was answered.
    pub(super) fn is_done(&self) {
        self.crowd.set(self.id, State::Idle(Instant::now()));
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut seats = self.crowd.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.remove(&self.id);
        self.crowd.count(&seats);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const API_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    async fn is_asked(leave: Leave) -> bool {
        tokio::time::timeout(Duration::from_millis(50), leave.asked()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_called_gives_way_first_then_who_is_silent_longest() {
        let crowd = Arc::new(Crowd::new(3, Arc::new(Metrics::default())));
        let wait = || tokio::time::advance(Duration::from_secs(1));
        let (used, used_leave) = crowd.enter(API_SERVER);
        used.begins();
        used.is_done();
        wait().await;
        let (busy, busy_leave) = crowd.enter(API_SERVER);
        busy.begins();
        let (_new, new_leave) = crowd.enter(API_SERVER);
        let (fourth, _fourth_leave) = crowd.enter(API_SERVER);
        assert!(is_asked(new_leave).await, "the one that never made a call");
        fourth.begins();
        let (_fifth, _fifth_leave) = crowd.enter(API_SERVER);
        assert!(is_asked(used_leave).await, "the one that is silent longest");
        assert!(!is_asked(busy_leave).await, "a call is never cut off for another");
    }

    #[tokio::test]
    async fn a_seat_is_free_when_its_connection_ends() {
        let crowd = Arc::new(Crowd::new(1, Arc::new(Metrics::default())));
        let (first, _leave) = crowd.enter(API_SERVER);
        drop(first);
        let (_second, leave) = crowd.enter(API_SERVER);
        assert!(!is_asked(leave).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_opens_many_loses_their_own() {
        let crowd = Arc::new(Crowd::new(3, Arc::new(Metrics::default())));
        let (used, leave) = crowd.enter(API_SERVER);
        used.begins();
        used.is_done();
        let mut strangers = Vec::new();
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(1)).await;
            let (stranger, asked) = crowd.enter(STRANGER);
            stranger.begins();
            stranger.is_done();
            strangers.push((stranger, asked));
        }
        let (_newcomer, _leave) = crowd.enter(API_SERVER);
        assert!(is_asked(strangers.remove(0).1).await);
        assert!(!is_asked(leave).await, "it is silent for longer, and not one of many");
    }

    #[test]
    fn ends_are_spread() {
        let crowd = Arc::new(Crowd::new(9, Arc::new(Metrics::default())));
        let members: Vec<_> = (0..8).map(|_| crowd.enter(API_SERVER).0).collect();
        let mut times: Vec<_> = members.iter().map(|member| member.spread(Duration::from_secs(600))).collect();
        assert!(times.iter().all(|time| (450..=600).contains(&time.as_secs())), "{times:?}");
        times.sort();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] > Duration::from_secs(5)), "{times:?}");
    }
}
