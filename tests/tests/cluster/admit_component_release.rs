//! Which ComponentReleases the API server takes, with the webhook in its path.

use release_shared::kinds::Kind;
use release_shared::{names, snapshot};
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{Shop, annotated, annotation, binding, component_release, created, object, with};
use super::person::{accepts, causes, refused, rejects, until_accepted, until_refused};

trials! {
    admission:
    a_component_release_is_judged_by_every_rule,
    the_whole_of_it_is_immutable,
    a_version_is_one_release,
    a_name_made_from_the_content_must_fit_it,
    a_secret_goes_in_where_an_environment_takes_it,
}

const RESOURCES: &str = "/spec/componentType/spec/resources";

/// The templates of a release.
fn resources(release: &mut Value) -> &mut Value {
    release.pointer_mut(RESOURCES).expect("a release with resources")
}

fn a_component_release_is_judged_by_every_rule(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    type Case = (&'static str, fn(&mut Value), &'static [(&'static str, &'static str)]);
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let good = component_release("web", "web-3", "3.0");
    accepts(&shop.jane, &good);
    let cases: &[Case] = &[
        (
            "no owner",
            |r| drop(r["spec"].as_object_mut().unwrap().remove("owner")),
            &[("spec.owner.projectName", "Required"), ("spec.owner.componentName", "Required")],
        ),
        (
            "another project's component",
            |r| r["spec"]["owner"]["projectName"] = "other".into(),
            &[("spec.owner.componentName", "OtherOwner")],
        ),
        (
            "duplicate ids",
            |r| resources(r).as_array_mut().unwrap().push(resource("configmap-web", "v1", "Service")),
            &[("spec.componentType.spec.resources[1].id", "DuplicateResourceId")],
        ),
        (
            "an id that is no label value",
            |r| resources(r)[0]["id"] = "a/b".into(),
            &[("spec.componentType.spec.resources[0].id", "InvalidResourceId")],
        ),
        (
            "a template that is a string",
            |r| resources(r)[0]["template"] = "x".into(),
            &[("spec.componentType.spec.resources[0].template", "NotAnObject")],
        ),
        (
            "one of our own kinds",
            |r| resources(r)[0] = resource("project", names::API_VERSION, "Project"),
            &[("spec.componentType.spec.resources[0].template.kind", "OwnKind")],
        ),
        (
            "a value that nobody declares",
            |r| resources(r)[0]["template"]["data"]["size"] = "${environmentConfigs.height}".into(),
            &[("spec.componentType.spec.resources[0].template.data.size", "UnknownConfigKey")],
        ),
        (
            "an expression",
            |r| resources(r)[0]["template"]["data"]["size"] = "${1 + 1}".into(),
            &[("spec.componentType.spec.resources[0].template.data.size", "UnsupportedTemplate")],
        ),
        (
            "a Secret with its content",
            |r| {
                resources(r)[0] = resource("secret", "v1", "Secret");
                resources(r)[0]["template"]["data"] = json!({ "a": "Yg==" });
            },
            &[("spec.componentType.spec.resources[0].template.data", "SecretInline")],
        ),
    ];
    for (_, change, expected) in cases {
        rejects(&shop.jane, &with(&good, change), expected);
    }
    Ok(())
}

fn resource(id: &str, version: &str, kind: &str) -> Value {
    json!({ "id": id, "template": { "apiVersion": version, "kind": kind, "metadata": { "name": "x" } } })
}

fn the_whole_of_it_is_immutable(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = shop.jane.get(&component_release("web", "web-1", "1.0")).expect("it is there");
    assert_eq!(annotation(&web, names::CHANGED_BY), Some("jane"));
    assert_eq!(annotation(&web, names::RELEASE_VERSION), Some("1.0"));
    assert_eq!(annotation(&web, names::HISTORY), None, "it has one revision");

    let changed = with(&web, |r| r["spec"]["workload"]["container"]["image"] = "other".into());
    let changed = annotated(&changed, &[(names::VERSION_ANNOTATION, "1.1")]);
    refused(
        &shop.omar.replace(&changed),
        422,
        &[("spec", "Immutable"), ("metadata.annotations[openchoreo.dev/version]", "VersionImmutable")],
    );
    // Upstream's own rules stand on the fields and miss one that was absent.
    let profiled = with(&web, |r| r["spec"]["componentProfile"] = json!({ "parameters": {} }));
    refused(&shop.omar.replace(&profiled), 422, &[("spec", "Immutable")]);
    let labelled = shop.omar.merge(&web, &json!({ "metadata": { "labels": { "a": "b" } } })).expect("a label is free");
    assert_eq!(annotation(&labelled, names::CHANGED_BY), Some("jane"));
    Ok(())
}

fn a_version_is_one_release(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let again = component_release("web", "web-3", "1.0");
    let taken = [("metadata.annotations[openchoreo.dev/version]", "VersionTaken")];
    let status = until_refused("the webhook has seen web-1", || shop.jane.in_dry_run().create(&again), 422, &taken)?;
    assert!(status.message.contains("version \"1.0\" of web is release web-1"), "{status:?}");
    accepts(&shop.jane, &component_release("api", "api-2", "2.0"));
    Ok(())
}

fn a_name_made_from_the_content_must_fit_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let release = component_release("web", "web-3", "3.0");
    let right = snapshot::release_name("web", &release["spec"]);
    let named = |name: &str| with(&release, |r| r["metadata"]["name"] = name.into());
    accepts(&shop.jane, &named(&right));
    let told = shop.jane.create(&named("web-aaaaaaaaaaaaaaaa"));
    let status = refused(&told, 422, &[("metadata.name", "ContentName")]);
    assert!(status.message.contains(&right), "{status:?}");
    // Nothing in the API server's path (defaults, pruning, stamps) changes the content.
    let stored = created(&shop.jane, &named(&right));
    assert_eq!(snapshot::release_name("web", &stored["spec"]), right);
    Ok(())
}

fn a_secret_goes_in_where_an_environment_takes_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let with_secret = with(&component_release("web", "web-3", "3.0"), |r| {
        resources(r)[0] = resource("secret", "v1", "Secret");
        resources(r)[0]["template"]["stringData"] = json!({ "a": "b" });
    });
    let dev = shop.pat.get(&object(Kind::Environment, "dev", json!({})));
    let dev = annotated(&dev.expect("it is there"), &[(names::ALLOW_INLINE_SECRETS, "true")]);
    shop.pat.replace(&dev).expect("a platform engineer may");
    until_accepted("the webhook has seen the environment", || shop.jane.in_dry_run().create(&with_secret))?;
    created(&shop.jane, &with_secret);

    accepts(&shop.jane, &binding("web", "dev", "web-3"));
    let told = shop.jane.in_dry_run().create(&binding("web", "staging", "web-3"));
    assert_eq!(causes(told.as_ref().expect_err("staging does not take it")), [("spec.releaseName", "SecretInline")]);
    Ok(())
}
