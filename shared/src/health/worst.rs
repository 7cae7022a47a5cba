use crate::kinds::Health;

use super::Assessment;
use super::assessment::earlier;
use super::words::{MAX_CAUSE, cut, one_line};

/// How all objects together are doing: as the worst of them, which is named by its label with its cause; `(and 2 more)` are as bad.
/// Nothing at all is Healthy, and what is healthy has no cause, whatever notes there are.
pub fn worst<'a>(all: impl IntoIterator<Item = (&'a str, &'a Assessment)>) -> Assessment {
    let mut whole = Assessment::healthy();
    let mut first: Option<(&str, &Assessment)> = None;
    let mut others = 0;
    for (label, assessment) in all {
        whole.recheck_at = earlier(whole.recheck_at, assessment.recheck_at);
        if assessment.health > whole.health {
            whole.health = assessment.health;
            first = Some((label, assessment));
            others = 0;
        } else if assessment.health == whole.health && whole.health > Health::Healthy {
            others += 1;
        }
    }
    whole.cause = first.map(|(label, assessment)| cause(label, assessment, others));
    whole
}

fn cause(label: &str, assessment: &Assessment, others: usize) -> String {
    let words = match &assessment.cause {
        Some(cause) => format!("{label}: {cause}"),
        None => format!("{label} is {}", assessment.health),
    };
    let more = if others == 0 { String::new() } else { format!(" (and {others} more)") };
    cut(one_line(&words), MAX_CAUSE - more.len()) + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_worst_speaks_for_all() {
        let at = |second| Some(jiff::Timestamp::from_second(second).unwrap());
        let healthy = Assessment { cause: Some("a note".to_owned()), ..Assessment::healthy() };
        let suspended = Assessment::suspended("is paused");
        let progressing = Assessment::progressing("0 of 1 replicas are ready").recheck(at(30));
        let degraded = Assessment::degraded("fails").recheck(at(50));
        let silent = Assessment { health: Health::Unknown, cause: None, recheck_at: None };
        type Case<'a> = (&'a [(&'a str, &'a Assessment)], Health, Option<&'a str>, Option<jiff::Timestamp>);
        let cases: [Case<'_>; 7] = [
            (&[], Health::Healthy, None, None),
            (&[("Service a", &healthy)], Health::Healthy, None, None),
            (
                &[("Service a", &healthy), ("Deployment a/b", &suspended)],
                Health::Suspended,
                Some("Deployment a/b: is paused"),
                None,
            ),
            (
                &[("A", &progressing), ("B", &suspended), ("C", &progressing)],
                Health::Progressing,
                Some("A: 0 of 1 replicas are ready (and 1 more)"),
                at(30),
            ),
            (&[("A", &silent), ("B", &progressing)], Health::Unknown, Some("A is Unknown"), at(30)),
            (&[("A", &silent), ("B", &degraded), ("C", &progressing)], Health::Degraded, Some("B: fails"), at(30)),
            (
                &[("A", &degraded), ("B", &degraded), ("C", &degraded)],
                Health::Degraded,
                Some("A: fails (and 2 more)"),
                at(50),
            ),
        ];
        for (all, health, cause, recheck_at) in cases {
            let whole = worst(all.iter().copied());
            assert_eq!(
                (whole.health, whole.cause.as_deref(), whole.recheck_at),
                (health, cause, recheck_at),
                "{all:?}"
            );
        }
    }

    #[test]
    fn a_long_cause_leaves_room_for_the_number() {
        let long = Assessment::degraded(&"é".repeat(300));
        let cause = worst([("Deployment shop/web", &long), ("B", &long)]).cause.unwrap();
        assert!(cause.len() <= MAX_CAUSE && cause.ends_with("… (and 1 more)"), "{cause}");
    }
}
