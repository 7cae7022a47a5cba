use super::*;

/// A day as the table counts it: authorities live 365 of them, leaves 90.
fn day(number: i64) -> Timestamp {
    Timestamp::from_second(number * 24 * 3600).unwrap()
}

fn authority(from: i64) -> Authority {
    Authority { life: Life { from: day(from), until: day(from + 365) }, signs: true }
}

fn leaf(from: i64) -> Leaf {
    Leaf { life: Life { from: day(from), until: day(from + 90) }, covers: true }
}

/// All is well, on this day: an authority from day 0, a leaf made today.
fn well(today: i64) -> Known {
    Known {
        now: day(today),
        current: Some(authority(0)),
        next: None,
        next_trusted: None,
        propagation: Duration::from_secs(60),
        old: Vec::new(),
        leaf: Some(leaf(today)),
        serves_a_stranger: false,
        remembers: true,
    }
}

#[test]
fn each_step_has_its_time() {
    let keyless = Some(Authority { signs: false, ..authority(0) });
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let table = [
        ("nothing to do", well(1), None),
        ("nothing is there yet", Known { current: None, leaf: None, remembers: false, ..well(1) }, Some(Step::Make)),
        ("somebody deleted all", Known { current: None, leaf: None, ..well(1) }, Some(Step::Restore)),
        // Leaves.
        ("two thirds of a leaf", Known { leaf: Some(leaf(40)), ..well(100) }, None),
        ("more than two thirds", Known { leaf: Some(leaf(40)), ..well(101) }, Some(Step::Renew(Why::RunningOut))),
        ("an expired leaf", Known { leaf: Some(leaf(1)), ..well(150) }, Some(Step::Renew(Why::RunningOut))),
        ("asked for a leaf", Known { leaf: None, ..well(1) }, Some(Step::Renew(Why::Missing))),
        (
            "another name",
            Known { leaf: Some(Leaf { covers: false, ..leaf(1) }), ..well(1) },
            Some(Step::Renew(Why::Names)),
        ),
        (
            "a leaf as long as its authority",
            Known {
                leaf: Some(Leaf { life: Life { from: day(240), until: day(365) }, covers: true }),
                next: Some(authority(243)),
                ..well(340)
            },
            None,
        ),
        // A new authority.
        ("two thirds of an authority", well(243), None),
        ("more than two thirds", well(244), Some(Step::Begin(Why::RunningOut))),
        ("asked for an authority", Known { current: keyless, ..well(1) }, Some(Step::Begin(Why::Missing))),
        ("not yet in the hooks", Known { next: Some(authority(1)), ..well(1) }, None),
        ("in the hooks, not for long", Known { next: Some(authority(1)), next_trusted: seconds(59), ..well(1) }, None),
        (
            "in the hooks for long",
            Known { next: Some(authority(1)), next_trusted: seconds(60), ..well(1) },
            Some(Step::Switch),
        ),
        ("without a key the leaf lives on", Known { current: keyless, next: Some(authority(1)), ..well(1) }, None),
        (
            "a leaf is renewed meanwhile",
            Known { leaf: Some(leaf(1)), next: Some(authority(244)), ..well(244) },
            Some(Step::Renew(Why::RunningOut)),
        ),
        (
            "the next one is spoiled",
            Known { next: Some(Authority { signs: false, ..authority(1) }), next_trusted: seconds(99), ..well(1) },
            Some(Step::Discard),
        ),
        ("the next one waited too long", Known { next: Some(authority(0)), ..well(300) }, Some(Step::Discard)),
        // Nothing to lose.
        ("no key and no leaf", Known { current: keyless, leaf: None, ..well(1) }, Some(Step::Begin(Why::Missing))),
        (
            "then the next one at once",
            Known { current: keyless, leaf: None, next: Some(authority(1)), ..well(1) },
            Some(Step::Switch),
        ),
        (
            "no key and an expired leaf",
            Known { current: keyless, leaf: Some(leaf(1)), next: Some(authority(90)), ..well(100) },
            Some(Step::Switch),
        ),
        ("the authority has expired", well(365), Some(Step::Make)),
        ("with another one beside it", Known { next: Some(authority(244)), ..well(365) }, Some(Step::Switch)),
        (
            "with a spoiled one beside it",
            Known { next: Some(Authority { signs: false, ..authority(244) }), ..well(365) },
            Some(Step::Make),
        ),
        // Authorities before.
        ("a leaf of it is valid", Known { old: vec![day(11)], ..well(10) }, None),
        ("no leaf of it is valid", Known { old: vec![day(20), day(10)], ..well(10) }, Some(Step::Drop)),
        ("somebody put other things there", Known { serves_a_stranger: true, ..well(1) }, Some(Step::Remember)),
    ];
    for (what, known, step) in table {
        assert_eq!(plan(&known), step, "{what}");
    }
}

/// Ten years, looked at each day: what the steps come to when they are carried out.
#[test]
fn no_leaf_is_ever_without_a_trusted_authority() {
    let mut known = well(0);
    let (mut begun, mut switched, mut renewed) = (0, 0, 0);
    for today in 0..3650 {
        known.now = day(today);
        // The next authority was seen yesterday already.
        known.next_trusted = known.next.map(|_| Duration::from_secs(24 * 3600));
        while let Some(step) = plan(&known) {
            match step {
                Step::Begin(Why::RunningOut) => {
                    begun += 1;
                    known.next = Some(authority(today));
                    known.next_trusted = None;
                }
                Step::Switch => {
                    switched += 1;
                    known.old.push(known.leaf.unwrap().life.until);
                    known.current = known.next.take();
                    known.leaf = Some(leaf(today));
                }
                Step::Renew(Why::RunningOut) => {
                    renewed += 1;
                    known.leaf = Some(leaf(today));
                }
                Step::Drop => known.old.retain(|&until| until > known.now),
                other => panic!("day {today}: {other:?}"),
            }
        }
        let (current, leaf) = (known.current.unwrap(), known.leaf.unwrap());
        assert!(leaf.life.until <= current.life.until, "day {today}: a leaf outlives its authority");
        assert!(leaf.life.until > day(today + 29), "day {today}: too little of the leaf is left");
        assert!(known.old.len() < 2, "day {today}: {:?}", known.old);
    }
    assert_eq!((begun, switched), (14, 14));
    assert!((40..70).contains(&renewed), "{renewed}");
}
