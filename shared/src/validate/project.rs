use crate::kinds::Kind;
use crate::violation::{Findings, Violation};
use crate::world::World;

use super::Node;

pub(super) fn check(root: &Node<'_>, world: Option<&World>, findings: &mut Findings) {
    let node = root.at(&["spec", "deploymentPipelineRef"]);
    let Some(pipeline) = node.reference("name the project's DeploymentPipeline", findings) else { return };
    if world.is_some_and(|world| !world.pipelines.contains_key(pipeline)) {
        let message =
            format!("there is no DeploymentPipeline {pipeline:?} in this namespace: create it, or correct the name");
        findings.miss(Violation::fault(node.path, "PipelineNotFound", message), Kind::DeploymentPipeline, pipeline);
    }
}
