//! Of an object only what the rules look at, read in one pass over its text: the rest is passed over without being built in memory, where
//! a list of numbers takes sixteen times its bytes.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::kinds::Kind;
use crate::object::text;
use crate::{canonical, snapshot};

/// An object in parts, of which the largest are text.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its metadata, as far as it is looked at: name, namespace, annotations, deletionTimestamp.
    pub metadata: &'a Value,
    /// Its spec as JSON.
    pub spec: Option<&'a str>,
    /// Its status as JSON.
    pub status: Option<&'a str>,
}

/// An object as far as [`World`](super::World) looks at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Excerpt {
    pub(super) kind: Kind,
    pub(super) object: Value,
    /// Of a ComponentRelease the schema, as JSON.
    pub(super) schema: Option<Box<str>>,
    /// Of a ComponentRelease the name that its content has, where that is not its own.
    pub(super) content: Option<String>,
}

/// What the rules look at of an object. What cannot be read is not there.
pub fn excerpt(parts: &Parts<'_>) -> Excerpt {
    let (spec, status) = looked_at(parts.kind);
    let picked = |text: Option<&str>, pick| text.and_then(|text| read(text, pick)).unwrap_or_default();
    let mut object = json!({
        "metadata": parts.metadata, "spec": picked(parts.spec, spec), "status": picked(parts.status, status),
    });
    let schema = object.pointer_mut(SCHEMA).map(Value::take).and_then(|schema| match schema {
        Value::String(text) => Some(text.into_boxed_str()),
        _ => None,
    });
    let content = parts.spec.filter(|_| parts.kind == Kind::ComponentRelease).and_then(|spec| content(&object, spec));
    Excerpt { kind: parts.kind, object, schema, content }
}

/// The name of a ComponentRelease by its content, where it has another one.
fn content(release: &Value, spec: &str) -> Option<String> {
    let component = text(release, "/spec/owner/componentName")?;
    let own = text(release, "/metadata/name").unwrap_or_default();
    let is_other = !snapshot::is_content_name(component, own);
    is_other.then(|| canonical::of_text(spec)).flatten().map(|spec| snapshot::name_of_content(component, &spec))
}

/// What is kept of a value.
#[derive(Debug)]
enum Pick {
    /// All of it.
    All,
    /// All of it, as text.
    Text,
    /// Whether there is anything in it.
    Presence,
    /// Of an object these fields; what is no object is kept where it is text.
    Fields(&'static [(&'static str, Pick)]),
    /// Of a list this of each entry.
    Each(&'static Pick),
}

use Pick::{All, Each, Fields, Presence, Text};

const NOTHING: Pick = Fields(&[]);
const OWNER: (&str, Pick) = ("owner", Fields(&[("projectName", All), ("componentName", All)]));
const NAMED: Pick = Fields(&[("kind", All), ("name", All)]);
const TEMPLATE: Pick = Fields(&[
    ("apiVersion", All),
    ("kind", All),
    ("metadata", Fields(&[("name", All), ("namespace", All)])),
    ("data", Presence),
    ("stringData", Presence),
]);
const COMPONENT_TYPE: Pick = Fields(&[(
    "spec",
    Fields(&[
        ("environmentConfigs", Fields(&[("openAPIV3Schema", Text)])),
        ("resources", Each(&Fields(&[("id", All), ("template", TEMPLATE)]))),
    ]),
)]);
/// Where a ComponentRelease has its schema.
pub(super) const SCHEMA: &str = "/spec/componentType/spec/environmentConfigs/openAPIV3Schema";
const PATH: Pick = Fields(&[("sourceEnvironmentRef", NAMED), ("targetEnvironmentRefs", Each(&NAMED))]);
const OUTCOME: Pick = Fields(&[("release", All), ("firstHealthyAt", All)]);

const PROJECT: Pick = Fields(&[("deploymentPipelineRef", NAMED)]);
const ENVIRONMENT: Pick = Fields(&[("dataPlaneRef", NAMED)]);
const PIPELINE: Pick = Fields(&[("promotionPaths", Each(&PATH))]);
const COMPONENT: Pick = Fields(&[OWNER]);
const RELEASE: Pick = Fields(&[OWNER, ("componentType", COMPONENT_TYPE)]);
const BINDING: Pick = Fields(&[OWNER, ("environment", All), ("releaseName", All)]);
const RAN: Pick = Fields(&[("outcomes", Each(&OUTCOME)), ("health", All)]);

/// What the views of a kind are made of, in spec and status.
fn looked_at(kind: Kind) -> (&'static Pick, &'static Pick) {
    match kind {
        Kind::Project => (&PROJECT, &NOTHING),
        Kind::Environment => (&ENVIRONMENT, &NOTHING),
        Kind::DeploymentPipeline => (&PIPELINE, &NOTHING),
        Kind::DataPlane | Kind::Release => (&NOTHING, &NOTHING),
        Kind::Component => (&COMPONENT, &NOTHING),
        Kind::ComponentRelease => (&RELEASE, &NOTHING),
        Kind::ReleaseBinding => (&BINDING, &RAN),
    }
}

fn read(text: &str, pick: &Pick) -> Option<Value> {
    pick.deserialize(&mut serde_json::Deserializer::from_str(text)).ok()
}

impl<'de> DeserializeSeed<'de> for &Pick {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            All => Value::deserialize(deserializer),
            Text => <&RawValue>::deserialize(deserializer).map(|raw| raw.get().into()),
            Presence | Fields(_) | Each(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for &Pick {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(match self {
            Presence => true.into(),
            _ => text.into(),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Each(entry) = self else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(if matches!(self, Presence) { true.into() } else { Value::Null });
        };
        let mut kept = Vec::new();
        while let Some(item) = items.next_element_seed(*entry)? {
            kept.push(item);
        }
        Ok(kept.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        let mut is_empty = true;
        while let Some(key) = map.next_key::<String>()? {
            is_empty = false;
            let field = match self {
                Fields(fields) => fields.iter().find(|(name, _)| *name == key),
                _ => None,
            };
            match field {
                Some((_, pick)) => drop(kept.insert(key, map.next_value_seed(pick)?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(match self {
            Presence if !is_empty => true.into(),
            Each(_) => Value::Null,
            _ => kept.into(),
        })
    }
}

#[cfg(test)]
mod tests;
