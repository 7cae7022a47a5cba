//! Volumes to be claimed: there is nobody who would make one when it is asked for.

use anyhow::Context;
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::ControlPlane;
use crate::runtime;

/// More than all tests that run side by side claim. One whose claim is gone is free again (`volumes.yaml`).
const COUNT: usize = 40;

/// More than any of them asks for.
const SIZE: &str = "100Gi";

pub(super) fn create(control_plane: &ControlPlane) -> anyhow::Result<()> {
    let volumes: Api<PersistentVolume> = Api::all(control_plane.client());
    for number in 0..COUNT {
        let name = format!("volume-{number}");
        let volume: PersistentVolume = serde_json::from_value(json!({
            "metadata": { "name": name },
            "spec": {
                "accessModes": ["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"],
                "capacity": { "storage": SIZE },
                "hostPath": { "path": format!("/nowhere/{name}") },
                "persistentVolumeReclaimPolicy": "Retain",
            },
        }))?;
        let created = runtime::block_on(volumes.create(&PostParams::default(), &volume));
        created.with_context(|| format!("creating {name}"))?;
    }
    Ok(())
}
