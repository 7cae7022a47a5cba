//! What policy annotations of an Environment say, as values: until when nothing changes there, which reasons count, and how much a
//! history keeps. Each parser's error is a sentence without an end that says what to write.

mod freeze;
mod reason;

use std::ops::RangeInclusive;

pub use freeze::Freeze;
pub use reason::{Pattern, ReasonPolicy};

/// How many records a history may be told to keep.
const RECORDS: RangeInclusive<usize> = 5..=500;
/// How many bytes a history may be told to keep: one record always fits, and the API server leaves 256 KiB for all annotations.
const BYTES: RangeInclusive<usize> = 4 * 1024..=192 * 1024;

/// How many records a history keeps, from the annotation `history-records`.
///
/// # Errors
/// Says what to write instead.
pub fn history_records(text: &str) -> Result<usize, String> {
    within(text, &RECORDS, "a number of records", "30")
}

/// How many bytes of JSON a history keeps, from the annotation `history-bytes`.
///
/// # Errors
/// Says what to write instead.
pub fn history_bytes(text: &str) -> Result<usize, String> {
    within(text, &BYTES, "a number of bytes", "49152")
}

/// A plain number, written in digits only: no sign, no unit, no leading zero.
fn within(text: &str, range: &RangeInclusive<usize>, what: &str, example: &str) -> Result<usize, String> {
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && !text.starts_with('0');
    let number = text.parse().ok().filter(|number| plain && range.contains(number));
    let (least, most) = (range.start(), range.end());
    number.ok_or_else(|| format!("{text:?} is not {what} from {least} to {most}: write digits only, such as {example}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_keeps_between_little_and_what_fits() {
        for (text, number) in [("5", Some(5)), ("500", Some(500)), ("30", Some(30)), ("4", None), ("501", None)] {
            assert_eq!(history_records(text).ok(), number, "{text}");
        }
        for (text, number) in
            [("4096", Some(4096)), ("196608", Some(196_608)), ("4095", None), ("196609", None), ("48Ki", None)]
        {
            assert_eq!(history_bytes(text).ok(), number, "{text}");
        }
        for bad in ["", " 30", "+30", "030", "-5", "3e1", "30.0", "99999999999999999999"] {
            assert!(history_records(bad).is_err(), "{bad}");
        }
        assert_eq!(
            history_records("many").unwrap_err(),
            "\"many\" is not a number of records from 5 to 500: write digits only, such as 30"
        );
    }
}
