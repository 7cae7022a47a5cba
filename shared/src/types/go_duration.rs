use std::fmt;
use std::str::FromStr;

/// A duration in Go's notation as OpenChoreo's schema takes it: a sequence of numbers with a unit out of `ms`, `s`, `m`, `h`
/// (v0.17.0, `release_types.go`). Neither signs nor a bare `0`; `0s` is written out.
///
/// Its length is what Go's `time.ParseDuration` says, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    nanoseconds: i64,
}

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const UNITS: [(&str, u64); 4] = [("ms", MILLISECOND), ("s", SECOND), ("m", 60 * SECOND), ("h", 3600 * SECOND)];

/// The most that a part, and the sum, may come to on the way. (`1<<63` in Go's `format.go`; the result is below it.)
const MOST: u64 = 1 << 63;

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
        let mut total: u64 = 0;
        if rest.is_empty() {
            return Err(DurationError::Form);
        }
        let mut overflows = false;
        while !rest.is_empty() {
            let (whole, after) = digits(rest).ok_or(DurationError::Form)?;
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => digits(after).ok_or(DurationError::Form)?,
                None => ("", after),
            };
            let (name, unit) = *UNITS.iter().find(|(name, _)| after.starts_with(name)).ok_or(DurationError::Form)?;
            // Twice the most is 0 again, as it is in Go.
            let sum = length(whole, fraction, unit).map(|length| total.wrapping_add(length)).filter(|&sum| sum <= MOST);
            overflows |= sum.is_none();
            total = sum.unwrap_or_default();
            rest = &after[name.len()..];
        }
        let nanoseconds = i64::try_from(total).ok().filter(|_| !overflows).ok_or(DurationError::Overflow)?;
        Ok(Self { nanoseconds })
    }
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// One number with its unit, in nanoseconds; `None` where it is too much. Go multiplies the fraction as a float and drops what is less
/// than a nanosecond.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the same conversions as in Go's ParseDuration: positive, and at most one unit"
)]
fn length(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = whole.parse().ok()?;
    if whole > MOST / unit {
        return None;
    }
    let (numerator, scale) = leading_fraction(fraction);
    let rest = (numerator as f64 * (unit as f64 / scale)) as u64;
    Some(whole * unit + rest).filter(|&length| length <= MOST)
}

/// The digits behind the point as a number and what it is divided by; those that no 63 bits hold are left out. (`leadingFraction` in Go)
fn leading_fraction(digits: &str) -> (u64, f64) {
    let mut number: u64 = 0;
    let mut scale = 1.0;
    for digit in digits.bytes() {
        let next = number * 10 + u64::from(digit - b'0');
        if next > MOST {
            break;
        }
        number = next;
        scale *= 10.0;
        if number > (MOST - 1) / 10 {
            break;
        }
    }
    (number, scale)
}

/// In Go's notation without zero units, in the units of the schema: what is written is read as the same length, by Go too.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.nanoseconds.unsigned_abs();
        if rest < SECOND && rest > 0 {
            return write_decimal(f, rest, MILLISECOND, "ms");
        }
        for (name, unit) in [("h", 3600 * SECOND), ("m", 60 * SECOND)] {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        if rest > 0 || self.nanoseconds == 0 { write_decimal(f, rest, SECOND, "s") } else { Ok(()) }
    }
}

/// A number of a unit with as many decimals as it takes.
fn write_decimal(f: &mut fmt::Formatter<'_>, nanoseconds: u64, unit: u64, name: &str) -> fmt::Result {
    let (whole, fraction) = (nanoseconds / unit, nanoseconds % unit);
    if fraction == 0 {
        return write!(f, "{whole}{name}");
    }
    // As many digits as the unit has zeros.
    let digits = if unit == SECOND { format!("{fraction:09}") } else { format!("{fraction:06}") };
    write!(f, "{whole}.{}{name}", digits.trim_end_matches('0'))
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
            ("2562047h47m16.854775807s", i64::MAX),
            ("0.5ms", 500_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.100000000000000000000h", 360_000_000_000),
            ("0.9223372036854775807h", 3_320_413_933_267),
            ("0.9223372036854775808h", 3_320_413_933_267),
            ("0.0000009ms", 0),
            ("39h9m14.425s", 140_954_425_000_000),
            ("00009.10s", 9_100_000_000),
        ] {
            assert_eq!(text.parse::<GoDuration>().map(GoDuration::as_nanos), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "5", "0", "-1s", "+1s", "5 minutes", "5 m", "1d", ".5s", "1.s", "5us", "5M", "s", "1h-5m"] {
            assert_eq!(text.parse::<GoDuration>(), Err(DurationError::Form), "{text}");
        }
        for text in ["2562048h", "9999999999999999999999999999999999999999h", "2562047h47m16.854775808s", "2562048h1ms"]
        {
            assert_eq!(text.parse::<GoDuration>(), Err(DurationError::Overflow), "{text}");
        }
    }

    #[test]
    fn it_is_written_without_zero_units() {
        for text in ["5m", "1h30m", "10s", "0s", "1m5s", "250ms", "0.5ms", "1.5s", "1h0.000000001s", "999.999999ms"] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), text);
        }
        for (text, written) in [("1500ms", "1.5s"), ("90m", "1h30m"), ("0.25h", "15m"), ("0ms", "0s"), ("1000ms", "1s")]
        {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), written);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(nanoseconds in 0..=i64::MAX, small in 0..10_000_000_000_i64) {
            for nanoseconds in [nanoseconds, small, small / 1_000_000 * 1_000_000] {
                let duration = GoDuration { nanoseconds };
                proptest::prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            }
        }
    }
}
