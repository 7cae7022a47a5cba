//! Two replicas of the webhook that do not see the same: one answers `/mutate`, the other `/validate`. What they see besides the
//! request may differ, and so may the version in a record or what a history has dropped; the author and the content do not.

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::{History, check_object};
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{Shop, annotation, binding, component_release, created, environment, kind, with};
use super::person::Told;
use super::recorded::{recorded, until_logged};
use super::replica::{Answers, Replica};
use super::subject::People;

trials! {
    admission:
    a_replica_that_sees_no_change_mutates,
    a_replica_that_sees_no_change_validates,
    a_replica_that_is_cut_off_mutates,
    a_replica_that_is_cut_off_validates,
    a_rule_that_one_replica_knows_is_kept,
    a_bound_that_one_replica_knows_is_kept,
}

/// What a replica that was ready once sees from then on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// What it asks for by name.
    ByName,
    /// Nothing.
    Nothing,
}

impl Sight {
    fn limit(self, replica: &Replica) {
        match self {
            Self::ByName => replica.stop_watching(),
            Self::Nothing => replica.proxy.cut(),
        }
    }
}

/// Every kind is changed, and a release is pinned that only one of the two has seen.
fn recorded_by_two(namespace: &Namespace<'_>, hook: &str, sight: Sight) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let people = People::open(namespace)?;
    let shop = &people.shop;
    created(&shop.jane, &component_release("web", "web-1", "1.0"));
    let replica = Replica::start(namespace.control_plane())?;
    sight.limit(&replica);
    let _answers = Answers::of(&replica, hook, namespace, &installation)?;

    for subject in people.subjects() {
        let [first, second] = subject.by;
        let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
        let write = subject.write(&subject.second, &made, 2).forged();
        write.api("tests").merge(&made, &write.patch).unwrap();
        recorded(&shop.admin, &made, &[(first, "tests"), (second, "tests")])?;
    }
    created(&shop.jane, &component_release("web", "web-2", "2.0"));
    let pin = created(&shop.jane.managing_as("tests"), &binding("web", "staging", "web-2"));
    recorded(&shop.admin, &pin, &[("jane", "tests")])?;
    // Who wrote the record did not know it, and could not ask.
    let version = if hook == "mutate" && sight == Sight::Nothing { None } else { Some("2.0") };
    assert_eq!(annotation(&pin, names::RELEASE_VERSION), version);
    Ok(())
}

fn a_replica_that_sees_no_change_mutates(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    recorded_by_two(namespace, "mutate", Sight::ByName)
}

fn a_replica_that_sees_no_change_validates(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    recorded_by_two(namespace, "validate", Sight::ByName)
}

fn a_replica_that_is_cut_off_mutates(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    recorded_by_two(namespace, "mutate", Sight::Nothing)
}

fn a_replica_that_is_cut_off_validates(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    recorded_by_two(namespace, "validate", Sight::Nothing)
}

/// Whoever of the two does not know it: the other one refuses, and nothing is recorded.
fn a_rule_that_one_replica_knows_is_kept(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let pin = created(&shop.jane.managing_as("tests"), &binding("web", "dev", "web-1"));
    let replica = Replica::start(namespace.control_plane())?;
    replica.proxy.cut();
    let change = json!({ "spec": { "releaseName": "web-2" } });
    let policy = json!({ "metadata": { "annotations": { names::REQUIRE_REASON: "true" } } });
    shop.pat.merge(&environment("dev", &[]), &policy).unwrap();
    let asked = |told: &Told| {
        let Err(status) = told else { return false };
        status.code == 403 && status.message.contains("reason")
    };
    for hook in ["mutate", "validate"] {
        let answers = Answers::of(&replica, hook, namespace, &installation)?;
        let told = shop.omar.managing_as("tests").merge(&pin, &change);
        assert!(asked(&told), "{hook}: {told:?}");
        recorded(&shop.admin, &pin, &[("jane", "tests")])?;
        drop(answers);
    }
    let with_reason = json!({
        "metadata": { "annotations": { names::REASON: "as agreed" } }, "spec": { "releaseName": "web-2" },
    });
    for (hook, release) in [("mutate", "web-2"), ("validate", "web-1")] {
        let _answers = Answers::of(&replica, hook, namespace, &installation)?;
        let change = with(&with_reason, |change| {
            change["spec"]["releaseName"] = release.into();
            change["metadata"]["annotations"][names::REASON] = format!("as agreed for {release}").into();
        });
        shop.omar.managing_as("tests").merge(&pin, &change).unwrap();
    }
    recorded(&shop.admin, &pin, &[("jane", "tests"), ("omar", "tests"), ("omar", "tests")])?;
    Ok(())
}

/// How much a history keeps is what who answers `/mutate` knows; the other sees that nothing else was dropped.
fn a_bound_that_one_replica_knows_is_kept(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let people = People::open(namespace)?;
    let shop = &people.shop;
    created(&shop.pat, &environment("dev", &[]));
    let subject = people.subject(Kind::Release);
    let made = created(&subject.first.managing_as("tests"), &subject.whole(1));
    let replica = Replica::start(namespace.control_plane())?;
    replica.proxy.cut();
    let policy = json!({ "metadata": { "annotations": { names::HISTORY_RECORDS: "5" } } });
    shop.pat.merge(&environment("dev", &[]), &policy).unwrap();
    let kept = |object: &Value| {
        let history = History::parse(annotation(object, names::HISTORY).unwrap()).unwrap();
        assert_eq!(check_object(kind(object), object), Vec::<String>::new(), "{object:#}");
        history.records().cloned().collect::<Vec<_>>()
    };
    let change = |n| {
        let write = subject.write(&subject.second, &made, n);
        write.api("tests").merge(&made, &write.patch)
    };

    let answers = Answers::of(&replica, "mutate", namespace, &installation)?;
    for n in 2..=7 {
        change(n).unwrap();
    }
    assert_eq!(kept(&shop.jane.get(&made).unwrap()).len(), 7, "the replica knows nothing of the bound");
    drop(answers);
    let _answers = Answers::of(&replica, "validate", namespace, &installation)?;
    change(8).unwrap();
    let left = kept(&shop.jane.get(&made).unwrap());
    let by: Vec<_> = left.iter().map(|record| (record.revision, record.by.as_str())).collect();
    assert_eq!(by, [4, 5, 6, 7, 8].map(|revision| (revision, "omar")));
    until_logged(&shop.admin, &left)
}
