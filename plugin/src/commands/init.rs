//! `init`: a project, its environments and the pipeline through them. The same again changes nothing.

use futures::future::{join_all, try_join_all};
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::text;
use release_shared::validate::{Change, validate};
use release_shared::violation::Findings;
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
use crate::print::{object_name, raw};

pub(super) async fn run(cluster: &Cluster, args: &Init) -> Result<(), Error> {
    check(args)?;
    let planned = plan(&cluster.namespace, args);
    pre_check(&planned)?;
    let names = planned.iter().map(|(kind, object)| (*kind, text(object, "/metadata/name").unwrap_or_default()));
    let before = try_join_all(names.map(|(kind, name)| cluster.get(kind, name))).await?;
    let steps: Vec<_> =
        planned.into_iter().zip(before).map(|((kind, object), before)| Step { kind, object, before }).collect();
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

    /// What would change in the spec.
    fn diff(&self) -> String {
        let old = self.before.as_ref().map(|before| yaml::write(&before["spec"])).unwrap_or_default();
        let new = yaml::write(&self.object["spec"]);
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

fn check(args: &Init) -> Result<(), Error> {
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
        object(Kind::Environment, name, if production { json!({ "isProduction": true }) } else { json!({}) })
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
        findings.extend(validate(&Change { kind: *kind, name, new: object, old: None, user: None }, None));
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

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert!(check(&args(&["dev", "dev"], &[])).is_err());
        assert!(check(&args(&["dev"], &["production"])).is_err());
        assert!(pre_check(&plan("acme", &args(&["Dev"], &[]))).is_err());
    }
}
