use std::fmt;
use std::str::FromStr;

/// A duration in Go's notation as OpenChoreo's schema takes it: a sequence of numbers with a unit out of `ms`, `s`, `m`, `h`
/// (v0.17.0, `release_types.go`). Neither signs nor a bare `0`; `0s` is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    nanoseconds: i64,
}

const MILLISECOND: i128 = 1_000_000;
const SECOND: i128 = 1_000 * MILLISECOND;
const UNITS: [(&str, i128); 4] = [("ms", MILLISECOND), ("s", SECOND), ("m", 60 * SECOND), ("h", 3600 * SECOND)];

impl GoDuration {
    /// A number of whole seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self { nanoseconds: seconds as i64 * 1_000_000_000 }
    }

    /// Its length in nanoseconds.
    pub fn as_nanos(self) -> i64 {
        self.nanoseconds
    }

    /// Whether it is `0s`, which switches off what it times.
    pub fn is_zero(self) -> bool {
        self.nanoseconds == 0
    }
}

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurationError {
    /// It does not have the form.
    Form,
    /// It is longer than about 292 years, which is what 64 bits of nanoseconds hold.
    Overflow,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "is not a duration: write numbers with the unit h, m, s or ms, such as 30s, 5m or 1h30m",
            Self::Overflow => "is too long for a duration",
        })
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let mut rest = text;
        let mut total: i128 = 0;
        if rest.is_empty() {
            return Err(DurationError::Form);
        }
        while !rest.is_empty() {
            let (whole, after) = digits(rest).ok_or(DurationError::Form)?;
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => digits(after).ok_or(DurationError::Form)?,
                None => ("", after),
            };
            let (name, unit) = *UNITS.iter().find(|(name, _)| after.starts_with(name)).ok_or(DurationError::Form)?;
            total = total.checked_add(length(whole, fraction, unit)?).ok_or(DurationError::Overflow)?;
            rest = &after[name.len()..];
        }
        i64::try_from(total).map(|nanoseconds| Self { nanoseconds }).map_err(|_| DurationError::Overflow)
    }
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn length(whole: &str, fraction: &str, unit: i128) -> Result<i128, DurationError> {
    let whole: i128 = whole.parse().map_err(|_| DurationError::Overflow)?;
    let mut length = whole.checked_mul(unit).ok_or(DurationError::Overflow)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        length += i128::from(digit - b'0') * place;
    }
    Ok(length)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = i128::from(self.nanoseconds);
        if rest < SECOND && rest > 0 {
            return write!(f, "{}ms", rest / MILLISECOND);
        }
        for (name, unit) in [("h", 3600 * SECOND), ("m", 60 * SECOND)] {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        if rest > 0 || self.nanoseconds == 0 { write!(f, "{}s", rest / SECOND) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("0s", 0),
            ("5m", 300_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("250ms", 250_000_000),
            ("0.5s", 500_000_000),
            ("1m0.25s", 60_250_000_000),
            ("2562047h47m16s", 9_223_372_036_000_000_000),
        ] {
            assert_eq!(text.parse::<GoDuration>().map(GoDuration::as_nanos), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "5", "0", "-1s", "+1s", "5 minutes", "5 m", "1d", ".5s", "1.s", "5us", "5M", "s", "1h-5m"] {
            assert_eq!(text.parse::<GoDuration>(), Err(DurationError::Form), "{text}");
        }
        for text in ["2562048h", "9999999999999999999999999999999999999999h"] {
            assert_eq!(text.parse::<GoDuration>(), Err(DurationError::Overflow), "{text}");
        }
    }

    #[test]
    fn it_is_written_without_zero_units() {
        for text in ["5m", "1h30m", "10s", "0s", "1m5s", "250ms"] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), text);
        }
    }
}
