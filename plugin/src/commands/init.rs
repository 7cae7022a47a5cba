//! `init`: a project, its environments and the pipeline through them. The same again changes nothing.

use futures::future::{join_all, try_join_all};
use release_shared::fence::{self, Fence};
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::validate::{Change, validate};
use release_shared::violation::Findings;
use release_shared::world::EnvironmentView;
use release_shared::yaml;
use serde_json::{Value, json};
use similar::TextDiff;

use super::{Done, Verb, options, report};
use crate::apply::{apply, warn_unrecorded};
use crate::args::{DryRun, Init};
use crate::cluster::{Cluster, WriteOptions};
use crate::confirm::confirm;
use crate::error::Error;
use crate::plan::said;
use crate::print::{note, object_name, raw};

pub(super) async fn run(cluster: &Cluster, args: &Init) -> Result<(), Error> {
    check(args)?;
    let planned = plan(&cluster.namespace, args);
    pre_check(&planned)?;
    let names = planned.iter().map(|(kind, object)| (*kind, text(object, "/metadata/name").unwrap_or_default()));
    let before = try_join_all(names.map(|(kind, name)| cluster.get(kind, name))).await?;
    let steps: Vec<_> =
        planned.into_iter().zip(before).map(|((kind, object), before)| Step::new(kind, object, before)).collect();
    for kept in steps.iter().filter_map(Step::keeps) {
        note(&format!("Note: {kept}"));
    }
    refuse_forbidden(&cluster.namespace, &args.project, &steps)?;
    if args.write.diff {
        raw(&steps.iter().map(Step::diff).collect::<String>())?;
        confirm(&args.write, &format!("Set up project {}?", args.project))?;
    }
    refuse_surprises(args, &steps)?;
    let done = match args.write.dry_run {
        DryRun::Client => steps.iter().map(Step::imagine).collect(),
        DryRun::Server => dry_run(cluster, args, &steps).await?,
        DryRun::None => {
            // A refusal leaves nothing behind: the server is asked about everything first.
            dry_run(cluster, args, &steps).await?;
            let mut done: Vec<Done> = Vec::new();
            for step in &steps {
                done.push(step.write(cluster, options(&args.write)).await?);
            }
            done
        }
    };
    let sentence = format!("project {} goes through {}", args.project, args.environments.join(" → "));
    report(&done, Some(&sentence), &args.write)
}

/// In a dry run nothing that is made here exists for what refers to it: the server would warn of that.
async fn dry_run(cluster: &Cluster, args: &Init, steps: &[Step]) -> Result<Vec<Done>, Error> {
    let asked = WriteOptions { dry_run: true, quiet: true, ..options(&args.write) };
    // All are waited for, so that of several refusals the first in order is told.
    join_all(steps.iter().map(|step| step.write(cluster, asked))).await.into_iter().collect()
}

/// One object as it should be, and as it is.
struct Step {
    kind: Kind,
    object: Value,
    before: Option<Value>,
}

impl Step {
    /// The namespaces of an environment that exists are its own affair: another list would send what is released there elsewhere. As
    /// they are they belong to the intent, since what an apply leaves out is removed where it was ours.
    fn new(kind: Kind, mut object: Value, before: Option<Value>) -> Self {
        if let Some(before) = before.as_ref().filter(|_| kind == Kind::Environment) {
            let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
            match (annotations, annotation(before, names::NAMESPACES)) {
                (Some(annotations), Some(kept)) => drop(annotations.insert(names::NAMESPACES.to_owned(), kept.into())),
                (Some(annotations), None) => drop(annotations.remove(names::NAMESPACES)),
                (None, _) => {}
            }
        }
        Self { kind, object, before }
    }

    /// What is said of an environment that has other namespaces than a new one would have.
    fn keeps(&self) -> Option<String> {
        let before = self.before.as_ref().filter(|_| self.kind == Kind::Environment)?;
        let name = text(&self.object, "/metadata/name").unwrap_or_default();
        match annotation(before, names::NAMESPACES) {
            Some(kept) if kept == namespaces(name) => None,
            Some(kept) => Some(format!("{} exists and keeps its namespaces: {kept}", object_name(before))),
            None => Some(format!(
                "{} exists and lists no namespaces: each project has one of its own there, made by the controller",
                object_name(before)
            )),
        }
    }

    /// Whether it is as it should be. An environment belongs to whoever made it: another project that goes through it changes it only
    /// to call it production, when told to.
    fn stands(&self) -> bool {
        match (&self.before, self.kind) {
            (None, _) => false,
            (Some(before), Kind::Environment) => {
                let production = |object: &Value| object.pointer("/spec/isProduction") == Some(&Value::Bool(true));
                !production(&self.object) || production(before)
            }
            (Some(before), _) => before["spec"] == self.object["spec"],
        }
    }

    fn imagine(&self) -> Done {
        match &self.before {
            Some(before) if self.stands() => (before.clone(), Verb::Unchanged),
            Some(_) => (self.object.clone(), Verb::Configured),
            None => (self.object.clone(), Verb::Created),
        }
    }

    /// Writes it where it is not as it should be: the same again is no change, whatever its reason.
    async fn write(&self, cluster: &Cluster, options: WriteOptions) -> Result<Done, Error> {
        if let Some(before) = self.before.as_ref().filter(|_| self.stands()) {
            return Ok((before.clone(), Verb::Unchanged));
        }
        let written = apply(cluster, self.kind, &self.object, options).await?;
        if !options.dry_run {
            warn_unrecorded(cluster, &written.object);
        }
        let verb = Verb::of(&written, self.before.as_ref());
        Ok((written.object, verb))
    }

    /// What would change in the spec, and the namespaces of a new environment.
    fn diff(&self) -> String {
        let shown = |object: &Value| {
            let listed = annotation(object, names::NAMESPACES).filter(|_| self.kind == Kind::Environment);
            let listed = listed.map(|listed| yaml::write(&json!({ "annotations": { names::NAMESPACES: listed } })));
            format!("{}{}", listed.unwrap_or_default(), yaml::write(&object["spec"]))
        };
        let old = self.before.as_ref().map(&shown).unwrap_or_default();
        let new = shown(&self.object);
        if self.stands() || old == new {
            return String::new();
        }
        let name = object_name(&self.object);
        let diff = TextDiff::from_lines(&old, &new);
        diff.unified_diff().header(&format!("before/{name}"), &format!("after/{name}")).to_string()
    }
}

/// A pipeline that leads elsewhere, or a project that follows another one, is changed only when that is confirmed.
fn refuse_surprises(args: &Init, steps: &[Step]) -> Result<(), Error> {
    let changed = steps.iter().filter(|step| step.kind != Kind::Environment && step.before.is_some() && !step.stands());
    let changed: Vec<_> = changed.map(|step| object_name(&step.object)).collect();
    if changed.is_empty() || args.write.yes || args.write.diff || args.write.dry_run != DryRun::None {
        return Ok(());
    }
    Err(Error::Refused(vec![format!(
        "{} exists and would lead elsewhere: look with --diff, or change it with --yes",
        changed.join(" and ")
    )]))
}

/// A project whose objects would go where nothing is ever released could be set up, and nothing more.
fn refuse_forbidden(namespace: &str, project: &str, steps: &[Step]) -> Result<(), Error> {
    let environments = steps.iter().filter(|step| step.kind == Kind::Environment);
    let refused = environments.filter_map(|step| {
        let name = text(&step.object, "/metadata/name").unwrap_or_default();
        let fence = Fence::new(&EnvironmentView::read(&step.object), namespace, project, name);
        let goes = fence.default_namespace();
        fence::is_forbidden_namespace(goes).then(|| {
            format!(
                "project {project} would go into namespace {goes} in {name}, which is the cluster's own: choose another name for the \
                 project, or list other namespaces on the Environment"
            )
        })
    });
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() { Ok(()) } else { Err(Error::Refused(refused)) }
}

/// The namespaces of a new environment: one for each project.
fn namespaces(environment: &str) -> String {
    format!("{}-{environment}", fence::PROJECT)
}

fn check(args: &Init) -> Result<(), Error> {
    if args.write.bypass {
        let message =
            "--bypass: nothing is changed in an environment here, so there is nothing to go past: leave it out";
        return Err(Error::Usage(message.to_owned()));
    }
    if let Some(unknown) = args.production.iter().find(|name| !args.environments.contains(name)) {
        let known = args.environments.join(", ");
        return Err(Error::Usage(format!("--production: {unknown:?} is none of the environments ({known})")));
    }
    let mut seen = std::collections::HashSet::new();
    match args.environments.iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(Error::Usage(format!("--environments: {twice:?} stands there twice"))),
        None => Ok(()),
    }
}

/// Environments first and the project last, so that nothing names what does not exist yet.
fn plan(namespace: &str, args: &Init) -> Vec<(Kind, Value)> {
    let object = |kind: Kind, name: &str, spec: Value| {
        let metadata = json!({ "name": name, "namespace": namespace, "annotations": Value::Object(said(&args.write)) });
        (kind, json!({ "apiVersion": names::API_VERSION, "kind": kind.as_str(), "metadata": metadata, "spec": spec }))
    };
    let environment = |name: &String| {
        let production = args.production.contains(name);
        let spec = if production { json!({ "isProduction": true }) } else { json!({}) };
        let (kind, mut environment) = object(Kind::Environment, name, spec);
        environment["metadata"]["annotations"][names::NAMESPACES] = namespaces(name).into();
        (kind, environment)
    };
    let reference = |name: &String| json!({ "kind": "Environment", "name": name });
    let steps = args.environments.windows(2).map(
        |step| json!({ "sourceEnvironmentRef": reference(&step[0]), "targetEnvironmentRefs": [reference(&step[1])] }),
    );
    let single = (args.environments.len() == 1)
        .then(|| json!({ "sourceEnvironmentRef": reference(&args.environments[0]), "targetEnvironmentRefs": [] }));
    let paths: Vec<_> = steps.chain(single).collect();
    let mut planned: Vec<_> = args.environments.iter().map(environment).collect();
    planned.push(object(Kind::DeploymentPipeline, &args.project, json!({ "promotionPaths": paths })));
    let pipeline = json!({ "kind": "DeploymentPipeline", "name": args.project });
    planned.push(object(Kind::Project, &args.project, json!({ "deploymentPipelineRef": pipeline })));
    planned
}

fn pre_check(planned: &[(Kind, Value)]) -> Result<(), Error> {
    let mut findings = Findings::none();
    for (kind, object) in planned {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        findings.extend(validate(
            &Change { kind: *kind, name, new: object, old: None, user: None, manager: None, now: None },
            None,
        ));
    }
    if findings.violations.is_empty() { Ok(()) } else { Err(Error::PreCheck(findings)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Write;

    fn args(environments: &[&str], production: &[&str]) -> Init {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Init {
            project: "shop".into(),
            environments: owned(environments),
            production: owned(production),
            write: Write::default(),
        }
    }

    #[test]
    fn a_project_is_environments_a_pipeline_and_itself() {
        let planned: Vec<_> = plan("acme", &args(&["dev", "production"], &["production"]))
            .into_iter()
            .map(|(_, object)| object)
            .collect();
        insta::assert_json_snapshot!(planned);
    }

    #[test]
    fn a_single_environment_is_a_path_without_targets() {
        let planned = plan("acme", &args(&["only"], &[]));
        assert_eq!(planned[1].1["spec"]["promotionPaths"][0]["targetEnvironmentRefs"], json!([]));
    }

    fn environment(args: &Init, before: Option<Value>) -> Step {
        let (kind, object) = plan("acme", args).remove(0);
        Step::new(kind, object, before)
    }

    fn existing(namespaces: Option<&str>) -> Value {
        let mut environment =
            json!({"kind": "Environment", "metadata": {"name": "dev", "annotations": {"a": "b"}}, "spec": {}});
        if let Some(namespaces) = namespaces {
            environment["metadata"]["annotations"][names::NAMESPACES] = namespaces.into();
        }
        environment
    }

    #[test]
    fn an_environment_that_exists_keeps_its_namespaces() {
        let production = args(&["dev"], &["dev"]);
        for (before, kept) in [(Some("shared"), true), (None, true), (Some("{project}-dev"), false)] {
            let step = environment(&production, Some(existing(before)));
            assert_eq!(
                annotation(&step.object, names::NAMESPACES),
                before,
                "the intent is complete, and changes nothing"
            );
            assert_eq!(step.keeps().is_some(), kept, "{before:?}");
        }
        let new = environment(&production, None);
        assert_eq!(annotation(&new.object, names::NAMESPACES), Some("{project}-dev"));
        assert_eq!(new.keeps(), None);
        assert!(new.diff().contains("+  release.openchoreo.dev/namespaces: '{project}-dev'"), "{}", new.diff());
        let said = environment(&production, Some(existing(Some("shared")))).keeps();
        assert_eq!(said.as_deref(), Some("environment.openchoreo.dev/dev exists and keeps its namespaces: shared"));
    }

    #[test]
    fn a_project_does_not_go_where_nothing_is_released() {
        let refused = |project: &str, environment: &str, before: Option<Value>| {
            let args = Init { project: project.into(), ..args(&[environment], &[]) };
            let step = self::environment(&args, before);
            refuse_forbidden("acme", project, &[step]).is_err()
        };
        assert!(refused("kube", "dev", None));
        assert!(refused("kube", "dev", Some(existing(None))), "the name of its own would begin in the same way");
        assert!(refused("release", "system", None));
        assert!(refused("default", "dev", Some(existing(Some("{project}")))));
        assert!(!refused("kube", "dev", Some(existing(Some("apps")))));
        assert!(!refused("shop", "dev", None));
    }

    #[test]
    fn names_of_any_length_have_their_namespace() {
        // Where project and environment are too long together, the fence cuts the name: what stands here is right for every project.
        let long = "e".repeat(63);
        let args = Init { project: "p".repeat(63), ..args(&[&long], &[]) };
        assert!(pre_check(&plan("acme", &args)).is_ok());
        assert!(refuse_forbidden("acme", &args.project, &[environment(&args, None)]).is_ok());
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert!(check(&args(&["dev", "dev"], &[])).is_err());
        assert!(check(&args(&["dev"], &["production"])).is_err());
        assert!(pre_check(&plan("acme", &args(&["Dev"], &[]))).is_err());
    }
}
