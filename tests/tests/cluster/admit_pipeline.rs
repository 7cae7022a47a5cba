//! Which DeploymentPipelines, Projects, Environments and Components the API server takes, and from whom.

use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::json;

use super::objects::{Shop, annotated, component, created, object, pipeline, project, with};
use super::person::{accepts, refused, refused_by_the_server, rejects};

trials! {
    admission:
    a_pipeline_is_judged_by_every_rule,
    the_platforms_kinds_are_the_platforms,
    what_cannot_be_changed_is_refused,
}

fn a_pipeline_is_judged_by_every_rule(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let pat = Shop::people(namespace)?.pat;
    accepts(&pat, &pipeline("warn", &[("dev", &["staging"]), ("staging", &["production"])]));
    accepts(&pat, &pipeline("enforce", &[("dev", &[])]));
    accepts(&pat, &object(Kind::DeploymentPipeline, "main", json!({})));
    // Upstream's older form of a reference is read from files and never served.
    let older = json!({ "promotionPaths": [{ "sourceEnvironmentRef": "dev", "targetEnvironmentRefs": [] }] });
    refused_by_the_server(
        &pat.in_dry_run().create(&object(Kind::DeploymentPipeline, "main", older)),
        422,
        "sourceEnvironmentRef",
    );

    let first_target = "spec.promotionPaths[0].targetEnvironmentRefs[0]";
    rejects(&pat, &pipeline("warn", &[("dev", &["dev"])]), &[(first_target, "PipelineSelfLoop")]);
    let second_target = "spec.promotionPaths[0].targetEnvironmentRefs[1]";
    rejects(&pat, &pipeline("warn", &[("dev", &["staging", "staging"])]), &[(second_target, "PipelineDuplicate")]);
    rejects(
        &pat,
        &pipeline("warn", &[("dev", &["staging"]), ("staging", &["dev"])]),
        &[("spec.promotionPaths", "PipelineCycle")],
    );
    rejects(
        &pat,
        &pipeline("maybe", &[("dev", &["Staging"])]),
        &[
            ("metadata.annotations[release.openchoreo.dev/enforcement]", "UnknownPolicyValue"),
            ("spec.promotionPaths[0].targetEnvironmentRefs[0].name", "InvalidName"),
        ],
    );
    Ok(())
}

fn the_platforms_kinds_are_the_platforms(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let pipeline = shop.jane.get(&pipeline("warn", &[])).expect("a developer may look");
    let told = shop.jane.replace(&annotated(&pipeline, &[(names::ENFORCEMENT, "warn")]));
    refused_by_the_server(&told, 403, "User \"jane\" cannot update resource \"deploymentpipelines\"");
    let told = shop.pat.create(&component("other"));
    refused_by_the_server(&told, 403, "User \"pat\" cannot create resource \"components\"");
    Ok(())
}

fn what_cannot_be_changed_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    rejects(&shop.pat, &object(Kind::Project, "other", json!({})), &[("spec.deploymentPipelineRef.name", "Required")]);
    let moved = shop
        .pat
        .get(&project())
        .map(|project| with(&project, |p| p["spec"]["deploymentPipelineRef"]["name"] = "other".into()));
    shop.pat.replace(&moved.expect("it is there")).expect("a project may change its pipeline");

    let web = shop.jane.get(&component("web")).expect("it is there");
    refused(
        &shop.jane.merge(&web, &json!({ "spec": { "componentType": { "name": "cronjob/other" } } })),
        422,
        &[("spec.componentType", "Immutable")],
    );
    let plane = json!({ "dataPlaneRef": { "name": "here" } });
    let placed = created(&shop.pat, &object(Kind::Environment, "placed", plane));
    refused(
        &shop.pat.merge(&placed, &json!({ "spec": { "dataPlaneRef": { "name": "there" } } })),
        422,
        &[("spec.dataPlaneRef", "Immutable")],
    );
    Ok(())
}
