//! Objects become templates: `${` is escaped, and lifted places become references.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Problem;
use super::argument::Lift;
use super::identify::Identified;
use super::object::{self, Object};
use crate::render::template::escape;
use crate::schema;

/// Templates by id, and the schema of what was lifted by key.
pub(super) struct Lifted {
    pub(super) templates: BTreeMap<String, Value>,
    pub(super) properties: Map<String, Value>,
}

/// What is wrong with a lift, with its code.
type Fault = (&'static str, String);

/// Escapes every object and lifts what is to be lifted.
pub(super) fn lift(named: &Identified, lifts: &[Lift], problems: &mut Vec<Problem>) -> Lifted {
    let templates = named.resources.iter().map(|(id, object)| (id.clone(), escaped(&object.value))).collect();
    let mut lifted = Lifted { templates, properties: Map::new() };
    let mut done: Vec<(&str, &Lift)> = Vec::new();
    for lift in lifts {
        let result = find(named, lift).and_then(|(id, object)| {
            let value = today(object, lift)?;
            clashes(&done, id, lift)?;
            lifted.declare(lift, value)?;
            lifted.refer(id, lift);
            done.push((id, lift));
            Ok(())
        });
        if let Err((code, message)) = result {
            problems.push(Problem::argument(code, format!("`--lift {lift}`: {message}")));
        }
    }
    lifted
}

impl Lifted {
    fn declare(&mut self, lift: &Lift, value: &Value) -> Result<(), Fault> {
        let schema = schema::infer(value).ok_or_else(|| {
            ("LiftNull", "the value is null there, which has no type; write a value into the manifest first".to_owned())
        })?;
        match self.properties.get(&lift.key) {
            Some(before) if *before != schema => {
                let message =
                    format!("`{}` is lifted from another place with another value; choose another key", lift.key);
                Err(("LiftConflict", message))
            }
            _ => {
                self.properties.insert(lift.key.clone(), schema);
                Ok(())
            }
        }
    }

    fn refer(&mut self, id: &str, lift: &Lift) {
        let place = self.templates.get_mut(id).and_then(|template| {
            lift.tokens().iter().try_fold(template, |here, token| match here {
                Value::Array(items) => items.get_mut(token.parse::<usize>().ok()?),
                here => here.get_mut(escape(token).as_ref()),
            })
        });
        if let Some(place) = place {
            *place = format!("${{environmentConfigs.{}}}", lift.key).into();
        }
    }
}

fn find<'a>(named: &'a Identified, lift: &Lift) -> Result<(&'a str, &'a Object), Fault> {
    let found: Vec<_> = named.resources.iter().filter(|(_, object)| lift.object.matches(object)).collect();
    match found.as_slice() {
        [(id, object)] => Ok((id, object)),
        [] => Err(("UnmatchedLift", format!("there is no such object; {}", object::known(named.resources.values())))),
        _ => {
            let message =
                "several objects match; name the group (Deployment.apps/shop), or give the objects other names";
            Err(("AmbiguousLift", message.to_owned()))
        }
    }
}

/// Today's value of the place.
fn today<'a>(object: &'a Object, lift: &Lift) -> Result<&'a Value, Fault> {
    if object.kind() == "Secret" && object.group().is_empty() {
        return Err((
            "SecretInline",
            "a Secret's content would become a default in plain text; leave the Secret out (--skip) and lift what names it"
                .to_owned(),
        ));
    }
    let tokens = lift.tokens();
    let path: Vec<&str> = tokens.iter().map(String::as_str).collect();
    if let [] | ["" | "apiVersion" | "kind" | "metadata"] | ["metadata", "name" | "namespace"] = path[..] {
        let message =
            "this identifies the object and must be the same everywhere; lift a place below `/spec` or `/data`";
        return Err(("LiftIdentity", message.to_owned()));
    }
    let mut here = &object.value;
    for (depth, token) in path.iter().enumerate() {
        let next = match here {
            Value::Array(items) => token.parse::<usize>().ok().and_then(|at| items.get(at)),
            here => here.get(token),
        };
        here = next.ok_or_else(|| ("UnmatchedLift", missing(object, here, &path[..depth], token)))?;
    }
    Ok(here)
}

fn missing(object: &Object, here: &Value, path: &[&str], token: &str) -> String {
    let place = if path.is_empty() { "the object".to_owned() } else { format!("`/{}`", path.join("/")) };
    let there = match here {
        Value::Object(entries) => {
            format!("{place} has the keys `{}`", entries.keys().cloned().collect::<Vec<_>>().join("`, `"))
        }
        Value::Array(items) => format!("{place} is a list with {} entries, counted from 0", items.len()),
        _ => format!("{place} is a single value"),
    };
    format!("there is no `{token}` there; in {} {there}", object.origin.at(path.iter().copied()))
}

/// A place can be lifted once, and nothing inside it.
fn clashes(done: &[(&str, &Lift)], id: &str, lift: &Lift) -> Result<(), Fault> {
    let below = |outer: &Lift, inner: &Lift| inner.tokens().starts_with(&outer.tokens());
    let clash = done.iter().find(|(other_id, other)| {
        let is_same = other.pointer == lift.pointer && other.key == lift.key;
        *other_id == id && !is_same && (below(other, lift) || below(lift, other))
    });
    clash.map_or(Ok(()), |(_, other)| {
        Err(("LiftConflict", format!("the place overlaps with that of `--lift {other}`; lift one of them")))
    })
}

fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => escape(text).into(),
        Value::Array(items) => items.iter().map(escaped).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (escape(key).into_owned(), escaped(value))).collect()
        }
        other => other.clone(),
    }
}
