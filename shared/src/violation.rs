//! What is wrong with an object: every fault with its place, a stable code and a sentence that names the cure.

mod codes;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::kinds::Kind;
use crate::names;

pub use codes::CODES;

/// The longest path, in bytes. The longest of a field that Kubernetes knows has about 250.
const MAX_PATH: usize = 1024;

/// Where in an object a fault is, written as the Kubernetes API server writes field paths:
/// `spec.resources[1].id`, `metadata.annotations[openchoreo.dev/version]`, `spec.resources[0].object.metadata.name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FieldPath(String);

impl FieldPath {
    /// The path of a field at the top of the object, such as `spec`.
    pub fn root(field: &str) -> Self {
        Self(field.to_owned())
    }

    /// The path of the object itself.
    pub fn empty() -> Self {
        Self::default()
    }

    /// This path followed by a field; a name that is no identifier is written as a key: `[a.b/c]`.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let plain = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-');
        match (plain, self.0.is_empty()) {
            (true, true) => Self::empty().then(&[name]),
            (true, false) => self.then(&[".", name]),
            (false, _) => self.key(name),
        }
    }

    /// This path followed by an entry of a list, counted from 0.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(&["[", &index.to_string(), "]"])
    }

    /// This path followed by an entry of a map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(&["[", key, "]"])
    }

    /// A longer path is cut in the middle of a name that nobody reads to its end, and a number keeps it apart from others that are cut
    /// there: in an object of a megabyte there is room for a path of half a megabyte and a hundred thousand fields behind it.
    fn then(&self, step: &[&str]) -> Self {
        let whole = [&[self.0.as_str()], step].concat().concat();
        if whole.len() <= MAX_PATH {
            return Self(whole);
        }
        let mut hasher = DefaultHasher::new();
        whole.hash(&mut hasher);
        let shown = &whole[..whole.floor_char_boundary(MAX_PATH - 20)];
        Self(format!("{shown}…{:016x}", hasher.finish()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(object)" } else { &self.0 })
    }
}

/// What kind of refusal a violation is: decides the HTTP code of the webhook's denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The object itself is wrong (422 `Invalid`).
    Fault,
    /// The object is fine and not permitted here or now (403 `Forbidden`).
    Policy,
    /// Somebody else was first (409 `Conflict`).
    Conflict,
}

/// What else in the cluster a refusal rests on. A cache may be behind: one look at the API server settles it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RestsOn {
    /// No binding of the component has run the release healthily.
    HealthyRun,
    /// The object of this kind and name in the namespace is as it is known, or is not there.
    Object(Kind, String),
    /// At least one of these objects of a kind is as it is known.
    Objects(Kind, Vec<String>),
    /// Whether a Release of no binding's is there for this environment.
    ReleaseByHand(String),
    /// What the ComponentRelease of this name brings, where it is too much to be kept. Without it nothing can be judged.
    Details(String),
}

/// What somebody must be permitted to go past a rule: the verb `bypass` on an object of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    /// The resource as RBAC names it, such as `environments`.
    pub resource: &'static str,
    /// The name of the object.
    pub name: String,
}

impl Permission {
    /// On the object of this kind and name.
    pub fn on(kind: Kind, name: &str) -> Self {
        Self { resource: kind.plural(), name: name.to_owned() }
    }
}

impl fmt::Display for Permission {
    /// `bypass on environments/production`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}/{}", names::BYPASS_VERB, self.resource, self.name)
    }
}

/// One fault: where, which rule, and a whole sentence that says what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Where.
    pub path: FieldPath,
    /// The rule's stable name in CamelCase, such as `DuplicateResourceId`. It is the `reason` of the denial's cause.
    pub code: &'static str,
    /// What kind of refusal this is.
    pub class: Class,
    /// What is wrong and what to do, without the path.
    pub message: String,
    /// The offending value, cut short. Part of a violation's identity when an update is compared with the old object.
    pub value: Option<String>,
    /// How list entries in the path are named by their key instead of their position, for the same comparison.
    pub identity: Option<String>,
    /// What else must really be as it is known for this refusal to be right.
    pub rests_on: Option<RestsOn>,
    /// Who has this permission may go past it; `None` where nobody may.
    pub permission: Option<Permission>,
}

impl Violation {
    /// A fault in the object.
    pub fn fault(path: FieldPath, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            path,
            code,
            class: Class::Fault,
            message: message.into(),
            value: None,
            identity: None,
            rests_on: None,
            permission: None,
        }
    }

    /// A refusal by policy.
    pub fn policy(path: FieldPath, code: &'static str, message: impl Into<String>) -> Self {
        Self { class: Class::Policy, ..Self::fault(path, code, message) }
    }

    /// A lost race.
    pub fn conflict(path: FieldPath, code: &'static str, message: impl Into<String>) -> Self {
        Self { class: Class::Conflict, ..Self::fault(path, code, message) }
    }

    /// With the offending value.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// With the path written by list keys, so that an entry that moved is still the same entry.
    #[must_use]
    pub fn with_identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Resting on something else in the cluster.
    #[must_use]
    pub fn resting_on(mut self, other: RestsOn) -> Self {
        self.rests_on = Some(other);
        self
    }

    /// That may be gone past with a permission.
    #[must_use]
    pub fn bypassable(mut self, permission: Permission) -> Self {
        self.permission = Some(permission);
        self
    }

    /// Whether this is the same fault as `other`: same code, value and place.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.sameness() == other.sameness()
    }

    /// What makes two violations the same fault: code, value and place.
    pub(crate) fn sameness(&self) -> (&'static str, Option<&str>, &str) {
        (self.code, self.value.as_deref(), self.identity.as_deref().unwrap_or(self.path.as_str()))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything that was found in one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Faults: the object is refused.
    pub violations: Vec<Violation>,
    /// References to what does not exist. The plugin refuses, the webhook warns (GitOps applies in any order), the
    /// controller waits.
    pub missing: Vec<Violation>,
    /// What is accepted and worth saying.
    pub warnings: Vec<Violation>,
    /// What speaks against it or not and nobody has looked at yet.
    pub open: Vec<RestsOn>,
}

impl Findings {
    /// Nothing found.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a fault.
    pub fn violate(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// Adds a reference to what does not exist.
    pub fn miss(&mut self, violation: Violation, kind: Kind, name: &str) {
        self.missing.push(violation.with_value(name).resting_on(RestsOn::Object(kind, name.to_owned())));
    }

    /// Adds a warning.
    pub fn warn(&mut self, violation: Violation) {
        self.warnings.push(violation);
    }

    /// Adds everything that `other` found.
    pub fn extend(&mut self, other: Self) {
        self.violations.extend(other.violations);
        self.missing.extend(other.missing);
        self.warnings.extend(other.warnings);
        self.open.extend(other.open);
    }

    /// Turns every missing reference into a fault, as the plugin does before it sends anything.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.violations.append(&mut self.missing);
        self
    }

    /// The worst class among the faults: a fault in the object outranks a lost race, which outranks policy.
    /// `None` where there is no fault.
    pub fn class(&self) -> Option<Class> {
        let has = |class| self.violations.iter().any(|v| v.class == class);
        [Class::Fault, Class::Conflict, Class::Policy].into_iter().find(|&class| has(class))
    }
}

impl fmt::Display for Findings {
    /// One fault as a sentence, several as a list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.violations.as_slice() {
            [] => f.write_str("no violations"),
            [only] => write!(f, "{only}"),
            several => {
                for violation in several {
                    write!(f, "\n* {violation}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_the_api_server_writes_them() {
        let path = FieldPath::root("spec").field("resources").index(1).field("object").field("metadata");
        assert_eq!(path.as_str(), "spec.resources[1].object.metadata");
        assert_eq!(
            path.field("annotations").field("a.b/c").as_str(),
            "spec.resources[1].object.metadata.annotations[a.b/c]"
        );
    }

    #[test]
    fn a_path_is_no_longer_than_somebody_reads() {
        let long = FieldPath::root("spec").field(&"é/".repeat(1_000));
        assert!(long.as_str().len() <= MAX_PATH && long.as_str().starts_with("spec[é/é/"), "{long}");
        let below: Vec<_> = (0..3).map(|at| long.index(at).field("a")).collect();
        assert!(below.iter().all(|path| path.as_str().len() <= MAX_PATH));
        assert!(below[0] != below[1] && below[0] == long.index(0).field("a"), "{below:?}");
    }

    #[test]
    fn a_fault_outranks_a_lost_race_and_that_outranks_policy() {
        let path = FieldPath::root("spec");
        let mut findings = Findings::none();
        assert_eq!(findings.class(), None);
        findings.violate(Violation::policy(path.clone(), "A", "a"));
        assert_eq!(findings.class(), Some(Class::Policy));
        findings.violate(Violation::conflict(path.clone(), "B", "b"));
        assert_eq!(findings.class(), Some(Class::Conflict));
        findings.violate(Violation::fault(path, "C", "c"));
        assert_eq!(findings.class(), Some(Class::Fault));
    }
}
