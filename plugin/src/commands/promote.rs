//! `promote`: pins in an environment what runs in the environment before it.

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::pipeline::Graph;
use release_shared::record::Action;
use serde_json::Value;

use super::pin::{Pinned, Words};
use super::{called, pin, rollback};
use crate::args::{DryRun, Limit, Promote};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::gather::{Gathered, Missing, gather};
use crate::plan::{self, Pin};
use crate::print::note;

pub(super) async fn run(cluster: &Cluster, args: &Promote) -> Result<(), Error> {
    let mut gathered = gather(cluster, &args.component, Missing::Refused).await?;
    let (_, graph) = gathered.pipeline()?;
    let step = step(args, graph, &gathered)?;
    let name = release(args, &gathered, &step)?;
    let release = read_release(cluster, &name).await?;
    gathered.world.put(Kind::ComponentRelease, &name, Some(&release));

    let mut configs =
        if args.reset_config { serde_json::Map::new() } else { plan::configs(gathered.binding(&step.to)) };
    pin::drop_unknown(&mut configs, &release, &step.to);
    configs.extend(plan::parse_configs("--config", &args.config, &release)?);
    let standing = Pin::standing(&gathered, &cluster.namespace, &step.to, Action::Promote);
    let wanted = Pin { release: Some(&name), configs, ..standing };
    let called = called(&args.component, annotation(&release, names::VERSION_ANNOTATION), &name);
    let words = Words::pinning(&called, &step.to);
    let pinned = pin::see_to(cluster, &gathered, &wanted, Some(&release), &args.write, &words).await?;
    pinned.report(&args.write)?;
    let limit = args.waiting.wait.or_else(|| args.atomic.then_some(Limit::DEFAULT));
    match limit {
        Some(limit) if args.atomic && args.write.dry_run == DryRun::None => {
            atomic(cluster, &mut gathered, args, &pinned, limit).await
        }
        limit => pin::settle(cluster, &pinned.binding, limit, args.write.dry_run).await,
    }
}

/// Waits, and goes back when it does not become healthy. However that goes, the command ends as the promotion did.
async fn atomic(
    cluster: &Cluster,
    gathered: &mut Gathered,
    args: &Promote,
    pinned: &Pinned,
    limit: Limit,
) -> Result<(), Error> {
    let ended = pin::follow(cluster, &pinned.binding, limit).await?;
    let result = ended.result();
    if pinned.changed
        && matches!(result, Err(Error::Degraded(_) | Error::TimedOut(_)))
        && let Err(error) = rollback::back(cluster, gathered, &args.write, &pinned.binding, ended.cause()).await
    {
        note(&format!("Warning: it stays as it is, since there is no way back: {error}"));
    }
    result
}

/// One step of a pipeline.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    from: Option<String>,
    to: String,
}

/// The step that is meant: what was typed, or the only one possible.
fn step(args: &Promote, graph: &Graph, gathered: &Gathered) -> Result<Step, Error> {
    let known = |name: &Option<String>| match name {
        Some(name) if !graph.contains(name) => {
            let all = graph.environments().join(", ");
            Err(Error::Refused(vec![format!("the pipeline has no environment {name:?}; it has {all}")]))
        }
        _ => Ok(()),
    };
    known(&args.from)?;
    known(&args.to)?;
    match (&args.from, &args.to) {
        (Some(from), Some(to)) => between(graph, from, to),
        (None, Some(to)) => into(args, graph, gathered, to),
        (Some(from), None) => out_of(graph, gathered, &[from.as_str()]),
        (None, None) => {
            let pinned: Vec<_> =
                gathered.bindings.iter().filter_map(|binding| text(binding, "/spec/environment")).collect();
            out_of(graph, gathered, &pinned)
        }
    }
}

fn between(graph: &Graph, from: &str, to: &str) -> Result<Step, Error> {
    if graph.targets(from).contains(&to) {
        return Ok(Step { from: Some(from.to_owned()), to: to.to_owned() });
    }
    Err(Error::Refused(vec![format!("there is no step from {from} to {to}: {}", how_to_reach(graph, to))]))
}

/// The step into an environment: from where the component is pinned, if that is one place.
fn into(args: &Promote, graph: &Graph, gathered: &Gathered, to: &str) -> Result<Step, Error> {
    let sources = graph.sources(to);
    let step = |from: Option<&str>| Step { from: from.map(str::to_owned), to: to.to_owned() };
    if args.release.is_some() {
        return Ok(step(None));
    }
    let pinned: Vec<_> = sources.iter().copied().filter(|source| gathered.binding(source).is_some()).collect();
    match (sources.as_slice(), pinned.as_slice()) {
        (_, [only]) => Ok(step(Some(only))),
        ([], _) => Err(Error::Refused(vec![format!(
            "releases enter the pipeline in {to}: use `kubectl release create`, or name one with --release"
        )])),
        (_, []) => Err(Error::Refused(vec![format!(
            "nothing can go to {to} yet: {}, and nothing is pinned there",
            how_to_reach(graph, to)
        )])),
        (_, several) => {
            Err(Error::Usage(format!("{to} can be reached from {}: say which with --from", several.join(" and "))))
        }
    }
}

fn how_to_reach(graph: &Graph, to: &str) -> String {
    match graph.sources(to).as_slice() {
        [] => format!("releases enter the pipeline in {to}"),
        sources => format!("{to} is promoted to from {}", sources.join(" or ")),
    }
}

/// The only step out of these environments that would change something, or the only one at all.
fn out_of(graph: &Graph, gathered: &Gathered, from: &[&str]) -> Result<Step, Error> {
    let release =
        |environment: &str| gathered.binding(environment).and_then(|binding| text(binding, "/spec/releaseName"));
    let all: Vec<_> = from.iter().flat_map(|from| graph.targets(from).into_iter().map(|to| (*from, to))).collect();
    let changing: Vec<_> = all.iter().copied().filter(|(from, to)| release(from) != release(to)).collect();
    let steps = if changing.is_empty() { all } else { changing };
    match steps.as_slice() {
        [(from, to)] => Ok(Step { from: Some((*from).to_owned()), to: (*to).to_owned() }),
        [] => Err(Error::Refused(vec![format!(
            "there is no step from {}: cut a release with `kubectl release create` first, or look at the pipeline",
            if from.is_empty() { "anywhere, since nothing is pinned".to_owned() } else { from.join(", ") }
        )])),
        several => {
            let choices: Vec<_> = several.iter().map(|(from, to)| format!("{from} → {to}")).collect();
            Err(Error::Usage(format!("several steps are possible ({}): say which with --to", choices.join(", "))))
        }
    }
}

/// What is promoted: what was named, or what the environment before pins.
fn release(args: &Promote, gathered: &Gathered, step: &Step) -> Result<String, Error> {
    if let Some(wanted) = &args.release {
        let found = gathered.release(wanted).map(str::to_owned);
        return found.ok_or_else(|| {
            let known: Vec<_> =
                gathered.releases.iter().take(5).filter_map(|release| text(release, "/metadata/name")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Error::Refused(vec![format!(
                "{} has no release with name or version {wanted:?}; the newest are {known}",
                args.component
            )])
        });
    }
    let from = step.from.as_deref().unwrap_or_default();
    let pinned = gathered.binding(from).and_then(|binding| text(binding, "/spec/releaseName"));
    pinned.map(str::to_owned).ok_or_else(|| {
        Error::Refused(vec![format!(
            "nothing is pinned in {from}, so there is nothing to promote: cut a release with `kubectl release create`"
        )])
    })
}

async fn read_release(cluster: &Cluster, name: &str) -> Result<Value, Error> {
    cluster.get(Kind::ComponentRelease, name).await?.ok_or_else(|| {
        Error::Refused(vec![format!(
            "the ComponentRelease {name} that is pinned does not exist any more: name another with --release"
        )])
    })
}

#[cfg(test)]
mod tests {
    use release_shared::kinds::Owner;
    use release_shared::world::World;
    use serde_json::json;

    use super::*;

    fn gathered(pinned: &[&str]) -> Gathered {
        let bindings =
            pinned.iter().map(|name| json!({"spec": {"environment": name, "releaseName": format!("web-{name}")}}));
        Gathered {
            owner: Owner { project_name: "shop".into(), component_name: "web".into() },
            world: World::default(),
            bindings: bindings.collect(),
            releases: vec![],
            component_exists: true,
            now: "2026-01-02T12:00:00Z".parse().unwrap(),
        }
    }

    fn args(from: Option<&str>, to: Option<&str>) -> Promote {
        Promote {
            component: "web".into(),
            to: to.map(str::to_owned),
            from: from.map(str::to_owned),
            release: None,
            config: vec![],
            reset_config: false,
            atomic: false,
            waiting: crate::args::Waiting::default(),
            write: crate::args::Write::default(),
        }
    }

    #[test]
    fn the_step_is_what_was_typed_or_the_only_one_possible() {
        let graph = Graph::new([("dev", vec!["staging", "load"]), ("staging", vec!["production"])]);
        let found = |from, to, pinned: &[&str]| {
            step(&args(from, to), &graph, &gathered(pinned))
                .map(|step| (step.from.unwrap_or_default(), step.to))
                .map_err(|error| error.to_string())
        };
        let ok = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(found(None, Some("staging"), &["dev"]), ok("dev", "staging"));
        assert_eq!(found(Some("staging"), None, &["dev", "staging"]), ok("staging", "production"));
        assert_eq!(found(None, None, &["staging"]), ok("staging", "production"));
        for (from, to, pinned, what) in [
            (
                None,
                Some("production"),
                &["dev"][..],
                "nothing can go to production yet: production is promoted to from staging",
            ),
            (Some("dev"), Some("production"), &["dev"], "there is no step from dev to production"),
            (None, None, &["dev"], "several steps are possible (dev → staging, dev → load)"),
            (None, Some("dev"), &["dev"], "releases enter the pipeline in dev"),
            (
                None,
                Some("moon"),
                &["dev"],
                "the pipeline has no environment \"moon\"; it has dev, staging, load, production",
            ),
            (None, None, &[], "nothing is pinned"),
        ] {
            let error = found(from, to, pinned).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
    }
}
