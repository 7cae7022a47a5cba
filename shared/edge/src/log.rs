//! The log goes to standard error by a thread of its own: whoever does not read it holds nobody up. What finds no room is dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How many bytes wait to be written: some thousand lines.
const ROOM: usize = 1024 * 1024;
/// How long lines are gathered before they are written: to wake the thread for each of them costs a busy program more than the rest of a line.
const GATHERED: Duration = Duration::from_millis(5);
/// How long the last lines may take when the program ends.
pub(crate) const LAST_LINES: Duration = Duration::from_secs(2);

/// The log of this process.
static LOG: Log = Log::new();

/// Who would log what must not be: kube's client all of an answer that it cannot read, also of a Secret. What it has to say besides is
/// `kube_client::client::tls`'s.
const QUIET: [(&str, LevelFilter); 2] =
    [("kube_client::client", LevelFilter::ERROR), ("kube_client::client::tls", LevelFilter::WARN)];

/// What is logged.
#[derive(Debug, Clone)]
pub struct Filter(Targets);

/// Reads what is logged, as `level` or `target=level`, comma-separated. Who logs the content of objects does so only where it is named.
///
/// # Errors
/// One sentence for whoever typed it.
pub fn filter(text: &str) -> Result<Filter, String> {
    let directives = text.split(',').map(str::trim).map(directive).collect::<Result<Vec<_>, _>>()?;
    let level = directives.iter().rev().find_map(|(target, level)| target.is_none().then_some(*level));
    let level = level.unwrap_or(LevelFilter::OFF);
    let quiet = QUIET.into_iter().filter(|(target, _)| !directives.iter().any(|(named, _)| is_of(target, *named)));
    let quiet = quiet.map(|(target, most)| (target, most.min(level)));
    let named = directives.iter().filter_map(|&(target, level)| Some((target?, level)));
    Ok(Filter(quiet.chain(named).collect::<Targets>().with_default(level)))
}

/// One part of a filter: a level for all, or for a target.
fn directive(text: &str) -> Result<(Option<&str>, LevelFilter), String> {
    let (target, level) = text.split_once('=').map_or((None, text), |(target, level)| (Some(target), level));
    let level = LEVELS.contains(&level).then(|| level.parse().ok()).flatten();
    level
        .filter(|_| target.is_none_or(is_path))
        .map(|level| (target, level))
        .ok_or_else(|| format!("{text:?} is neither a level ({}) nor target=level", LEVELS.join(", ")))
}

/// Whether what is named is a target or holds it.
fn is_of(target: &str, named: Option<&str>) -> bool {
    named.is_some_and(|named| target.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

/// Whether it may be the path of a module, which is what a target is.
fn is_path(target: &str) -> bool {
    !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte))
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Begins to log, one JSON object a line.
pub(crate) fn start(filter: Filter) {
    let writing = thread::Builder::new().name("log".to_owned()).spawn(|| LOG.write_to(&mut io::stderr()));
    // Without a thread everybody writes for themselves.
    LOG.is_written_apart.store(writing.is_ok(), Ordering::Release);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(&LOG);
    tracing_subscriber::registry().with(filter.0).with(lines).init();
}

/// Waits until everything is written, but no longer than this.
pub(crate) fn flush(longest: Duration) {
    LOG.flush(longest);
}

/// How many lines were dropped, since nobody read as fast as they came.
#[must_use]
pub fn dropped() -> u64 {
    LOG.dropped.load(Ordering::Relaxed)
}

/// Lines on their way out.
struct Log {
    lines: Mutex<Lines>,
    /// Something came in, or everything is out.
    changed: Condvar,
    dropped: AtomicU64,
    is_written_apart: AtomicBool,
}

struct Lines {
    waiting: Vec<u8>,
    /// Whether some were taken and are not written yet.
    is_writing: bool,
    /// Whether somebody waits until they are.
    is_urgent: bool,
}

impl Log {
    const fn new() -> Self {
        Self {
            lines: Mutex::new(Lines { waiting: Vec::new(), is_writing: false, is_urgent: false }),
            changed: Condvar::new(),
            dropped: AtomicU64::new(0),
            is_written_apart: AtomicBool::new(false),
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line where there is room for it.
    fn take(&self, line: &[u8]) {
        let mut lines = self.lines();
        if lines.waiting.len() + line.len() > ROOM {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = lines.waiting.len();
        lines.waiting.extend_from_slice(line);
        let is_half_full = before < ROOM / 2 && lines.waiting.len() >= ROOM / 2;
        drop(lines);
        if before == 0 || is_half_full {
            self.changed.notify_all();
        }
    }

    /// Writes what comes, for ever.
    fn write_to(&self, out: &mut impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut lines = self.lines();
            lines.is_writing = false;
            self.changed.notify_all();
            lines = self
                .changed
                .wait_while(lines, |lines| lines.waiting.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let gathers = |lines: &mut Lines| !lines.is_urgent && lines.waiting.len() < ROOM / 2;
            lines = self
                .changed
                .wait_timeout_while(lines, GATHERED, gathers)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(lines, _)| lines);
            lines.is_writing = true;
            lines.is_urgent = false;
            batch.clear();
            std::mem::swap(&mut batch, &mut lines.waiting);
            drop(lines);
            // A log that cannot be written, such as one whose reader is gone, is nobody's to be told of.
            let _ = out.write_all(&batch);
        }
    }

    fn flush(&self, longest: Duration) {
        let is_busy = |lines: &mut Lines| lines.is_writing || !lines.waiting.is_empty();
        let mut lines = self.lines();
        lines.is_urgent = is_busy(&mut lines);
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(lines, longest, is_busy));
    }
}

impl<'a> MakeWriter<'a> for &'static Log {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self)
    }
}

/// Takes what is written at once for a line, as `tracing` does.
struct Line(&'static Log);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.is_written_apart.load(Ordering::Acquire) {
            self.0.take(line);
        } else {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod content;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use tracing::Level;

    use super::*;

    /// A log that goes into a socket, of which the other end is given.
    fn log() -> (&'static Log, UnixStream) {
        let log: &'static Log = Box::leak(Box::new(Log::new()));
        log.is_written_apart.store(true, Ordering::Release);
        let (mut out, read) = UnixStream::pair().unwrap();
        thread::spawn(move || log.write_to(&mut out));
        (log, read)
    }

    fn say(log: &'static Log, line: &str) {
        let mut writer = (&log).make_writer();
        writer.write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn a_filter_is_levels_and_targets_and_nothing_else() {
        for good in ["info", "off", "debug,kube_runtime=error", "hyper=trace, warn"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["", "inof", "info,", "INFO", "3", "info,x=loud", "=info", "x=", "[span]=info"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
        let Filter(targets) = filter("warn,hyper=debug").unwrap();
        let logs = |target, level| targets.would_enable(target, &level);
        assert!(logs("release_webhook", Level::WARN) && !logs("release_webhook", Level::INFO));
        assert!(logs("hyper::proto", Level::DEBUG));
    }

    #[test]
    fn who_logs_whole_answers_is_quiet_unless_named() {
        let whole = |text| filter(text).unwrap().0.would_enable("kube_client::client", &Level::WARN);
        assert!(!whole("info") && !whole("trace") && !whole("debug,kube_runtime=error"));
        assert!(whole("info,kube_client=debug") && whole("kube_client::client=warn,off"), "somebody asks for it");
        assert!(!whole("info,kube_client::client::tls=debug") && !whole("info,kube_client::config=debug"));
        let Filter(targets) = filter("off").unwrap();
        assert!(!targets.would_enable("kube_client::client", &Level::ERROR), "nothing is nothing");
        let Filter(targets) = filter("info").unwrap();
        assert!(targets.would_enable("kube_client::client::tls", &Level::WARN));
    }

    #[test]
    fn what_is_said_is_out_when_it_was_flushed() {
        let (log, mut read) = log();
        let lines: Vec<_> = (0..100).map(|number| format!("line {number}\n")).collect();
        lines.iter().for_each(|line| say(log, line));
        log.flush(Duration::from_secs(10));
        let mut said = vec![0; lines.concat().len()];
        read.set_nonblocking(true).unwrap();
        io::Read::read_exact(&mut read, &mut said).unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), lines.concat());
        assert_eq!(log.dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn nobody_waits_for_a_reader_who_does_not_read() {
        let (log, _unread) = log();
        let line = format!("{}\n", "x".repeat(1023));
        let start = Instant::now();
        (0..5000).for_each(|_| say(log, &line));
        let dropped = log.dropped.load(Ordering::Relaxed);
        // The socket has some, one batch is being written, and one waits.
        assert!((2000..5000).contains(&dropped), "{dropped}");
        assert!(log.lines().waiting.len() <= ROOM);
        log.flush(Duration::from_millis(50));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}
