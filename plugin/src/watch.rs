//! Follows pins until they are settled: one driver, whatever judges. It shows how they are getting on, on stderr.

mod changes;
mod judge;
mod progress;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::select_all;
use release_shared::kinds::Kind;
use release_shared::object::{controlling_binding, text};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::judge::{Judgement, Phase, Written, change, deletion, direct};

use self::changes::{Change, changes};
use self::progress::Progress;
use crate::args::Limit;
use crate::cluster::{Cluster, Event, Selection};
use crate::error::Error;

/// A controller answers within this, if there is one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the line on a terminal says that time goes on.
const TICK: Duration = Duration::from_secs(1);

/// What is looked at: objects of these kinds.
pub(crate) type Scope = Vec<(Kind, Selection)>;

/// One binding and its Release, which have the same name.
pub(crate) fn one(name: &str) -> Scope {
    let selection = Selection { fields: vec![("metadata.name", name.to_owned())], ..Selection::default() };
    vec![(Kind::ReleaseBinding, selection.clone()), (Kind::Release, selection)]
}

/// What has been seen of a scope.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeMap<Kind, BTreeMap<String, Value>>);

impl Seen {
    /// What was read once.
    pub(crate) fn of(objects: impl IntoIterator<Item = (Kind, Vec<Value>)>) -> Self {
        let mut seen = Self::default();
        objects.into_iter().for_each(|(kind, objects)| seen.apply(Change::All(kind, objects)));
        seen
    }

    /// The objects of a kind, by name.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.0.get(&kind).into_iter().flat_map(BTreeMap::values)
    }

    /// A binding.
    pub(crate) fn binding(&self, name: &str) -> Option<&Value> {
        self.0.get(&Kind::ReleaseBinding)?.get(name)
    }

    /// A Release.
    pub(crate) fn release(&self, name: &str) -> Option<&Value> {
        self.0.get(&Kind::Release)?.get(name)
    }

    /// The Release that is rendered from a binding.
    pub(crate) fn rendered(&self, name: &str) -> Option<&Value> {
        self.release(name).filter(|release| controlling_binding(release) == Some(name))
    }

    fn apply(&mut self, change: Change) {
        let name = |object: &Value| text(object, "/metadata/name").unwrap_or_default().to_owned();
        match change {
            Change::All(kind, objects) => {
                self.0.insert(kind, objects.into_iter().map(|object| (name(&object), object)).collect());
            }
            Change::One(kind, Event::Put(object)) => {
                self.0.entry(kind).or_default().insert(name(&object), object);
            }
            Change::One(kind, Event::Gone(object)) => {
                self.0.entry(kind).or_default().remove(&name(&object));
            }
            Change::Away(_) => {}
        }
    }
}

/// How one pin or Release is getting on.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// Where, in a word.
    pub(crate) place: String,
    /// Whose it is and where.
    pub(crate) whole: String,
    /// How.
    pub(crate) judgement: Judgement,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Everything that was judged, as it was at the end.
    pub(crate) judged: Vec<Judged>,
    /// What was seen last.
    pub(crate) seen: Seen,
    limit: Option<Limit>,
}

impl Ended {
    /// What is not as it should be, in words; the worst decides.
    pub(crate) fn result(&self) -> Result<(), Error> {
        let of = |phase: Phase| {
            let judged = self.judged.iter().filter(move |judged| judged.judgement.phase == phase);
            judged.map(|judged| format!("{}: {}", judged.whole, judged.judgement.message)).collect::<Vec<_>>()
        };
        let (degraded, superseded) = (of(Phase::Degraded), of(Phase::Superseded));
        match self.limit {
            _ if !degraded.is_empty() => Err(Error::Degraded(degraded.join("\n"))),
            _ if !superseded.is_empty() => Err(Error::Superseded(superseded.join("\n"))),
            Some(limit) if self.judged.is_empty() => {
                Err(Error::TimedOut(format!("timed out after {limit}: the API server has told nothing")))
            }
            Some(limit) => Err(Error::TimedOut(format!("timed out after {limit}: {}", of(Phase::Waiting).join("\n")))),
            None => Ok(()),
        }
    }

    /// How the first one was getting on at the end.
    pub(crate) fn cause(&self) -> &str {
        self.judged.first().map(|judged| judged.judgement.message.as_str()).unwrap_or_default()
    }
}

/// Looks until everything that `judge` finds is settled, or the limit is reached.
pub(crate) async fn follow(
    cluster: &Cluster,
    scope: &Scope,
    limit: Limit,
    judge: impl Fn(&Seen) -> Vec<Judged>,
) -> Result<Ended, Error> {
    let started = Instant::now();
    let deadline = limit.0.map(|limit| started + limit);
    let mut patience = Some(started + PATIENCE);
    let mut changes =
        select_all(scope.iter().map(|(kind, selection)| changes(cluster, *kind, selection).boxed_local()));
    let mut progress = Progress::on_stderr();
    let mut seen = Seen::default();
    let mut away = false;
    loop {
        let whole = scope.iter().all(|(kind, _)| seen.0.contains_key(kind));
        let judged = if whole { judge(&seen) } else { Vec::new() };
        let now = Instant::now();
        progress.show(&judged, now.duration_since(started).as_secs().try_into().unwrap_or(i64::MAX));
        let settled = whole && !judged.iter().any(|judged| judged.judgement.phase == Phase::Waiting);
        let late = deadline.is_some_and(|deadline| now >= deadline);
        if settled || late {
            progress.end(&judged);
            return Ok(Ended { judged, seen, limit: (!settled).then_some(limit) });
        }
        if patience.is_some_and(|patience| now >= patience) {
            patience = (!whole).then_some(now + PATIENCE);
            unheard(&judged).into_iter().for_each(|text| progress.note(&text));
        }
        let tick = progress.is_live().then_some(now + TICK);
        let next = match [deadline, patience, tick].into_iter().flatten().min() {
            Some(wake) => timeout_at(wake, changes.next()).await.ok().flatten(),
            None => changes.next().await,
        };
        let change = next.transpose()?;
        if let Some(Change::Away(why)) = change.as_ref().filter(|_| !away) {
            away = true;
            progress.note(&format!("Still waiting: {why}"));
        }
        away &= matches!(change, None | Some(Change::Away(_)));
        change.into_iter().for_each(|change| seen.apply(change));
    }
}

/// Says that nobody answers.
fn unheard(judged: &[Judged]) -> Option<String> {
    let places: Vec<_> =
        judged.iter().filter(|judged| !judged.judgement.heard).map(|judged| judged.whole.as_str()).collect();
    (!places.is_empty()).then(|| {
        format!(
            "No controller has looked at {} yet: without one nothing is applied, and outcomes stay Unknown",
            places.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(place: &str, phase: Phase, message: &str) -> Judged {
        let judgement = Judgement { phase, message: message.to_owned(), heard: phase != Phase::Waiting };
        Judged { place: place.to_owned(), whole: format!("web in {place}"), judgement }
    }

    #[test]
    fn the_worst_decides_how_it_ends() {
        let limit = Some("2m".parse().unwrap());
        let done = judged("dev", Phase::Done, "revision 1 is Healthy");
        let late = judged("qa", Phase::Waiting, "revision 2 is on its way");
        let bad = judged("live", Phase::Degraded, "revision 3 is Degraded: crash");
        let lost = judged("live", Phase::Superseded, "jane was faster");
        for (all, limit, expected) in [
            (vec![], None, "Ok(())"),
            (vec![], limit, "Err(TimedOut(\"timed out after 2m: the API server has told nothing\"))"),
            (vec![done.clone()], None, "Ok(())"),
            (vec![done.clone(), bad.clone()], None, "Err(Degraded(\"web in live: revision 3 is Degraded: crash\"))"),
            (vec![lost], None, "Err(Superseded(\"web in live: jane was faster\"))"),
            (
                vec![done, late.clone()],
                limit,
                "Err(TimedOut(\"timed out after 2m: web in qa: revision 2 is on its way\"))",
            ),
            (vec![late, bad], limit, "Err(Degraded(\"web in live: revision 3 is Degraded: crash\"))"),
        ] {
            let ended = Ended { judged: all, seen: Seen::default(), limit };
            assert_eq!(format!("{:?}", ended.result()), expected);
        }
    }

    #[test]
    fn nobody_answering_is_told_of_all_whom_it_concerns() {
        let all = ["dev", "qa"].map(|place| judged(place, Phase::Waiting, "waits"));
        insta::assert_snapshot!(unheard(&all).unwrap());
        assert_eq!(unheard(&[judged("dev", Phase::Done, "fine")]), None);
    }

    #[test]
    fn what_is_seen_follows_what_happens() {
        let object = |name: &str, owner: &str| {
            let owner = json!([{"apiVersion": "openchoreo.dev/v1alpha1", "kind": "ReleaseBinding", "name": owner, "controller": true}]);
            json!({"metadata": {"name": name, "ownerReferences": owner}})
        };
        let mut seen = Seen::of([(Kind::Release, vec![object("a", "a"), object("b", "c")])]);
        assert!(seen.rendered("a").is_some() && seen.rendered("b").is_none(), "another pin's is not this one's");
        seen.apply(Change::One(Kind::Release, Event::Put(object("c", "c"))));
        seen.apply(Change::One(Kind::Release, Event::Gone(object("a", "a"))));
        seen.apply(Change::Away("x".into()));
        let names = |seen: &Seen| seen.0[&Kind::Release].keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&seen), ["b", "c"]);
        seen.apply(Change::All(Kind::Release, vec![object("d", "d")]));
        assert_eq!(names(&seen), ["d"], "what was missed is not there any more");
    }
}
