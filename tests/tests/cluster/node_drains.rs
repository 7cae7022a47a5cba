//! Nodes are emptied while the webhook is out of the path: its pods are unready then, serve nobody, and hold nothing up.

use std::time::Duration;

use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

trials! {
    admission:
    pods_that_are_unready_hold_up_no_drain,
}

/// Until the controller of disruption budgets has seen what is there.
const SEEN: Duration = Duration::from_secs(60);

fn pods_that_are_unready_hold_up_no_drain(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let of_the_webhook = |kind| -> Value {
        let get = ["get", kind, "release-webhook", "-n", "release-system", "-o", "json"];
        namespace.kubectl(get).run().expect_code(0).json()
    };
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "webhook" },
        "spec": of_the_webhook("poddisruptionbudget")["spec"],
    });
    let labels = of_the_webhook("deployment")["spec"]["template"]["metadata"]["labels"].clone();
    let names = ["webhook-1", "webhook-2"];
    for object in names.iter().map(|name| pod(name, &labels)).chain([budget]) {
        namespace.kubectl(["create", "-f", "-"]).stdin(object.to_string()).run().expect_code(0);
    }
    let running = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "False" }] } });
    for name in names {
        let patch = running.to_string();
        namespace.kubectl(["patch", "pod", name, "--subresource=status", "-p", &patch]).run().expect_code(0);
    }
    wait::until("the budget counts the pods", SEEN, || {
        let budget: Value = namespace.kubectl(["get", "pdb", "webhook", "-o", "json"]).run().expect_code(0).json();
        let status = &budget["status"];
        Ok((status["expectedPods"] == 2 && status["currentHealthy"] == 0).then_some(()))
    })?;
    for name in names {
        let eviction =
            json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } }).to_string();
        let path = format!("/api/v1/namespaces/{}/pods/{name}/eviction", namespace.name());
        namespace.kubectl(["create", "--raw", &path, "-f", "-"]).stdin(eviction).output()?.success()?;
    }
    Ok(())
}

/// One that nobody schedules, and that nobody makes ready.
fn pod(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": labels },
        "spec": { "schedulerName": "nobody", "containers": [{ "name": "webhook", "image": "release-webhook:0.1.0" }] },
    })
}
