//! Which of two certificates is served: the one that is, or the one that could be. Pure.

use std::time::Duration;

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// It is valid at this time.
    pub(super) is_valid: bool,
    /// For how long the hooks have trusted it, as this replica has seen it; not at all where they do not.
    pub(super) trusted: Option<Duration>,
}

/// What becomes of a new certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is served from now on.
    Take,
    /// The one before is served until API servers must have seen the authority of the new one.
    Wait,
    /// The one before is served: the new one is not valid now.
    Refuse,
}

/// A new certificate is served once it has been trusted for `propagation`, and at once where that makes nothing worse: `is_alike` says that
/// an authority which vouches for the one that is served vouches for the new one, too.
pub(super) fn choose(served: Option<Standing>, new: Standing, is_alike: bool, propagation: Duration) -> Choice {
    let Some(served) = served.filter(|served| served.is_valid) else { return Choice::Take };
    if !new.is_valid {
        return Choice::Refuse;
    }
    let is_known = new.trusted.is_some_and(|trusted| trusted >= propagation);
    if is_known || is_alike || served.trusted.is_none() { Choice::Take } else { Choice::Wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_one_is_served_when_that_makes_nothing_worse() {
        let standing =
            |is_valid, trusted: Option<u64>| Standing { is_valid, trusted: trusted.map(Duration::from_secs) };
        let good = standing(true, Some(900));
        for (what, served, new, choice) in [
            ("nothing is served", None, standing(true, None), Choice::Take),
            ("nothing is served, and it has expired", None, standing(false, None), Choice::Take),
            ("what is served has expired", Some(standing(false, Some(900))), standing(true, None), Choice::Take),
            ("known for long", Some(good), standing(true, Some(60)), Choice::Take),
            ("known, not for long", Some(good), standing(true, Some(59)), Choice::Wait),
            ("not known", Some(good), standing(true, None), Choice::Wait),
            ("nobody trusts either", Some(standing(true, None)), standing(true, None), Choice::Take),
            ("only the new one is known", Some(standing(true, None)), standing(true, Some(0)), Choice::Take),
            ("not valid yet", Some(good), standing(false, Some(900)), Choice::Refuse),
        ] {
            assert_eq!(choose(served, new, false, Duration::from_secs(60)), choice, "{what}");
        }
        for (what, new, choice) in [
            ("by the same authority", standing(true, Some(1)), Choice::Take),
            ("by the same authority, not valid yet", standing(false, Some(1)), Choice::Refuse),
        ] {
            let served = Some(standing(true, Some(1)));
            assert_eq!(choose(served, new, true, Duration::from_secs(60)), choice, "{what}");
        }
    }
}
