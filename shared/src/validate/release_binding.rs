use std::collections::{HashSet, VecDeque};

use serde_json::{Map, Value};

use crate::canonical;
use crate::kinds::{Kind, Owner};
use crate::names;
use crate::pipeline::{Enforcement, Graph};
use crate::promotion::{Eligibility, eligibility, may_have_run};
use crate::schema;
use crate::violation::{Findings, Permission, RestsOn, Violation};
use crate::world::World;

use super::deployment_pipeline::check_environment;
use super::{Change, Node, component, fence};

/// The most that a binding's own values may have, in bytes of JSON: they stand in every record.
pub(super) const MAX_CONFIG: usize = 8 * 1024;

pub(super) fn check(change: &Change<'_>, root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    let owner = super::release::check_owner(root, findings);
    let environment = root.at(&["spec", "environment"]).required_name("name the environment of this pin", findings);
    check_state(root, findings);
    check_config_size(root, findings);
    let (Some(owner), Some(environment)) = (owner, environment) else { return };
    check_name(change, &owner, environment, world, findings);
    let Some(world) = world else { return };
    check_references(root, &owner, environment, world, findings);
    check_release(root, &owner, environment, world, findings);
}

pub(super) fn compare(new: &Node<'_>, old: &Node<'_>, findings: &mut Findings) {
    for field in ["owner", "environment"] {
        component::immutable(new, old, &["spec", field], findings);
    }
}

/// The name of the binding: the plain one, or the hashed one where the plain one belongs to another pair. One binding per pair.
fn check_name(change: &Change<'_>, owner: &Owner, environment: &str, world: Option<&World>, findings: &mut Findings) {
    let name = change.name;
    let plain = names::binding_name(&owner.component_name, environment);
    let hashed = names::binding_name_hashed(&owner.component_name, environment);
    let path = Node::root(change.new).at(&["metadata", "name"]).path;
    let violation = |code, message: String| Violation::fault(path.clone(), code, message).with_value(name);
    if name != plain && name != hashed {
        let message = format!("must be {plain:?}: a binding is named after its component and its environment");
        findings.violate(violation("BindingName", message));
        return;
    }
    // The rest is about which of the two names is free, which is settled once the binding exists.
    let Some(world) = world.filter(|_| change.old.is_none() && plain != hashed) else { return };
    let pair = |name: &str| {
        world.bindings.get(name).map(|binding| binding.owner == *owner && binding.environment == environment)
    };
    if name == plain && pair(&hashed) == Some(true) {
        let message =
            format!("{} is already pinned in {environment} by {hashed}: change that one", owner.component_name);
        findings.violate(violation("BindingExists", message).resting_on(RestsOn::Object(Kind::ReleaseBinding, hashed)));
    } else if name == hashed && pair(&plain) != Some(false) {
        let message = format!("must be {plain:?}, which no other component and environment have taken");
        findings.violate(violation("BindingName", message).resting_on(RestsOn::Object(Kind::ReleaseBinding, plain)));
    }
}

fn check_state(root: &Node<'_>, findings: &mut Findings) {
    let node = root.at(&["spec", "state"]);
    if let Some(state) = node.text(findings).filter(|state| !["Active", "Undeploy"].contains(state)) {
        let message = format!("{state:?} is not known: write Active or Undeploy");
        findings.violate(Violation::fault(node.path, "UnknownState", message).with_value(state));
    }
}

fn check_config_size(root: &Node<'_>, findings: &mut Findings) {
    let Some(config) = root.value.and_then(crate::record::config) else { return };
    let size = canonical::to_vec(&config).len();
    if size > MAX_CONFIG {
        let message = format!(
            "the values of a binding have {size} bytes and at most {MAX_CONFIG} are allowed, since they stand in every record: put large \
             values into the release"
        );
        findings.violate(Violation::fault(root.field("spec").path, "ConfigTooLarge", message));
    }
}

fn check_references(root: &Node<'_>, owner: &Owner, environment: &str, world: &World, findings: &mut Findings) {
    let node = root.at(&["spec", "owner"]);
    component::check_project(&node.field("projectName"), &owner.project_name, Some(world), findings);
    check_component(&node.field("componentName"), owner, world, findings);
    check_environment(&root.at(&["spec", "environment"]), environment, Some(world), findings);
}

/// The rule that a component exists and is the project's.
pub(super) fn check_component(node: &Node<'_>, owner: &Owner, world: &World, findings: &mut Findings) {
    let name = &owner.component_name;
    match world.components.get(name) {
        None => {
            let message = format!("there is no Component {name:?} in this namespace: create it, or correct the name");
            findings.miss(Violation::fault(node.path.clone(), "ComponentNotFound", message), Kind::Component, name);
        }
        Some(component) if component.project != owner.project_name => {
            let message =
                format!("{name} is a component of project {:?}, not of {:?}", component.project, owner.project_name);
            findings.violate(Violation::fault(node.path.clone(), "OtherOwner", message).with_value(name));
        }
        Some(_) => {}
    }
}

/// The pinned release: of the same owner, its values as its schema has them, nothing in it that the environment does not let in.
fn check_release(root: &Node<'_>, owner: &Owner, environment: &str, world: &World, findings: &mut Findings) {
    let node = root.at(&["spec", "releaseName"]);
    let Some(name) = node.text(findings) else { return };
    let Some(release) = world.releases.get(name) else {
        let message = format!(
            "there is no ComponentRelease {name:?} in this namespace: cut one with `kubectl release create {}`, or correct the name",
            owner.component_name
        );
        findings.miss(Violation::fault(node.path, "ReleaseNotFound", message), Kind::ComponentRelease, name);
        return;
    };
    if release.owner != *owner {
        let message = format!(
            "{name} is a release of {}/{}, and this binding is of {}/{}: pin a release of the same component",
            release.owner.project_name, release.owner.component_name, owner.project_name, owner.component_name
        );
        findings.violate(Violation::fault(node.path, "OtherOwner", message).with_value(name));
        return;
    }
    let Some(details) = &release.details else {
        return findings.open.push(RestsOn::Details(name.to_owned()));
    };
    let permitted = world.environments.get(environment).is_none_or(|environment| environment.allow_inline_secrets);
    if details.inline_secret && !permitted {
        let message = format!(
            "{name} brings a Secret with its content, and {environment} does not take that: cut a release with --skip Secret/NAME, or \
             let the platform set {} on the Environment",
            names::ALLOW_INLINE_SECRETS
        );
        findings.violate(Violation::fault(node.path.clone(), "SecretInline", message).with_value(name));
    }
    if let Some(fence) = world.fence(&owner.project_name, environment) {
        fence::check_pinned(&node, name, details, &fence, findings);
    }
    // It was written by us from what had been read.
    let schema = details.schema.as_deref().and_then(|schema| serde_json::from_str(schema).ok());
    check_values(root, schema.as_ref(), findings);
}

fn check_values(root: &Node<'_>, schema: Option<&Value>, findings: &mut Findings) {
    let node = root.at(&["spec", "componentTypeEnvironmentConfigs"]);
    let values = node.object(findings).cloned();
    if values.is_none() && node.value.is_some() {
        return;
    }
    // What is required is also missed where nothing is given.
    let values = values.unwrap_or_default();
    match schema {
        Some(schema) => {
            let Some(values) = schema::defaulted(schema, &Value::Object(values)) else {
                let message = "are larger than what fits into the cluster's store once the release's defaults are filled in: give fewer";
                return findings.violate(Violation::fault(node.path, "ConfigTooLarge", message));
            };
            findings.violations.extend(schema::check(schema, &values, &node.path));
        }
        None => refuse_all(&node, &values, findings),
    }
}

fn refuse_all(node: &Node<'_>, values: &Map<String, Value>, findings: &mut Findings) {
    for key in values.keys() {
        let message =
            "the release has nothing that may differ per environment: lift the value when cutting it (create --lift)";
        findings.violate(Violation::fault(node.path.field(key), "ConfigUnknown", message).with_value(key));
    }
}

/// The pipeline rule, looked at only when the pinned release changes.
pub(super) fn check_promotion(change: &Change<'_>, root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    let node = root.at(&["spec", "releaseName"]);
    let before = change.old.and_then(|old| Node::root(old).at(&["spec", "releaseName"]).peek());
    let mut ignored = Findings::none();
    let (Some(owner), Some(environment)) =
        (super::release::check_owner(root, &mut ignored), root.at(&["spec", "environment"]).peek())
    else {
        return;
    };
    let Some((world, release)) = world.zip(node.peek()).filter(|(_, release)| Some(*release) != before) else { return };
    let Some((name, pipeline)) = world.pipeline_of(&owner.project_name) else {
        return check_without_pipeline(root, world, &owner, environment, findings);
    };
    let Some((path, message)) = refusal(root, name, world, &owner, environment, release) else { return };
    let violation = Violation::policy(path, "NotPromoted", message).with_value(release);
    match pipeline.enforcement {
        Enforcement::Enforce => {
            let permission = Permission::on(Kind::DeploymentPipeline, name);
            findings.violate(violation.resting_on(RestsOn::HealthyRun).bypassable(permission));
        }
        Enforcement::Warn => {
            if may_have_run(&pipeline.graph, world, &owner, environment) {
                findings.open.push(RestsOn::HealthyRun);
            }
            let message =
                format!("pipeline {name} only warns, and would refuse this once it enforces: {}", violation.message);
            findings.warn(Violation { message, ..violation });
        }
    }
}

/// Nobody can say by which path a project without a pipeline goes; past one that others keep it does not.
fn check_without_pipeline(root: &Node<'_>, world: &World, owner: &Owner, environment: &str, findings: &mut Findings) {
    let node = root.at(&["spec", "owner", "projectName"]);
    let project = &owner.project_name;
    let absence = match world.projects.get(project) {
        None => RestsOn::Object(Kind::Project, project.clone()),
        Some(view) => {
            let message = format!(
                "project {project} names the DeploymentPipeline {:?}, which does not exist: create it",
                view.pipeline
            );
            findings.miss(
                Violation::fault(node.path.clone(), "PipelineNotFound", message),
                Kind::DeploymentPipeline,
                &view.pipeline,
            );
            RestsOn::Object(Kind::DeploymentPipeline, view.pipeline.clone())
        }
    };
    for (pipeline, _) in world.enforcing(environment) {
        let message = format!(
            "project {project} has no pipeline, and {environment} belongs to pipeline {pipeline}, which keeps its paths: create the \
             project and its pipeline first"
        );
        findings.violate(
            Violation::policy(node.path.clone(), "NoPipeline", message)
                .with_value(environment)
                .resting_on(absence.clone())
                .bypassable(Permission::on(Kind::DeploymentPipeline, pipeline)),
        );
    }
}

fn refusal(
    root: &Node<'_>,
    pipeline: &str,
    world: &World,
    owner: &Owner,
    environment: &str,
    release: &str,
) -> Option<(crate::violation::FieldPath, String)> {
    let graph = &world.pipelines.get(pipeline)?.graph;
    let (field, message) = match eligibility(graph, world, owner, environment, release) {
        Eligibility::Root | Eligibility::Ran(_) => return None,
        Eligibility::NotInPipeline(environments) => (
            "environment",
            format!(
                "pipeline {pipeline} does not lead to {environment}; its environments are {}",
                environments.join(", ")
            ),
        ),
        Eligibility::NotYet(sources) => {
            let now: Vec<_> = sources.iter().map(|source| standing(world, owner, source, release)).collect();
            let message = format!(
                "{release} cannot go to {environment} yet: pipeline {pipeline} wants it to have run healthily in {} first ({}){}",
                sources.join(" or "),
                now.join("; "),
                cure(graph, world, owner, &sources, release)
            );
            ("releaseName", message)
        }
    };
    Some((root.at(&["spec", field]).path, message))
}

/// What to do about it: the step nearest to where the release is wanted that it may take now. Where it is pinned already, time does it.
fn cure(graph: &Graph, world: &World, owner: &Owner, sources: &[String], release: &str) -> String {
    let pinned =
        |name: &str| world.binding(owner, name).is_some_and(|(_, binding)| binding.release.as_deref() == Some(release));
    let (mut ways, mut seen) = (VecDeque::from_iter(sources.iter().map(String::as_str)), HashSet::new());
    while let Some(environment) = ways.pop_front() {
        let is_next = sources.iter().any(|source| source == environment);
        if pinned(environment) {
            let standing = || format!("; on its way, {}", standing(world, owner, environment, release));
            return if is_next { String::new() } else { standing() };
        }
        if !seen.insert(environment) {
            continue;
        }
        if !matches!(eligibility(graph, world, owner, environment, release), Eligibility::NotYet(_)) {
            let component = &owner.component_name;
            let first = if is_next { "promote it there" } else { "begin" };
            return format!(
                "; {first} with `kubectl release promote {component} --to {environment} --release {release}`"
            );
        }
        ways.extend(graph.sources(environment));
    }
    String::new()
}

/// How a release stands in an environment that leads on.
fn standing(world: &World, owner: &Owner, environment: &str, release: &str) -> String {
    match world.binding(owner, environment) {
        None => format!("nothing is pinned in {environment}"),
        Some((_, binding)) if binding.release.as_deref() != Some(release) => {
            format!("{environment} pins {}", binding.release.as_deref().unwrap_or("nothing"))
        }
        Some((_, binding)) => match binding.health {
            Some(health) => format!("it is pinned in {environment} and {health}"),
            None => format!("it is pinned in {environment}, and no controller has reported its health"),
        },
    }
}
