use serde_json::json;

use super::*;

#[test]
fn pipelines() {
    let pipeline = |paths: &[(&str, &[&str])]| {
        let paths = paths.iter().map(|(source, targets)| {
            let targets: Vec<_> = targets.iter().map(|target| json!({"name": target})).collect();
            json!({"sourceEnvironmentRef": {"name": source}, "targetEnvironmentRefs": targets})
        });
        json!({"spec": {"promotionPaths": paths.collect::<Vec<_>>()}})
    };
    let codes = |object: &Value| {
        let found = codes(Kind::DeploymentPipeline, "main", object, None);
        found.into_iter().map(|(_, code)| code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&pipeline(&[("dev", &["staging"]), ("staging", &["production"])])), Vec::<&str>::new());
    assert_eq!(codes(&pipeline(&[("dev", &[])])), Vec::<&str>::new());
    assert_eq!(codes(&pipeline(&[("dev", &["dev"])])), ["PipelineSelfLoop"]);
    assert_eq!(codes(&pipeline(&[("dev", &["staging", "staging"])])), ["PipelineDuplicate"]);
    assert_eq!(codes(&pipeline(&[("dev", &["staging"]), ("staging", &["dev"])])), ["PipelineCycle"]);
    let mut odd = pipeline(&[("dev", &[])]);
    odd["metadata"] = json!({"annotations": {names::ENFORCEMENT: "maybe"}});
    assert_eq!(codes(&odd), ["UnknownPolicyValue"]);
}
