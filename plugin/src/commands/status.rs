//! `status`: what is pinned, by whom and since when, how it is doing, and each of its objects.

mod item;

use futures::future::join;
use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::object::{controlling_binding, text};
use serde_json::Value;

use self::item::{item, item_of_release};
use crate::args::{Format, Status};
use crate::cluster::{Cluster, Selection};
use crate::error::Error;
use crate::gather::of_component;
use crate::print::{line, list, note, object_name, raw, structured};
use crate::watch::{self, Ended, Judged, Seen, Written};

pub(super) async fn run(cluster: &Cluster, args: &Status, now: impl Fn() -> Timestamp) -> Result<(), Error> {
    let subject = Subject::parse(args)?;
    if !args.watch {
        let seen = subject.read(cluster).await?;
        return print(cluster, args, &subject.found(&seen), now());
    }
    let ended = subject.follow(cluster, args).await?;
    print(cluster, args, &subject.found(&ended.seen), now())?;
    ended.result()
}

/// What is asked about.
enum Subject<'a> {
    Component {
        component: &'a str,
        environment: Option<&'a str>,
    },
    /// A Release by name, such as one that somebody wrote by hand.
    Release(&'a str),
}

impl<'a> Subject<'a> {
    fn parse(args: &'a Status) -> Result<Self, Error> {
        match (args.component.split_once('/'), args.environment.as_deref()) {
            (None, environment) => Ok(Self::Component { component: &args.component, environment }),
            (Some(("release" | "releases", name)), None) => Ok(Self::Release(name)),
            (Some(("release" | "releases", _)), Some(environment)) => {
                Err(Error::Usage(format!("{} is one object: leave {environment:?} out", args.component)))
            }
            (Some((kind, _)), _) => {
                Err(Error::Usage(format!("{kind:?} has no status to show: name a component, or release/NAME")))
            }
        }
    }

    fn selections(&self) -> (Option<Selection>, Selection) {
        match self {
            Self::Release(name) => {
                let named = ("metadata.name", (*name).to_owned());
                (None, Selection { fields: vec![named], ..Selection::default() })
            }
            Self::Component { component, environment } => {
                let of = |field: &'static str| {
                    let mut selection = of_component(component);
                    selection.fields.extend(environment.map(|environment| (field, environment.to_owned())));
                    selection
                };
                (Some(of("spec.environment")), of("spec.environmentName"))
            }
        }
    }

    async fn read(&self, cluster: &Cluster) -> Result<Seen, Error> {
        let (bindings, releases) = self.selections();
        let bindings = async {
            match &bindings {
                Some(selection) => cluster.list(Kind::ReleaseBinding, selection).await,
                None => Ok(Vec::new()),
            }
        };
        // Both are waited for, so that of two refusals the first is told.
        let (bindings, releases) = join(bindings, cluster.list(Kind::Release, &releases)).await;
        Ok(Seen::of([(Kind::ReleaseBinding, bindings?), (Kind::Release, releases?)]))
    }

    async fn follow(&self, cluster: &Cluster, args: &Status) -> Result<Ended, Error> {
        let (bindings, releases) = self.selections();
        let scope = bindings.map(|selection| (Kind::ReleaseBinding, selection)).into_iter();
        let scope = scope.chain([(Kind::Release, releases)]).collect();
        watch::follow(cluster, &scope, args.timeout, |seen| self.judge(seen)).await
    }

    fn judge(&self, seen: &Seen) -> Vec<Judged> {
        let mut judged = Vec::new();
        for binding in seen.all(Kind::ReleaseBinding) {
            let name = text(binding, "/metadata/name").unwrap_or_default();
            let place = text(binding, "/spec/environment").unwrap_or_default().to_owned();
            let component = text(binding, "/spec/owner/componentName").unwrap_or_default();
            let judgement = watch::change(&Written::of(binding), Some(binding), seen.rendered(name));
            judged.push(Judged { whole: format!("{component} in {place}"), place, judgement });
        }
        for release in seen.all(Kind::Release).filter(|release| self.is_alone(release)) {
            let place = format!("release/{}", text(release, "/metadata/name").unwrap_or_default());
            judged.push(Judged { whole: place.clone(), place, judgement: watch::direct(Some(release)) });
        }
        judged
    }

    /// Whether a Release is shown for itself and not with its binding.
    fn is_alone(&self, release: &Value) -> bool {
        matches!(self, Self::Release(_)) || controlling_binding(release).is_none()
    }

    /// What was found, by environment, as `-o json` prints it.
    fn found(&self, seen: &Seen) -> Vec<Found> {
        let mut found: Vec<_> = seen
            .all(Kind::ReleaseBinding)
            .map(|binding| {
                let name = text(binding, "/metadata/name").unwrap_or_default();
                Found { name: object_name(binding), item: item(binding, seen.rendered(name)) }
            })
            .collect();
        let alone = seen.all(Kind::Release).filter(|release| self.is_alone(release));
        found.extend(alone.map(|release| Found { name: object_name(release), item: item_of_release(release) }));
        found.sort_by_cached_key(|found| ["environment", "name"].map(|key| text_of(&found.item, key).to_owned()));
        found
    }
}

/// One pin or Release.
struct Found {
    name: String,
    item: Value,
}

fn text_of<'a>(item: &'a Value, key: &str) -> &'a str {
    item.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn nothing(cluster: &Cluster, args: &Status) -> Error {
    let (component, namespace) = (&args.component, &cluster.namespace);
    if component.contains('/') {
        return Error::Failed(format!(
            "there is no {component} in namespace {namespace}: look at `kubectl release list`"
        ));
    }
    let place = args.environment.as_ref().map(|environment| format!(" in {environment}")).unwrap_or_default();
    Error::Failed(format!(
        "{component} is not pinned{place} in namespace {namespace}: cut a release with `kubectl release create`, or look at `kubectl release list`",
    ))
}

fn print(cluster: &Cluster, args: &Status, found: &[Found], now: Timestamp) -> Result<(), Error> {
    if found.is_empty() {
        return Err(nothing(cluster, args));
    }
    let items: Vec<_> = found.iter().map(|found| found.item.clone()).collect();
    match args.output {
        Some(Format::Name) => found.iter().try_for_each(|found| line(&found.name)),
        Some(format @ (Format::Json | Format::Yaml)) => structured(&list(&items), format),
        _ => {
            raw(&item::page(&items, now))?;
            item::warnings(&items).iter().for_each(|warning| note(warning));
            Ok(())
        }
    }
}
