//! Which ReleaseBindings the API server takes, with the webhook in its path.

use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{Shop, binding, component, component_release, created, with};
use super::person::{accepts, refused, rejects, until_accepted, until_refused};

trials! {
    admission:
    a_binding_is_judged_by_every_rule,
    owner_and_environment_cannot_be_changed,
    a_release_of_another_component_cannot_be_pinned,
    what_does_not_exist_is_a_warning,
    the_hashed_name_is_for_pairs_whose_plain_one_is_taken,
}

fn a_binding_is_judged_by_every_rule(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    type Case = (&'static str, fn(&mut Value), &'static [(&'static str, &'static str)]);
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let good = binding("web", "dev", "web-1");
    accepts(&shop.jane, &good);
    accepts(&shop.jane, &with(&good, |b| b["spec"]["componentTypeEnvironmentConfigs"] = json!({ "size": "large" })));
    let cases: &[Case] = &[
        (
            "no spec",
            |b| b["spec"] = json!({}),
            &[
                ("spec.owner.projectName", "Required"),
                ("spec.owner.componentName", "Required"),
                ("spec.environment", "Required"),
            ],
        ),
        ("another name", |b| b["metadata"]["name"] = "pin".into(), &[("metadata.name", "BindingName")]),
        (
            "the hashed name without need",
            |b| b["metadata"]["name"] = names::binding_name_hashed("web", "dev").into(),
            &[("metadata.name", "BindingName")],
        ),
        (
            "a name of 64 characters",
            |b| b["spec"]["owner"]["componentName"] = "a".repeat(64).into(),
            &[("spec.owner.componentName", "InvalidName")],
        ),
        ("an unknown state", |b| b["spec"]["state"] = "Gone".into(), &[("spec.state", "UnknownState")]),
        ("a number for a release", |b| b["spec"]["releaseName"] = 5.into(), &[("spec.releaseName", "InvalidType")]),
        (
            "another component's release",
            |b| b["spec"]["releaseName"] = "api-1".into(),
            &[("spec.releaseName", "OtherOwner")],
        ),
        (
            "a value that the release does not have",
            |b| b["spec"]["componentTypeEnvironmentConfigs"] = json!({ "hight": 5 }),
            &[("spec.componentTypeEnvironmentConfigs.hight", "ConfigUnknown")],
        ),
        (
            "a value of another type",
            |b| b["spec"]["componentTypeEnvironmentConfigs"] = json!({ "size": 5 }),
            &[("spec.componentTypeEnvironmentConfigs.size", "ConfigType")],
        ),
        (
            "values that are too large",
            |b| b["spec"]["componentTypeEnvironmentConfigs"] = json!({ "size": "x".repeat(9000) }),
            &[("spec", "ConfigTooLarge")],
        ),
    ];
    for (_, change, expected) in cases {
        rejects(&shop.jane, &with(&good, change), expected);
    }
    Ok(())
}

fn owner_and_environment_cannot_be_changed(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = created(&shop.jane, &binding("web", "dev", "web-1"));
    refused(
        &shop.jane.replace(&with(&web, |b| b["spec"]["environment"] = "staging".into())),
        422,
        &[("metadata.name", "BindingName"), ("spec.environment", "Immutable")],
    );
    refused(
        &shop.jane.merge(&web, &json!({ "spec": { "owner": { "projectName": "other" } } })),
        422,
        &[("spec.owner.componentName", "OtherOwner"), ("spec.releaseName", "OtherOwner"), ("spec.owner", "Immutable")],
    );
    Ok(())
}

fn a_release_of_another_component_cannot_be_pinned(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = created(&shop.jane, &binding("web", "dev", "web-1"));
    let told = shop.jane.merge(&web, &json!({ "spec": { "releaseName": "api-1" } }));
    let status = refused(&told, 422, &[("spec.releaseName", "OtherOwner")]);
    assert!(status.message.contains("api-1 is a release of shop/api, and this binding is of shop/web"), "{status:?}");
    Ok(())
}

/// GitOps applies in any order. A release made a moment ago is known all the same: the webhook looks it up.
fn what_does_not_exist_is_a_warning(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let create = |object: &Value| shop.jane.kubectl_on(&["create", "-f", "-"], object);
    assert_eq!(
        create(&binding("web", "dev", "web-1")).stderr(),
        "Warning: spec.owner.projectName: there is no Project \"shop\" in this namespace: create it, or correct the \
         name\nWarning: spec.owner.componentName: there is no Component \"web\" in this namespace: create it, or correct \
         the name\nWarning: spec.environment: there is no Environment \"dev\" in this namespace: create it, or correct the \
         name\nWarning: spec.releaseName: there is no ComponentRelease \"web-1\" in this namespace: cut one with \
         `kubectl release create web`, or correct the name\n"
    );
    for at in 0..10 {
        let name = format!("web{at}");
        create(&component(&name));
        create(&component_release(&name, &format!("{name}-1"), "1.0"));
        let told = create(&binding(&name, "dev", &format!("{name}-1")));
        assert!(!told.stderr().contains("there is no Component"), "{told}");
    }
    Ok(())
}

/// `we` in `b-dev` and `we-b` in `dev` have the same plain name.
fn the_hashed_name_is_for_pairs_whose_plain_one_is_taken(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let plain = binding("we-b", "dev", "we-b-1");
    let hashed = names::binding_name_hashed("we-b", "dev");
    let hashed = with(&plain, |b| b["metadata"]["name"] = hashed.as_str().into());
    created(&shop.jane, &binding("we", "b-dev", "we-1"));
    until_accepted("the webhook has seen the other pair's", || shop.jane.in_dry_run().create(&hashed))?;
    created(&shop.jane, &hashed);
    shop.jane.delete(&binding("we", "b-dev", "we-1")).expect("a developer may");
    let exists = [("metadata.name", "BindingExists")];
    until_refused("the webhook has seen this pair's", || shop.jane.in_dry_run().create(&plain), 422, &exists).map(drop)
}
