//! Who is connected, and never more than so many. When there are too many, one that nobody is in need of gives way to whoever comes: of the
//! address with the most of them the one that has not made a call within a second, then the one whose request does not come, then the one
//! that has been silent longest. So connections that nobody uses can keep nobody out, who opens many of them loses their own first, and a connection
//! whose call is being judged is never closed for another. Where nobody gives way, who comes is turned away.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::load::FAIR;
use crate::metrics::Metrics;

/// How many files have to be free when they have run out: for health, for the call of our own socket, and for what is asked at the API
/// server.
const SPARE: usize = 16;
/// How many connections there may be however few files are left: what lacks them may be somebody else, and the API server and our own call are
/// to find a place.
const FEWEST: usize = 4;
/// For how long there are fewer connections then.
const FEWER_FOR: Duration = Duration::from_secs(60);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not made a call yet; since it was accepted.
    New(Instant),
    /// A call's head was read, and its body is still to come; since then.
    Reading(Instant),
    /// It has made calls and makes none now; since the last.
    Idle(Instant),
    /// It has a whole call under way.
    Busy,
}

impl State {
    /// Who gives way first, as the smallest; nothing where it does not. Whoever has had their time goes before a handshake that may be under
    /// way, and a request that has not had it gives way only to somebody who has fewer connections.
    fn rank(self, now: Instant, has_more: bool) -> Option<(u8, Instant)> {
        let is_late = |since| now.duration_since(since) >= FAIR;
        match self {
            Self::New(since) if is_late(since) => Some((0, since)),
            Self::Reading(since) if is_late(since) => Some((1, since)),
            Self::New(since) => Some((2, since)),
            Self::Idle(since) => Some((3, since)),
            Self::Reading(since) if has_more => Some((4, since)),
            Self::Reading(_) | Self::Busy => None,
        }
    }
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
    /// How many there may be for a while, and since when.
    fewer: Mutex<Option<(usize, Instant)>>,
    metrics: Arc<Metrics>,
}

/// One connection, from inside; its seat is free when this goes.
pub(super) struct Member {
    id: u64,
    address: IpAddr,
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
        Self { most, next: AtomicU64::new(0), seats: Mutex::default(), fewer: Mutex::default(), metrics }
    }

    /// How many there may be now.
    fn most(&self) -> usize {
        match *self.fewer.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((most, since)) if since.elapsed() < FEWER_FOR => most,
            _ => self.most,
        }
    }

    /// A seat for a connection that was just accepted. Where there is none another gives way; where nobody does there is none.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<(Member, Leave)> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.len() >= self.most() && !self.make_room(&mut seats, Some(address)) {
            self.metrics.connections_refused.inc();
            tracing::debug!(peer = %address, "a connection found no place");
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (leave, asked) = oneshot::channel();
        seats.insert(id, Seat { address, state: State::New(Instant::now()), leave });
        self.count(&seats);
        Some((Member { id, address, crowd: Arc::clone(self) }, Leave(asked)))
    }

    /// Lets some give way because no more files can be opened, and takes no more than are left then for a while: others are in need of files
    /// as well.
    pub(super) fn thin_out(&self) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let most = (seats.len() - SPARE.min(seats.len().div_ceil(2))).max(FEWEST.min(self.most));
        *self.fewer.lock().unwrap_or_else(PoisonError::into_inner) = Some((most, Instant::now()));
        while seats.len() > most && self.make_room(&mut seats, None) {}
        self.count(&seats);
    }

    fn make_room(&self, seats: &mut HashMap<u64, Seat>, newcomer: Option<IpAddr>) -> bool {
        let Some(seat) = dispensable(seats, newcomer, Instant::now()).and_then(|id| seats.remove(&id)) else {
            return false;
        };
        self.metrics.connections_evicted.inc();
        tracing::debug!(peer = %seat.address, "a connection gave way to another");
        // It may be ending by itself this very moment.
        let _ = seat.leave.send(());
        true
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

/// Who gives way to somebody from this address: never one of an address that has fewer connections without a whole call, as otherwise who
/// has many of them would push others out.
fn dispensable(seats: &HashMap<u64, Seat>, newcomer: Option<IpAddr>, now: Instant) -> Option<u64> {
    let mut counts: HashMap<IpAddr, usize> = newcomer.into_iter().map(|address| (address, 1)).collect();
    for seat in seats.values().filter(|seat| seat.state != State::Busy) {
        *counts.entry(seat.address).or_default() += 1;
    }
    let own = newcomer.map_or(0, |address| counts[&address]);
    let mut crowds: Vec<_> = counts.into_iter().filter(|(_, count)| *count >= own).collect();
    crowds.sort_by_key(|(address, count)| (std::cmp::Reverse(*count), Some(*address) != newcomer));
    crowds.into_iter().find_map(|(address, count)| {
        let of_it = seats.iter().filter(|(_, seat)| seat.address == address);
        let ranked = of_it.filter_map(|(id, seat)| Some((seat.state.rank(now, count > own)?, *id)));
        ranked.min().map(|(_, id)| id)
    })
}

impl Member {
    /// Where it comes from.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// A time between this one and a quarter less, another for each member: what begins together does not end together.
    pub(super) fn spread(&self, time: Duration) -> Duration {
        // The golden ratio's fraction spreads numbers that follow each other best.
        let place = (self.id as u32).wrapping_mul(0x9E37_79B9);
        time.mul_f64(1.0 - 0.25 * f64::from(place) / f64::from(u32::MAX))
    }

    /// A call's head was read; its body is still to come.
    pub(super) fn reads(&self) {
        self.crowd.set(self.id, State::Reading(Instant::now()));
    }

    /// All of it is here.
    pub(super) fn is_busy(&self) {
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
mod tests;
