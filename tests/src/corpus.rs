//! The objects that the rules are held against: what `release_shared::validate` says of each must be what an API server says of it
//! that knows our schemas and policies, and what the webhook says.
//!
//! [`written`] has a refused and an accepted object for each rule that needs nothing but the object and its predecessor.
//! [`generated`] changes valid objects ([`base`]) place by place, and in several places at once by a fixed seed. Both are the same in
//! every run: a case is found again by its name.

pub mod base;
pub mod codes;
pub mod generated;
mod place;
mod random;
pub mod sources;
mod texts;
pub mod written;

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use release_shared::kinds::Kind;
use release_shared::validate::{Change, structure, validate};
use release_shared::violation::Violation;
use release_shared::world::World;
use release_shared::{crd, default, schema};
use serde_json::Value;

/// The field manager that the objects are sent with.
pub const MANAGER: &str = "corpus";

/// The schemas of all kinds, made once.
static SCHEMAS: LazyLock<HashMap<Kind, Value>> =
    LazyLock::new(|| Kind::ALL.into_iter().map(|kind| (kind, crd::schema(kind))).collect());

/// The object as the API server hands it on: with the defaults of its schema.
fn by_schema(kind: Kind, object: &Value) -> Value {
    schema::apply_defaults(SCHEMAS.get(&kind).unwrap_or(&Value::Null), object)
}

/// One write.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name, the same in every run and no other case's.
    pub name: String,
    /// The kind of the object.
    pub kind: Kind,
    /// The object as it is stored; `None` where it is created.
    pub old: Option<Value>,
    /// The object as it is sent.
    pub new: Value,
}

impl Case {
    /// The object's name; empty where it has none.
    #[must_use]
    pub fn object_name(&self) -> &str {
        self.new.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
    }

    /// What the rules say of it: those of `validate`, in a world or without one, and with them what the API server would add.
    #[must_use]
    pub fn violations(&self, world: Option<&World>, user: Option<&str>) -> Vec<Violation> {
        let [new, old] = [Some(&self.new), self.old.as_ref()].map(|object| Some(by_schema(self.kind, object?)));
        let new = new.unwrap_or_default();
        let new = default::with(&new, &default::defaults(self.kind, &new));
        let (old, name) = (old.as_ref(), self.object_name());
        let change = Change { kind: self.kind, name, new: &new, old, user, manager: Some(MANAGER), now: None };
        let mut violations = validate(&change, world).violations;
        let more = structure(&change, &violations);
        violations.extend(more);
        violations
    }
}

/// The codes among violations.
#[must_use]
pub fn codes_of(violations: &[Violation]) -> BTreeSet<&'static str> {
    violations.iter().map(|violation| violation.code).collect()
}

/// Every case, written and generated.
#[must_use]
pub fn all() -> Vec<Case> {
    written::cases().into_iter().map(|written| written.case).chain(generated::cases()).collect()
}

#[cfg(test)]
mod tests;
