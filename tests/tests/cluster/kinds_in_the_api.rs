//! The kinds as the API server serves them: columns, field selectors, strictness.

use release_shared::kinds::Kind;
use release_shared::{canonical, names};
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{Shop, annotation, binding, component_release, created, object, release, with};

trials! {
    admission:
    every_kind_has_columns_to_look_at,
    fields_select_what_is_listed,
    a_misspelt_field_is_refused,
    two_managers_do_not_own_half_an_object_each,
    an_object_in_a_release_comes_out_as_it_went_in,
}

fn every_kind_has_columns_to_look_at(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    created(&shop.pat, &object(Kind::DataPlane, "here", json!({})));
    created(&shop.jane, &with(&release("api-dev"), |r| r["spec"]["owner"]["componentName"] = "api".into()));
    created(&shop.jane, &binding("web", "dev", "web-1"));
    let columns = |kind: Kind| {
        let told = shop.jane.kubectl(["get", kind.plural()]).run().expect_code(0);
        let header = told.stdout().lines().next().unwrap_or_default().to_owned();
        header.split("   ").map(str::trim).filter(|column| !column.is_empty()).collect::<Vec<_>>().join(" | ")
    };
    for (kind, expected) in [
        (Kind::DataPlane, "NAME | PLANE | AGE"),
        (Kind::Environment, "NAME | PRODUCTION | DATA PLANE | AGE"),
        (Kind::DeploymentPipeline, "NAME | ENFORCEMENT | AGE"),
        (Kind::Project, "NAME | PIPELINE | AGE"),
        (Kind::Component, "NAME | PROJECT | TYPE | AGE"),
        (Kind::ComponentRelease, "NAME | PROJECT | COMPONENT | VERSION | CHANGED BY | AGE"),
        (
            Kind::ReleaseBinding,
            "NAME | PROJECT | COMPONENT | ENVIRONMENT | VERSION | RELEASE | HEALTH | REVISION | CHANGED BY | SINCE",
        ),
        (Kind::Release, "NAME | PROJECT | COMPONENT | ENVIRONMENT | HEALTH | REVISION | CHANGED BY | SINCE"),
    ] {
        assert_eq!(columns(kind), expected);
    }
    let pins = shop.jane.kubectl(["get", "releasebindings", "--no-headers"]).run().expect_code(0);
    let cells: Vec<_> = pins.stdout().split_whitespace().take(8).collect();
    assert_eq!(cells, ["web-dev", "shop", "web", "dev", "1.0", "web-1", "1", "jane"]);
    let pipelines =
        shop.jane.kubectl(["get", "deploymentpipelines", "--no-headers", "-o", "wide"]).run().expect_code(0);
    let cells: Vec<_> = pipelines.stdout().split_whitespace().take(3).collect();
    assert_eq!(cells, ["main", "warn", "pat"]);
    Ok(())
}

fn fields_select_what_is_listed(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    for (component, environment) in [("web", "dev"), ("web", "staging"), ("api", "dev")] {
        created(&shop.jane, &binding(component, environment, &format!("{component}-1")));
    }
    created(&shop.jane, &with(&release("hand"), |r| r["spec"]["environmentName"] = "production".into()));
    let list = |kind: &str, selector: &str| {
        let told = shop.jane.kubectl(["get", kind, "-o", "name", "--field-selector", selector]).run().expect_code(0);
        told.stdout().lines().filter_map(|line| line.split('/').next_back()).map(str::to_owned).collect::<Vec<_>>()
    };
    for (kind, selector, expected) in [
        ("releasebindings", "spec.owner.componentName=web", &["web-dev", "web-staging"][..]),
        ("releasebindings", "spec.owner.projectName=shop,spec.environment=dev", &["api-dev", "web-dev"]),
        ("releasebindings", "spec.releaseName=api-1", &["api-dev"]),
        ("releasebindings", "spec.owner.projectName!=shop", &[]),
        ("componentreleases", "spec.owner.componentName=api", &["api-1"]),
        ("components", "spec.owner.projectName=shop", &["api", "web"]),
        ("releases", "spec.environmentName=production,spec.owner.componentName=web", &["hand"]),
    ] {
        assert_eq!(list(kind, selector), expected, "{kind} {selector}");
    }
    let told = shop.jane.kubectl(["get", "releasebindings", "--field-selector", "spec.state=Active"]).run();
    told.expect_code(1).expect_stderr("field label not supported: spec.state");
    Ok(())
}

fn a_misspelt_field_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    type Case = (Kind, fn(&mut Value), &'static str);
    let cases: &[Case] = &[
        (Kind::Release, |r| r["spec"]["intervall"] = "5m".into(), "spec.intervall"),
        (Kind::Release, |r| r["spec"]["resources"][0]["objekt"] = json!({}), "objekt"),
        (Kind::Release, |r| r["metadata"]["lables"] = json!({}), "metadata.lables"),
        (Kind::Release, |r| r["spec"]["resources"][0]["object"]["metadata"]["lables"] = json!({}), "metadata.lables"),
        (Kind::ReleaseBinding, |b| b["spec"]["relaseName"] = "web-1".into(), "spec.relaseName"),
        (Kind::ReleaseBinding, |b| b["spec"]["owner"]["team"] = "x".into(), "spec.owner.team"),
    ];
    for (kind, change, field) in cases {
        let good = if *kind == Kind::Release { release("web-dev") } else { binding("web", "dev", "web-1") };
        for command in [&["create"][..], &["apply"], &["apply", "--server-side"]] {
            let args = command.iter().copied().chain(["--dry-run=server", "-f", "-"]);
            let told = shop.jane.kubectl(args).stdin(with(&good, change).to_string()).run().expect_code(1);
            assert!(told.stderr().contains(field), "{told}");
        }
    }
    Ok(())
}

fn two_managers_do_not_own_half_an_object_each(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    shop.jane.managing_as("flux").apply(&release("web-dev")).unwrap();
    let other = with(&release("web-dev"), |r| r["spec"]["resources"][0]["object"]["data"] = json!({ "a": "b" }));
    let told = shop.jane.managing_as("argocd").apply(&other);
    let conflict = told.expect_err("another manager's object");
    assert_eq!(conflict.code, 409);
    assert!(
        conflict.message.contains(r#"conflict with "flux": .spec.resources[id="deployment"].object"#),
        "{conflict:?}"
    );
    // A resource of its own is nobody else's.
    let own = with(&release("web-dev"), |r| {
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "own" } });
        r["spec"]["resources"] = json!([{ "id": "own", "object": object }]);
    });
    let after = shop.jane.managing_as("argocd").apply(&own).unwrap();
    assert_eq!(after["spec"]["resources"].as_array().map(Vec::len), Some(3));
    Ok(())
}

/// Whatever a manifest holds: nothing is pruned, defaulted or turned into something else.
fn an_object_in_a_release_comes_out_as_it_went_in(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let odd = json!({
        "apiVersion": "example.com/v1", "kind": "Odd", "metadata": { "name": "odd", "annotations": { "a": "${b}" } },
        "spec": { "null": null, "empty": {}, "none": [], "int": i64::MAX, "float": 1.5, "whole": 2.0 },
        "text": "a\u{0}b\u{1b}[31m<&>\u{2028}",
        "default": "yes", "": { "": [[], [{}]] }, "a/b~c": "~0~1", "status": { "kept": true },
    });
    let wanted = with(&release("web-dev"), |r| r["spec"]["resources"][0]["object"] = odd.clone());
    let stored = created(&shop.jane, &wanted);
    let canonical = |value: &Value| String::from_utf8(canonical::to_vec(value)).unwrap();
    assert_eq!(canonical(&stored["spec"]["resources"][0]["object"]), canonical(&odd));

    let mut template = odd;
    template["text"] = r#"${"$"}{HOME}"#.into();
    let snapshot = with(&component_release("web", "web-3", "3.0"), |r| {
        r["spec"]["componentType"]["spec"]["resources"] = json!([{ "id": "odd", "template": template }]);
        r["spec"]["componentType"]["spec"]["resources"][0]["template"]["metadata"]["annotations"]["a"] = "b".into();
    });
    let stored = created(&shop.jane, &snapshot);
    assert_eq!(canonical(&stored["spec"]), canonical(&snapshot["spec"]));
    assert_eq!(annotation(&stored, names::REVISION), Some("1"));
    Ok(())
}
