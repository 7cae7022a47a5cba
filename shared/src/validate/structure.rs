//! What the API server itself holds against an object, by the schema of its kind and by what every object's metadata may be. It says
//! so after the webhook, and only where the webhook has nothing to say: here it is said along with the rest, all faults at once.

mod metadata;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::crd;
use crate::kinds::Kind;
use crate::schema;
use crate::violation::{FieldPath, Findings, Violation};

use super::{Change, Node};

/// The schemas of all kinds: what they say of `spec`, and whether that must be there.
static SCHEMAS: LazyLock<HashMap<Kind, Value>> = LazyLock::new(|| {
    let of_spec = |kind| {
        let whole = crd::schema(kind);
        let required = whole["required"].as_array().is_some_and(|fields| fields.contains(&json!("spec")));
        let required = if required { json!(["spec"]) } else { json!([]) };
        json!({ "properties": { "spec": crd::spec_schema(kind) }, "required": required })
    };
    Kind::ALL.into_iter().map(|kind| (kind, of_spec(kind))).collect()
});

/// What a schema's fault is called where it is one of a whole object, and not of an environment's values.
struct Renamed {
    of: &'static str,
    code: &'static str,
}

const RENAMED: [Renamed; 6] = [
    Renamed { of: "ConfigType", code: "InvalidType" },
    Renamed { of: "ConfigRequired", code: "Required" },
    Renamed { of: "ConfigEnum", code: "UnknownValue" },
    Renamed { of: "ConfigFormat", code: "InvalidForm" },
    Renamed { of: "ConfigLength", code: "InvalidLength" },
    Renamed { of: "ConfigUnknown", code: "UnknownField" },
];

/// What a schema's faults are called where they are said on behalf of the API server.
pub fn schema_codes() -> impl Iterator<Item = &'static str> {
    RENAMED.iter().map(|renamed| renamed.code)
}

/// What the API server would refuse and the rules have not said yet: `said` is what they have. What an update leaves as it was is
/// left out.
pub fn structure(change: &Change<'_>, said: &[Violation]) -> Vec<Violation> {
    let mut found = of_object(change.kind, change.new);
    if let Some(old) = change.old {
        let before = of_object(change.kind, old);
        let known: HashSet<_> = before.iter().map(Violation::sameness).collect();
        found.retain(|violation| !known.contains(&violation.sameness()));
    }
    let said = Said::of(said);
    found.retain(|violation| !said.says(violation));
    found
}

fn of_object(kind: Kind, object: &Value) -> Vec<Violation> {
    let mut findings = Findings::none();
    let root = Node::root(object);
    metadata::check(&root.field("metadata"), &mut findings);
    if kind == Kind::Release {
        let resources = root.at(&["spec", "resources"]);
        let count = resources.value.and_then(Value::as_array).map_or(0, Vec::len);
        let entries = (0..count).filter_map(|at| resources.value?.get(at).map(|entry| (at, entry)));
        for (at, entry) in entries {
            let entry = Node { path: resources.path.index(at), value: Some(entry) };
            metadata::check_embedded(&entry.field("object"), &mut findings);
        }
    }
    let mut found = findings.violations;
    let Some(schema) = SCHEMAS.get(&kind) else { return found };
    let spec: Value = object.get("spec").map_or_else(|| json!({}), |spec| json!({ "spec": spec }));
    let spec = pruned(schema, &spec);
    found.extend(schema::check(schema, &spec, &FieldPath::empty()).into_iter().map(renamed));
    found
}

/// The value without the nulls that say nothing: the API server drops a field that is null and may not be. (Structural schemas:
/// `PruneNonNullableNullsWithoutDefaults`; what has a default gets it.)
fn pruned(schema: &Value, value: &Value) -> Value {
    let property = |name: &str| {
        let known = schema.get("properties").and_then(|properties| properties.get(name));
        known.or_else(|| schema.get("additionalProperties"))
    };
    let is_kept = |name: &str, value: &Value| {
        !value.is_null() || property(name).is_none_or(|schema| schema.get("nullable") == Some(&Value::Bool(true)))
    };
    match value {
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(name, value)| is_kept(name, value));
            kept.map(|(name, value)| {
                (name.clone(), property(name).map_or_else(|| value.clone(), |schema| pruned(schema, value)))
            })
            .collect()
        }
        Value::Array(items) => {
            let items = items
                .iter()
                .map(|item| schema.get("items").map_or_else(|| item.clone(), |schema| pruned(schema, item)));
            Value::Array(items.collect())
        }
        value => value.clone(),
    }
}

fn renamed(violation: Violation) -> Violation {
    let code =
        RENAMED.iter().find(|renamed| renamed.of == violation.code).map_or(violation.code, |renamed| renamed.code);
    Violation { code, ..violation }
}

/// Where faults were told already.
struct Said<'a> {
    paths: BTreeSet<&'a str>,
    /// Those at which a whole is missing, or is another thing.
    wholes: HashSet<&'a str>,
}

impl<'a> Said<'a> {
    fn of(said: &'a [Violation]) -> Self {
        let wholes = said.iter().filter(|violation| is_of_a_whole(violation));
        Self {
            paths: said.iter().map(|violation| violation.path.as_str()).collect(),
            wholes: wholes.map(|violation| violation.path.as_str()).collect(),
        }
    }

    /// Whether a fault was told already: at the same place, within a whole that is missing or another thing, or of such a whole.
    fn says(&self, violation: &Violation) -> bool {
        let path = violation.path.as_str();
        // Where the server is asked to make up a name, that is why there is none.
        let made_up = path.strip_suffix(".name").map(|whole| format!("{whole}.generateName"));
        self.paths.contains(path)
            || made_up.is_some_and(|made_up| self.paths.contains(made_up.as_str()))
            || (is_of_a_whole(violation) && self.is_around_one(path))
            || wholes_around(path).any(|whole| self.wholes.contains(whole))
    }

    /// Whether something within `path` was told.
    fn is_around_one(&self, path: &str) -> bool {
        let is_around =
            |start: String| self.paths.range(start.as_str()..).next().is_some_and(|inner| inner.starts_with(&start));
        ['.', '['].into_iter().any(|step| is_around(format!("{path}{step}")))
    }
}

fn is_of_a_whole(violation: &Violation) -> bool {
    ["InvalidType", "NotAnObject", "Required", "GenerateName"].contains(&violation.code)
}

/// The paths that `path` is within.
fn wholes_around(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices(['.', '[']).map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests;
