//! `create`: cuts a release from manifests and pins it where releases enter. The same content again changes nothing.

mod carry_out;
mod fault;

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::Action;
use release_shared::snapshot::{self, Cut};
use release_shared::types::dns_label_fault;
use release_shared::validate::{Change, validate};
use serde_json::Value;

use self::carry_out::Plan;
pub(super) use self::fault::Fault;
use super::{pin, report};
use crate::args::{Create, DryRun};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::gather::{Gathered, Missing, gather};
use crate::manifests;
use crate::plan::{self, Pin};
use crate::print::note;

pub(super) async fn run(cluster: &Cluster, args: &Create) -> Result<(), Error> {
    if let Some(fault) = dns_label_fault(&args.component) {
        return Err(Error::Refused(vec![format!("the component's name {fault}")]));
    }
    let manifests = manifests::read(&args.files).await?;
    let mut gathered = gather(cluster, &args.component, Missing::Made { project: args.project.as_deref() }).await?;
    let cut = cut(args, &manifests, &gathered)?;
    for warning in &cut.warnings {
        note(&format!("Warning: {warning}"));
    }
    let mut release = cut.release.clone();
    release["metadata"]["namespace"] = cluster.namespace.clone().into();
    add_said(&mut release, args);
    let name = text(&release, "/metadata/name").unwrap_or_default().to_owned();
    let known = gathered.releases.iter().find(|known| text(known, "/metadata/name") == Some(&name)).cloned();
    check_release(&gathered, &cut, &release, known.as_ref())?;
    gathered.world.put(Kind::ComponentRelease, &name, Some(&release));

    let environment = environment(args, &gathered)?;
    let pin = environment.as_deref().map(|environment| pin_in(cluster, &gathered, &release, environment));
    let intent = pin.as_ref().map(|pin| pin.intent(&args.write));
    if let (Some(wanted), Some(intent)) = (&pin, &intent) {
        pin::check(&gathered, wanted, intent, &args.write)?;
        let question = format!("Pin {name} in {}?", wanted.environment);
        pin::show_diff(cluster, &args.write, wanted, Some(&release), &question).await?;
    }
    let plan = Plan { args, gathered: &gathered, release: &release, known, pin: pin.as_ref(), intent: intent.as_ref() };
    let done = if args.write.dry_run == DryRun::Client { plan.imagine() } else { plan.carry_out(cluster).await? };
    report(&done, Some(&plan.sentence(&done)), &args.write)?;
    match done.last().filter(|_| pin.is_some()) {
        Some((binding, _)) => pin::settle(cluster, binding, args.waiting.wait, args.write.dry_run).await,
        None => Ok(()),
    }
}

/// The reason stands on the release as well: whoever finds it later asks why it was cut.
fn add_said(release: &mut Value, args: &Create) {
    let said = plan::said(&args.write).into_iter().filter(|(_, text)| text != "");
    for (key, text) in said {
        release["metadata"]["annotations"][key] = text;
    }
}

/// The snapshot; every fault of the manifests with its file and line, those of the release's own rules among them.
fn cut(args: &Create, manifests: &[snapshot::Manifest], gathered: &Gathered) -> Result<Cut, Error> {
    let request = snapshot::Request {
        project: &gathered.owner.project_name,
        component: &gathered.owner.component_name,
        version: args.version.as_deref(),
        manifests,
        lifts: &args.cutting.lift,
        images: &args.cutting.image,
        skips: &args.cutting.skip,
        keep_namespace: args.cutting.keep_namespace,
    };
    snapshot::cut(&request).map_err(|rejected| {
        let mut faults: Vec<_> = rejected.problems.iter().map(Fault::of_problem).collect();
        if let Some(partial) = &rejected.partial {
            faults.extend(faults_of(partial, &partial.release, gathered));
        }
        Error::Refused(Fault::sorted(faults))
    })
}

/// What the rules say of a release, each fault led back to its file and line.
fn faults_of(cut: &Cut, release: &Value, gathered: &Gathered) -> Vec<Fault> {
    let name = text(release, "/metadata/name").unwrap_or_default();
    let change =
        Change { kind: Kind::ComponentRelease, name, new: release, old: None, user: None, manager: None, now: None };
    let mut findings = validate(&change, Some(&gathered.world));
    if gathered.component_exists {
        findings = findings.strict();
    }
    findings.violations.iter().map(|violation| Fault::of_release(cut, violation)).collect()
}

/// The rules for the release, and that its content is not known under another version.
fn check_release(gathered: &Gathered, cut: &Cut, release: &Value, known: Option<&Value>) -> Result<(), Error> {
    // The content of a known release is the same by its name; only its metadata was read.
    let mut faults = if known.is_some() { Vec::new() } else { Fault::sorted(faults_of(cut, release, gathered)) };
    let wanted = annotation(release, names::VERSION_ANNOTATION);
    let has = known.map(|known| annotation(known, names::VERSION_ANNOTATION));
    if let (Some(wanted), Some(has)) = (wanted, has.filter(|has| *has != wanted)) {
        let name = text(release, "/metadata/name").unwrap_or_default();
        let has = has.map_or_else(|| "has no version".to_owned(), |has| format!("has version {has:?}"));
        faults.push(format!(
            "this content is release {name}, which {has} and cannot become {wanted:?}: leave --version out"
        ));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Refused(faults)) }
}

/// Where the release is pinned; `None` with `--no-deploy`.
fn environment(args: &Create, gathered: &Gathered) -> Result<Option<String>, Error> {
    if args.no_deploy {
        return Ok(None);
    }
    let (pipeline, graph) = gathered.pipeline()?;
    let roots = graph.roots();
    match (&args.to, roots.as_slice()) {
        (Some(to), roots) if roots.contains(&to.as_str()) => Ok(Some(to.clone())),
        (Some(to), roots) => Err(Error::Refused(vec![format!(
            "releases do not enter pipeline {pipeline} in {to:?} but in {}: pin it there, then promote it",
            roots.join(" or ")
        )])),
        (None, [only]) => Ok(Some((*only).to_owned())),
        (None, []) => Err(Error::Refused(vec![format!(
            "pipeline {pipeline} has no environment that releases enter in: complete it, or use --no-deploy"
        )])),
        (None, several) => Err(Error::Usage(format!(
            "pipeline {pipeline} has several entrances ({}): say which with --to",
            several.join(", ")
        ))),
    }
}

fn pin_in<'a>(cluster: &'a Cluster, gathered: &'a Gathered, release: &'a Value, environment: &'a str) -> Pin<'a> {
    let mut configs = plan::configs(gathered.binding(environment));
    pin::drop_unknown(&mut configs, release, environment);
    let standing = Pin::standing(gathered, &cluster.namespace, environment, Action::Deploy);
    Pin { release: text(release, "/metadata/name"), configs, ..standing }
}
