//! The objects that the tests of the record change, one of each kind that people change, and one change of one of them.

use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::Namespace;
use serde_json::{Value, json};

use super::forgery::forged;
use super::objects::{Shop, binding, environment, kind, name, pipeline, plural, release, with};
use super::person::Person;

/// The people of a shop, two for every kind.
pub(crate) struct People<'a> {
    pub(crate) shop: Shop<'a>,
    /// Another platform engineer.
    rita: Person<'a>,
}

/// An object whose content can be the first, the second, and so on.
pub(crate) struct Subject<'a> {
    /// Who makes it.
    pub(crate) first: Person<'a>,
    /// Who changes it.
    pub(crate) second: Person<'a>,
    /// Their names.
    pub(crate) by: [&'static str; 2],
    whole: fn(u32) -> Value,
    /// Where of it that is which differs.
    pub(crate) place: &'static [&'static str],
}

impl<'a> People<'a> {
    pub(crate) fn open(namespace: &'a Namespace<'a>) -> anyhow::Result<Self> {
        let shop = Shop::people(namespace)?;
        let rita = Person::with_role(namespace, "rita", "release-platform-engineer")?;
        Ok(Self { shop, rita })
    }

    pub(crate) fn subjects(&self) -> [Subject<'a>; 4] {
        let of = |kind| self.subject(kind);
        [of(Kind::Release), of(Kind::ReleaseBinding), of(Kind::Environment), of(Kind::DeploymentPipeline)]
    }

    pub(crate) fn subject(&self, kind: Kind) -> Subject<'a> {
        let (whole, place) = form(kind);
        let platform = [Kind::Environment, Kind::DeploymentPipeline].contains(&kind);
        let (first, second, by) = if platform {
            (&self.shop.pat, &self.rita, ["pat", "rita"])
        } else {
            (&self.shop.jane, &self.shop.omar, ["jane", "omar"])
        };
        Subject { first: first.clone(), second: second.clone(), by, whole, place }
    }
}

impl<'a> Subject<'a> {
    /// The object as a client sends it that never saw it, with its nth content.
    pub(crate) fn whole(&self, n: u32) -> Value {
        (self.whole)(n)
    }

    /// The nth content itself.
    pub(crate) fn content(&self, n: u32) -> Value {
        at(&self.whole(n), self.place)
    }

    /// Whether an object has the nth content.
    pub(crate) fn is(&self, object: &Value, n: u32) -> bool {
        at(object, self.place) == self.content(n)
    }

    /// A write by `person` that gives the object, as it is stored, its nth content.
    pub(crate) fn write(&self, person: &Person<'a>, stored: &Value, n: u32) -> Write<'a> {
        let patch = self.place.iter().rev().fold(self.content(n), |value, key| json!({ (*key): value }));
        let steps = steps(kind(stored), n);
        let mut changed = stored.clone();
        put(&mut changed, self.place, self.content(n));
        Write { person: person.clone(), whole: self.whole(n), changed, patch, steps, is_dry: false }
    }
}

/// An object of this kind with its nth content, and where that is.
fn form(kind: Kind) -> (fn(u32) -> Value, &'static [&'static str]) {
    match kind {
        Kind::Release => {
            (|n| with(&release("web-dev"), |r| r["spec"]["interval"] = format!("{n}m").into()), &["spec", "interval"])
        }
        Kind::ReleaseBinding => (
            |n| {
                with(&binding("web", "dev", "web-1"), |pin| {
                    pin["spec"]["componentTypeEnvironmentConfigs"] = json!({ "size": format!("size-{n}") });
                })
            },
            &["spec", "componentTypeEnvironmentConfigs"],
        ),
        // An annotation that is as good as a field. Nothing is in it, so that it can be deleted.
        Kind::Environment => (
            |n| environment("qa", &[("namespaces", &format!("shop-{n}"))]),
            &["metadata", "annotations", names::NAMESPACES],
        ),
        Kind::DeploymentPipeline => (
            |n| {
                with(&pipeline("warn", &[]), |pipeline| {
                    let place = |name: String| json!({ "kind": "Environment", "name": name });
                    pipeline["spec"]["promotionPaths"] = json!([{
                        "sourceEnvironmentRef": place("dev".into()),
                        "targetEnvironmentRefs": [place(format!("staging-{n}"))],
                    }]);
                })
            },
            &["spec", "promotionPaths"],
        ),
        other => panic!("nobody changes a {other} in these tests"),
    }
}

/// The JSON patch that gives an object of this kind its nth content.
pub(crate) fn steps(kind: Kind, n: u32) -> Value {
    let (whole, place) = form(kind);
    let path: String = place.iter().map(|key| format!("/{}", key.replace('/', "~1"))).collect();
    json!([{ "op": "add", "path": path, "value": at(&whole(n), place) }])
}

/// One write of somebody, in every form in which it can be sent.
pub(crate) struct Write<'a> {
    person: Person<'a>,
    /// The object as a client sends it that never saw it.
    pub(crate) whole: Value,
    /// The object as it is stored, with the change made.
    pub(crate) changed: Value,
    /// The change as a merge patch.
    pub(crate) patch: Value,
    /// The change as a JSON patch.
    pub(crate) steps: Value,
    is_dry: bool,
}

impl<'a> Write<'a> {
    /// The same, and nothing is stored.
    pub(crate) fn dry(self) -> Self {
        Self { is_dry: true, ..self }
    }

    /// The same, with something forged under each of the webhook's keys.
    pub(crate) fn forged(mut self) -> Self {
        let namespace = self.person.namespace().name();
        self.changed = forged(namespace, &self.changed);
        self.whole = forged(namespace, &self.whole);
        for key in names::WEBHOOK_KEYS {
            let value = self.changed["metadata"]["annotations"][key].clone();
            let path = format!("/metadata/annotations/{}", key.replace('/', "~1"));
            self.patch["metadata"]["annotations"][key] = value.clone();
            self.steps.as_array_mut().unwrap().push(json!({ "op": "add", "path": path, "value": value }));
        }
        self
    }

    /// The object by its kind and name, as kubectl takes it.
    pub(crate) fn target(&self) -> String {
        format!("{}/{}", plural(&self.whole), name(&self.whole))
    }

    /// `kubectl … -o json` with the object as its input; the object that it answers with.
    #[track_caller]
    pub(crate) fn kubectl(&self, args: &[&str], input: &Value) -> Value {
        let dry: &[&str] = if self.is_dry { &["--dry-run=server"] } else { &[] };
        self.person.kubectl_on(&[args, dry, &["-o", "json"]].concat(), input).json()
    }

    /// Who writes by a call of the API, with a field manager.
    pub(crate) fn api(&self, manager: &str) -> Person<'a> {
        let person = self.person.managing_as(manager);
        if self.is_dry { person.in_dry_run() } else { person }
    }
}

fn at(object: &Value, place: &[&str]) -> Value {
    place.iter().fold(object, |value, key| &value[*key]).clone()
}

fn put(object: &mut Value, place: &[&str], value: Value) {
    *place.iter().fold(object, |object, key| &mut object[*key]) = value;
}
