//! What differs between two sides, object by object: as a unified diff of YAML, and as a list of places. The values of Secrets are
//! in neither.

pub(crate) mod live;
mod managers;
mod quantity;
mod secret;

use std::collections::BTreeMap;

use release_shared::fence::Fence;
use release_shared::kinds::Owner;
use release_shared::render::{self, RenderedResource};
use release_shared::yaml;
use serde_json::{Map, Value};
use similar::TextDiff;

pub(crate) use self::secret::fold;
use crate::error::Error;
use crate::print::one_line;

/// A release with the values of an environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    /// The ComponentRelease.
    pub(crate) release: &'a Value,
    /// The values.
    pub(crate) configs: &'a Map<String, Value>,
}

/// The difference between two sides in one environment; empty where there is none. Without a side before, everything is new;
/// without one after, everything goes. `fence` is that of the environment, where it is known.
pub(crate) fn diff(
    owner: &Owner,
    environment: &str,
    fence: Option<&Fence>,
    before: Option<Side<'_>>,
    after: Option<Side<'_>>,
) -> Result<String, Error> {
    let rendered = |side| rendered(owner, environment, fence, side);
    let before = before.map(rendered).transpose()?.unwrap_or_default();
    let pairs = pairs(before, after.map(rendered).transpose()?.unwrap_or_default());
    Ok(pairs.iter().map(|pair| pair.text(&format!("before/{environment}"), &format!("after/{environment}"))).collect())
}

fn rendered(
    owner: &Owner,
    environment: &str,
    fence: Option<&Fence>,
    side: Side<'_>,
) -> Result<Vec<RenderedResource>, Error> {
    let configs = Value::Object(side.configs.clone());
    let input = render::Input {
        release: &side.release["spec"],
        configs: &configs,
        project: &owner.project_name,
        component: &owner.component_name,
        environment,
        namespace: fence.map(Fence::default_namespace),
    };
    render::render(&input).map_err(|violations| Error::Refused(violations.iter().map(ToString::to_string).collect()))
}

/// One object on both sides; absent where a side does not have it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair {
    /// The id of its resource.
    pub(crate) id: String,
    before: Option<Value>,
    after: Option<Value>,
    /// The managedFields of a live object.
    managed: Value,
}

/// A place in which an object differs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// A JSON pointer.
    pub(crate) path: String,
    /// What one side has there.
    pub(crate) before: Option<Value>,
    /// What the other side has.
    pub(crate) after: Option<Value>,
    /// Who set it, where the other side is live and it was not the controller.
    pub(crate) managers: Vec<String>,
}

/// The objects of two sides by their ids.
pub(crate) fn pairs(before: Vec<RenderedResource>, after: Vec<RenderedResource>) -> Vec<Pair> {
    let mut both: BTreeMap<_, (Option<Value>, Option<Value>)> = BTreeMap::new();
    for resource in before {
        both.entry(resource.id).or_default().0 = Some(resource.object);
    }
    for resource in after {
        both.entry(resource.id).or_default().1 = Some(resource.object);
    }
    both.into_iter().map(|(id, (before, after))| Pair::new(id, before, after)).collect()
}

impl Pair {
    /// Takes two objects for one comparison.
    pub(crate) fn new(id: String, mut before: Option<Value>, mut after: Option<Value>) -> Self {
        secret::mask(before.as_mut(), after.as_mut());
        Self { id, before, after, managed: Value::Null }
    }

    /// The same, where the other side is live and has these managedFields.
    pub(crate) fn managed_by(self, managed: Value) -> Self {
        Self { managed, ..self }
    }

    /// Whether the sides differ.
    pub(crate) fn differs(&self) -> bool {
        self.before != self.after
    }

    /// The object: as it is before, or where it is new, after.
    pub(crate) fn object(&self) -> &Value {
        self.before.as_ref().or(self.after.as_ref()).unwrap_or(&Value::Null)
    }

    /// What becomes of the object from one side to the other; `None` where it stays as it is.
    pub(crate) fn change(&self) -> Option<&'static str> {
        match (&self.before, &self.after) {
            (Some(_), None) => Some("removed"),
            (None, Some(_)) => Some("added"),
            _ => self.differs().then_some("changed"),
        }
    }

    /// A unified diff; empty where there is no difference. A side without the object says so.
    pub(crate) fn text(&self, from: &str, to: &str) -> String {
        if !self.differs() {
            return String::new();
        }
        let side = |object: &Option<Value>| object.as_ref().map(yaml::write).unwrap_or_default();
        let name = |label: &str, object: &Option<Value>| {
            let missing = if object.is_none() { " (missing)" } else { "" };
            one_line(&format!("{label}/{}{missing}", self.id))
        };
        let (before, after) = (side(&self.before), side(&self.after));
        let diff = TextDiff::from_lines(&before, &after);
        diff.unified_diff().header(&name(from, &self.before), &name(to, &self.after)).to_string()
    }

    /// The places in which an object differs that both sides have. A list that has become longer or shorter is one of them.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let mut found = Vec::new();
        if let (Some(before), Some(after)) = (&self.before, &self.after) {
            compare(Some(before), Some(after), &mut Vec::new(), &mut found);
            for (difference, path) in &mut found {
                difference.managers = managers::of(&self.managed, after, path);
            }
        }
        found.into_iter().map(|(difference, _)| difference).collect()
    }
}

/// Collects differences, each with the steps of its path.
fn compare(
    before: Option<&Value>,
    after: Option<&Value>,
    path: &mut Vec<String>,
    found: &mut Vec<(Difference, Vec<String>)>,
) {
    let mut step = |step: String, before, after| {
        path.push(step);
        compare(before, after, path, found);
        path.pop();
    };
    match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let new = other.iter().filter(|(key, _)| !one.contains_key(*key));
            one.iter().for_each(|(key, value)| step(key.clone(), Some(value), other.get(key)));
            new.for_each(|(key, value)| step(key.clone(), None, Some(value)));
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) if one.len() == other.len() => {
            let both = one.iter().zip(other).enumerate();
            both.for_each(|(index, (one, other))| step(index.to_string(), Some(one), Some(other)));
        }
        (before, after) if before != after => {
            let pointer = path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect();
            let (before, after) = (before.cloned(), after.cloned());
            found.push((Difference { path: pointer, before, after, managers: Vec::new() }, path.clone()));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn release(value: &str) -> Value {
        json!({"spec": {"componentType": {"spec": {"resources": [{"id": "configmap-a", "template": {
            "kind": "ConfigMap", "data": {"x": value, "n": "${environmentConfigs.n}", "ns": "${metadata.namespace}"}
        }}]}}}})
    }

    #[test]
    fn values_and_templates_both_count() {
        let owner = Owner { project_name: "p".into(), component_name: "c".into() };
        let fence = Fence::new(&release_shared::world::EnvironmentView::default(), "acme", "p", "dev");
        let (old, new) = (release("1"), release("2"));
        let configs = |n: i64| Map::from_iter([("n".to_owned(), json!(n))]);
        let (one, two) = (configs(1), configs(2));
        let before = Side { release: &old, configs: &one };
        let after = Side { release: &new, configs: &two };
        assert_eq!(diff(&owner, "dev", Some(&fence), Some(before), Some(before)).unwrap(), "");
        insta::assert_snapshot!(diff(&owner, "dev", Some(&fence), Some(before), Some(after)).unwrap());
        let gone = diff(&owner, "dev", Some(&fence), Some(before), None).unwrap();
        assert!(gone.contains("-  x: \"1\"") && !gone.contains("\n+ "), "{gone}");
        // Where nobody can say what the namespace is, a reference to it leads nowhere.
        assert!(diff(&owner, "dev", None, None, Some(after)).is_err());
    }

    fn pair(before: Value, after: Value) -> Pair {
        let side = |value: Value| (!value.is_null()).then_some(value);
        Pair::new("x".into(), side(before), side(after))
    }

    #[test]
    fn an_object_that_one_side_does_not_have_is_missing_there() {
        let object = || json!({"kind": "ConfigMap", "data": {"a": "1\u{1b}[2J"}});
        let gone = pair(object(), Value::Null);
        assert_eq!((gone.change(), gone.differences()), (Some("removed"), vec![]));
        assert_eq!(pair(Value::Null, object()).change(), Some("added"));
        assert_eq!(pair(object(), object()).change(), None);
        insta::assert_snapshot!(gone.text("dev@1\n", "live"));
    }

    #[test]
    fn places_are_json_pointers() {
        let found = pair(
            json!({"spec": {"n": 1, "a/b~c": true, "list": [{"x": 1}, {"x": 2}], "args": ["a"]}}),
            json!({"spec": {"n": 2, "list": [{"x": 1}, {"x": 3}], "args": ["a", "b"], "new": null}}),
        );
        let differences = found.differences().into_iter().map(|found| (found.path, found.before, found.after));
        let expected = [
            ("/spec/a~1b~0c", Some(json!(true)), None),
            ("/spec/args", Some(json!(["a"])), Some(json!(["a", "b"]))),
            ("/spec/list/1/x", Some(json!(2)), Some(json!(3))),
            ("/spec/n", Some(json!(1)), Some(json!(2))),
            ("/spec/new", None, Some(Value::Null)),
        ];
        let expected = expected.map(|(path, before, after)| (path.to_owned(), before, after));
        assert_eq!(differences.collect::<Vec<_>>(), expected);
    }
}
