//! How each revision of a binding went: joined to its records, kept after the pods are gone, frozen when the next revision takes over.

use jiff::Timestamp;

use crate::kinds::{Anchor, Health, Outcome};
use crate::record::{Element, History};

/// How many outcomes a binding keeps, besides the newest healthy one: more than records, so that what has run healthily is
/// remembered for promotion after its record was dropped.
pub const MOST: usize = 50;

/// A record as outcomes need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its revision.
    pub revision: i64,
    /// The ComponentRelease that it pins.
    pub release: Option<String>,
    /// The hash of its content.
    pub content: String,
    /// When it was made, RFC 3339 in UTC.
    pub at: String,
    /// The record's hash.
    pub hash: Option<String>,
}

/// A history as outcomes need it: small, since histories are large and there is one for each binding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// The records, oldest first.
    pub records: Vec<Recorded>,
    /// The runs that the bound dropped: first and last revision, and the hash of the last.
    pub dropped: Vec<(i64, i64, String)>,
}

impl Trail {
    /// What outcomes need of a history.
    pub fn read(history: &History) -> Self {
        let mut trail = Self::default();
        for element in &history.0 {
            match element {
                Element::Record(record) => trail.records.push(Recorded {
                    revision: signed(record.revision),
                    release: record.release.clone(),
                    content: record.content.clone(),
                    at: record.at.clone(),
                    hash: record.hash.clone(),
                }),
                Element::Dropped(run) => {
                    trail.dropped.push((signed(run.dropped.from), signed(run.dropped.to), run.hash.clone()));
                }
            }
        }
        trail
    }

    /// The newest record.
    pub fn last(&self) -> Option<&Recorded> {
        self.records.last()
    }
}

fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

/// The health that is credited to a revision: its Release says that it was rendered from it, applied, and observed after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// The revision.
    pub revision: i64,
    /// The health.
    pub health: Health,
    /// Why it is not healthy.
    pub cause: Option<String>,
}

/// The outcomes after what was seen now. `credit` is for the newest record, or for the one before where nothing was seen of the newest
/// yet: how that ended may not have been written down when the next one came. Nothing changes but on a transition, and what is frozen
/// never does.
pub fn outcomes(before: &[Outcome], trail: &Trail, credit: Option<&Credit>, now: Timestamp) -> Vec<Outcome> {
    let mut all = before.to_vec();
    for record in &trail.records {
        // A record that is there no longer may have been followed by others: only what is newer is new.
        if all.last().is_none_or(|last| last.revision < record.revision) {
            if let Some(last) = all.last_mut() {
                observe(last, credit, now);
                freeze(last, record);
            }
            all.push(begun(record));
        }
    }
    if let Some(last) = all.last_mut() {
        observe(last, credit, now);
    }
    bound(all)
}

fn begun(record: &Recorded) -> Outcome {
    Outcome {
        revision: record.revision,
        release: record.release.clone(),
        content: Some(record.content.clone()),
        first_healthy_at: None,
        last_health: None,
        last_health_at: None,
        cause: None,
        ended_at: None,
        ended_by: None,
    }
}

fn freeze(outcome: &mut Outcome, next: &Recorded) {
    if outcome.ended_at.is_none() {
        outcome.ended_at = Some(next.at.clone());
        outcome.ended_by = Some(next.revision);
    }
}

/// A revision that was healthy and moves (the autoscaler adds a pod, a node is drained) still went well: only what is worse than that
/// changes how it went.
fn observe(outcome: &mut Outcome, credit: Option<&Credit>, now: Timestamp) {
    let Some(credit) = credit.filter(|credit| credit.revision == outcome.revision && outcome.ended_at.is_none()) else {
        return;
    };
    if outcome.last_health == Some(Health::Healthy) && credit.health == Health::Progressing {
        return;
    }
    let at = || Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    if credit.health == Health::Healthy && outcome.first_healthy_at.is_none() {
        outcome.first_healthy_at = Some(at());
    }
    if outcome.last_health != Some(credit.health) {
        outcome.last_health = Some(credit.health);
        outcome.last_health_at = Some(at());
    }
    outcome.cause.clone_from(&credit.cause);
}

/// The newest [`MOST`], and the newest that was healthy in the end.
fn bound(mut all: Vec<Outcome>) -> Vec<Outcome> {
    let Some(over) = all.len().checked_sub(MOST).filter(|over| *over > 0) else { return all };
    let healthy = all.iter().rposition(|outcome| outcome.last_health == Some(Health::Healthy));
    let mut at = 0;
    all.retain(|_| {
        let keep = at >= over || Some(at) == healthy;
        at += 1;
        keep
    });
    all
}

/// The anchor after a history was seen, or what is wrong with the history.
///
/// # Errors
/// The record that was seen is not there any more, or another stands in its place: the history was rewritten.
pub fn anchor(seen: Option<&Anchor>, trail: &Trail) -> Result<Option<Anchor>, String> {
    let newest = || {
        let last = trail.last()?;
        Some(Anchor { revision: last.revision, hash: last.hash.clone()? })
    };
    let Some(seen) = seen else { return Ok(newest()) };
    let there = trail.records.iter().find(|record| record.revision == seen.revision);
    let dropped = trail.dropped.iter().find(|(from, to, _)| (*from..=*to).contains(&seen.revision));
    match (there, dropped) {
        (Some(record), _) if record.hash.as_deref() == Some(&seen.hash) => Ok(newest()),
        (None, Some((_, to, hash))) if *to != seen.revision || *hash == seen.hash => Ok(newest()),
        (Some(_), _) | (None, Some(_)) => Err(format!(
            "revision {} is not the record that was seen there ({}): the history was rewritten; compare it with the API server's audit log",
            seen.revision, seen.hash
        )),
        (None, None) => Err(format!(
            "the history ends before revision {}, which was seen ({}): it was set back; compare it with the API server's audit log",
            seen.revision, seen.hash
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn trail(revisions: &[i64]) -> Trail {
        let record = |&revision: &i64| Recorded {
            revision,
            release: Some(format!("web-{revision}")),
            content: format!("c{revision}"),
            at: format!("2026-01-01T00:00:{revision:02}Z"),
            hash: Some(format!("h{revision}")),
        };
        Trail { records: revisions.iter().map(record).collect(), dropped: Vec::new() }
    }

    fn credit(revision: i64, health: Health) -> Option<Credit> {
        Some(Credit { revision, health, cause: (health != Health::Healthy).then(|| "why".to_owned()) })
    }

    #[test]
    fn a_revision_is_followed_until_the_next_one_and_frozen_then() {
        let begun = outcomes(&[], &trail(&[1]), None, NOW);
        assert_eq!((begun.len(), begun[0].last_health, begun[0].revision), (1, None, 1));
        let healthy = outcomes(&begun, &trail(&[1]), credit(1, Health::Healthy).as_ref(), NOW);
        assert_eq!(healthy[0].first_healthy_at.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(
            outcomes(
                &healthy,
                &trail(&[1]),
                credit(1, Health::Healthy).as_ref(),
                NOW + jiff::SignedDuration::from_secs(5)
            ),
            healthy
        );
        // Two at once: the one between was never seen.
        let next = outcomes(&healthy, &trail(&[1, 2, 3]), credit(3, Health::Degraded).as_ref(), NOW);
        assert_eq!(next.iter().map(|outcome| outcome.ended_by).collect::<Vec<_>>(), [Some(2), Some(3), None]);
        assert_eq!(next[0].ended_at.as_deref(), Some("2026-01-01T00:00:02Z"));
        assert_eq!(
            next.iter().map(|outcome| outcome.last_health).collect::<Vec<_>>(),
            [Some(Health::Healthy), None, Some(Health::Degraded)]
        );
        assert_eq!(next[2].cause.as_deref(), Some("why"));
    }

    #[test]
    fn a_healthy_revision_that_moves_still_went_well() {
        let see = |before: &[Outcome], health| outcomes(before, &trail(&[1]), credit(1, health).as_ref(), NOW);
        let healthy = see(&see(&[], Health::Progressing), Health::Healthy);
        assert_eq!(see(&healthy, Health::Progressing), healthy);
        assert_eq!(see(&healthy, Health::Degraded)[0].last_health, Some(Health::Degraded));
    }

    #[test]
    fn what_was_seen_before_the_next_revision_counts_also_when_it_is_told_after() {
        let known = outcomes(&[], &trail(&[1]), None, NOW);
        for before in [&known[..], &[]] {
            let next = outcomes(before, &trail(&[1, 2]), credit(1, Health::Healthy).as_ref(), NOW);
            let healths: Vec<_> = next.iter().map(|outcome| (outcome.last_health, outcome.ended_by)).collect();
            assert_eq!(healths, [(Some(Health::Healthy), Some(2)), (None, None)]);
            let again = outcomes(&next, &trail(&[1, 2]), credit(1, Health::Degraded).as_ref(), NOW);
            assert_eq!(again, next, "it is frozen");
        }
    }

    #[test]
    fn a_record_is_never_joined_twice() {
        let known = outcomes(&[], &trail(&[4, 5]), None, NOW);
        assert_eq!(outcomes(&known, &trail(&[5]), None, NOW), known);
        assert_eq!(
            outcomes(&known, &trail(&[4]), credit(4, Health::Healthy).as_ref(), NOW),
            known,
            "a history that went back"
        );
    }

    #[test]
    fn the_newest_healthy_one_is_kept() {
        let many: Vec<i64> = (1..=60).collect();
        let mut all = Vec::new();
        for upto in 1..=many.len() {
            let health = if upto == 3 { Health::Healthy } else { Health::Degraded };
            all = outcomes(&all, &trail(&many[..upto]), credit(many[upto - 1], health).as_ref(), NOW);
        }
        assert_eq!(all.len(), MOST + 1);
        assert_eq!((all[0].revision, all[1].revision), (3, 11));
    }

    #[test]
    fn a_history_that_goes_back_is_seen() {
        let seen = Anchor { revision: 2, hash: "h2".into() };
        let newest = |trail: &Trail| anchor(Some(&seen), trail).map(|anchor| anchor.map(|anchor| anchor.revision));
        assert_eq!(anchor(None, &trail(&[1, 2])), Ok(Some(seen.clone())));
        assert_eq!(newest(&trail(&[1, 2, 3])), Ok(Some(3)));
        let dropped = Trail { dropped: vec![(1, 4, "h4".into())], ..trail(&[5]) };
        assert_eq!(newest(&dropped), Ok(Some(5)));
        let other = Trail { dropped: vec![(1, 2, "x".into())], ..trail(&[3]) };
        for rewritten in [trail(&[1]), trail(&[]), trail(&[3]), other] {
            assert!(newest(&rewritten).is_err(), "{rewritten:?}");
        }
        let mut replaced = trail(&[1, 2]);
        replaced.records[1].hash = Some("forged".into());
        assert!(newest(&replaced).is_err());
    }
}
