//! What is taken on at once and how long anybody may take: the flags, and whether they make sense.

use std::time::Duration;

use clap::Args;
use release_edge::program::duration;

use crate::body;
use crate::server::GRACE;

/// How long an API server keeps a connection that it does not use. (client-go `transport/cache.go`, `IdleConnTimeout`)
const CLIENT_IDLE: Duration = Duration::from_secs(90);

/// How many files are open beside connections: listeners, health, watches, look-ups, and what the runtime has for itself.
const OTHER_FILES: u64 = 128;
/// How few connections make no sense: each API server keeps up to 25 open.
const FEWEST: usize = 32;

/// The limits of the server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Limits {
    /// How many connections there may be, fewer where the system allows no more open files; one without a whole call gives way to each new one, and
    /// where there is none, a new one is turned away
    #[arg(long, env = "RELEASE_WEBHOOK_MAX_CONNECTIONS", default_value_t = 1024, value_parser = connections, value_name = "NUMBER")]
    pub(crate) max_connections: usize,

    /// How old a connection gets before its client is asked to make another one, and so to spread over the replicas
    #[arg(long, env = "RELEASE_WEBHOOK_MAX_CONNECTION_AGE", default_value = "10m", value_parser = duration, value_name = "DURATION")]
    pub(crate) max_connection_age: Duration,

    /// How many bytes of large reviews (above 64Ki) there may be at once; who comes then waits, and is told to come again
    #[arg(long, env = "RELEASE_WEBHOOK_BYTES_IN_FLIGHT", default_value = "12Mi", value_parser = bytes, value_name = "BYTES")]
    pub(crate) bytes_in_flight: usize,

    /// How long a TLS handshake may take
    #[arg(long, env = "RELEASE_WEBHOOK_HANDSHAKE_TIMEOUT", default_value = "5s", value_parser = duration, value_name = "DURATION")]
    pub(crate) handshake_timeout: Duration,

    /// How long the head of a request may take from its first byte
    #[arg(long, env = "RELEASE_WEBHOOK_HEADER_TIMEOUT", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub(crate) header_timeout: Duration,

    /// How long the body of a request may take
    #[arg(long, env = "RELEASE_WEBHOOK_BODY_TIMEOUT", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub(crate) body_timeout: Duration,

    /// How long a client may leave an answer unread
    #[arg(long, env = "RELEASE_WEBHOOK_WRITE_TIMEOUT", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub(crate) write_timeout: Duration,

    /// How long a connection may lie idle; more than the 90s for which API servers keep one
    #[arg(long, env = "RELEASE_WEBHOOK_IDLE_TIMEOUT", default_value = "180s", value_parser = duration, value_name = "DURATION")]
    pub(crate) idle_timeout: Duration,
}

impl Limits {
    /// Lowers the number of connections to what so many open `files` have room for, and says so.
    pub(crate) fn fit_into(&mut self, files: u64) {
        let room = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).max(FEWEST);
        if self.max_connections > room {
            tracing::warn!(
                max_connections = room,
                open_files = files,
                "fewer connections than --max-connections: so few files may be open"
            );
            self.max_connections = room;
        }
    }

    /// Whether they make sense.
    ///
    /// # Errors
    /// One sentence on what to change.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.idle_timeout <= CLIENT_IDLE {
            return Err(format!(
                "--idle-timeout is not above {} s: an API server would send a call into a connection that is being closed, which fails it",
                CLIENT_IDLE.as_secs()
            ));
        }
        if self.body_timeout > GRACE {
            return Err(format!(
                "--body-timeout is above {} s: at the end of a drain a call is waited for no longer than that, and would be cut off",
                GRACE.as_secs()
            ));
        }
        let times = [
            ("--max-connection-age", self.max_connection_age),
            ("--handshake-timeout", self.handshake_timeout),
            ("--header-timeout", self.header_timeout),
            ("--body-timeout", self.body_timeout),
            ("--write-timeout", self.write_timeout),
        ];
        match times.iter().find(|(_, time)| time.is_zero()) {
            Some((flag, _)) => Err(format!("{flag} is nothing: nobody could be answered in that time")),
            None => Ok(()),
        }
    }
}

fn connections(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "write a number".to_owned())?;
    if number < FEWEST {
        Err("is too few: each API server keeps up to 25 open; write at least 32".into())
    } else {
        Ok(number)
    }
}

/// A number of bytes, or of `Ki` or `Mi`.
fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = match (text.strip_suffix("Ki"), text.strip_suffix("Mi")) {
        (Some(digits), _) => (digits, 1024),
        (_, Some(digits)) => (digits, 1024 * 1024),
        _ => (text, 1),
    };
    let number = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    match number {
        Some(number) if number >= body::LIMIT => Ok(number),
        Some(_) => Err("is less than the largest review has: write at least 7Mi".into()),
        None => Err("write a number of bytes, such as 12Mi".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        limits: Limits,
    }

    fn told(flags: &[&str]) -> Result<(), String> {
        let program = Program::try_parse_from([&["program"], flags].concat());
        program.map_err(|error| error.to_string())?.limits.check()
    }

    #[test]
    fn there_are_no_more_connections_than_files() {
        for (files, most) in [(u64::MAX, 1024), (1152, 1024), (1024, 896), (64, 32)] {
            let mut limits = Program::parse_from(["program"]).limits;
            limits.fit_into(files);
            assert_eq!(limits.max_connections, most, "{files} files");
        }
    }

    #[test]
    fn a_limit_that_would_fail_calls_is_refused() {
        assert_eq!(told(&[]), Ok(()));
        assert_eq!(told(&["--idle-timeout=91s", "--max-connections=32", "--bytes-in-flight=7Mi"]), Ok(()));
        assert_eq!(told(&["--body-timeout=15s"]), Ok(()));
        for (flag, part) in [
            ("--idle-timeout=90s", "--idle-timeout is not above 90 s"),
            ("--body-timeout=0s", "--body-timeout is nothing"),
            ("--body-timeout=15001ms", "--body-timeout is above 15 s"),
            ("--max-connection-age=0s", "--max-connection-age is nothing"),
            ("--max-connections=8", "at least 32"),
            ("--bytes-in-flight=1Mi", "at least 7Mi"),
            ("--bytes-in-flight=24 MiB", "such as 12Mi"),
            ("--bytes-in-flight=-1", "such as 12Mi"),
            ("--bytes-in-flight=99999999999999999999Mi", "such as 12Mi"),
            ("--header-timeout=soon", "soon"),
        ] {
            let told = told(&[flag]).unwrap_err();
            assert!(told.contains(part), "{flag}: {told}");
        }
    }
}
