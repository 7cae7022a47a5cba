//! The order of keys: go-yaml v2's natural order (`keyList` of its `sorter.go`), in which `a2` comes before `a10` and
//! what is no letter before letters.

use std::cmp::Ordering;

/// Compares two keys.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    match (0..a.len().min(b.len())).find(|&at| a[at] != b[at]) {
        Some(at) => different(&a, &b, at),
        None => a.len().cmp(&b.len()),
    }
}

/// Compares keys that first differ at `at`.
fn different(a: &[char], b: &[char], at: usize) -> Ordering {
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => return a[at].cmp(&b[at]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero counts as a leading one unless a digit above zero stands before it.
    let zero = a[at] == '0' || b[at] == '0';
    let inside = zero && a[..at].iter().rev().take_while(|c| c.is_ascii_digit()).any(|&c| c != '0');
    let (one, two) = (number(&a[at..], inside), number(&b[at..], inside));
    one.cmp(&two).then(a[at].cmp(&b[at]))
}

/// The number that the digits form, and how many they are.
fn number(text: &[char], inside: bool) -> (i64, usize) {
    let digits = text.iter().map_while(|c| c.to_digit(10));
    digits.fold((i64::from(inside), 0), |(value, count), digit| {
        (value.wrapping_mul(10).wrapping_add(i64::from(digit)), count + 1)
    })
}
