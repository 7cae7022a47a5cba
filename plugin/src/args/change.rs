//! The commands on what is pinned already.

use std::time::Duration;

use clap::Args;
use release_shared::types::GoDuration;

use super::Write;

/// How long something may take; none = for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

impl Limit {
    /// What `--wait` means without a value, and how long `delete` waits for what must be gone first.
    pub(crate) const DEFAULT: Self = Self(Some(Duration::from_secs(300)));
}

impl std::str::FromStr for Limit {
    type Err = String;

    /// `30` and `30s` are the same; `0` is no limit.
    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
        let duration =
            seconds.or_else(|| Some(Duration::from_nanos(text.parse::<GoDuration>().ok()?.as_nanos().unsigned_abs())));
        let duration = duration.ok_or_else(|| format!("{text:?} is no duration: write seconds, or 30s, 2m"))?;
        Ok(Self((!duration.is_zero()).then_some(duration)))
    }
}

/// As it would be typed.
impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(duration) = self.0 else { return f.write_str("0") };
        match (duration.as_secs(), duration.subsec_millis()) {
            (seconds, 0) if seconds > 0 && seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            (seconds, 0) => write!(f, "{seconds}s"),
            (seconds, milliseconds) => write!(f, "{}ms", seconds * 1000 + u64::from(milliseconds)),
        }
    }
}

/// Whether a command waits for what becomes of its change.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Waiting {
    /// Wait until it is healthy, or gone: 5m unless said otherwise, 0 = for ever
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "5m")]
    pub(crate) wait: Option<Limit>,
}

/// A pin.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The component
    pub(crate) component: String,
    /// The environment
    pub(crate) environment: String,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Back to this revision, whatever became of it
    #[arg(long, value_name = "NUMBER")]
    pub(crate) to_revision: Option<u64>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) write: Write,
}

#[derive(Debug, Args)]
pub(crate) struct Configure {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A value to set, or to remove with KEY-
    #[arg(required = true, value_name = "KEY=VALUE|KEY-")]
    pub(crate) values: Vec<String>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) write: Write,
}

/// `restart`, `undeploy` and `redeploy`: they need no more than where.
#[derive(Debug, Args)]
pub(crate) struct There {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) write: Write,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The component
    pub(crate) component: String,
    /// One of its environments; without it the whole component goes
    pub(crate) environment: Option<String>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) write: Write,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_seconds_or_durations() {
        for (text, seconds, shown) in [
            ("0", None, "0"),
            ("30", Some(30.0), "30s"),
            ("2m", Some(120.0), "2m"),
            ("90s", Some(90.0), "90s"),
            ("1500ms", Some(1.5), "1500ms"),
        ] {
            let limit: Limit = text.parse().unwrap();
            assert_eq!(limit.0, seconds.map(Duration::from_secs_f64), "{text}");
            assert_eq!(limit.to_string(), shown);
        }
        assert!("soon".parse::<Limit>().is_err());
        assert_eq!("5m".parse(), Ok(Limit::DEFAULT));
    }
}
