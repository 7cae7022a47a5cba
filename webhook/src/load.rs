//! How much may be under way at once. Who comes when there is no room waits a little, and is then asked to come again: the API server does
//! that on its own when it is told so, and fails when a connection is closed on it. (client-go `rest/with_retry.go`)

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;

/// What is small enough to be read and judged beside everything else, in bytes. Larger ones have a room of their own, so that
/// they never keep small ones out.
const SMALL: usize = 64 * 1024;
/// How much of small bodies there may be at once, in bytes.
const SMALL_ROOM: usize = 8 * 1024 * 1024;
/// How much of large bodies there may be at once of which everything was read that is in them, in bytes: that takes several times as much
/// room, and lasts for as long as something is looked up.
const OPEN_ROOM: usize = 8 * 1024 * 1024;
/// As how much even the smallest body counts, in bytes: what is read of it, and who waits for the answer, take room as well. So small ones
/// that need a look-up never have all connections.
const LEAST: usize = 16 * 1024;
/// How much of long answers there may be at once that are not yet read, in bytes.
const ANSWERS_ROOM: usize = 8 * 1024 * 1024;
/// Up to how many bytes an answer needs no room: it lies in the connection's own buffers.
const SHORT: usize = 16 * 1024;
/// How long one waits for room.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a body may take whatever others need. The API server sends one within milliseconds.
pub(crate) const FAIR: Duration = Duration::from_secs(1);
/// Rooms are counted in these.
const UNIT: usize = 1024;

/// How many can compute at once.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// The rooms.
#[derive(Debug)]
pub(crate) struct Load {
    small: Hall,
    large: Hall,
    open: Hall,
    answers: Hall,
    judges: Semaphore,
}

/// There is no room, and there was none for as long as one waits.
#[derive(Debug)]
pub(crate) struct Full;

/// A turn; over when this goes.
pub(crate) type Turn<'a> = Option<SemaphorePermit<'a>>;

/// Room for bodies of one size.
#[derive(Debug)]
struct Hall {
    units: usize,
    free: Arc<Semaphore>,
    /// How many wait for room.
    waiting: watch::Sender<usize>,
}

/// Room for one body; free again when this goes.
#[derive(Debug)]
pub(crate) struct Room {
    #[expect(dead_code, reason = "holds the room")]
    permit: OwnedSemaphorePermit,
    waiting: watch::Receiver<usize>,
}

impl Room {
    /// Resolves when a body that is not here yet has to give way: it has had its time, and somebody waits for the room.
    pub(crate) async fn wanted(&self) {
        tokio::time::sleep(FAIR).await;
        if self.waiting.clone().wait_for(|waiting| *waiting > 0).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Hall {
    fn new(bytes: usize) -> Self {
        let units = bytes / UNIT;
        Self { units, free: Arc::new(Semaphore::new(units)), waiting: watch::Sender::new(0) }
    }

    async fn room(&self, bytes: usize) -> Option<Room> {
        // One that is larger than the whole room has it to itself.
        let units = u32::try_from(bytes.div_ceil(UNIT).clamp(1, self.units)).ok()?;
        let free = || Arc::clone(&self.free);
        let permit = match free().try_acquire_many_owned(units) {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = Waiting::begin(&self.waiting);
                timeout(PATIENCE, free().acquire_many_owned(units)).await.ok()?.ok()?
            }
        };
        Some(Room { permit, waiting: self.waiting.subscribe() })
    }
}

/// Somebody waits for room as long as this is there.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl Load {
    /// `bytes` of large bodies at once, of which `judges` are judged.
    pub(crate) fn new(bytes: usize, judges: usize) -> Self {
        Self {
            small: Hall::new(SMALL_ROOM),
            large: Hall::new(bytes),
            open: Hall::new(OPEN_ROOM),
            answers: Hall::new(ANSWERS_ROOM),
            judges: Semaphore::new(judges),
        }
    }

    /// Whether a body of so many bytes takes long enough to judge that others should not wait for it on the same thread.
    pub(crate) fn is_large(bytes: usize) -> bool {
        bytes > SMALL
    }

    /// Room for a body of at most `bytes`, which a little is waited for; nothing where there is none.
    pub(crate) async fn room(&self, bytes: usize) -> Option<Room> {
        let hall = if Self::is_large(bytes) { &self.large } else { &self.small };
        hall.room(bytes.max(LEAST)).await
    }

    /// Room for what is read of a whole body of `bytes`; small ones need none.
    pub(crate) async fn open(&self, bytes: usize) -> Result<Option<Room>, Full> {
        if Self::is_large(bytes) { self.open.room(bytes).await.ok_or(Full).map(Some) } else { Ok(None) }
    }

    /// Room for an answer of `bytes` until its reader has it; short ones need none.
    pub(crate) async fn answer(&self, bytes: usize) -> Result<Option<Room>, Full> {
        if bytes > SHORT { self.answers.room(bytes).await.ok_or(Full).map(Some) } else { Ok(None) }
    }

    /// A turn to read and judge a large body of `bytes`, of which there is one for each processor; small ones take none.
    pub(crate) async fn turn(&self, bytes: usize) -> Turn<'_> {
        if Self::is_large(bytes) { self.judges.acquire().await.ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_each_other_and_never_keep_small_ones_out() {
        let load = Load::new(8 * MIB, 1);
        let first = load.room(5 * MIB).await;
        assert!(first.is_some());
        assert!(load.room(5 * MIB).await.is_none(), "there is no room for two");
        assert!(load.room(10 * 1024).await.is_some());
        drop(first);
        assert!(load.room(5 * MIB).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_smallest_ones_are_not_without_number() {
        let load = Load::new(8 * MIB, 1);
        let mut rooms = Vec::new();
        while let Some(room) = load.room(1).await {
            rooms.push(room);
        }
        assert_eq!(rooms.len(), 512);
    }

    #[tokio::test(start_paused = true)]
    async fn of_large_ones_few_are_open_at_once() {
        let load = Load::new(100 * MIB, 8);
        let open = [load.open(3 * MIB).await.unwrap(), load.open(3 * MIB).await.unwrap()];
        assert!(open.iter().all(Option::is_some) && load.open(3 * MIB).await.is_err());
        assert!(matches!(load.open(10 * 1024).await, Ok(None)));
        drop(open);
        assert!(load.open(7 * MIB).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_nobody_reads_keep_no_bodies_out() {
        let load = Load::new(8 * MIB, 1);
        let mut unread = Vec::new();
        while let Ok(room) = load.answer(MIB).await {
            unread.push(room);
        }
        assert_eq!(unread.len(), 8);
        assert!(load.room(5 * MIB).await.is_some() && load.room(MIB / 16).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_larger_than_the_room_has_it_to_itself() {
        let load = Load::new(MIB, 1);
        let all = load.room(7 * MIB).await;
        assert!(all.is_some() && load.room(70 * 1024).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn room_that_comes_free_in_time_is_taken() {
        let load = Arc::new(Load::new(MIB, 1));
        let held = load.room(MIB).await;
        let freed = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(held);
        };
        let (_, room) = tokio::join!(freed, load.room(MIB));
        assert!(room.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_long_gives_way_only_when_somebody_waits() {
        let load = Arc::new(Load::new(8 * MIB, 1));
        let slow = load.room(5 * MIB).await.unwrap();
        let gives_way = |room: Room| async move { timeout(FAIR * 30, room.wanted()).await.is_ok() };
        assert!(!gives_way(slow).await, "nobody needs the room");

        let slow = load.room(5 * MIB).await.unwrap();
        let cancelled = async {
            slow.wanted().await;
            drop(slow);
        };
        let newcomer = async {
            tokio::time::sleep(FAIR * 2).await;
            load.room(5 * MIB).await
        };
        let (_, room) = tokio::join!(cancelled, newcomer);
        assert!(room.is_some());
        assert_eq!(*load.large.waiting.borrow(), 0);
    }
}
