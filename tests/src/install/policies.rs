//! The policies of `deploy/policies/`, which the API server keeps by itself.

use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::{Api, Error};
use serde_json::{Value, json};

use super::apply;
use crate::cli::Cli;
use crate::controlplane::ControlPlane;
use crate::{runtime, wait};

/// What is installed. Mutating policies are part of Kubernetes 1.36 and later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// `deploy/policies/` without the folder within it.
    Validating,
    /// That, and then `deploy/policies/mutating/`.
    All,
}

/// Until the API server keeps a policy that was applied: it looks once a second.
const LIMIT: Duration = Duration::from_secs(60);

/// The names of what is made here to see whether policies are kept: a policy of each sort, and the ConfigMap that it meets.
const REFUSED: &str = "release-tests-refused";
const CHANGED: &str = "release-tests-changed";

/// Applies the kinds, the roles and the policies, and nothing besides: no hook and no program.
///
/// # Errors
/// When something of it is missing or refused, or is not kept in time.
pub fn alone(control_plane: &ControlPlane, which: Which) -> anyhow::Result<()> {
    apply::kinds_and_roles(control_plane)?;
    add(control_plane, which)
}

/// Applies the policies, and waits until the API server keeps them.
///
/// # Errors
/// When one is missing or refused, or is not kept in time.
pub fn add(control_plane: &ControlPlane, which: Which) -> anyhow::Result<()> {
    apply::kustomization(control_plane, "policies")?;
    if which == Which::All {
        apply::kustomization(control_plane, "policies/mutating")?;
    }
    wait_until_kept(control_plane, which)
}

/// Policies and their bindings reach the API server's own caches in the order in which they were written: once it keeps a policy
/// that was written last, it keeps all of them.
fn wait_until_kept(control_plane: &ControlPlane, which: Which) -> anyhow::Result<()> {
    let marks = json!({ "apiVersion": "v1", "kind": "List", "items": marks(which) }).to_string();
    kubectl(control_plane, &["apply", "--server-side", "-f", "-"], &marks)?;
    wait::until("the API server keeps the policies", LIMIT, || {
        let kept = is_refused(control_plane)? && (which == Which::Validating || is_changed(control_plane)?);
        Ok(kept.then_some(()))
    })?;
    kubectl(control_plane, &["delete", "--wait=false", "-f", "-"], &marks)
}

fn kubectl(control_plane: &ControlPlane, args: &[&str], input: &str) -> anyhow::Result<()> {
    Cli::new(control_plane, "kubectl").args(args).stdin(input).output()?.success().map(drop)
}

fn marks(which: Which) -> Vec<Value> {
    let validating = [
        policy("ValidatingAdmissionPolicy", REFUSED, ("validations", json!([{ "expression": "false" }]))),
        binding("ValidatingAdmissionPolicyBinding", REFUSED, ("validationActions", json!(["Deny"]))),
    ];
    if which == Which::Validating {
        return validating.into();
    }
    let patch = "[JSONPatch{op: 'add', path: '/data', value: {'is': 'changed'}}]";
    let mutations = json!([{ "patchType": "JSONPatch", "jsonPatch": { "expression": patch } }]);
    let mut mutating = policy("MutatingAdmissionPolicy", CHANGED, ("mutations", mutations));
    mutating["spec"]["reinvocationPolicy"] = "Never".into();
    let binding = binding("MutatingAdmissionPolicyBinding", CHANGED, ("policyName", CHANGED.into()));
    validating.into_iter().chain([mutating, binding]).collect()
}

/// One that meets the ConfigMap of its own name, and nothing else.
fn policy(kind: &str, name: &str, (key, what): (&str, Value)) -> Value {
    let rule =
        json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] });
    object(
        kind,
        name,
        json!({
            "matchConstraints": { "resourceRules": [rule] },
            "matchConditions": [{ "name": "mark", "expression": format!("object.metadata.name == '{name}'") }],
            key: what,
        }),
    )
}

fn binding(kind: &str, name: &str, (key, what): (&str, Value)) -> Value {
    object(kind, name, json!({ "policyName": name, key: what }))
}

#[expect(clippy::needless_pass_by_value, reason = "the spec is written out where this is called")]
fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": name }, "spec": spec,
    })
}

fn is_refused(control_plane: &ControlPlane) -> anyhow::Result<bool> {
    match create(control_plane, REFUSED)? {
        Ok(_) => Ok(false),
        Err(Error::Api(status)) if status.message.contains(REFUSED) => Ok(true),
        Err(error) => Err(error).context("asking whether validating policies are kept"),
    }
}

fn is_changed(control_plane: &ControlPlane) -> anyhow::Result<bool> {
    let map = create(control_plane, CHANGED)?.context("asking whether mutating policies are kept")?;
    Ok(map.data.is_some_and(|data| data.contains_key("is")))
}

/// In a dry run.
fn create(control_plane: &ControlPlane, name: &str) -> anyhow::Result<kube::Result<ConfigMap>> {
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client(), "default");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let map = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
    Ok(runtime::block_on(maps.create(&dry_run, &map)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use release_shared::kinds::Kind;
    use release_shared::names;

    use crate::programs;

    /// A file of `deploy/policies/` in one line, as folded text is read.
    fn policy(name: &str) -> String {
        let path = programs::repository().join("deploy/policies").join(name);
        fs::read_to_string(path).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn literal(words: &[&str]) -> String {
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_policies_use_the_names_of_the_programs() {
        let recorded: Vec<String> = Kind::ALL
            .into_iter()
            .filter(|kind| !names::recorded_annotations(*kind).is_empty())
            .map(|kind| format!("'{kind}': [{}]", literal(names::recorded_annotations(kind))))
            .collect();
        let stamps = vec![literal(&names::WEBHOOK_KEYS)];
        let account = vec![format!("'{}'", names::CONTROLLER_USER)];
        for (file, parts) in [
            ("deploy.yaml", &account),
            ("status.yaml", &account),
            ("stamps.yaml", &stamps),
            ("stamps.yaml", &recorded),
            ("mutating/stamps.yaml", &stamps),
            ("rules.yaml", &recorded),
            ("rules.yaml", &vec![literal(&names::RESERVED_LABELS)]),
        ] {
            let text = policy(file);
            for part in parts {
                assert!(text.contains(part), "{file} has another list than {part}");
            }
        }
        // Every kind has a stamp, and is ruled.
        let all: Vec<_> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
        for file in ["stamps.yaml", "mutating/stamps.yaml", "rules.yaml"] {
            let text = policy(file);
            let (_, resources) = text.split_once("resources: [").unwrap();
            let mut resources: Vec<_> = resources.split_once(']').unwrap().0.split(", ").collect();
            resources.sort_unstable();
            let mut all = all.clone();
            all.sort_unstable();
            assert_eq!(resources, all, "{file}");
        }
    }
}
