//! A live object as far as a release speaks of it. What the release says is compared, and what the controller applied for an earlier
//! one and this one leaves out (by the field manager's entry in managedFields). All else in a live object, such as the API server's
//! defaults, is nobody's difference.

use release_shared::fence::built_in_scope;
use release_shared::names;
use serde_json::{Map, Value};

use super::{managers, quantity};
use crate::objects::reference;

/// Maps of the built-in kinds that belong to one owner as a whole: what is in them beside what was asked for is a difference.
const WHOLE_MAPS: [&str; 3] = ["matchLabels", "nodeSelector", "selector"];
/// Maps of text that keep an empty entry.
const TEXT_MAPS: [&str; 6] = ["annotations", "binaryData", "data", "labels", "matchLabels", "nodeSelector"];
/// Fields of the built-in kinds that keep a zero, since without them something else would hold.
const MEANT_ZEROS: [&str; 9] = [
    "allowPrivilegeEscalation",
    "automountServiceAccountToken",
    "fsGroup",
    "hostUsers",
    "maxUnavailable",
    "minAvailable",
    "replicas",
    "runAsGroup",
    "runAsUser",
];
/// By what the entries of a list may be known, where the controller's own entry in managedFields does not say it.
const LIST_KEYS: [&str; 7] = ["name", "containerPort", "port", "mountPath", "devicePath", "ip", "topologyKey"];
/// kubectl's and others' mark on a template to restart its pods: no release says it.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// The part of `live` that `desired` speaks of, in the words of `desired` where they mean the same.
pub(crate) fn project(live: &Value, desired: &Value) -> Value {
    let object = reference(desired);
    let projection = Projection { built_in: built_in_scope(&object.group, &object.kind).is_some() };
    projection.both(live, desired, managers::applied(live), Place::default())
}

struct Projection {
    /// Whether the API server knows the kind as Go types, which drop what is zero.
    built_in: bool,
}

/// The names of a field and of what it is in; entries of a list have the list's.
#[derive(Debug, Clone, Copy, Default)]
struct Place<'a> {
    parent: &'a str,
    field: &'a str,
}

impl<'a> Place<'a> {
    fn field(self, name: &'a str) -> Self {
        Self { parent: self.field, field: name }
    }
}

impl Projection {
    fn both(&self, live: &Value, desired: &Value, applied: Option<&Value>, place: Place<'_>) -> Value {
        match (live, desired) {
            // A release says nothing with a null.
            (_, Value::Null) => Value::Null,
            (Value::Object(live), Value::Object(desired)) => self.objects(live, desired, applied, place).into(),
            (Value::Array(live), Value::Array(desired)) => self.lists(live, desired, applied, place).into(),
            // A float whose value is an integer may come back as one.
            (Value::Number(one), Value::Number(other))
                if one.is_f64() != other.is_f64() && one.as_f64() == other.as_f64() =>
            {
                desired.clone()
            }
            _ if quantity::are_same(place.parent, place.field, live, desired) => desired.clone(),
            _ => live.clone(),
        }
    }

    fn objects(
        &self,
        live: &Map<String, Value>,
        desired: &Map<String, Value>,
        applied: Option<&Value>,
        place: Place<'_>,
    ) -> Map<String, Value> {
        let mut shown = Map::new();
        for (name, desired) in desired {
            let place = place.field(name);
            let found = match live.get(name) {
                Some(live) => Some(self.both(live, desired, below(applied, name), place)),
                None => self.says_nothing(desired, place).then(|| desired.clone()),
            };
            shown.extend(found.map(|found| (name.clone(), found)));
        }
        for (name, live) in live.iter().filter(|(name, _)| !desired.contains_key(*name)) {
            let ours = below(applied, name).and_then(|applied| extract(live, applied, place.field(name)));
            let found = if self.built_in && WHOLE_MAPS.contains(&place.field) { Some(live.clone()) } else { ours };
            shown.extend(found.map(|found| (name.clone(), found)));
        }
        shown
    }

    /// Whether an absent field means the same: the API server does not store it.
    fn says_nothing(&self, desired: &Value, place: Place<'_>) -> bool {
        let is_zero = |is_zero: bool| {
            let kept = MEANT_ZEROS.contains(&place.field) || TEXT_MAPS.contains(&place.parent);
            is_zero && self.built_in && !kept
        };
        match desired {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(entries) if entries.is_empty() => {
                TEXT_MAPS.contains(&place.field) || ["limits", "requests", "stringData"].contains(&place.field)
            }
            Value::Object(entries) => entries.iter().all(|(name, entry)| self.says_nothing(entry, place.field(name))),
            Value::Bool(value) => is_zero(!value),
            Value::Number(value) => is_zero(value.as_f64() == Some(0.0)),
            Value::String(value) => is_zero(value.is_empty()),
        }
    }

    fn lists(&self, live: &[Value], desired: &[Value], applied: Option<&Value>, place: Place<'_>) -> Vec<Value> {
        if let Some(keys) = keys(live, desired, applied) {
            return self.keyed(live, desired, &keys, applied, place);
        }
        let is_set = applied.is_some_and(|applied| managers::entries(applied).next().is_some());
        if is_set {
            let kept = desired.iter().filter(|item| live.contains(item)).cloned();
            return kept.chain(left_over(live, &[], desired, applied, place)).collect();
        }
        // One after the other; what is there beyond what was asked for is shown.
        let both = live.iter().enumerate().map(|(index, live)| match desired.get(index) {
            Some(desired) => self.both(live, desired, None, place),
            None => live.clone(),
        });
        both.collect()
    }

    fn keyed(
        &self,
        live: &[Value],
        desired: &[Value],
        keys: &[String],
        applied: Option<&Value>,
        place: Place<'_>,
    ) -> Vec<Value> {
        let (mut shown, mut taken) = (Vec::new(), Vec::new());
        for desired in desired {
            let is_it = |live: &Value| keys.iter().all(|key| managers::has(desired, key, &live[key.as_str()]));
            let found = live.iter().enumerate().find(|(index, live)| !taken.contains(index) && is_it(live));
            if let Some((index, live)) = found {
                taken.push(index);
                let applied = applied.and_then(|applied| {
                    managers::entries(applied).find(|(key, _)| key.names(live)).map(|(_, below)| below)
                });
                shown.push(self.both(live, desired, applied, place));
            }
        }
        shown.extend(left_over(live, &taken, &[], applied, place));
        shown
    }
}

/// The entries that were applied and that the release leaves out.
fn left_over(
    live: &[Value],
    taken: &[usize],
    desired: &[Value],
    applied: Option<&Value>,
    place: Place<'_>,
) -> Vec<Value> {
    let others = live.iter().enumerate().filter(|(index, item)| !taken.contains(index) && !desired.contains(item));
    let ours = others.filter_map(|(_, item)| {
        let (_, below) = managers::entries(applied?).find(|(key, _)| key.names(item))?;
        extract(item, below, place)
    });
    ours.collect()
}

/// By which fields the entries of a list are known; `None` where they follow each other.
fn keys(live: &[Value], desired: &[Value], applied: Option<&Value>) -> Option<Vec<String>> {
    match applied.map(|applied| (managers::is_leaf(applied), managers::entries(applied).next())) {
        Some((true, _) | (_, Some((managers::Key::Value(_), _)))) => return None,
        Some((_, Some((managers::Key::Fields(fields), _)))) => return Some(fields.keys().cloned().collect()),
        _ => {}
    }
    let is_key = |key: &&&str| {
        [live, desired].into_iter().all(|items| {
            let values: Vec<_> = items.iter().filter_map(|item| item.get(**key)).collect();
            values.len() == items.len() && values.iter().enumerate().all(|(at, value)| !values[..at].contains(value))
        })
    };
    LIST_KEYS.iter().find(is_key).filter(|_| !desired.is_empty()).map(|key| vec![(*key).to_owned()])
}

fn below<'a>(applied: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    applied?.get(format!("f:{name}"))
}

/// What the controller applied of a value, without its own marks.
fn extract(live: &Value, applied: &Value, place: Place<'_>) -> Option<Value> {
    if is_mark(place) {
        return None;
    }
    match live {
        _ if managers::is_leaf(applied) => Some(live.clone()),
        Value::Object(live) => {
            let ours = live.iter().filter_map(|(name, live)| {
                Some((name.clone(), extract(live, below(Some(applied), name)?, place.field(name))?))
            });
            let ours: Map<_, _> = ours.collect();
            (!ours.is_empty()).then_some(Value::Object(ours))
        }
        Value::Array(live) => {
            let ours = left_over(live, &[], &[], Some(applied), place);
            (!ours.is_empty()).then_some(Value::Array(ours))
        }
        scalar => Some(scalar.clone()),
    }
}

/// Whether this is a label or an annotation that the controller puts on what it applies.
fn is_mark(place: Place<'_>) -> bool {
    let ours = |key: &str| {
        let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
        prefix == names::GROUP || prefix.strip_suffix(names::GROUP).is_some_and(|rest| rest.ends_with('.'))
    };
    ["labels", "annotations"].contains(&place.parent) && (place.field == RESTARTED || ours(place.field))
}

#[cfg(test)]
mod tests;
