//! Nodes that kwok plays.

use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;

use super::ControlPlane;
use crate::{runtime, wait};

pub(super) fn create(control_plane: &ControlPlane, count: usize) -> anyhow::Result<()> {
    let nodes: Api<Node> = Api::all(control_plane.client());
    for number in 0..count {
        let name = format!("node-{number}");
        let node: Node = serde_json::from_value(json!({
            "metadata": {
                "name": name,
                "annotations": { "kwok.x-k8s.io/node": "fake" },
                "labels": { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" },
            },
        }))?;
        runtime::block_on(nodes.create(&PostParams::default(), &node)).with_context(|| format!("creating {name}"))?;
    }
    Ok(())
}

/// Ready for pods: a new node is tainted as not ready until the controller manager has seen its condition.
pub(super) fn wait_until_ready(control_plane: &ControlPlane, limit: Duration) -> anyhow::Result<()> {
    let nodes: Api<Node> = Api::all(control_plane.client());
    wait::until("all nodes take pods", limit, || {
        let list = runtime::block_on(nodes.list(&ListParams::default())).context("listing the nodes")?;
        Ok(list.items.iter().all(takes_pods).then_some(()))
    })
}

fn takes_pods(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    is_ready && taints.is_empty()
}
