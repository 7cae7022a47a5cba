//! What is a duration, what is none, and what is out of bounds.

use super::Seeds;

const TEXTS: [&str; 26] = [
    "0s",
    "5m",
    "1h30m",
    "1.5h",
    "250ms",
    "0.5ms",
    "1m0.25s",
    "2562047h47m16.854775807s",
    "2562047h47m16.854775808s",
    "9223372036.854775808s9223372036.854775808s",
    "9223372036.854775807s1ms",
    "0.3333333333333333333h",
    "0.9223372036854775808h",
    "0.0000009ms",
    "00009.10s",
    "18446744073709551616h",
    "999999999999999999999999s0s",
    "1.s",
    ".5s",
    "-1s",
    "5us",
    "5 m",
    "1h-5m",
    "5",
    "",
    "\u{663}m",
];

pub(crate) fn seeds() -> Seeds {
    TEXTS.iter().enumerate().map(|(at, text)| (format!("{at:02}"), text.as_bytes().to_vec())).collect()
}
