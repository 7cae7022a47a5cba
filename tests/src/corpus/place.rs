//! Places in an object, and what may be done to them.

use serde_json::Value;

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Where in an object something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(Vec<Step>);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if key.contains(['.', '/']) => write!(f, "[{key}]")?,
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Place {
    /// Every place below a field at the top of the object, that field itself first.
    pub(super) fn below(object: &Value, field: &str) -> Vec<Self> {
        let mut places = Vec::new();
        if let Some(value) = object.get(field) {
            collect(value, &[Step::Key(field.to_owned())], &mut places);
        }
        places
    }

    /// What is there. A change before may have taken it away.
    pub(super) fn value<'a>(&self, object: &'a mut Value) -> Option<&'a mut Value> {
        self.0.iter().try_fold(object, step_into)
    }

    /// Takes away what is there.
    pub(super) fn remove(&self, object: &mut Value) {
        let Some((last, parents)) = self.0.split_last() else { return };
        let Some(parent) = parents.iter().try_fold(object, step_into) else { return };
        match (last, parent) {
            (Step::Key(key), Value::Object(entries)) => drop(entries.remove(key)),
            (Step::Index(index), Value::Array(items)) if *index < items.len() => drop(items.remove(*index)),
            _ => {}
        }
    }
}

fn step_into<'a>(value: &'a mut Value, step: &Step) -> Option<&'a mut Value> {
    match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(*index),
    }
}

fn collect(value: &Value, path: &[Step], places: &mut Vec<Place>) {
    let below = |step| path.iter().cloned().chain([step]).collect::<Vec<_>>();
    places.push(Place(path.to_vec()));
    match value {
        Value::Object(entries) => {
            entries.iter().for_each(|(key, value)| collect(value, &below(Step::Key(key.clone())), places));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| collect(value, &below(Step::Index(index)), places));
        }
        _ => {}
    }
}
