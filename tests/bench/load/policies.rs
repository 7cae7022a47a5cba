//! What CEL can do of the same, within the API server: `deploy/policies/` as they are, but in two namespaces only; and, as these only
//! protect what the webhook writes, a mutating policy that sets defaults and unsigned stamps.

use std::time::Duration;

use anyhow::Context;
use kube::Client;
use release_shared::names;
use release_tests::install::policies::{self, Which};
use release_tests::{Cli, ControlPlane, wait};
use serde_json::{Value, json};

use super::routes::{self, Namespaces, is_refused, is_stamped};

/// Until the API server keeps what was changed: it looks once a second.
const LIMIT: Duration = Duration::from_secs(60);

const NAME: &str = "load-stamps";

/// Installs them, and waits until they are kept where they should be and nowhere else.
pub(crate) fn install(control_plane: &ControlPlane, namespaces: &Namespaces<'_>) -> anyhow::Result<()> {
    policies::add(control_plane, Which::All)?;
    let (validating, mutating) = (&namespaces.validating, &namespaces.mutating);
    confine(control_plane, "validatingadmissionpolicybinding", &routes::of(&[validating, mutating]))?;
    confine(control_plane, "mutatingadmissionpolicybinding", &routes::of(&[mutating]))?;
    let own = json!({ "apiVersion": "v1", "kind": "List", "items": stamps(&routes::of(&[mutating])) });
    kubectl(control_plane, &["apply", "--server-side", "-f", "-"], own.to_string())?;
    let client = control_plane.client();
    let mut missing = Vec::new();
    let kept = wait::until("policies are kept where they should be", LIMIT, || {
        missing = missing_of(&client, namespaces)?;
        Ok(missing.is_empty().then_some(()))
    });
    kept.with_context(|| format!("to the last, {}", missing.join("; ")))
}

/// What is not as it should be.
fn missing_of(client: &Client, namespaces: &Namespaces<'_>) -> anyhow::Result<Vec<String>> {
    let Namespaces { bare, validating, mutating, .. } = namespaces;
    let mut missing = Vec::new();
    for (namespace, is_validated, is_mutated) in
        [(bare, false, false), (validating, true, false), (mutating, true, true)]
    {
        let seen = (is_refused(client, namespace)?, is_stamped(client, namespace)?);
        if seen != (is_validated, is_mutated) {
            let name = namespace.name();
            missing.push(format!("in {name} (refused, stamped) was {seen:?} and not {:?}", (is_validated, is_mutated)));
        }
    }
    Ok(missing)
}

/// Lets all bindings of this kind hold in these namespaces only.
fn confine(control_plane: &ControlPlane, kind: &str, selector: &Value) -> anyhow::Result<()> {
    let listed = Cli::new(control_plane, "kubectl").args(["get", kind, "--output=name"]).output()?.success()?;
    let patch = json!({ "spec": { "matchResources": { "namespaceSelector": selector } } }).to_string();
    // Those of others are here as well; the marks of whoever installed ours are about to go.
    for binding in listed.stdout().lines().filter(|name| name.contains("/release-") && !name.contains("release-tests"))
    {
        kubectl(control_plane, &["patch", binding, "--type=merge", "--patch", &patch], String::new())?;
    }
    Ok(())
}

fn kubectl(control_plane: &ControlPlane, args: &[&str], input: String) -> anyhow::Result<()> {
    let done = Cli::new(control_plane, "kubectl").args(args).stdin(input).output()?.success();
    done.map(drop).with_context(|| format!("kubectl {}", args.join(" ")))
}

/// Defaults as ours sets them, and of its stamps what CEL can make: it has no hashes and no clock.
fn stamps(selector: &Value) -> [Value; 2] {
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": NAME }, "spec": spec,
        })
    };
    let rule = json!({
        "apiGroups": [names::GROUP], "apiVersions": ["v1alpha1"], "operations": ["CREATE", "UPDATE"], "resources": ["releases"],
        "scope": "Namespaced",
    });
    let mutation = json!({ "patchType": "JSONPatch", "jsonPatch": { "expression": expression() } });
    let policy = object(
        "MutatingAdmissionPolicy",
        json!({
            "failurePolicy": "Fail", "reinvocationPolicy": "Never", "matchConstraints": { "resourceRules": [rule] },
            "mutations": [mutation],
        }),
    );
    let confined = json!({ "policyName": NAME, "matchResources": { "namespaceSelector": selector } });
    [policy, object("MutatingAdmissionPolicyBinding", confined)]
}

fn expression() -> String {
    let missing = |field: &str, value: &str| {
        format!("(has(object.spec.{field}) ? [] : [JSONPatch{{op: 'add', path: '/spec/{field}', value: '{value}'}}])")
    };
    let annotation = |key: &str, value: &str| {
        format!("JSONPatch{{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey('{key}'), value: {value}}}")
    };
    let revision = format!(
        "request.operation == 'CREATE' ? '1' : string(int(oldObject.metadata.?annotations[?'{}'].orValue('0')) + 1)",
        names::REVISION
    );
    [
        "(has(object.metadata.annotations) ? [] : [JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}])"
            .to_owned(),
        missing("interval", "5m"),
        missing("progressingInterval", "10s"),
        format!(
            "[{}, {}]",
            annotation(names::REVISION, &revision),
            annotation(names::CHANGED_BY, "request.userInfo.username")
        ),
    ]
    .join(" + ")
}
