use std::str::FromStr;

use jiff::Timestamp;

/// The longest stated reason of a freeze, in bytes.
const MAX_WHY: usize = 512;

/// A time until which nothing changes in an environment, from the annotation `frozen`: `<RFC 3339>; reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// When it is over.
    pub until: Timestamp,
    /// Why, in the words of who froze it.
    pub why: String,
}

impl Freeze {
    /// Whether it holds at that time.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

impl FromStr for Freeze {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write a time and a reason, such as \"2026-12-24T00:00:00Z; holidays\"";
        let (until, why) =
            text.split_once(';').ok_or_else(|| format!("{text:?} has no ';' and no reason behind it: {FORM}"))?;
        let (until, why) = (until.trim(), why.trim());
        let time = is_rfc_3339(until).then(|| until.parse().ok()).flatten();
        let time = time.ok_or_else(|| format!("{until:?} is not a time as RFC 3339 has it: {FORM}"))?;
        if why.is_empty() {
            return Err(format!("{text:?} has no reason behind the ';': {FORM}"));
        }
        if why.len() > MAX_WHY {
            return Err(format!("its reason has {} bytes: use at most {MAX_WHY}", why.len()));
        }
        if why.chars().any(char::is_control) {
            return Err("its reason has a line break or another control character: write it in one line".to_owned());
        }
        Ok(Self { until: time, why: why.to_owned() })
    }
}

/// Whether a text has the form of RFC 3339, section 5.6; whether its numbers make a time is the parser's to say, which reads more
/// forms than this one.
fn is_rfc_3339(text: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|c| c.is_ascii_digit());
    let numbers = |text: &str, by: char, counts: &[usize]| {
        let parts: Vec<_> = text.split(by).collect();
        parts.len() == counts.len() && parts.iter().zip(counts).all(|(part, count)| digits(part, *count))
    };
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    let (time, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => return false,
    };
    let (time, fraction) = time.split_once('.').map_or((time, None), |(time, fraction)| (time, Some(fraction)));
    let offset = zone.strip_prefix(['+', '-']).is_some_and(|offset| numbers(offset, ':', &[2, 2]));
    numbers(date, '-', &[4, 2, 2])
        && numbers(time, ':', &[2, 2, 2])
        && fraction.is_none_or(|fraction| !fraction.is_empty() && digits(fraction, fraction.len()))
        && (offset || zone.eq_ignore_ascii_case("Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_is_a_time_and_a_reason() {
        let freeze: Freeze = "2026-12-24T02:00:00+02:00 ;  end of year; see CHG-7".parse().unwrap();
        assert_eq!(
            (freeze.until.to_string().as_str(), freeze.why.as_str()),
            ("2026-12-24T00:00:00Z", "end of year; see CHG-7")
        );
        let at = |text: &str| freeze.holds(text.parse().unwrap());
        assert!(at("2026-12-23T23:59:59.9Z") && !at("2026-12-24T00:00:00Z"));
        for fine in ["2026-12-24T00:00:00.5z;a", "2026-12-24t00:00:00-00:30; ä"] {
            assert!(fine.parse::<Freeze>().is_ok(), "{fine}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        let long = format!("2026-12-24T00:00:00Z; {}", "a".repeat(513));
        for bad in [
            "",
            "true",
            "2026-12-24T00:00:00Z",
            "2026-12-24T00:00:00Z;",
            "2026-12-24T00:00:00Z; ",
            "; why",
            "2026-12-24; why",
            "2026-12-24 00:00:00Z; why",
            "2026-12-24T00:00Z; why",
            "2026-12-24T00:00:00; why",
            "2026-12-24T00:00:00.Z; why",
            "2026-12-24T00:00:00Zulu; why",
            "2026-12-24T00:00:00+02; why",
            "2026-12-24T00:00:00Z[Europe/Berlin]; why",
            "2026-13-24T00:00:00Z; why",
            "20261224T000000Z; why",
            "tomorrow; why",
            "2026-12-24T00:00:00Z; a\nb",
            &long,
        ] {
            assert!(bad.parse::<Freeze>().is_err(), "{bad}");
        }
    }
}
