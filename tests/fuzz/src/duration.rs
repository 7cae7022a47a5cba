//! A Go duration.

use release_shared::types::{DurationError, GoDuration};

/// Any text as a duration.
pub fn duration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found = text.parse::<GoDuration>();
    match (found, read(text)) {
        (Err(DurationError::Form), None) => {}
        (Ok(duration), Some(length)) => {
            assert!(length.is_near(duration), "{text:?} is {} ns, and {length:?}", duration.as_nanos());
            let written = duration.to_string();
            assert_eq!(written.parse(), Ok(duration), "{text:?} is written as {written:?}");
            assert!(read(&written).is_some_and(|length| length.is_near(duration)), "{written:?}");
        }
        (Err(DurationError::Overflow), Some(length)) => {
            assert!(length.is_beyond(), "{text:?} is no overflow: {length:?}");
        }
        (found, read) => panic!("{text:?} is read as {found:?}, and as {read:?}"),
    }
}

/// A length in exact numbers.
#[derive(Debug, Default)]
struct Length {
    /// In nanoseconds, what is less than one left out of each part.
    nanoseconds: u128,
    /// By how much that may differ from what Go's floats come to: one for each part with a fraction.
    tolerance: u128,
    /// Whether parts may have come to a whole turn of 64 bits, which Go takes for nothing.
    may_wrap: bool,
}

const MOST: u128 = 1 << 63;
/// More than any duration has, and little enough to go on counting.
const MANY: u128 = 1 << 80;

impl Length {
    fn is_near(&self, duration: GoDuration) -> bool {
        let found = u128::try_from(duration.as_nanos()).unwrap_or(u128::MAX);
        self.may_wrap || found.abs_diff(self.nanoseconds) <= self.tolerance
    }

    fn is_beyond(&self) -> bool {
        self.may_wrap || self.nanoseconds + self.tolerance >= MOST
    }
}

/// Reads a duration without the parser's ways: by characters, from the front, in whole numbers. `None` where it is none.
fn read(text: &str) -> Option<Length> {
    let mut total = Length::default();
    let mut rest = text.as_bytes();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let whole = digits(&mut rest)?;
        let fraction = if rest.first() == Some(&b'.') {
            rest = &rest[1..];
            Some(digits(&mut rest)?)
        } else {
            None
        };
        let unit = unit(&mut rest)?;
        let number = whole.iter().fold(0_u128, |sum, digit| (sum * 10 + u128::from(digit - b'0')).min(MANY));
        let mut part = (number * unit).min(MANY);
        if let Some(fraction) = fraction {
            // Twenty digits are more than any float tells apart.
            let digits = &fraction[..fraction.len().min(20)];
            let number = digits.iter().fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
            part += number * unit / 10_u128.pow(u32::try_from(digits.len()).unwrap_or_default());
            total.tolerance += 1;
        }
        total.may_wrap |= part.abs_diff(MOST) <= 1;
        total.nanoseconds = (total.nanoseconds + part).min(MANY);
    }
    Some(total)
}

fn digits<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at(count);
    *rest = after;
    (count > 0).then_some(digits)
}

fn unit(rest: &mut &[u8]) -> Option<u128> {
    let (length, unit) = match *rest {
        [b'h', ..] => (1, 3_600_000_000_000),
        [b'm', b's', ..] => (2, 1_000_000),
        [b'm', ..] => (1, 60_000_000_000),
        [b's', ..] => (1, 1_000_000_000),
        _ => return None,
    };
    *rest = &rest[length..];
    Some(unit)
}
