//! What somebody sees who waits five minutes: a live line on a terminal, a line now and then anywhere else.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(30);

/// One line on stderr. Who does not read it must not stop the build.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "release-tests: {line}");
}

/// Counts packages while they are compiled.
pub(super) struct Progress {
    /// Of which those in Go's own cache are never compiled.
    packages: usize,
    compiled: usize,
    start: Instant,
    said: Instant,
    live: bool,
}

impl Progress {
    pub(super) fn new(packages: usize) -> Self {
        let now = Instant::now();
        Self { packages, compiled: 0, start: now, said: now, live: io::stderr().is_terminal() }
    }

    /// One more is being compiled.
    pub(super) fn step(&mut self) {
        self.compiled += 1;
        if self.live {
            let _ = write!(io::stderr(), "\r\x1b[2K{}", self.line());
        } else if self.said.elapsed() >= INTERVAL {
            self.said = Instant::now();
            say(&self.line());
        }
    }

    pub(super) fn finish(&self) {
        if self.live {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
        say(&format!("built in {} s", self.start.elapsed().as_secs()));
    }

    fn line(&self) -> String {
        let Self { packages, compiled, .. } = self;
        format!("{compiled} of at most {packages} packages compiled, {} s", self.start.elapsed().as_secs())
    }
}
