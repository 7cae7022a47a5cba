//! How much is measured.

/// How often and how long. Seconds are those of one round of one line.
pub(crate) struct Scale {
    /// Of what is measured only what has this in its name.
    pub(crate) only: Option<String>,
    /// How often each server is started.
    pub(crate) starts: usize,
    /// Of reviews with 1 MB objects, with which peak memory is measured: how long.
    pub(crate) memory_seconds: f64,
    /// Rounds in closed loop.
    pub(crate) closed_rounds: usize,
    /// How long each is.
    pub(crate) closed_seconds: f64,
    /// Rounds in open loop.
    pub(crate) open_rounds: usize,
    /// How long each is.
    pub(crate) open_seconds: f64,
    /// How many objects are created on each way.
    pub(crate) creates: usize,
}

impl Scale {
    /// Whether something of this name is measured.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// About ten minutes.
    pub(crate) const WHOLE: Self = Self {
        only: None,
        starts: 5,
        memory_seconds: 5.0,
        closed_rounds: 3,
        closed_seconds: 0.6,
        open_rounds: 5,
        open_seconds: 2.0,
        creates: 600,
    };

    /// To see that everything works.
    pub(crate) const QUICK: Self = Self {
        only: None,
        starts: 1,
        memory_seconds: 0.5,
        closed_rounds: 1,
        closed_seconds: 0.1,
        open_rounds: 1,
        open_seconds: 0.5,
        creates: 30,
    };
}
