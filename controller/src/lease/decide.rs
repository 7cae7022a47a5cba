//! What a Lease says to a replica, pure: times that others wrote are never compared with our clock.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// What to do about a Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nobody holds it, or whoever did has not renewed it in time.
    Take,
    /// It is in our name. A container that starts anew in its pod goes on at once, and with it nobody else can be at work.
    Renew,
    /// Somebody else holds it: this long, if it is not renewed meanwhile.
    Wait(Duration),
}

/// What to do about `lease`, which `me` has seen unchanged for as long as `unchanged`. Where it does not say how long it holds, that is
/// `usual`.
pub(super) fn decide(lease: Option<&LeaseSpec>, me: &str, unchanged: Duration, usual: Duration) -> Decision {
    let Some(lease) = lease else { return Decision::Take };
    match lease.holder_identity.as_deref() {
        None | Some("") => Decision::Take,
        Some(holder) if holder == me => Decision::Renew,
        Some(_) => {
            let seconds = lease.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
            let left = seconds.map_or(usual, Duration::from_secs).saturating_sub(unchanged);
            if left.is_zero() { Decision::Take } else { Decision::Wait(left) }
        }
    }
}

/// The Lease as it is when `me` begins to hold it. The time at which that was marks our term: if it changes, another process holds the
/// Lease, even under our own name.
pub(super) fn taken(lease: Option<&LeaseSpec>, me: &str, duration: Duration, now: Timestamp) -> LeaseSpec {
    let before = lease.cloned().unwrap_or_default();
    let transitions = before.lease_transitions.unwrap_or_default();
    let passes_on = lease.is_some() && before.holder_identity.as_deref() != Some(me);
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        // Whole seconds; a fraction more is safe, a fraction less is not.
        lease_duration_seconds: Some(i32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(transitions.saturating_add(i32::from(passes_on))),
        ..before
    }
}

/// The Lease that we hold, as it is when we go on to hold it.
pub(super) fn renewed(lease: &LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec { renew_time: Some(MicroTime(now)), ..lease.clone() }
}

/// The Lease that we hold, as it is when we give it back: the next may take it at once. (client-go writes the same.)
pub(super) fn released(lease: &LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: None,
        lease_duration_seconds: Some(1),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        ..lease.clone()
    }
}

/// Whether `lease` is still in the term that began with `ours`.
pub(super) fn is_same_term(lease: &LeaseSpec, ours: &LeaseSpec) -> bool {
    lease.holder_identity == ours.holder_identity && lease.acquire_time == ours.acquire_time
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "pod-a";
    const USUAL: Duration = Duration::from_secs(15);

    fn lease(holder: Option<&str>, seconds: Option<i32>) -> LeaseSpec {
        LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: seconds,
            lease_transitions: Some(7),
            ..LeaseSpec::default()
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn whoever_sees_a_lease_knows_what_to_do() {
        let seconds = Duration::from_secs;
        let rows = [
            ("there is none", None, seconds(0), Decision::Take),
            ("nobody holds it", Some(lease(None, Some(15))), seconds(0), Decision::Take),
            ("it was given back", Some(lease(Some(""), Some(1))), seconds(0), Decision::Take),
            ("it is ours", Some(lease(Some(ME), Some(15))), seconds(0), Decision::Renew),
            ("it was ours before a crash", Some(lease(Some(ME), Some(15))), seconds(99), Decision::Renew),
            ("it is new to us", Some(lease(Some("b"), Some(15))), seconds(0), Decision::Wait(seconds(15))),
            ("it is renewed in time", Some(lease(Some("b"), Some(15))), seconds(14), Decision::Wait(seconds(1))),
            ("it ran out", Some(lease(Some("b"), Some(15))), seconds(15), Decision::Take),
            (
                "it holds for longer than ours",
                Some(lease(Some("b"), Some(60))),
                seconds(15),
                Decision::Wait(seconds(45)),
            ),
            ("it does not say how long", Some(lease(Some("b"), None)), seconds(5), Decision::Wait(seconds(10))),
            ("it says nonsense", Some(lease(Some("b"), Some(-1))), seconds(5), Decision::Wait(seconds(10))),
        ];
        for (case, lease, unchanged, expected) in rows {
            assert_eq!(decide(lease.as_ref(), ME, unchanged, USUAL), expected, "{case}");
        }
    }

    #[test]
    fn a_change_of_hands_is_counted_and_a_return_is_not() {
        let transitions = |before: Option<LeaseSpec>| taken(before.as_ref(), ME, USUAL, at(9)).lease_transitions;
        assert_eq!(transitions(None), Some(0));
        assert_eq!(transitions(Some(lease(None, Some(1)))), Some(8));
        assert_eq!(transitions(Some(lease(Some("b"), Some(15)))), Some(8));
        assert_eq!(transitions(Some(lease(Some(ME), Some(15)))), Some(7));
    }

    #[test]
    fn a_duration_is_never_written_shorter_than_it_is() {
        let written = |millis| taken(None, ME, Duration::from_millis(millis), at(9)).lease_duration_seconds;
        assert_eq!((written(15_000), written(1_001), written(1)), (Some(15), Some(2), Some(1)));
    }

    #[test]
    fn a_term_ends_when_anybody_takes_the_lease() {
        let ours = taken(None, ME, USUAL, at(9));
        assert!(is_same_term(&renewed(&ours, at(14)), &ours));
        assert!(!is_same_term(&released(&ours, at(14)), &ours));
        assert!(!is_same_term(&taken(Some(&ours), "pod-b", USUAL, at(14)), &ours));
        assert!(!is_same_term(&taken(Some(&ours), ME, USUAL, at(14)), &ours), "a process of the same name");
    }

    #[test]
    fn a_lease_that_is_given_back_may_be_taken_at_once() {
        let released = released(&taken(None, ME, USUAL, at(9)), at(10));
        assert_eq!(decide(Some(&released), "pod-b", Duration::ZERO, USUAL), Decision::Take);
        assert_eq!(released.lease_duration_seconds, Some(1));
    }
}
