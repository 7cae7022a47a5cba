//! Numbers as Go's `strconv` reads and prints them, which is how go-yaml v2 and `encoding/json` do.

use serde_json::{Number, Value};

/// An integer as go-yaml v2 holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Integer {
    /// Fits `i64`.
    Signed(i64),
    /// Above `i64`, within `u64`.
    Unsigned(u64),
}

/// `strconv.ParseInt(text, 0, 64)`, else `strconv.ParseUint`: a base by prefix (`0x`, `0o`, `0b`, a leading `0`), either
/// sign before it; above `i64` only without a sign. The text has no underscores any more.
pub(super) fn integer(text: &str) -> Option<Integer> {
    let (sign, magnitude) = split_sign(text);
    let magnitude = match magnitude.as_bytes() {
        [] => return None,
        [b'0'] => 0,
        [b'0', b'x' | b'X', _, ..] => digits(&magnitude[2..], 16)?,
        [b'0', b'o' | b'O', _, ..] => digits(&magnitude[2..], 8)?,
        [b'0', b'b' | b'B', _, ..] => digits(&magnitude[2..], 2)?,
        [b'0', ..] => digits(&magnitude[1..], 8)?,
        _ => digits(magnitude, 10)?,
    };
    signed(sign, magnitude).or_else(|| sign.is_empty().then_some(Integer::Unsigned(magnitude)))
}

/// What go-yaml v2 still reads where the base-0 parse fails: a sign behind `0b`, as in `0b-101`.
pub(super) fn signed_binary(text: &str) -> Option<Integer> {
    let (sign, magnitude) = split_sign(text.strip_prefix("0b")?);
    signed(sign, digits(magnitude, 2)?)
}

fn split_sign(text: &str) -> (&str, &str) {
    text.split_at(usize::from(text.starts_with(['+', '-'])))
}

fn signed(sign: &str, magnitude: u64) -> Option<Integer> {
    let value = i128::from(magnitude) * if sign == "-" { -1 } else { 1 };
    i64::try_from(value).ok().map(Integer::Signed)
}

/// Digits without a sign, which `from_str_radix` would accept.
fn digits(text: &str, base: u32) -> Option<u64> {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()).then(|| u64::from_str_radix(text, base).ok())?
}

/// A float after go-yaml v2's pattern `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`; too large is no float.
pub(super) fn float(text: &str) -> Option<f64> {
    let (_, unsigned) = split_sign(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent = split_sign(exponent).1;
    let fits = all_digits(whole)
        && all_digits(fraction)
        && all_digits(exponent)
        && !exponent.is_empty()
        && !(whole.is_empty() && fraction.is_empty());
    fits.then(|| text.parse::<f64>().ok().filter(|float| float.is_finite()))?
}

/// `strconv.ParseFloat` of a text that begins with a point: underscores may stand between digits.
pub(super) fn float_after_point(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let placed = |at: usize| bytes[at] != b'_' || is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
    (0..bytes.len()).all(placed).then(|| float(&text.replace('_', "")))?
}

/// A float as JSON, as kubectl has it after `encoding/json` printed it without an exponent and its own decoder read it
/// back: the shortest digits that fit `i64` are an integer. `None` for what JSON has no form for.
pub(super) fn json(float: f64) -> Option<Value> {
    match float.to_string().parse::<i64>() {
        Ok(integer) => Some(integer.into()),
        Err(_) => Number::from_f64(float).map(Value::Number),
    }
}

/// Go's `%g` with the shortest digits: an exponent below -4 and from 6 on. Takes Rust's `{:e}` of an `f64` or `f32`.
pub(super) fn general(scientific: &str, plain: String) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return plain };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_bases_and_bounds_of_go() {
        let signed = |text| match integer(text) {
            Some(Integer::Signed(value)) => Some(value),
            _ => None,
        };
        assert_eq!(signed("0644"), Some(420));
        assert_eq!(signed("-0x1F"), Some(-31));
        assert_eq!(signed("+0b11"), Some(3));
        assert_eq!(signed("0o17"), Some(15));
        assert_eq!(signed("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer("18446744073709551615"), Some(Integer::Unsigned(u64::MAX)));
        for text in ["", "-", "08", "0x", "+18446744073709551615", "18446744073709551616", "1e3", "--1"] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert_eq!(signed_binary("0b-101"), Some(Integer::Signed(-5)));
    }

    #[test]
    fn floats_whose_value_is_an_integer_are_one() {
        assert_eq!(json(1e3), Some(1000.into()));
        assert_eq!(json(-0.0), Some(0.into()));
        assert_eq!(json(1.5), Some(1.5.into()));
        assert_eq!(json(9_223_372_036_854_775_808.0), Some(9_223_372_036_854_775_808.0.into()));
        assert_eq!(json(f64::INFINITY), None);
    }
}
