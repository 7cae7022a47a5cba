use std::time::Duration;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

const USUAL: Lifetimes = Lifetimes {
    propagation: Duration::from_secs(60),
    leaf: Duration::from_secs(90 * 24 * 3600),
    authority: Duration::from_secs(365 * 24 * 3600),
};

/// A replica, and the moment that it is in.
struct Replica {
    now: Timestamp,
    instant: Instant,
    names: Vec<String>,
    anchors: Anchors,
    served: Option<Old>,
    remembered: Option<State>,
}

impl Replica {
    fn new() -> Self {
        Self {
            now: Timestamp::now(),
            instant: Instant::now(),
            names: vec!["a.b.svc".to_owned()],
            anchors: Anchors::default(),
            served: None,
            remembered: None,
        }
    }

    fn later(&mut self, time: Duration) {
        self.now += time;
        self.instant += time;
    }

    /// One look at what is in the Secret; then the hooks hold what they should.
    fn look(&mut self, state: &State) -> (State, Vec<Step>) {
        let beside = Beside {
            now: self.now,
            instant: self.instant,
            names: &self.names,
            lifetimes: &USUAL,
            anchors: &self.anchors,
            served: self.served.as_ref(),
            remembered: self.remembered.as_ref(),
        };
        let (state, steps) = rotate(state.clone(), &beside).unwrap();
        self.anchors.observe(&state.authorities(), self.instant);
        self.remembered = Some(state.clone());
        (state, steps)
    }

    fn serve(&mut self, state: &State) {
        self.served = authority_of(&state.leaf, &state.authorities());
    }
}

#[test]
fn an_authority_is_replaced_step_by_step() {
    let mut replica = Replica::new();
    let (first, steps) = replica.look(&State::default());
    assert_eq!(steps, [Step::Make]);
    assert_eq!(replica.look(&first), (first.clone(), vec![]));

    // Somebody takes its key away, which asks for a new one.
    let asked = State { current: Pair { key: String::new(), ..first.current.clone() }, ..first.clone() };
    let (begun, steps) = replica.look(&asked);
    assert_eq!((steps, &begun.leaf), (vec![Step::Begin(Why::Missing)], &first.leaf));
    assert_eq!(begun.authorities().len(), 2);
    replica.later(Duration::from_secs(59));
    assert_eq!(replica.look(&begun).1, []);
    // A restart begins to count anew, and then goes on.
    replica = Replica { now: replica.now, instant: replica.instant, ..Replica::new() };
    assert_eq!(replica.look(&begun).1, []);
    replica.later(Duration::from_secs(60));
    let (switched, steps) = replica.look(&begun);
    assert_eq!(steps, [Step::Switch]);
    assert_eq!(Some(&switched.current), begun.next.as_ref());
    assert_eq!(switched.authorities().len(), 2, "the one before is still trusted");
    let before = Facts::of(&first.leaf.certificate).unwrap();
    assert_eq!(switched.old[0].until, before.until);
    assert!(is_signed_by(&switched.authorities()[0], &chain(&switched.leaf.certificate)));

    replica.later(60 * DAY);
    let (renewed, steps) = replica.look(&switched);
    assert_eq!((steps, renewed.authorities().len()), (vec![Step::Renew(Why::RunningOut)], 2));
    replica.later(30 * DAY);
    let (last, steps) = replica.look(&renewed);
    assert_eq!((steps, last.authorities()), (vec![Step::Drop], chain(&renewed.current.certificate)));
    assert_eq!(last.leaf, renewed.leaf);
}

/// The last leaf is not the one that expires last: the lifetime may have been longer before.
#[test]
fn an_authority_stays_as_long_as_any_leaf_of_it() {
    let mut replica = Replica::new();
    let (first, _) = replica.look(&State::default());
    let until = first.leaves_until;
    let short = first.current.leaf(&replica.names, DAY, replica.now).unwrap();
    let shortened = State { leaf: short, ..first };
    let keyless = State { current: Pair { key: String::new(), ..shortened.current.clone() }, ..shortened };
    let (begun, _) = replica.look(&keyless);
    replica.later(Duration::from_secs(60));
    let (switched, _) = replica.look(&begun);
    assert_eq!(Some(switched.old[0].until), until);
}

#[test]
fn what_was_deleted_comes_back_and_what_was_put_there_replaces_nothing_at_once() {
    let mut replica = Replica::new();
    let (state, _) = replica.look(&State::default());
    replica.serve(&state);
    assert_eq!(replica.look(&State::default()), (state.clone(), vec![Step::Restore]));
    let halved = State { current: Pair { certificate: String::new(), ..state.current.clone() }, ..state.clone() };
    assert_eq!(replica.look(&halved), (state.clone(), vec![Step::Restore]));

    // Another Secret, restored from a backup: what is served stays trusted until it has expired.
    let (other, _) = Replica::new().look(&State::default());
    let (both, steps) = replica.look(&other);
    assert_eq!((steps, &both.leaf, &both.current), (vec![Step::Remember], &other.leaf, &other.current));
    assert_eq!(both.authorities(), [chain(&other.current.certificate), chain(&state.current.certificate)].concat());
    assert_eq!(replica.look(&both).1, []);
}

#[test]
fn a_leaf_that_is_spoiled_or_for_others_is_made_anew() {
    let mut replica = Replica::new();
    let (state, _) = replica.look(&State::default());
    let (other, _) = Replica::new().look(&State::default());
    let crossed = Pair { key: other.leaf.key.clone(), ..state.leaf.clone() };
    for leaf in [Pair::default(), crossed, other.leaf] {
        let (renewed, steps) = replica.look(&State { leaf, ..state.clone() });
        assert_eq!((steps, renewed.current), (vec![Step::Renew(Why::Missing)], state.current.clone()));
    }
    // Two replicas of different names come to rest with a leaf for both.
    let mut another = Replica { names: vec!["c.d.svc".to_owned()], ..Replica::new() };
    let (wider, steps) = another.look(&state);
    assert_eq!(steps, [Step::Renew(Why::Names)]);
    assert_eq!((replica.look(&wider).1, another.look(&wider).1), (vec![], vec![]));
}

#[test]
fn a_spoiled_or_lost_key_never_stops_the_work() {
    let mut replica = Replica::new();
    let (state, _) = replica.look(&State::default());
    let spoiled = Pair { key: "nonsense".to_owned(), ..state.current.clone() };
    // Neither key nor leaf, and no time to lose.
    let lost = State { current: spoiled.clone(), leaf: Pair::default(), ..state.clone() };
    let (mended, steps) = replica.look(&lost);
    assert_eq!(steps, [Step::Begin(Why::Missing), Step::Switch]);
    assert_eq!(mended.authorities().len(), 2);
    // A next authority that cannot be read gives way to another.
    let next = Some(Pair { certificate: "nonsense".to_owned(), key: String::new() });
    let (begun, steps) = replica.look(&State { current: spoiled, next, ..state.clone() });
    assert_eq!(steps, [Step::Discard, Step::Begin(Why::Missing)]);
    assert_eq!(begun.leaf, state.leaf);
    // After a year away everything is made anew.
    replica.later(400 * DAY);
    let (anew, steps) = replica.look(&state);
    assert_eq!(steps, [Step::Make, Step::Drop]);
    assert_eq!(anew.authorities().len(), 1);
}
