use std::str::FromStr;

use regex_lite::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 256;
/// The most memory that a pattern may take once it is compiled, in bytes: repetitions of repetitions grow beyond any use.
const MAX_COMPILED: usize = 64 * 1024;
/// How deep a pattern may be nested.
const MAX_NESTING: u32 = 20;

/// Which changes need a reason, from the annotation `require-reason`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ReasonPolicy {
    /// None do.
    #[default]
    Optional,
    /// Every one does, whatever it says.
    Any,
    /// Every one does, and it must match.
    Matching(Pattern),
}

/// A regular expression that is found somewhere in every reason. Looking takes time in proportion to both, whatever they are.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether a reason has it.
    pub fn matches(&self, reason: &str) -> bool {
        self.0.is_match(reason)
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl FromStr for ReasonPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self::Any),
            "false" => Ok(Self::Optional),
            _ => pattern(text).map(Self::Matching),
        }
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    const CURE: &str = "write true, false, or a regular expression that every reason must match, such as ^OPS-[0-9]+";
    // It would be read as a pattern, and refuse nearly everything.
    let meant = ["true", "false", "yes", "no", "on", "off", "y", "n", "1", "0"];
    if text.trim().is_empty() || meant.contains(&text.trim().to_ascii_lowercase().as_str()) {
        return Err(format!("{text:?} is not known: {CURE}"));
    }
    if text.len() > MAX_PATTERN {
        return Err(format!("the pattern has {} bytes: use at most {MAX_PATTERN}", text.len()));
    }
    let regex = RegexBuilder::new(text).size_limit(MAX_COMPILED).nest_limit(MAX_NESTING).build();
    regex.map(Pattern).map_err(|error| format!("{text:?} is not a regular expression ({error}): {CURE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_word_or_a_pattern() {
        assert_eq!("true".parse(), Ok(ReasonPolicy::Any));
        assert_eq!("false".parse(), Ok(ReasonPolicy::Optional));
        let Ok(ReasonPolicy::Matching(ticket)) = "OPS-[0-9]+".parse() else { panic!("it is a pattern") };
        assert!(ticket.matches("OPS-12: more") && ticket.matches("for OPS-12"));
        assert!(!ticket.matches("OPS-") && !ticket.matches("ops-12"));
        let Ok(ReasonPolicy::Matching(whole)) = r"^(OPS|SEC)-\d{1,6}$".parse() else { panic!("it is a pattern") };
        assert!(whole.matches("SEC-1") && !whole.matches("SEC-1 and more"));
    }

    #[test]
    fn what_grows_beyond_any_use_or_is_no_pattern_is_refused() {
        let long = "a".repeat(257);
        let deep = format!("{}a{}", "(".repeat(30), ")".repeat(30));
        for bad in
            ["", " ", "True", "yes", "ON", "1", "(", "[a", "a{2,1}", r"\p{L}", "(?=a)", "(a{1000}){1000}", &long, &deep]
        {
            assert!(bad.parse::<ReasonPolicy>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_that_others_never_finish_is_done_at_once() {
        let Ok(ReasonPolicy::Matching(nested)) = "^(a+)+$".parse() else { panic!("it is a pattern") };
        assert!(!nested.matches(&format!("{}b", "a".repeat(511))));
    }
}
