//! Snapshots: manifests → a ComponentRelease.
//!
//! The steps, in the order in which a manifest passes through them: lists are taken apart (`object`), what a live
//! object has and a manifest should not is dropped (`clean`), images are replaced (`image`), every object gets its id
//! (`identify`), it becomes a template with its lifted places (`lift`), and all of them a release (`release`).
//!
//! Found here is only what needs the manifests: duplicates, unknown metadata, arguments that match nothing. The rules of
//! a ComponentRelease are in [`crate::validate`]; [`Cut::locate`] leads from their paths back to file and line.

mod argument;
mod clean;
mod identify;
mod image;
mod lift;
mod object;
mod origin;
mod release;

use std::fmt;

use serde_json::Value;

pub use self::argument::{Image, Lift, ObjectRef};
pub use self::origin::Location;
pub(crate) use self::release::name_of_content;
pub use self::release::{is_content_name, release_name};

use self::origin::Origin;
use crate::violation::{FieldPath, Violation};
use crate::yaml::Document;

/// One document of a file.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The file's name, as messages show it.
    pub file: String,
    /// What it says.
    pub document: Document,
}

/// What a snapshot is cut from.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The project.
    pub project: &'a str,
    /// The component.
    pub component: &'a str,
    /// The human version.
    pub version: Option<&'a str>,
    /// The manifests, in any order: the same objects make the same release.
    pub manifests: &'a [Manifest],
    /// Places that become configuration values.
    pub lifts: &'a [Lift],
    /// Images to replace.
    pub images: &'a [Image],
    /// Objects to leave out.
    pub skips: &'a [ObjectRef],
    /// Whether objects keep the namespace that they name.
    pub keep_namespace: bool,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// The whole ComponentRelease, without a namespace.
    pub release: Value,
    /// What was changed on the way in and is worth saying: one sentence each, with file and line.
    pub warnings: Vec<String>,
    origins: Vec<(String, Origin)>,
}

impl Cut {
    /// Where in the manifests a field of the release comes from, given its path, such as
    /// `spec.componentType.spec.resources[3].template.metadata.name`. `None` for what comes from no manifest.
    pub fn locate(&self, path: &FieldPath) -> Option<Location> {
        let (index, tokens) = origin::place(path.as_str())?;
        let (_, origin) = self.origins.get(index)?;
        Some(origin.at(tokens))
    }

    /// Where each resource comes from, by its id, in the order of the release.
    pub fn origins(&self) -> impl Iterator<Item = (&str, Location)> {
        self.origins.iter().map(|(id, origin)| (id.as_str(), origin.at([])))
    }
}

/// A fault in the manifests, or in an argument that does not fit them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` for a fault in an argument, which the message names.
    pub location: Option<Location>,
    /// What; its path is that in the manifest's object.
    pub violation: Violation,
}

impl Problem {
    fn argument(code: &'static str, message: impl Into<String>) -> Self {
        Self { location: None, violation: Violation::fault(FieldPath::empty(), code, message) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { path, message, .. } = &self.violation;
        self.location.iter().try_for_each(|location| write!(f, "{location}: "))?;
        if path.as_str().is_empty() { f.write_str(message) } else { write!(f, "{path}: {message}") }
    }
}

/// Manifests that cannot become a release.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// Everything that is wrong with them; at least one.
    pub problems: Vec<Problem>,
    /// The release without what is wrong, so that its own rules can be told together with the problems. Never to be
    /// stored. `None` where nothing is left.
    pub partial: Option<Cut>,
}

/// Cuts a snapshot.
///
/// # Errors
/// Every problem of the manifests and of the arguments.
pub fn cut(request: &Request<'_>) -> Result<Cut, Box<Rejected>> {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let mut objects = object::objects(request.manifests, &mut problems);
    object::skip(&mut objects, request.skips, &mut problems);
    if objects.is_empty() && problems.is_empty() {
        problems.push(Problem::argument("NoObjects", "the manifests hold no objects to release; name files that do"));
    }
    for object in &mut objects {
        clean::clean(object, request.keep_namespace, &mut problems, &mut warnings);
        problems.extend(object::large_integers(object));
    }
    image::replace(&mut objects, request.images, &mut problems);
    let named = identify::identify(objects, request.component, &mut problems);
    let lifted = lift::lift(&named, request.lifts, &mut problems);
    let partial = (!named.resources.is_empty()).then(|| release::assemble(request, named, lifted, warnings));
    match partial {
        Some(cut) if problems.is_empty() => Ok(cut),
        partial => Err(Box::new(Rejected { problems, partial })),
    }
}

#[cfg(test)]
mod tests;
