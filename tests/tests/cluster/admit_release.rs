//! Which Releases the API server takes, with the webhook in its path.

use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{Shop, binding, created, object, owned_release, release, with};
use super::person::{accepts, refused, refused_by_the_server, rejects, until_refused};

trials! {
    admission:
    a_release_is_judged_by_every_rule,
    what_the_api_server_reads_before_the_webhook_is_refused_in_its_words,
    what_is_absent_gets_its_default,
    kubectl_prints_every_fault,
    owner_and_environment_cannot_be_changed,
    a_release_of_a_binding_is_the_controllers,
    a_rendered_release_is_of_its_bindings_component_and_environment,
    a_release_by_hand_does_not_stand_beside_a_binding_nor_go_past_an_enforcing_pipeline,
    a_very_large_release_is_refused_with_what_is_large_in_it,
}

type Change = fn(&mut Value);
type Case = (&'static str, Change, &'static [(&'static str, &'static str)]);

fn a_release_is_judged_by_every_rule(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    accepts(&shop.jane, &release("web-dev"));
    let fine: [(&str, Change); 3] = [
        ("a Secret without content", |r| r["spec"]["resources"][1]["object"] = secret(&json!({}))),
        ("progressing above an interval of 0s", |r| r["spec"]["interval"] = "0s".into()),
        ("no resources", |r| r["spec"]["resources"] = json!([])),
    ];
    for (_, change) in fine {
        accepts(&shop.jane, &with(&release("web-dev"), change));
    }
    let cases: &[Case] = &[
        (
            "no spec",
            |r| drop(r.as_object_mut().unwrap().remove("spec")),
            &[
                ("spec.owner.projectName", "Required"),
                ("spec.owner.componentName", "Required"),
                ("spec.environmentName", "Required"),
            ],
        ),
        (
            "missing owner",
            |r| r["spec"]["owner"] = json!({}),
            &[("spec.owner.projectName", "Required"), ("spec.owner.componentName", "Required")],
        ),
        (
            "a name of 64 characters",
            |r| r["spec"]["owner"]["projectName"] = "a".repeat(64).into(),
            &[("spec.owner.projectName", "InvalidName")],
        ),
        (
            "an upper-case environment",
            |r| r["spec"]["environmentName"] = "Dev".into(),
            &[("spec.environmentName", "InvalidName")],
        ),
        (
            "a number for an environment",
            |r| r["spec"]["environmentName"] = 5.into(),
            &[("spec.environmentName", "InvalidType")],
        ),
        (
            "duplicate ids",
            |r| r["spec"]["resources"][1]["id"] = "deployment".into(),
            &[("spec.resources[1].id", "DuplicateResourceId")],
        ),
        (
            "an id that is no label value",
            |r| r["spec"]["resources"][1]["id"] = "a/b".into(),
            &[("spec.resources[1].id", "InvalidResourceId")],
        ),
        (
            "no id",
            |r| drop(r["spec"]["resources"][1].as_object_mut().unwrap().remove("id")),
            &[("spec.resources[1].id", "Required")],
        ),
        (
            "an object that is a string",
            |r| r["spec"]["resources"][0]["object"] = "x".into(),
            &[("spec.resources[0].object", "NotAnObject")],
        ),
        (
            "a List",
            |r| r["spec"]["resources"][0]["object"]["kind"] = "List".into(),
            &[("spec.resources[0].object.kind", "ListObject")],
        ),
        (
            "one of our own kinds",
            |r| r["spec"]["resources"][0]["object"] = object(Kind::Project, "shop", json!({})),
            &[("spec.resources[0].object.kind", "OwnKind")],
        ),
        (
            "an object without a name",
            |r| r["spec"]["resources"][0]["object"]["metadata"] = json!({}),
            &[("spec.resources[0].object.metadata.name", "Required")],
        ),
        (
            "generateName inside",
            |r| r["spec"]["resources"][0]["object"]["metadata"] = json!({ "generateName": "web-" }),
            &[("spec.resources[0].object.metadata.generateName", "GenerateName")],
        ),
        (
            "a reserved label",
            |r| {
                r["spec"]["resources"][0]["object"]["metadata"]["labels"] = json!({ "openchoreo.dev/managed-by": "me" })
            },
            &[("spec.resources[0].object.metadata.labels[openchoreo.dev/managed-by]", "ReservedLabel")],
        ),
        (
            "the same object twice",
            |r| r["spec"]["resources"][1]["object"] = r["spec"]["resources"][0]["object"].clone(),
            &[("spec.resources[1].object", "DuplicateObject")],
        ),
        (
            "a Secret with its content",
            |r| r["spec"]["resources"][1]["object"] = secret(&json!({ "stringData": { "a": "b" } })),
            &[("spec.resources[1].object.stringData", "SecretInline")],
        ),
        (
            "nesting",
            |r| r["spec"]["resources"][1]["object"]["spec"] = (0..100).fold(json!(1), |inner, _| json!({ "a": inner })),
            &[("spec.resources[1].object", "TooDeep")],
        ),
        (
            "nesting that no parser takes",
            |r| {
                r["spec"]["resources"][1]["object"]["spec"] = (0..1000).fold(json!(1), |inner, _| json!({ "a": inner }))
            },
            &[("spec", "Unreadable")],
        ),
        ("5 minutes", |r| r["spec"]["interval"] = "5 minutes".into(), &[("spec.interval", "InvalidDuration")]),
        (
            "-1s",
            |r| r["spec"]["progressingInterval"] = "-1s".into(),
            &[("spec.progressingInterval", "InvalidDuration")],
        ),
        ("a number for an interval", |r| r["spec"]["interval"] = 5.into(), &[("spec.interval", "InvalidType")]),
        ("an interval of days", |r| r["spec"]["interval"] = "100h".into(), &[("spec.interval", "IntervalBounds")]),
        (
            "progressing above interval",
            |r| r["spec"]["progressingInterval"] = "6m".into(),
            &[("spec.progressingInterval", "IntervalOrder")],
        ),
        (
            "another project's component",
            |r| r["spec"]["owner"]["projectName"] = "other".into(),
            &[("spec.owner.componentName", "OtherOwner")],
        ),
        (
            "a name of 64 characters of its own",
            |r| r["metadata"]["name"] = "a".repeat(64).into(),
            &[("metadata.name", "InvalidName")],
        ),
        (
            "generateName",
            |r| r["metadata"] = json!({ "generateName": "web-" }),
            &[("metadata.generateName", "GenerateName")],
        ),
        ("no name at all", |r| r["metadata"] = json!({}), &[("metadata.name", "Required")]),
        (
            "a reason of many words",
            |r| r["metadata"]["annotations"] = json!({ names::REASON: "x".repeat(513), names::LINK: "a\nb" }),
            &[
                ("metadata.annotations[release.openchoreo.dev/reason]", "TooLong"),
                ("metadata.annotations[release.openchoreo.dev/link]", "ControlCharacter"),
            ],
        ),
        (
            "all at once",
            |r| {
                r["spec"]["owner"] = json!({});
                r["spec"]["interval"] = "5 minutes".into();
                r["spec"]["resources"][1]["id"] = "deployment".into();
                r["spec"]["resources"][1]["object"] = "x".into();
            },
            &[
                ("spec.owner.projectName", "Required"),
                ("spec.owner.componentName", "Required"),
                ("spec.resources[1].id", "DuplicateResourceId"),
                ("spec.resources[1].object", "NotAnObject"),
                ("spec.interval", "InvalidDuration"),
            ],
        ),
    ];
    for (_, change, expected) in cases {
        rejects(&shop.jane, &with(&release("web-dev"), change), expected);
    }
    Ok(())
}

fn secret(content: &Value) -> Value {
    let mut secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" } });
    if let (Some(secret), Some(content)) = (secret.as_object_mut(), content.as_object()) {
        secret.extend(content.clone());
    }
    secret
}

/// Types, sizes and what a client may not spell wrong: the API server's own part, before any webhook is called.
fn what_the_api_server_reads_before_the_webhook_is_refused_in_its_words(
    namespace: &Namespace<'_>,
) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    type Case = (&'static str, u16, Change, &'static str);
    let cases: &[Case] = &[
        (
            "a label in an embedded object that is a number",
            400,
            |r| r["spec"]["resources"][0]["object"]["metadata"]["labels"] = json!({ "a": 5 }),
            "labels",
        ),
        (
            "annotations that are numbers",
            400,
            |r| r["metadata"]["annotations"] = json!({ "a": 5 }),
            "cannot unmarshal number",
        ),
    ];
    for (_, code, change, message) in cases {
        refused_by_the_server(&shop.jane.in_dry_run().create(&with(&release("web-dev"), *change)), *code, message);
    }
    let typo = with(&release("web-dev"), |r| r["spec"]["intervall"] = "5m".into());
    let strict = shop.jane.with_parameter("fieldValidation=Strict");
    refused_by_the_server(&strict.create(&typo), 400, r#"unknown field "spec.intervall""#);

    let twice = with(&release("web-dev"), |r| r["spec"]["resources"][1]["id"] = "deployment".into());
    refused_by_the_server(&shop.jane.managing_as("jane").apply(&twice), 500, "duplicate entries for key");
    Ok(())
}

fn what_is_absent_gets_its_default(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    for (name, interval, progressing, expected) in [
        ("both", None, None, ("5m", "10s")),
        ("long", Some("1h"), None, ("1h", "10s")),
        ("short", Some("4.25s"), None, ("4.25s", "4.25s")),
        ("off", Some("0s"), None, ("0s", "10s")),
        ("given", Some("20s"), Some("15s"), ("20s", "15s")),
    ] {
        let wanted = with(&release(name), |r| {
            r["spec"]["interval"] = json!(interval);
            r["spec"]["progressingInterval"] = json!(progressing);
        });
        let spec = &created(&shop.jane, &wanted)["spec"];
        assert_eq!(
            (&spec["interval"], &spec["progressingInterval"]),
            (&json!(expected.0), &json!(expected.1)),
            "{name}"
        );
    }
    Ok(())
}

fn kubectl_prints_every_fault(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let broken = with(&release("web-dev"), |r| {
        r["spec"]["owner"] = json!({});
        r["spec"]["interval"] = "5 minutes".into();
        r["spec"]["resources"][1]["id"] = "deployment".into();
    });
    let told =
        shop.jane.kubectl(["create", "--validate=false", "-f", "-"]).stdin(broken.to_string()).run().expect_code(1);
    assert_eq!(
        told.stderr(),
        r#"The Release "web-dev" is invalid: 
* spec.owner.projectName: is required: name the project
* spec.owner.componentName: is required: name the component
* spec.resources[1].id: "deployment" is also the id of entry 0: ids must be unique in the list
* spec.interval: "5 minutes" is not a duration: write numbers with the unit h, m, s or ms, such as 30s, 5m or 1h30m; 0s switches it off
"#
    );
    Ok(())
}

fn owner_and_environment_cannot_be_changed(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = created(&shop.jane, &release("web-dev"));
    let moved = with(&web, |r| {
        r["spec"]["owner"]["componentName"] = "api".into();
        r["spec"]["environmentName"] = "staging".into();
        r["spec"]["targetPlane"] = "dataplane".into();
    });
    refused(
        &shop.jane.replace(&moved),
        422,
        &[("spec.owner", "Immutable"), ("spec.environmentName", "Immutable"), ("spec.targetPlane", "Immutable")],
    );
    Ok(())
}

fn a_release_of_a_binding_is_the_controllers(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let owned = owned_release(&created(&shop.jane, &binding("web", "dev", "web-1")));
    refused(
        &shop.jane.in_dry_run().create(&with(&owned, |r| r["metadata"]["name"] = "web".into())),
        403,
        &[("metadata.ownerReferences", "OwnedRelease")],
    );
    let controller = shop.controller(namespace)?;
    let owned = created(&controller, &owned);
    assert!(owned["metadata"]["annotations"][names::HISTORY].is_null(), "its history is the binding's: {owned:#}");
    assert_eq!(
        owned["metadata"]["annotations"][names::CHANGED_BY],
        "system:serviceaccount:release-system:release-controller"
    );

    let changed = with(&owned, |r| r["spec"]["interval"] = "1m".into());
    let told = shop.jane.replace(&changed);
    let status = refused(&told, 403, &[("spec", "OwnedRelease")]);
    assert!(status.message.contains("rendered from ReleaseBinding web-dev"), "{status:?}");
    let freed = with(&owned, |r| r["metadata"]["ownerReferences"] = json!([]));
    refused(&shop.jane.replace(&freed), 403, &[("metadata.ownerReferences", "OwnedRelease")]);
    for key in [names::RESTARTED_AT, names::RENDERED_FROM] {
        let field = format!("metadata.annotations[{key}]");
        let change = json!({ "metadata": { "annotations": { key: "now" } } });
        refused(&shop.jane.merge(&owned, &change), 403, &[(&field, "OwnedRelease")]);
    }
    let labelled = with(&owned, |r| r["metadata"]["labels"] = json!({ "a": "b" }));
    assert!(shop.jane.replace(&labelled).is_ok(), "what is not recorded may be changed by anybody");
    assert!(controller.merge(&changed, &json!({ "spec": { "interval": "1m" } })).is_ok());
    Ok(())
}

/// Also the controller renders for the binding's own component and environment only. The binding is known at once.
fn a_rendered_release_is_of_its_bindings_component_and_environment(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let controller = shop.controller(namespace)?;
    let pin = created(&shop.jane, &binding("web", "dev", "web-1"));
    accepts(&controller, &owned_release(&pin));
    let other: [Change; 3] = [
        |r| r["spec"]["environmentName"] = "staging".into(),
        |r| r["spec"]["owner"]["componentName"] = "api".into(),
        |r| r["metadata"]["ownerReferences"][0]["name"] = "web-moon".into(),
    ];
    for change in other {
        let told = controller.in_dry_run().create(&with(&owned_release(&pin), change));
        refused(&told, 403, &[("metadata.ownerReferences", "OwnedRelease")]);
    }
    Ok(())
}

fn a_release_by_hand_does_not_stand_beside_a_binding_nor_go_past_an_enforcing_pipeline(
    namespace: &Namespace<'_>,
) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "enforce")?;
    created(&shop.jane, &binding("web", "dev", "web-1"));
    let both = [("spec.environmentName", "BindingExists"), ("spec.environmentName", "DirectRelease")];
    let ask = || shop.jane.in_dry_run().create(&release("web-dev"));
    until_refused("the webhook has seen binding and pipeline", ask, 403, &both)?;
    Ok(())
}

fn a_very_large_release_is_refused_with_what_is_large_in_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let large = |size: usize| {
        with(&release("web-dev"), |r| r["spec"]["resources"][1]["object"]["data"] = json!({ "a": "x".repeat(size) }))
    };
    let told = shop.jane.create(&large(1_300_000));
    let status = refused(&told, 422, &[("spec", "TooLarge")]);
    assert!(status.message.contains("the largest are service (1300104 bytes), deployment"), "{status:?}");
    accepts(&shop.jane, &large(1_200_000));
    created(&shop.jane, &large(1_200_000));
    // The API server's own limit for a body.
    refused_by_the_server(&shop.jane.create(&large(4 << 20)), 413, "Request entity too large");
    // The same object in a request for a change is twice as large.
    let web = shop.jane.get(&release("web-dev")).unwrap();
    assert!(shop.jane.merge(&web, &json!({ "spec": { "interval": "6m" } })).is_ok());
    Ok(())
}
