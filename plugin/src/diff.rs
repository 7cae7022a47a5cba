//! What a change means for the objects of an environment: rendered against rendered, as a unified diff of YAML.

use std::collections::BTreeMap;

use release_shared::kinds::Owner;
use release_shared::{render, yaml};
use serde_json::{Map, Value};
use similar::TextDiff;

use crate::error::Error;

/// A release with the values of an environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    /// The ComponentRelease.
    pub(crate) release: &'a Value,
    /// The values.
    pub(crate) configs: &'a Map<String, Value>,
}

/// The difference between two sides in one environment; empty where there is none. Without a side before, everything is new.
pub(crate) fn diff(
    owner: &Owner,
    environment: &str,
    before: Option<Side<'_>>,
    after: Side<'_>,
) -> Result<String, Error> {
    let before = before.map(|side| rendered(owner, environment, side)).transpose()?.unwrap_or_default();
    let after = rendered(owner, environment, after)?;
    let mut text = String::new();
    let ids: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for id in ids {
        let (old, new) = (before.get(id).map_or("", String::as_str), after.get(id).map_or("", String::as_str));
        if old != new {
            let diff = TextDiff::from_lines(old, new);
            text.push_str(
                &diff
                    .unified_diff()
                    .header(&format!("before/{environment}/{id}"), &format!("after/{environment}/{id}"))
                    .to_string(),
            );
        }
    }
    Ok(text)
}

fn rendered(owner: &Owner, environment: &str, side: Side<'_>) -> Result<BTreeMap<String, String>, Error> {
    let configs = Value::Object(side.configs.clone());
    let input = render::Input {
        release: &side.release["spec"],
        configs: &configs,
        project: &owner.project_name,
        component: &owner.component_name,
        environment,
        namespace: None,
    };
    let objects = render::render(&input)
        .map_err(|violations| Error::Refused(violations.iter().map(ToString::to_string).collect()))?;
    Ok(objects.into_iter().map(|resource| (resource.id, yaml::write(&resource.object))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn release(value: &str) -> Value {
        json!({"spec": {"componentType": {"spec": {"resources": [
            {"id": "configmap-a", "template": {"kind": "ConfigMap", "data": {"x": value, "n": "${environmentConfigs.n}"}}}
        ]}}}})
    }

    #[test]
    fn values_and_templates_both_count() {
        let owner = Owner { project_name: "p".into(), component_name: "c".into() };
        let (old, new) = (release("1"), release("2"));
        let configs = |n: i64| Map::from_iter([("n".to_owned(), json!(n))]);
        let (one, two) = (configs(1), configs(2));
        let before = Side { release: &old, configs: &one };
        assert_eq!(diff(&owner, "dev", Some(before), before).unwrap(), "");
        insta::assert_snapshot!(diff(&owner, "dev", Some(before), Side { release: &new, configs: &two }).unwrap());
    }
}
