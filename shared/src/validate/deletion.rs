//! What may not be deleted: what others are in need of. What is being deleted itself needs nothing.

use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::Kind;
use crate::names;
use crate::object::{annotation, is_ending, owners, text};
use crate::record::{Action, History};
use crate::violation::{FieldPath, Findings, RestsOn, Violation};
use crate::world::{BindingView, MAX_PAST, World};

use super::{Change, freeze};

/// How many of those that need something are named.
const NAMED: usize = 3;

/// A deletion that is about to happen.
#[derive(Debug, Clone, Copy)]
pub struct Deletion<'a> {
    /// The kind of the object.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// The object as it is.
    pub object: &'a Value,
    /// Who asks.
    pub user: Option<&'a str>,
    /// The clock.
    pub now: Timestamp,
}

/// What the rules say of a deletion: what others are in need of stays, and what is in an environment while that is frozen. What is being
/// deleted already is deleted once more by nobody.
pub fn validate_deletion(deletion: &Deletion<'_>, world: &World) -> Findings {
    let Deletion { kind, name, object, .. } = *deletion;
    let mut findings = Findings::none();
    if is_ending(object) {
        return findings;
    }
    freeze::check_deletion(deletion, world, &mut findings);
    match kind {
        Kind::ComponentRelease => check_release(name, object, world, &mut findings),
        Kind::Project => check_project(name, world, &mut findings),
        Kind::DeploymentPipeline => check_pipeline(name, world, &mut findings),
        Kind::Environment => check_environment(name, world, &mut findings),
        Kind::DataPlane => check_data_plane(name, world, &mut findings),
        // Nothing is worse off without a Component, and the other two are the pins and what runs.
        Kind::Component | Kind::ReleaseBinding | Kind::Release => {}
    }
    let in_use = |violation: &&mut Violation| violation.code.ends_with("InUse") && kind != Kind::ComponentRelease;
    if let Some(last) = findings.violations.last_mut().filter(in_use) {
        last.message.push_str("; to delete a whole set, repeat the command until nothing is left");
    }
    findings
}

/// An owner that does not exist is deleting: the garbage collector then removes what it is said to own, and nobody asks it for anything. So who
/// gives an object another owner is asked what who deletes it is asked.
pub(super) fn check_new_owner(change: &Change<'_>, old: &Value, world: Option<&World>, findings: &mut Findings) {
    let (Some(owner), Some(world), Some(now)) = (new_owner(change.new, old), world, change.now) else { return };
    let deletion = Deletion { kind: change.kind, name: change.name, object: old, user: change.user, now };
    let told = validate_deletion(&deletion, world);
    findings.open.extend(told.open);
    for violation in told.violations {
        let path = FieldPath::root("metadata").field("ownerReferences");
        let message = format!(
            "another owner ({owner}) lets the garbage collector delete it, and that is refused: {}",
            violation.message
        );
        findings.violate(Violation { path, message, ..violation });
    }
}

/// `<kind> <name>` of an owner that an object did not have.
fn new_owner(new: &Value, old: &Value) -> Option<String> {
    let is_known = |owner: &&Value| owners(old).iter().any(|known| known.get("uid") == owner.get("uid"));
    let owner = owners(new).iter().find(|owner| !is_known(owner))?;
    Some(["/kind", "/name"].map(|path| text(owner, path).unwrap_or_default()).join(" "))
}

/// Whether a deletion takes a history along whose last record does not say that the object goes.
pub fn is_unrecorded_deletion(kind: Kind, object: &Value) -> bool {
    let Some(history) = annotation(object, names::HISTORY).filter(|_| kind.has_history() && !is_ending(object)) else {
        return false;
    };
    History::parse(history).is_none_or(|history| history.last().is_none_or(|last| last.action != Action::Delete))
}

/// A ComponentRelease stays as long as a binding needs it.
fn check_release(name: &str, object: &Value, world: &World, findings: &mut Findings) {
    for (binding, view) in world.bindings.iter() {
        if let Some(why) = needs(binding, view, name, object) {
            let there = RestsOn::Object(Kind::ReleaseBinding, binding.clone());
            findings.violate(refusal("ReleaseInUse", why).with_value(binding).resting_on(there));
        }
    }
}

/// Why a binding needs a release, and what to do. What it pins it needs whosever it is; it goes back to releases of its own component. One
/// that names more than is kept may need whatever is of its component, until it has been looked at.
fn needs(binding: &str, view: &BindingView, name: &str, release: &Value) -> Option<String> {
    let environment = &view.environment;
    if view.past.as_ref().is_some_and(|past| !past.needed.contains(name)) {
        return None;
    }
    if view.release.as_deref() == Some(name) {
        return Some(format!(
            "ReleaseBinding {binding} pins {name} in {environment}: pin another release there, or delete that binding first"
        ));
    }
    let is_owner = text(release, "/spec/owner/projectName") == Some(&view.owner.project_name)
        && text(release, "/spec/owner/componentName") == Some(&view.owner.component_name);
    let why = if view.past.is_some() {
        format!(
            "ReleaseBinding {binding} may go back to {name}, which was pinned in {environment} before: it can be deleted when that \
             binding's history names it no more, or after the binding"
        )
    } else {
        format!(
            "ReleaseBinding {binding} in {environment} names more releases than are kept of it ({MAX_PAST} bytes), and it could not be \
             looked up whether {name} is one of them: try again, or delete that binding first"
        )
    };
    is_owner.then_some(why)
}

fn check_project(name: &str, world: &World, findings: &mut Findings) {
    let components = world.components.iter().filter(|(_, view)| view.project == name).map(|(name, _)| name);
    let bindings = world.bindings.iter().filter(|(_, view)| view.owner.project_name == name).map(|(name, _)| name);
    let releases = world.releases.iter().filter(|(_, view)| view.owner.project_name == name).map(|(name, _)| name);
    for users in [
        Users::of(Kind::Component, components, world),
        Users::of(Kind::ReleaseBinding, bindings, world),
        Users::of(Kind::ComponentRelease, releases, world),
    ] {
        let cure = if users.kind == Kind::Component {
            format!("{} first, such as with `kubectl release delete {}`", users.delete(), users.first())
        } else {
            format!("{} first", users.delete())
        };
        users.refuse("ProjectInUse", &format!("{users} {} to {name}: {cure}", users.verb("belong")), findings);
    }
}

fn check_pipeline(name: &str, world: &World, findings: &mut Findings) {
    let projects = world.projects.iter().filter(|(_, view)| view.pipeline == name).map(|(name, _)| name);
    let users = Users::of(Kind::Project, projects, world);
    let why =
        format!("{users} {} by {name}: name another pipeline there, or {} first", users.verb("go"), users.delete());
    users.refuse("PipelineInUse", &why, findings);
}

/// A binding counts in any state: one that is undeployed keeps the history of what ran there.
fn check_environment(name: &str, world: &World, findings: &mut Findings) {
    let bindings = world.bindings.iter().filter(|(_, view)| view.environment == name).map(|(name, _)| name);
    let users = Users::of(Kind::ReleaseBinding, bindings, world);
    let what = if users.names.len() == 1 { "says" } else { "say" };
    let why = format!("{users} {what} what runs in {name} and ran there before: {} first", users.delete());
    users.refuse("EnvironmentInUse", &why, findings);

    let pipelines = world.pipelines.iter().filter(|(_, view)| view.graph.contains(name)).map(|(name, _)| name);
    let users = Users::of(Kind::DeploymentPipeline, pipelines, world);
    let why = format!(
        "{users} {} through {name}: take it out of the paths there, or {} first",
        users.verb("lead"),
        users.delete()
    );
    users.refuse("EnvironmentInUse", &why, findings);

    match world.by_hand.get(name) {
        // There may be very many Releases: they are looked for where nothing else speaks against it.
        None if findings.violations.is_empty() => findings.open.push(RestsOn::ReleaseByHand(name.to_owned())),
        Some(Some(release)) => {
            let why = format!("Release {release}, which was written by hand, runs in {name}: delete it first");
            findings.violate(refusal("EnvironmentInUse", why).with_value(release));
        }
        None | Some(None) => {}
    }
}

fn check_data_plane(name: &str, world: &World, findings: &mut Findings) {
    let on_it = |data_plane: &Option<String>| data_plane.as_deref() == Some(name);
    let environments = world.environments.iter().filter(|(_, view)| on_it(&view.data_plane)).map(|(name, _)| name);
    let users = Users::of(Kind::Environment, environments, world);
    let why = format!("{users} {} their objects on {name}: {} first", users.verb("keep"), users.delete());
    let why = if users.names.len() == 1 { why.replacen("their objects", "its objects", 1) } else { why };
    users.refuse("DataPlaneInUse", &why, findings);
}

fn refusal(code: &'static str, why: impl Into<String>) -> Violation {
    Violation::policy(FieldPath::root("metadata").field("name"), code, why)
}

/// Those of one kind that are in need of something.
struct Users<'a> {
    kind: Kind,
    names: Vec<&'a str>,
}

impl<'a> Users<'a> {
    fn of(kind: Kind, names: impl Iterator<Item = &'a String>, world: &World) -> Self {
        let names = names.map(String::as_str).filter(|name| !world.is_ending(kind, name));
        Self { kind, names: names.collect() }
    }

    fn first(&self) -> &str {
        self.names.first().copied().unwrap_or_default()
    }

    /// What they do, as one does it or several.
    fn verb(&self, several: &str) -> String {
        match (self.names.len(), several) {
            (1, "go") => "goes".to_owned(),
            (1, several) => format!("{several}s"),
            _ => several.to_owned(),
        }
    }

    fn delete(&self) -> &'static str {
        if self.names.len() == 1 { "delete it" } else { "delete them" }
    }

    /// Refuses where there is one at all. The first of them are looked at once more: the refusal stands as long as one is there.
    fn refuse(&self, code: &'static str, why: &str, findings: &mut Findings) {
        if self.names.is_empty() {
            return;
        }
        let named: Vec<_> = self.names.iter().take(NAMED).map(|name| (*name).to_owned()).collect();
        let value = named.join(" ");
        findings.violate(refusal(code, why).with_value(value).resting_on(RestsOn::Objects(self.kind, named)));
    }
}

/// `ReleaseBindings api-dev, web-dev and 3 more`.
impl std::fmt::Display for Users<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.names.len() == 1 { "" } else { "s" };
        write!(f, "{}{plural} ", self.kind)?;
        let named = &self.names[..self.names.len().min(NAMED)];
        match (named, self.names.len() - named.len()) {
            (named, more @ 1..) => write!(f, "{} and {more} more", named.join(", ")),
            ([first @ .., last], 0) if !first.is_empty() => write!(f, "{} and {last}", first.join(", ")),
            (named, _) => f.write_str(&named.join(", ")),
        }
    }
}
